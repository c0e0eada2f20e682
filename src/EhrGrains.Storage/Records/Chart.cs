using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Storage.Records;

/// <summary>Where a record stands.</summary>
/// <param name="Patient">Whose.</param>
/// <param name="Version">Counts its commits; 0: it has none yet.</param>
/// <param name="At">When it was written last.</param>
/// <param name="Marks">Positions of messages that it has taken, by feed and ascending: all up to the first one, and the others that are named.</param>
/// <param name="MergedInto">The record that it was merged into; null: it stands for itself.</param>
/// <param name="MergedBy">The source of that merge.</param>
/// <param name="Resources">Current resources.</param>
/// <param name="Bytes">Their bytes.</param>
public sealed record ChartHead(
    PatientId Patient,
    long Version,
    DateTimeOffset At,
    IReadOnlyDictionary<string, long[]> Marks,
    PatientId? MergedInto,
    string? MergedBy,
    long Resources,
    long Bytes)
{
    /// <summary>A record that does not exist yet.</summary>
    public static ChartHead New(PatientId patient) =>
        new(patient, 0, DateTimeOffset.UnixEpoch, new Dictionary<string, long[]>(), null, null, 0, 0);
}

/// <summary>A version of a resource.</summary>
/// <param name="Type">The resource type.</param>
/// <param name="Id">The logical id.</param>
/// <param name="Version">From 1.</param>
/// <param name="At">When it was written.</param>
/// <param name="Kind">How it came about.</param>
/// <param name="Source">Where it came from.</param>
/// <param name="Content">UTF-8 JSON; empty: there is none, it was deleted or moved to another record.</param>
public sealed record ChartResource(
    string Type, string Id, int Version, DateTimeOffset At, ChangeKind Kind, string Source, ReadOnlyMemory<byte> Content)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Type}/{Id} version {Version}";
}

/// <summary>A record as it is stored.</summary>
/// <param name="Head">Where it stands.</param>
/// <param name="Resources">The current version of each resource, those without content too.</param>
public sealed record StoredChart(ChartHead Head, IReadOnlyList<ChartResource> Resources);

/// <summary>A new version of a resource in a record.</summary>
/// <param name="Patient">In whose record.</param>
/// <param name="Resource">The version.</param>
public sealed record ChartWrite(PatientId Patient, ChartResource Resource)
{
    /// <summary>Terms under which the resource is found over the tenant from now on.</summary>
    public IReadOnlyList<IndexTerm> Added { get; init; } = [];

    /// <summary>Terms under which it is no longer found.</summary>
    public IReadOnlyList<IndexTerm> Removed { get; init; } = [];
}

/// <summary>A term that resources are found under over a tenant; stored as a keyed hash only.</summary>
/// <param name="Parameter">The search parameter, for example <c>Patient.family</c>.</param>
/// <param name="Value">The value, normalized by whoever defines the parameter.</param>
public readonly record struct IndexTerm(string Parameter, string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Parameter;
}

/// <summary>What is committed at once: versions, provenance, change rows, and the heads that fence them.</summary>
public sealed record ChartCommit
{
    /// <summary>Whose records.</summary>
    public required TenantId Tenant { get; init; }

    /// <summary>
    /// The heads as they are to be, each with the version after the one that the writer has read. If another commit was in between, nothing
    /// is written.
    /// </summary>
    public required IReadOnlyList<ChartHead> Heads { get; init; }

    /// <summary>The versions, in order.</summary>
    public required IReadOnlyList<ChartWrite> Writes { get; init; }

    /// <summary>How far the copy of the patient has got with this; if its cursor is another by now, nothing is written.</summary>
    public CursorAdvance? Advance { get; init; }
}

/// <summary>The database did not commit, or not in time: whether it did is not known, and the record must be read again.</summary>
public sealed class RecordUnavailableException(string reason, Exception? innerException = null)
    : Exception($"The record was not written: {reason}", innerException);
