using EhrGrains.Contracts.Callers;
using Orleans.Concurrency;

namespace EhrGrains.Contracts.Writes;

/// <summary>
/// Writes resources to a tenant's EHR, each once: what was accepted is on disk before anything is sent, and what cannot be known to have
/// arrived is said to be unknown rather than sent again. Key: <see cref="GrainKeys.Tenant"/>.
/// </summary>
[Alias("ehr.IWritesGrain")]
public interface IWritesGrain : IGrainWithStringKey
{
    /// <summary>
    /// Accepts a write and waits for what comes of it, as long as the write says. One that was given before with the same key is not
    /// written again: the answer is its receipt as it is now.
    /// </summary>
    /// <exception cref="ProblemException">
    /// Invalid: everything that is wrong with the resource. Forbidden: no scope for it. NotFound: no such tenant, or the EHR does not take
    /// this type. CheckFailed: the key was given before with something else. Unavailable: the outbox is full, or the tenant is not open.
    /// </exception>
    [Alias("Send"), Requires(Permission.Query), AlwaysInterleave, ResponseTimeout("00:01:30")]
    Task<WriteReceipt> SendAsync(FhirWrite write, CancellationToken cancellationToken);

    /// <summary>A dry run: all that can be known without writing, including whether the EHR knows the patient, or the version to update.</summary>
    /// <returns>Everything that is wrong; none: it would be sent.</returns>
    [Alias("Check"), Requires(Permission.Query), AlwaysInterleave, ResponseTimeout("00:01:30")]
    Task<Problem[]> CheckAsync(FhirWrite write, CancellationToken cancellationToken);

    /// <summary>How a write of the calling app stands.</summary>
    /// <exception cref="ProblemException">NotFound: it has no such write, or it is no longer kept.</exception>
    [Alias("Receipt"), Requires(Permission.Query), AlwaysInterleave]
    Task<WriteReceipt> ReceiptAsync(long number, CancellationToken cancellationToken);

    /// <summary>How a write of any app stands.</summary>
    /// <exception cref="ProblemException">NotFound: there is no such write, or it is no longer kept.</exception>
    [Alias("Show"), Requires(Permission.Operate), AlwaysInterleave]
    Task<WriteReceipt> ShowAsync(long number, CancellationToken cancellationToken);

    /// <summary>Writes in the order they were accepted, after a number; with a state only those in it.</summary>
    /// <param name="after">The number of the last one that was seen; 0: from the start.</param>
    /// <param name="state">Null: in any state.</param>
    /// <param name="countMax">1–1,000.</param>
    /// <param name="cancellationToken">Ends it.</param>
    [Alias("List"), Requires(Permission.Operate), AlwaysInterleave]
    Task<WriteReceipt[]> ListAsync(long after, WriteState? state, int countMax, CancellationToken cancellationToken);

    /// <summary>How the outbox stands.</summary>
    [Alias("Status"), Requires(Permission.Operate), AlwaysInterleave]
    Task<WritesStatus> StatusAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Sends a settled write that did not end well once more. Of one whose outcome is unknown this says that the hospital was looked at
    /// and does not have it.
    /// </summary>
    /// <exception cref="ProblemException">Conflict: it is under way, or it is there already.</exception>
    [Alias("Retry"), Requires(Permission.Operate), AlwaysInterleave]
    Task RetryAsync(long number, CancellationToken cancellationToken);

    /// <summary>Gives a write up that waits, or whose outcome is unknown.</summary>
    /// <exception cref="ProblemException">Conflict: it is under way, or settled otherwise.</exception>
    [Alias("Cancel"), Requires(Permission.Operate), AlwaysInterleave]
    Task CancelAsync(long number, CancellationToken cancellationToken);

    /// <summary>There is something to do: look. Answered at once.</summary>
    [Alias("Nudge"), Requires(Permission.Internal), AlwaysInterleave, ResponseTimeout("00:00:03")]
    Task NudgeAsync(CancellationToken cancellationToken);
}
