using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Records;

namespace EhrGrains.Contracts.Sync;

/// <summary>
/// Which patients of a tenant are copied, and how that stands. A stateless worker: what it knows are tables. Key:
/// <see cref="GrainKeys.Tenant"/>.
/// </summary>
[Alias("ehr.ITenantSyncGrain")]
public interface ITenantSyncGrain : IGrainWithStringKey
{
    /// <summary>Enrols patients, by the logical ids of the EHR's Patients as the gateway has them; those that are enrolled stay as they are.</summary>
    /// <param name="patients">1–1,000.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>How many were new.</returns>
    /// <exception cref="ProblemException">Invalid: none or too many. NotFound: no such tenant.</exception>
    [Alias("Enrol"), Requires(Permission.Operate)]
    Task<int> EnrolAsync(PatientId[] patients, CancellationToken cancellationToken);

    /// <summary>As <see cref="EnrolAsync"/>, for the cluster's own work: rosters, appointments, admissions.</summary>
    [Alias("EnrolFound"), Requires(Permission.Internal)]
    Task<int> EnrolFoundAsync(PatientId[] patients, CancellationToken cancellationToken);

    /// <summary>As <see cref="LeaveAsync"/>, for the cluster's own work: patients whom a Group names no more.</summary>
    [Alias("LeaveFound"), Requires(Permission.Internal)]
    Task<int> LeaveFoundAsync(PatientId[] patients, CancellationToken cancellationToken);

    /// <summary>Patients are no longer copied. What their records have stays there.</summary>
    /// <param name="patients">1–1,000.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>How many were enrolled.</returns>
    [Alias("Leave"), Requires(Permission.Operate)]
    Task<int> LeaveAsync(PatientId[] patients, CancellationToken cancellationToken);

    /// <summary>Stops asking the EHR; requests under way end. Doing it again changes nothing.</summary>
    [Alias("Pause"), Requires(Permission.Operate)]
    Task PauseAsync(CancellationToken cancellationToken);

    /// <summary>Goes on. Doing it again changes nothing.</summary>
    [Alias("Resume"), Requires(Permission.Operate)]
    Task ResumeAsync(CancellationToken cancellationToken);

    /// <summary>Makes patients due now, or all (null); with <paramref name="whole"/> everything is read again, not only what has changed.</summary>
    [Alias("Refresh"), Requires(Permission.Operate)]
    Task RefreshAsync(PatientId[]? patients, bool whole, CancellationToken cancellationToken);

    /// <summary>
    /// Something happened at the hospital with resources of these types of a patient, by its record's id: they are asked for soon. A
    /// patient that is not enrolled is none of this one's business.
    /// </summary>
    [Alias("Hint"), Requires(Permission.Internal)]
    Task HintAsync(PatientId record, string[] types, CancellationToken cancellationToken);

    /// <summary>How it stands as a whole.</summary>
    [Alias("Status"), Requires(Permission.Operate)]
    Task<TenantSyncStatus> StatusAsync(CancellationToken cancellationToken);

    /// <summary>Whether the copy is complete, or what is not: by type, and the first patients (0–1,000) that are not.</summary>
    [Alias("Report"), Requires(Permission.Operate)]
    Task<SyncReport> ReportAsync(int countMax, CancellationToken cancellationToken);
}
