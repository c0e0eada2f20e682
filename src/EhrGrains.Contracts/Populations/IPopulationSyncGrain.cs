using EhrGrains.Contracts.Callers;
using Orleans.Concurrency;

namespace EhrGrains.Contracts.Populations;

/// <summary>
/// One cohort: who belongs to it, found at the EHR and enrolled so that their copy is kept; and its bulk export. Works by itself: what is
/// asked for here is noted and answered at once. Key: <see cref="GrainKeys.Cohort"/>.
/// </summary>
[Alias("ehr.IPopulationSyncGrain")]
public interface IPopulationSyncGrain : IGrainWithStringKey
{
    /// <summary>States what the cohort is: makes it, or changes it. Idempotent.</summary>
    /// <exception cref="ProblemException">Invalid: everything that is wrong with it. NotFound: no such tenant.</exception>
    [Alias("Set"), Requires(Permission.Operate)]
    Task<CohortDescription> SetAsync(CohortSpec spec, CancellationToken cancellationToken);

    /// <summary>What it is and how it stands.</summary>
    /// <exception cref="ProblemException">NotFound: the tenant has no such cohort.</exception>
    [Alias("Describe"), Requires(Permission.Operate), AlwaysInterleave]
    Task<CohortDescription> DescribeAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Adds patients, at most <see cref="RosterEntry.CountMax"/> at a time; those that are there stay. They are looked up at the EHR one
    /// after the other, within its limits. With <paramref name="dryRun"/> they are only checked.
    /// </summary>
    /// <exception cref="ProblemException">Invalid: every entry that is wrong, by line, without its values.</exception>
    [Alias("Import"), Requires(Permission.Operate), ResponseTimeout("00:01:00")]
    Task<RosterReceipt> ImportAsync(RosterEntry[] entries, bool dryRun, CancellationToken cancellationToken);

    /// <summary>
    /// Patients whom a message names join the cohort, which is made by the first of them. Those that the EHR did not know are looked up
    /// once more.
    /// </summary>
    [Alias("Join"), Requires(Permission.Internal)]
    Task JoinAsync(RosterEntry[] entries, CancellationToken cancellationToken);

    /// <summary>
    /// The cohort's patients in a stable order, after the place of the last one that was seen (null: from the start), of one state or all;
    /// at most <paramref name="countMax"/> (1–1,000). Shows no numbers of patients.
    /// </summary>
    [Alias("Members"), Requires(Permission.Operate), AlwaysInterleave]
    Task<CohortMember[]> MembersAsync(string? after, MemberState? state, int countMax, CancellationToken cancellationToken);

    /// <summary>Looks at the Group now, and once more at the patients that were not found.</summary>
    [Alias("Refresh"), Requires(Permission.Operate)]
    Task RefreshAsync(CancellationToken cancellationToken);

    /// <summary>Ends the cohort. Patients that belong to no other one are enrolled no longer; their records stay.</summary>
    /// <exception cref="ProblemException">Conflict: a bulk export is under way; cancel it first.</exception>
    [Alias("Remove"), Requires(Permission.Operate), ResponseTimeout("00:01:00")]
    Task RemoveAsync(CancellationToken cancellationToken);

    /// <summary>Begins a bulk export (FHIR Bulk Data Access 2.0 $export).</summary>
    /// <exception cref="ProblemException">Invalid: the EHR does not have it so. Conflict: one is under way.</exception>
    [Alias("StartBulk"), Requires(Permission.Operate)]
    Task<BulkStatus> StartBulkAsync(BulkRequest request, CancellationToken cancellationToken);

    /// <summary>How the last bulk export stands; null: there was none.</summary>
    [Alias("BulkStatus"), Requires(Permission.Operate), AlwaysInterleave]
    Task<BulkStatus?> BulkStatusAsync(CancellationToken cancellationToken);

    /// <summary>Ends the bulk export that is under way, here and at the EHR. What it has brought stays.</summary>
    [Alias("CancelBulk"), Requires(Permission.Operate)]
    Task<BulkStatus> CancelBulkAsync(CancellationToken cancellationToken);

    /// <summary>There is something to do. Answered at once.</summary>
    [Alias("Nudge"), Requires(Permission.Internal), AlwaysInterleave, ResponseTimeout("00:00:03")]
    Task NudgeAsync(CancellationToken cancellationToken);
}

/// <summary>The cohorts of one tenant. A stateless worker; key: <see cref="GrainKeys.Tenant"/>.</summary>
[Alias("ehr.IPopulationsGrain")]
public interface IPopulationsGrain : IGrainWithStringKey
{
    /// <summary>The tenant's cohorts, in order of their ids; at most 1,000.</summary>
    [Alias("List"), Requires(Permission.Operate)]
    Task<CohortId[]> ListAsync(CancellationToken cancellationToken);
}
