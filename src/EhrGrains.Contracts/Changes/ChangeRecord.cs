using EhrGrains.Contracts.Records;

namespace EhrGrains.Contracts.Changes;

/// <summary>One committed difference of a patient record. Says what changed, not to what; it names a patient and so is patient data.</summary>
/// <param name="Seq">Its number at the tenant, from 1, without gaps, in the order of commits.</param>
/// <param name="Patient">Whose record.</param>
/// <param name="Type">The resource type.</param>
/// <param name="Id">The resource's logical id.</param>
/// <param name="Version">The version that this change made.</param>
/// <param name="Kind">What happened.</param>
/// <param name="Source">What it came from: <c>feed/position</c> of a message, or the name of another part of the system.</param>
/// <param name="At">When it was committed.</param>
[GenerateSerializer, Immutable, Alias("ehr.ChangeRecord")]
public sealed record ChangeRecord(
    [property: Id(0)] long Seq,
    [property: Id(1)] PatientId Patient,
    [property: Id(2)] string Type,
    [property: Id(3)] string Id,
    [property: Id(4)] int Version,
    [property: Id(5)] ChangeKind Kind,
    [property: Id(6)] string Source,
    [property: Id(7)] DateTimeOffset At)
{
    /// <inheritdoc/>
    public override string ToString() => $"ChangeRecord {Seq}";
}

/// <summary>Changes in order, as far as the caller may see them.</summary>
/// <param name="Changes">The changes; empty when there are none yet.</param>
/// <param name="Next">The number to ask after next time: also over changes of types that the caller may not read.</param>
[GenerateSerializer, Immutable, Alias("ehr.ChangePage")]
public sealed record ChangePage([property: Id(0)] ChangeRecord[] Changes, [property: Id(1)] long Next)
{
    /// <summary>The most changes in one page.</summary>
    public const int CountMax = 1_000;

    /// <summary>How long a reader may wait for a change, at most.</summary>
    public static TimeSpan WaitMax { get; } = TimeSpan.FromSeconds(30);
}
