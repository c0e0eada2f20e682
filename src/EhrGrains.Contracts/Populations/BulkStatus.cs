namespace EhrGrains.Contracts.Populations;

/// <summary>Whose data a bulk export asks for.</summary>
[GenerateSerializer, Alias("ehr.ExportLevel")]
public enum ExportLevel
{
    /// <summary><c>Group/{id}/$export</c>: the cohort's Group.</summary>
    Group = 0,

    /// <summary><c>Patient/$export</c>: all patients.</summary>
    Patient = 1,

    /// <summary><c>$export</c>: the whole system.</summary>
    System = 2,
}

/// <summary>What a bulk export asks for.</summary>
[GenerateSerializer, Immutable, Alias("ehr.BulkRequest")]
public sealed record BulkRequest
{
    /// <summary>Whose data.</summary>
    [Id(0)]
    public ExportLevel Level { get; init; }

    /// <summary>The resource types; empty: those that are synced. At most 100.</summary>
    [Id(1)]
    public string[] Types { get; init; } = [];

    /// <summary>Only what has changed since the last export that was complete, where the EHR can say so.</summary>
    [Id(2)]
    public bool Incremental { get; init; }
}

/// <summary>Where a bulk export is. The numbers are part of what is stored.</summary>
[GenerateSerializer, Alias("ehr.BulkState")]
public enum BulkState
{
    /// <summary>Not asked for yet.</summary>
    Requested = 0,

    /// <summary>The EHR prepares it.</summary>
    Preparing = 1,

    /// <summary>Its files are read.</summary>
    Reading = 2,

    /// <summary>All of it is in the records.</summary>
    Complete = 3,

    /// <summary>All that came is in the records, but not all came: see the problem.</summary>
    Incomplete = 4,

    /// <summary>The EHR did not do it.</summary>
    Failed = 5,

    /// <summary>It was cancelled.</summary>
    Cancelled = 6,
}

/// <summary>How a bulk export stands.</summary>
[GenerateSerializer, Immutable, Alias("ehr.BulkStatus")]
public sealed record BulkStatus
{
    /// <summary>Counts the cohort's exports from 1.</summary>
    [Id(0)]
    public required int Job { get; init; }

    /// <summary>What was asked for.</summary>
    [Id(1)]
    public required BulkRequest Request { get; init; }

    /// <summary>Where it is.</summary>
    [Id(2)]
    public required BulkState State { get; init; }

    /// <summary>When it was asked for.</summary>
    [Id(3)]
    public required DateTimeOffset RequestedAt { get; init; }

    /// <summary>When it ended; null: it has not.</summary>
    [Id(4)]
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>The EHR's transaction time: what it knew then is in the export.</summary>
    [Id(5)]
    public DateTimeOffset? TransactionTime { get; init; }

    /// <summary>When the EHR is asked next; null: it is not waited for.</summary>
    [Id(6)]
    public DateTimeOffset? NextAskAt { get; init; }

    /// <summary>How far the EHR says it is, in percent, where it says so.</summary>
    [Id(7)]
    public int? Percent { get; init; }

    /// <summary>Why it is not complete, or what delays it.</summary>
    [Id(8)]
    public Problem? Problem { get; init; }

    /// <summary>What came, by resource type.</summary>
    [Id(9)]
    public BulkTypeCounts[] Types { get; init; } = [];

    /// <summary>Files of the manifest.</summary>
    [Id(10)]
    public int Files { get; init; }

    /// <summary>Files that are read to their end.</summary>
    [Id(11)]
    public int FilesRead { get; init; }

    /// <summary>Bytes that were read.</summary>
    [Id(12)]
    public long Bytes { get; init; }
}

/// <summary>What a bulk export brought of one type.</summary>
/// <param name="Type">The resource type.</param>
/// <param name="Said">Resources that the manifest says there are; null: it does not say.</param>
/// <param name="Fetched">Lines that were read.</param>
/// <param name="Stored">Versions that were written.</param>
/// <param name="Unchanged">Resources that said nothing new.</param>
/// <param name="Deleted">Resources that were deleted.</param>
/// <param name="NotEnrolled">Resources of patients that are not enrolled: left.</param>
/// <param name="NotCopied">
/// Resources that are not taken from exports: those that name no patient, as a Practitioner, which is read where something refers to it, and
/// those of types that are not copied.
/// </param>
/// <param name="Quarantined">Lines that could not be taken.</param>
[GenerateSerializer, Immutable, Alias("ehr.BulkTypeCounts")]
public sealed record BulkTypeCounts(
    [property: Id(0)] string Type,
    [property: Id(1)] long? Said,
    [property: Id(2)] long Fetched,
    [property: Id(3)] long Stored,
    [property: Id(4)] long Unchanged,
    [property: Id(5)] long Deleted,
    [property: Id(6)] long NotEnrolled,
    [property: Id(7)] long NotCopied,
    [property: Id(8)] long Quarantined);
