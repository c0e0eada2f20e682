using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Records;
using Orleans.Concurrency;

namespace EhrGrains.Contracts.Sync;

/// <summary>
/// Where the copy of one patient has got to. Its state are rows, each advanced in the commit that takes the page into the record (I2); it
/// is in memory only while it runs. Key: <see cref="GrainKeys.Patient"/> with the logical id of the EHR's Patient as the gateway has it,
/// which is the record's own unless HL7 v2 messages knew the patient first.
/// </summary>
[Alias("ehr.IPatientSyncCursorGrain")]
public interface IPatientSyncCursorGrain : IGrainWithStringKey
{
    /// <summary>Goes on copying, for a bounded time.</summary>
    /// <returns>Whether there is more to do at once.</returns>
    [Alias("Run"), Requires(Permission.Internal), ResponseTimeout("00:05:00")]
    Task<bool> RunAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Takes what a bulk export said of the patient: it is committed to the record with the cursors, which go on from there.
    /// </summary>
    /// <exception cref="ProblemException">NotFound: not enrolled. Unavailable: it was not committed, ask again. Conflict: a run is under way, ask again.</exception>
    [Alias("Take"), Requires(Permission.Internal), ResponseTimeout("00:01:00")]
    Task<RecordReceipt> TakeAsync(SyncBatch batch, CancellationToken cancellationToken);

    /// <summary>How it stands.</summary>
    /// <exception cref="ProblemException">NotFound: not enrolled.</exception>
    [Alias("Status"), Requires(Permission.Operate), AlwaysInterleave]
    Task<SyncStatus> StatusAsync(CancellationToken cancellationToken);
}

/// <summary>A part of what a bulk export said of one patient.</summary>
[GenerateSerializer, Immutable, Alias("ehr.SyncBatch")]
public sealed record SyncBatch
{
    /// <summary>Normalized resources; at most 1,000 and 8 MB.</summary>
    [Id(0)]
    public required RecordResource[] Resources { get; init; }

    /// <summary>Resources that the export says are deleted.</summary>
    [Id(1)]
    public RecordKey[] Deleted { get; init; } = [];

    /// <summary>
    /// The types of which this patient's part of the export is whole with this batch, and the export's <c>transactionTime</c>: changes are
    /// known up to then. Null: more of the export follows.
    /// </summary>
    [Id(2)]
    public string[]? Whole { get; init; }

    /// <summary>The export's transactionTime; null with <see cref="Whole"/>.</summary>
    [Id(3)]
    public DateTimeOffset? At { get; init; }

    /// <summary>Whether it was exported with <c>_since</c>: then what is not in it is unchanged, not gone.</summary>
    [Id(4)]
    public bool IsIncremental { get; init; }
}
