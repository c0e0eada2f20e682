using System.Collections.Concurrent;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Feeds;

/// <summary>
/// Tells feeds' grains that there is something to do. Costs an append nothing: a feed has one call under way at most, and what
/// happens meanwhile makes one more. A call that fails is not repeated: <see cref="FeedDirectory"/> wakes every feed regularly.
/// Thread-safe.
/// </summary>
public sealed partial class FeedNudges(IGrainFactory grains, CallerTickets tickets, ILogger<FeedNudges> log)
{
    // True: something happened since the call that is under way began.
    private readonly ConcurrentDictionary<FeedKey, bool> underWay = new();

    /// <summary>Wakes the grain of an inbound feed: its journal grew, or it was changed.</summary>
    public void Inbound(TenantId tenant, FeedId feed) => Nudge(new FeedKey(tenant, feed, FeedDirection.Inbound));

    /// <summary>Wakes the grain of an outbound feed: its queue grew, or it was changed.</summary>
    public void Outbound(TenantId tenant, FeedId feed) => Nudge(new FeedKey(tenant, feed, FeedDirection.Outbound));

    private void Nudge(FeedKey key)
    {
        while (!underWay.TryAdd(key, false))
        {
            if (underWay.TryUpdate(key, true, false) || (underWay.TryGetValue(key, out var again) && again))
            {
                return;
            }
        }

        Detached.RunAsync(() => CallAsync(key)).Ignore();
    }

    private async Task<bool> CallAsync(FeedKey key)
    {
        do
        {
            underWay[key] = false;
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
        while (!underWay.TryRemove(KeyValuePair.Create(key, false)));
        return true;
    }

    private readonly record struct FeedKey(TenantId Tenant, FeedId Feed, FeedDirection Direction);

    [LoggerMessage(4100, LogLevel.Debug, "Feed {Feed} of tenant {Tenant} could not be told of news ({Reason}); it is woken again soon.")]
    private static partial void LogNotReached(ILogger logger, TenantId tenant, FeedId feed, string reason);
}
