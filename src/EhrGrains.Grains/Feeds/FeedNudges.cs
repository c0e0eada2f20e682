using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Feeds;

/// <summary>
/// Tells feeds' grains that there is something to do. A call that fails is not repeated: <see cref="FeedDirectory"/> wakes every feed
/// regularly. Thread-safe.
/// </summary>
public sealed partial class FeedNudges
{
    private readonly Nudges<FeedKey> nudges;
    private readonly IGrainFactory grains;
    private readonly CallerTickets tickets;
    private readonly ILogger<FeedNudges> log;

    /// <summary>Creates the one of this silo.</summary>
    public FeedNudges(IGrainFactory grains, CallerTickets tickets, ILogger<FeedNudges> log)
    {
        (this.grains, this.tickets, this.log) = (grains, tickets, log);
        nudges = new Nudges<FeedKey>(CallAsync);
    }

    /// <summary>Wakes the grain of an inbound feed: its journal grew, or it was changed.</summary>
    public void Inbound(TenantId tenant, FeedId feed) => nudges.Tell(new FeedKey(tenant, feed, FeedDirection.Inbound));

    /// <summary>Wakes the grain of an outbound feed: its queue grew, or it was changed.</summary>
    public void Outbound(TenantId tenant, FeedId feed) => nudges.Tell(new FeedKey(tenant, feed, FeedDirection.Outbound));

    private async Task CallAsync(FeedKey key)
    {
        using var system = tickets.EnterSystem();
        try
        {
            var id = GrainKeys.Feed(key.Tenant, key.Feed);
            await (key.Direction == FeedDirection.Inbound
                ? grains.GetGrain<IMllpConnectionGrain>(id).NudgeAsync(CancellationToken.None)
                : grains.GetGrain<IMllpSenderGrain>(id).NudgeAsync(CancellationToken.None));
        }
        catch (Exception e) when (e is OrleansException or TimeoutException or ProblemException or InvalidOperationException)
        {
            LogNotReached(log, key.Tenant, key.Feed, e.GetType().Name);
        }
    }

    private readonly record struct FeedKey(TenantId Tenant, FeedId Feed, FeedDirection Direction);

    [LoggerMessage(4100, LogLevel.Debug, "Feed {Feed} of tenant {Tenant} could not be told of news ({Reason}); it is woken again soon.")]
    private static partial void LogNotReached(ILogger logger, TenantId tenant, FeedId feed, string reason);
}
