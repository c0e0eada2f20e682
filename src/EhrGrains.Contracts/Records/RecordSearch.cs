using EhrGrains.Contracts.Query;

namespace EhrGrains.Contracts.Records;

/// <summary>A search over one record, checked by whoever asks.</summary>
[GenerateSerializer, Immutable, Alias("ehr.RecordSearch")]
public sealed record RecordSearch
{
    /// <summary>The resource type; null: everything that the record has.</summary>
    [Id(0)]
    public required string? Type { get; init; }

    /// <summary>The search parameters; of everything those of <c>$everything</c>.</summary>
    [Id(1)]
    public required SearchParameter[] Parameters { get; init; }

    /// <summary>The gateway's FHIR base: absolute references under it are the record's own.</summary>
    [Id(2)]
    public required string GatewayBase { get; init; }

    /// <summary>The types that the caller may have beside the searched one; of everything, those that it may have.</summary>
    [Id(3)]
    public string[] MayInclude { get; init; } = [];

    /// <summary>Where to go on; null: from the start.</summary>
    [Id(4)]
    public RecordPosition? From { get; init; }
}

/// <summary>Where a search over a record goes on.</summary>
/// <param name="AfterType">The type of the last match.</param>
/// <param name="AfterId">The id of the last match.</param>
/// <param name="AsOf">Of a sorted search: the time of which its order is.</param>
[GenerateSerializer, Immutable, Alias("ehr.RecordPosition")]
public sealed record RecordPosition([property: Id(0)] string? AfterType, [property: Id(1)] string? AfterId, [property: Id(3)] DateTimeOffset? AsOf);

/// <summary>A resource of a record as it is now.</summary>
/// <param name="Key">Which.</param>
/// <param name="Version">FHIR's meta.versionId.</param>
/// <param name="At">FHIR's meta.lastUpdated.</param>
/// <param name="Json">UTF-8 JSON.</param>
[GenerateSerializer, Immutable, Alias("ehr.RecordEntry")]
public sealed record RecordEntry(
    [property: Id(0)] RecordKey Key, [property: Id(1)] int Version, [property: Id(2)] DateTimeOffset At, [property: Id(3)] ReadOnlyMemory<byte> Json)
{
    /// <inheritdoc/>
    public override string ToString() => Key.ToString();
}

/// <summary>What a record answers.</summary>
[GenerateSerializer, Immutable, Alias("ehr.RecordPage")]
public sealed record RecordPage
{
    /// <summary>Whose record answered.</summary>
    [Id(0)]
    public required PatientId Patient { get; init; }

    /// <summary>When the record last took something in; null: there is no such record.</summary>
    [Id(1)]
    public DateTimeOffset? At { get; init; }

    /// <summary>The record that this one was merged into, to be asked in its place.</summary>
    [Id(2)]
    public PatientId? MovedTo { get; init; }

    /// <summary>The matches, in order.</summary>
    [Id(3)]
    public RecordEntry[] Matches { get; init; } = [];

    /// <summary>What comes along with them.</summary>
    [Id(4)]
    public RecordEntry[] Included { get; init; } = [];

    /// <summary>All matches, where that is asked for.</summary>
    [Id(5)]
    public int? Total { get; init; }

    /// <summary>Where the next page begins; null on the last.</summary>
    [Id(6)]
    public RecordPosition? Next { get; init; }
}
