using EhrGrains.Contracts.Callers;
using Orleans.Concurrency;

namespace EhrGrains.Contracts.Feeds;

/// <summary>
/// One inbound feed: processes its journal in order. It is not in the way of acknowledgements, which need the journal alone. Key:
/// <see cref="GrainKeys.Feed"/>.
/// </summary>
[Alias("ehr.IMllpConnectionGrain")]
public interface IMllpConnectionGrain : IGrainWithStringKey
{
    /// <summary>How the feed stands.</summary>
    /// <exception cref="ProblemException">NotFound: the tenant has no such inbound feed.</exception>
    [Alias("Status"), Requires(Permission.Operate)]
    Task<FeedStatus> StatusAsync(CancellationToken cancellationToken);

    /// <summary>Stops processing. Messages are still taken into the journal and acknowledged.</summary>
    [Alias("Pause"), Requires(Permission.Operate)]
    Task PauseAsync(string reason, CancellationToken cancellationToken);

    /// <summary>Goes on processing where it stopped.</summary>
    [Alias("Resume"), Requires(Permission.Operate)]
    Task ResumeAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Processes again what is in the journal from a position or from a time on; exactly one of the two is given. What a message
    /// has had as effect already it does not have again. Answers the first position that is processed again.
    /// </summary>
    /// <exception cref="ProblemException">Invalid: both or none is given, or the position is not in the journal.</exception>
    [Alias("Replay"), Requires(Permission.Operate)]
    Task<long> ReplayAsync(long? position, DateTimeOffset? from, CancellationToken cancellationToken);

    /// <summary>What was put aside, at most <paramref name="countMax"/> (1–1,000), after position <paramref name="after"/>.</summary>
    [Alias("Quarantine"), Requires(Permission.Operate)]
    Task<QuarantinedMessage[]> QuarantineAsync(long after, int countMax, CancellationToken cancellationToken);

    /// <summary>Processes a message that was put aside, or that the feed stands in front of, once more.</summary>
    /// <exception cref="ProblemException">NotFound: it is not there. CheckFailed: it still cannot be processed.</exception>
    [Alias("Retry"), Requires(Permission.Operate)]
    Task RetryAsync(long position, CancellationToken cancellationToken);

    /// <summary>Gives up a message that was put aside, or that the feed stands in front of. Its bytes stay in the journal.</summary>
    [Alias("Skip"), Requires(Permission.Operate)]
    Task SkipAsync(long position, string reason, CancellationToken cancellationToken);

    /// <summary>Raw messages after a position, at most <paramref name="countMax"/> (1–100). Patient data: every call is audited.</summary>
    [Alias("Read"), Requires(Permission.ReadMessages)]
    Task<FeedMessage[]> ReadAsync(long after, int countMax, CancellationToken cancellationToken);

    /// <summary>Something was appended to the journal, or the feed was changed: look. Answered at once.</summary>
    [Alias("Nudge"), Requires(Permission.Internal), AlwaysInterleave, ResponseTimeout("00:00:03")]
    Task NudgeAsync(CancellationToken cancellationToken);
}
