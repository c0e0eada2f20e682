using EhrGrains.Contracts.Callers;

namespace EhrGrains.Contracts.Sync;

/// <summary>
/// Sees to it that what is due is done, for the tenants whose ids fall to it. There is a fixed number of them, each with one reminder.
/// Key: <see cref="GrainKeys.SyncShard"/>.
/// </summary>
[Alias("ehr.ISyncShardGrain")]
public interface ISyncShardGrain : IGrainWithStringKey
{
    /// <summary>Something has become due: it is looked for at once.</summary>
    [Alias("Wake"), Requires(Permission.Internal)]
    Task WakeAsync(CancellationToken cancellationToken);

    /// <summary>Sees to it that there is one: it looks for what is due when it begins, and needs no telling while it is there.</summary>
    [Alias("Nudge"), Requires(Permission.Internal)]
    Task NudgeAsync(CancellationToken cancellationToken);
}
