using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Storage.Populations;

/// <summary>A bulk export, and which activation of its cohort reads it.</summary>
public readonly record struct BulkJobKey(TenantId Tenant, CohortId Cohort, int Job, long Epoch);

/// <summary>How reading a file stands. The numbers are part of what is stored.</summary>
public enum BulkFileState
{
    /// <summary>There is more to read.</summary>
    Open = 0,

    /// <summary>Read to its end.</summary>
    Read = 1,

    /// <summary>Given up: its problem says why.</summary>
    GivenUp = 2,
}

/// <summary>What became of the lines of a file.</summary>
/// <param name="Fetched">Lines that were read.</param>
/// <param name="Stored">Versions that were written.</param>
/// <param name="Unchanged">Resources that said nothing new.</param>
/// <param name="Deleted">Resources that the file says are deleted.</param>
/// <param name="NotEnrolled">Resources of patients that are not enrolled.</param>
/// <param name="NotCopied">Resources that name no patient, or are of a type that is not copied.</param>
/// <param name="Quarantined">Lines that could not be taken.</param>
public sealed record BulkFileCounts(
    long Fetched, long Stored, long Unchanged, long Deleted, long NotEnrolled, long NotCopied, long Quarantined)
{
    /// <summary>Nothing yet.</summary>
    public static BulkFileCounts None { get; } = new(0, 0, 0, 0, 0, 0, 0);
}

/// <summary>A file of an export. Prints without its URL.</summary>
public sealed record StoredBulkFile
{
    /// <summary>Its number in the job.</summary>
    public long Number { get; init; }

    /// <summary>What it holds: a number of the bulk client's.</summary>
    public required int Kind { get; init; }

    /// <summary>The type of its resources; empty: not known yet.</summary>
    public required string Type { get; init; }

    /// <summary>Where it is.</summary>
    public required string Url { get; init; }

    /// <summary>How many lines the EHR says it has.</summary>
    public long? Said { get; init; }

    /// <summary>How reading it stands.</summary>
    public BulkFileState State { get; init; }

    /// <summary>Bytes of whole lines that were read and committed.</summary>
    public long ReadBytes { get; init; }

    /// <summary>Of the content that was read.</summary>
    public string? ETag { get; init; }

    /// <summary>What became of its lines.</summary>
    public BulkFileCounts Counts { get; init; } = BulkFileCounts.None;

    /// <summary>The code of why it was given up, or of what delays it.</summary>
    public string? Problem { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"bulk file {Number} {Type}";
}

/// <summary>Files of one kind, type and state, added up.</summary>
public sealed record BulkFileTotals(
    int Kind, string Type, BulkFileState State, int Files, long? Said, long Bytes, BulkFileCounts Counts, string? Problem);
