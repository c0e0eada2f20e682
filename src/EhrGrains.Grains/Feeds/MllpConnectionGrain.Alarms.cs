using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Feeds;

/// <summary>What is stored beside the position, and the alarms in it.</summary>
internal sealed partial class MllpConnectionGrain
{
    private async Task WatchSilenceAsync(InboundFeedSpec spec)
    {
        var now = time.GetUtcNow();
        if (spec.SilenceAlarmMinutes is not { } minutes)
        {
            if (state.Alarms.Has(FeedAlarmKind.Silence))
            {
                await SaveAsync(state with { Alarms = state.Alarms.Clear(FeedAlarmKind.Silence) });
            }

            return;
        }

        if (state.WatchedSince is null)
        {
            await SaveAsync(state with { WatchedSince = now });
        }

        lastHeardAt ??= (await progress.ReadAsync(Tenant, Feed, pump.Stopping)).LastReceivedAt;
        var quietSince = lastHeardAt > state.WatchedSince ? lastHeardAt.Value : state.WatchedSince!.Value;
        if (now - quietSince < TimeSpan.FromMinutes(minutes) || state.Alarms.Has(FeedAlarmKind.Silence))
        {
            return;
        }

        Alarmed(FeedAlarmKind.Silence);
        await SaveAsync(state with
        {
            Alarms = state.Alarms.Raise(
                FeedAlarmKind.Silence, now, $"No message for {minutes} minutes. Is the hospital's interface running, and the way to it open?"),
        });
    }

    private async Task NoteQuarantineAsync()
    {
        var count = (await progress.ReadAsync(Tenant, Feed, pump.Stopping)).Quarantined;
        metrics.Quarantined(this, count);
        if (count == 0)
        {
            if (state.Alarms.Has(FeedAlarmKind.Quarantine))
            {
                await SaveAsync(state with { Alarms = state.Alarms.Clear(FeedAlarmKind.Quarantine) });
            }

            return;
        }

        Alarmed(FeedAlarmKind.Quarantine);
        await SaveAsync(state with
        {
            Alarms = state.Alarms.Raise(
                FeedAlarmKind.Quarantine, time.GetUtcNow(), $"{count} messages could not be processed and are put aside. Look at them, retry or skip them."),
        });
    }

    private void Alarmed(FeedAlarmKind kind)
    {
        metrics.Alarmed(kind);
        LogAlarm(log, Tenant, Feed, kind);
    }

    // Statistics may lag behind by a moment; what was counted is stored with how far it was counted.
    private async Task SaveIfDueAsync()
    {
        if (stored.State != state && time.GetUtcNow() - writtenAt >= WriteInterval)
        {
            await SaveAsync(state);
        }
    }

    private async Task SaveAsync(InboundState next)
    {
        stored.State = next;
        try
        {
            await stored.WriteStateAsync(CancellationToken.None);
        }
        catch
        {
            // Another activation has written, or the database is away: this one knows nothing for sure any more.
            turn = null;
            DeactivateOnIdle();
            throw;
        }

        (state, writtenAt) = (next, time.GetUtcNow());
    }

    [LoggerMessage(4114, LogLevel.Warning, "ALARM {Kind} of feed {Tenant}/{Feed}; «ehrgrains feed show» says what to do.")]
    private static partial void LogAlarm(ILogger logger, TenantId tenant, FeedId feed, FeedAlarmKind kind);
}
