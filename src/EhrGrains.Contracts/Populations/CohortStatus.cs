using EhrGrains.Contracts.Records;

namespace EhrGrains.Contracts.Populations;

/// <summary>How a patient of a cohort stands. The numbers are part of what is stored.</summary>
[GenerateSerializer, Alias("ehr.MemberState")]
public enum MemberState
{
    /// <summary>Has not been looked up at the EHR yet, or is looked up again after a failure.</summary>
    Waiting = 0,

    /// <summary>Found and enrolled.</summary>
    Enrolled = 1,

    /// <summary>The EHR knows nobody by this.</summary>
    NotFound = 2,

    /// <summary>The EHR knows several by this.</summary>
    Ambiguous = 3,
}

/// <summary>One patient of a cohort.</summary>
/// <param name="Entry">A hash of what the roster says, which names the member.</param>
/// <param name="State">How it stands.</param>
/// <param name="Patient">The record, when it is enrolled.</param>
/// <param name="Problem">The code of what went wrong last; null: nothing.</param>
[GenerateSerializer, Immutable, Alias("ehr.CohortMember")]
public sealed record CohortMember(
    [property: Id(0)] string Entry,
    [property: Id(1)] MemberState State,
    [property: Id(2)] PatientId? Patient,
    [property: Id(3)] string? Problem);

/// <summary>A cohort and how it stands.</summary>
[GenerateSerializer, Immutable, Alias("ehr.CohortDescription")]
public sealed record CohortDescription
{
    /// <summary>Which.</summary>
    [Id(0)]
    public required CohortId Cohort { get; init; }

    /// <summary>What it is.</summary>
    [Id(1)]
    public required CohortSpec Spec { get; init; }

    /// <summary>Its patients by state; states that none is in are absent.</summary>
    [Id(2)]
    public required Dictionary<MemberState, long> Members { get; init; }

    /// <summary>When its Group was looked at last.</summary>
    [Id(3)]
    public DateTimeOffset? RefreshedAt { get; init; }

    /// <summary>Why the last look at the Group failed; null: it did not.</summary>
    [Id(4)]
    public Problem? Problem { get; init; }

    /// <summary>Its last bulk export.</summary>
    [Id(5)]
    public BulkStatus? Bulk { get; init; }
}
