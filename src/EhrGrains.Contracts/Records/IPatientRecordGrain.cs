using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Sync;
using Orleans.Concurrency;

namespace EhrGrains.Contracts.Records;

/// <summary>
/// The normalized FHIR resources of one patient. In memory while it is used; each change is one commit of new versions, their
/// provenance and the tenant's change rows. Key: <see cref="GrainKeys.Patient"/>.
/// </summary>
[Alias("ehr.IPatientRecordGrain")]
public interface IPatientRecordGrain : IGrainWithStringKey
{
    /// <summary>
    /// Takes what messages or pages say, in order, in one commit. Taking the same again changes nothing.
    /// </summary>
    /// <exception cref="ProblemException">Unavailable: the database did not commit; nothing or all of it was taken, ask again.</exception>
    [Alias("Apply"), Requires(Permission.Internal)]
    Task<RecordReceipt> ApplyAsync(RecordInput[] inputs, CancellationToken cancellationToken);

    /// <summary>
    /// Takes what the EHR says, together with how far its copy has got: in one commit, also when nothing of the record changes (I2).
    /// </summary>
    /// <exception cref="ProblemException">
    /// Conflict (EHR-SYN-001): another run has advanced the cursor, and nothing was taken. Unavailable: nothing or all of it was taken,
    /// read the cursor again.
    /// </exception>
    [Alias("ApplySync"), Requires(Permission.Internal)]
    Task<RecordReceipt> ApplySyncAsync(RecordInput[] inputs, CursorAdvance advance, CancellationToken cancellationToken);

    /// <summary>
    /// Takes another patient's record into this one (HL7 v2 A40 and kin): its resources move here with their history, it becomes
    /// inactive and both Patients link each other. Doing it again changes nothing; with <paramref name="late"/> false neither does a
    /// message that the other record has passed, for instance when the merge was undone since.
    /// </summary>
    /// <exception cref="ProblemException">Conflict: the other is merged already, or this one is. NotFound: there is no such record.</exception>
    [Alias("Merge"), Requires(Permission.Internal)]
    Task MergeAsync(PatientId prior, RecordSource source, bool late, CancellationToken cancellationToken);

    /// <summary>
    /// Moves resources of another record here (HL7 v2 A44, A45), named by type and id, with what refers to them.
    /// </summary>
    /// <exception cref="ProblemException">NotFound: the other record has none of them.</exception>
    [Alias("Take"), Requires(Permission.Internal)]
    Task TakeAsync(PatientId from, RecordKey[] resources, RecordSource source, CancellationToken cancellationToken);

    /// <summary>
    /// Makes an account or a visit part of another of the same patient, or calls it by another number (HL7 v2 A35, A41, A42, A49–A51): what
    /// refers to the prior one refers to the survivor, which gets what it has not; the prior one ends. Doing it again changes nothing.
    /// </summary>
    /// <param name="survivor">The one that stays; made of the prior one if it is not there.</param>
    /// <param name="prior">The numbers of the prior one, any of them.</param>
    /// <param name="source">The message.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="ProblemException">NotFound: there is none with these numbers. Conflict: the record was merged into another.</exception>
    [Alias("Replace"), Requires(Permission.Internal)]
    Task ReplaceAsync(RecordKey survivor, RecordIdentifier[] prior, RecordSource source, CancellationToken cancellationToken);

    /// <summary>Says in both Patients that they are of one person without merging them (HL7 v2 A24), or no longer (A37).</summary>
    /// <exception cref="ProblemException">Conflict: one of them is merged. NotFound: there is no such record.</exception>
    [Alias("Link"), Requires(Permission.Internal)]
    Task LinkAsync(PatientId other, bool linked, RecordSource source, CancellationToken cancellationToken);

    /// <summary>Undoes the merge of this record into another: what came from here goes back, what came since stays there.</summary>
    /// <exception cref="ProblemException">Conflict: it is not merged.</exception>
    [Alias("Unmerge"), Requires(Permission.Operate)]
    Task<RecordDescription> UnmergeAsync(CancellationToken cancellationToken);

    /// <summary>What the record has, without its contents.</summary>
    /// <exception cref="ProblemException">NotFound: there is no such record.</exception>
    [Alias("Describe"), Requires(Permission.Operate)]
    Task<RecordDescription> DescribeAsync(CancellationToken cancellationToken);

    /// <summary>
    /// The versions of a resource, newest first, at most <paramref name="countMax"/> (1–1,000), without their contents: where each came
    /// from. With no type and id: of the whole record.
    /// </summary>
    [Alias("Why"), Requires(Permission.Operate)]
    Task<RecordVersion[]> WhyAsync(RecordKey? resource, int countMax, CancellationToken cancellationToken);

    /// <summary>The current resources, of one type or all, at most <paramref name="countMax"/> (1–1,000). Patient data: every call is audited.</summary>
    [Alias("Show"), Requires(Permission.ReadMessages)]
    Task<byte[][]> ShowAsync(string? type, int countMax, CancellationToken cancellationToken);

    /// <summary>Searches the record, or gives all of it. Patient data: whoever asks has put it on the audit trail (I5).</summary>
    /// <exception cref="ProblemException">Invalid: the parameters, all that is wrong with them.</exception>
    [Alias("Search"), Requires(Permission.Internal), AlwaysInterleave]
    Task<RecordPage> SearchAsync(RecordSearch search, CancellationToken cancellationToken);

    /// <summary>One resource as it is now, as the only match; none when it is not there. Patient data, as above.</summary>
    [Alias("Read"), Requires(Permission.Internal), AlwaysInterleave]
    Task<RecordPage> ReadAsync(RecordKey resource, CancellationToken cancellationToken);

    /// <summary>Another activation has changed this record: read it again before the next use.</summary>
    [Alias("Forget"), Requires(Permission.Internal), AlwaysInterleave]
    Task ForgetAsync(CancellationToken cancellationToken);
}

/// <summary>A resource of a record.</summary>
[GenerateSerializer, Immutable, Alias("ehr.RecordKey")]
public readonly record struct RecordKey([property: Id(0)] string Type, [property: Id(1)] string Id)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Type}/{Id}";
}

/// <summary>A number of an account or a visit.</summary>
/// <param name="System">The identifier system; null: any.</param>
/// <param name="Value">The number.</param>
[GenerateSerializer, Immutable, Alias("ehr.RecordIdentifier")]
public readonly record struct RecordIdentifier([property: Id(0)] string? System, [property: Id(1)] string Value)
{
    /// <summary>The system alone: the number is PHI.</summary>
    public override string ToString() => System ?? "";
}

/// <summary>One version of a resource, without its content.</summary>
/// <param name="Resource">Of which resource.</param>
/// <param name="Version">From 1; FHIR's meta.versionId.</param>
/// <param name="At">When it was written; FHIR's meta.lastUpdated.</param>
/// <param name="Kind">How it came about.</param>
/// <param name="Source">The message (<c>{feed}/{position}</c>) or page it came from.</param>
/// <param name="Length">Bytes of its content; 0: it has none.</param>
[GenerateSerializer, Immutable, Alias("ehr.RecordVersion")]
public sealed record RecordVersion(
    [property: Id(0)] RecordKey Resource,
    [property: Id(1)] int Version,
    [property: Id(2)] DateTimeOffset At,
    [property: Id(3)] ChangeKind Kind,
    [property: Id(4)] string Source,
    [property: Id(5)] int Length);

/// <summary>How a record stands.</summary>
[GenerateSerializer, Immutable, Alias("ehr.RecordDescription")]
public sealed record RecordDescription
{
    /// <summary>Whose.</summary>
    [Id(0)]
    public required PatientId Patient { get; init; }

    /// <summary>Counts its commits.</summary>
    [Id(1)]
    public required long Version { get; init; }

    /// <summary>When it was changed last.</summary>
    [Id(2)]
    public required DateTimeOffset At { get; init; }

    /// <summary>The record that it was merged into; null: it stands for itself.</summary>
    [Id(3)]
    public PatientId? MergedInto { get; init; }

    /// <summary>Resources by type.</summary>
    [Id(4)]
    public required Dictionary<string, int> Resources { get; init; }

    /// <summary>Bytes of all resources.</summary>
    [Id(5)]
    public required long Bytes { get; init; }

    /// <summary>How far each feed was taken.</summary>
    [Id(6)]
    public required Dictionary<string, long> Sources { get; init; }
}
