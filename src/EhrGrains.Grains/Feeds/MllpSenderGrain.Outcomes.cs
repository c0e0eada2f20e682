using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Outbound;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Feeds;

/// <summary>What follows from a round: back-off, alarms, giving up.</summary>
internal sealed partial class MllpSenderGrain
{
    private async Task SucceededAsync()
    {
        (failures, nextTryAt, lastFailure) = (0, null, null);
        if (State.FailingAt != 0 || State.Alarms.Has(FeedAlarmKind.CircuitOpen))
        {
            await UpdateAsync(state => state with { FailingAt = 0, Alarms = state.Alarms.Clear(FeedAlarmKind.CircuitOpen) });
        }
    }

    private async Task RefusedAsync(List<QuarantinedMessage> aside, bool stop)
    {
        var now = time.GetUtcNow();
        ahead.Clear();
        LogRefused(log, Tenant, Feed, aside.Count, aside[0].Code);
        if (stop)
        {
            Alarmed(FeedAlarmKind.Blocked);
            var first = aside[0];
            await UpdateAsync(state => state with
            {
                BlockedBy = first,
                Alarms = state.Alarms.Raise(FeedAlarmKind.Blocked, now, $"The receiver refuses message {first.Position} ({first.Code}). Retry or skip it."),
            });
            return;
        }

        await NoteQuarantineAsync();
    }

    private async Task NoteQuarantineAsync()
    {
        var count = (await queue.StandingAsync(Tenant, Feed, pump.Stopping)).Quarantined;
        metrics.Quarantined(this, count);
        if (count > 0)
        {
            Alarmed(FeedAlarmKind.Quarantine);
        }

        await UpdateAsync(state => state with
        {
            Alarms = count == 0
                ? state.Alarms.Clear(FeedAlarmKind.Quarantine)
                : state.Alarms.Raise(
                    FeedAlarmKind.Quarantine, time.GetUtcNow(), $"The receiver refuses {count} messages, which are put aside. Retry or skip them."),
        });
    }

    /// <summary>The message was not delivered: wait, longer each time, and after the feed's hours stop until somebody looks.</summary>
    private async Task FailAsync(OutboundEntry entry, Problem problem, OutboundFeedSpec spec)
    {
        var now = time.GetUtcNow();
        ahead.Clear();
        failures++;
        lastFailure = problem;
        if (State.FailingAt != entry.Position)
        {
            await UpdateAsync(state => state with { FailingAt = entry.Position, FailingSince = now });
        }

        if (now - State.FailingSince >= TimeSpan.FromHours(spec.GiveUpAfterHours))
        {
            Alarmed(FeedAlarmKind.GaveUp);
            await UpdateAsync(state => state with
            {
                GaveUp = true,
                Alarms = state.Alarms.Raise(
                    FeedAlarmKind.GaveUp, now, $"Message {entry.Position} could not be delivered in {spec.GiveUpAfterHours} h ({problem.Code}). Nothing is lost: resume when the receiver is back."),
            });
            await DisconnectAsync();
            return;
        }

        if (failures >= SendPolicy.CircuitFailures && !State.Alarms.Has(FeedAlarmKind.CircuitOpen))
        {
            Alarmed(FeedAlarmKind.CircuitOpen);
            await UpdateAsync(state => state with { Alarms = state.Alarms.Raise(FeedAlarmKind.CircuitOpen, now, $"{problem.Message} [{problem.Code}]") });
        }

        var delay = SendPolicy.Delay(failures, Random.Shared.NextDouble());
        nextTryAt = now + delay;
        LogNotDelivered(log, Tenant, Feed, entry.Position, problem.Code, failures, delay);
        WakeAfter(delay);
    }

    private void Alarmed(FeedAlarmKind kind)
    {
        metrics.Alarmed(kind);
        LogAlarm(log, Tenant, Feed, kind);
    }

    /// <summary>Changes what is stored; one change after the other, each from what the one before left.</summary>
    private Task<bool> UpdateAsync(Func<OutboundState, OutboundState> change) => writes.RunAsync(async () =>
    {
        var before = stored.State;
        var next = change(before);
        if (next == before)
        {
            return true;
        }

        stored.State = next;
        try
        {
            await stored.WriteStateAsync(CancellationToken.None);
            return true;
        }
        catch
        {
            // Another activation has written, or the database is away: this one knows nothing for sure any more.
            stored.State = before;
            epoch = null;
            DeactivateOnIdle();
            throw;
        }
    });

    [LoggerMessage(4122, LogLevel.Warning, "ALARM {Kind} of outbound feed {Tenant}/{Feed}; «ehrgrains outbound show» says what to do.")]
    private static partial void LogAlarm(ILogger logger, TenantId tenant, FeedId feed, FeedAlarmKind kind);

    [LoggerMessage(4123, LogLevel.Warning, "The receiver of outbound feed {Tenant}/{Feed} refused {Count} messages, the first with {Code}.")]
    private static partial void LogRefused(ILogger logger, TenantId tenant, FeedId feed, int count, string code);

    [LoggerMessage(
        4124, LogLevel.Warning,
        "Message {Position} of outbound feed {Tenant}/{Feed} was not delivered ({Code}, failure {Failures} in a row); the next try is after {Delay}.")]
    private static partial void LogNotDelivered(
        ILogger logger, TenantId tenant, FeedId feed, long position, string code, int failures, TimeSpan delay);
}
