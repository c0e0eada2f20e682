using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Webhooks;

/// <summary>What follows from a round: how far it came, who is waited for, giving up.</summary>
internal sealed partial class WebhookGrain
{
    /// <summary>Commits the round; answers whether all that was due came through.</summary>
    private async Task<bool> ConcludeAsync(List<WebhookEvent> stretches, List<Tried> tries)
    {
        ahead.UnionWith(tries.Where(t => t.Answer.Verdict == DeliveryVerdict.Delivered).Select(t => t.Stretch.First));
        var (position, delivered) = (standing!.Position, standing.Delivered);
        foreach (var stretch in stretches.TakeWhile(stretch => stretch.Changes.Count == 0 || ahead.Contains(stretch.First)))
        {
            position = stretch.Last;
            delivered += stretch.Changes.Count;
        }

        var first = standing.Tries;
        await CommitAsync(
            standing with
            {
                Position = position,
                Delivered = delivered,
                Tries = first + tries.Count,
                DeliveredAt = tries.Where(t => t.Answer.Verdict == DeliveryVerdict.Delivered).Select(t => (DateTimeOffset?)t.At).Max() ?? standing.DeliveredAt,
            },
            [.. tries.Select((t, index) => Line(first + index + 1, t))]);
        ahead.RemoveWhere(stretch => stretch <= position);

        // A round that had to wait for its time has more to do; one that failed waits.
        var isWhole = position == stretches[^1].Last;
        var failed = tries.Find(t => t.Answer.Verdict != DeliveryVerdict.Delivered);
        await HoldAsync(tries, failed, isWhole);
        if (isWhole)
        {
            metrics.Waiting(this, null);
        }
        else if (failed is null && held.Count == 0)
        {
            pump.Tell();
        }

        return isWhole;
    }

    private WebhookDelivery Line(long number, Tried t)
    {
        var failedBefore = held.TryGetValue(t.Stretch.Patient, out var hold) ? hold.Failures : 0;
        return new WebhookDelivery(
            number, t.At, t.Id, t.Stretch.First, t.Stretch.Last, failedBefore + 1, t.Answer.Outcome, (int)t.Answer.Duration.TotalMilliseconds);
    }

    private async Task HoldAsync(List<Tried> tries, Tried? failed, bool isWhole)
    {
        var now = time.GetUtcNow();
        foreach (var t in tries)
        {
            if (t.Answer.Verdict == DeliveryVerdict.Delivered)
            {
                held.Remove(t.Stretch.Patient);
            }
            else
            {
                var count = held.TryGetValue(t.Stretch.Patient, out var before) ? before.Failures + 1 : 1;
                held[t.Stretch.Patient] = (count, now + DeliveryPolicy.Delay(count, t.Answer.RetryAfter, Random.Shared.NextDouble()));
            }
        }

        if (isWhole)
        {
            (failures, nextTryAt) = (0, null);
            held.Clear();
            if (State.FailingSince is not null || State.Failure is not null)
            {
                await UpdateAsync(data => data with { FailingSince = null, Failure = null });
            }

            return;
        }

        if (failed is not null)
        {
            await FailAsync(failed, isNothingThrough: tries.TrueForAll(t => t.Answer.Verdict != DeliveryVerdict.Delivered), now);
        }

        if (StandingOf(State) == WebhookState.Active && held.Count > 0)
        {
            var until = nextTryAt ?? held.Values.Min(hold => hold.Until);
            WakeAfter(until > now ? until - now : TimeSpan.Zero);
        }
    }

    private async Task FailAsync(Tried failed, bool isNothingThrough, DateTimeOffset now)
    {
        var problem = failed.Answer.Explain();
        if (failed.Answer.Verdict == DeliveryVerdict.Gone)
        {
            await StopAsync(WebhookState.Gone, problem);
            return;
        }

        await UpdateAsync(data => data with { FailingSince = data.FailingSince ?? now, Failure = problem });
        if (now - State.FailingSince >= DeliveryPolicy.GiveUpAfter)
        {
            await StopAsync(WebhookState.GaveUp, problem);
            return;
        }

        failures = isNothingThrough ? failures + 1 : 0;
        nextTryAt = isNothingThrough ? now + DeliveryPolicy.Delay(failures, failed.Answer.RetryAfter, Random.Shared.NextDouble()) : null;
        if (isNothingThrough)
        {
            // They are all tried again together: it is not their fault.
            foreach (var patient in held.Keys.ToArray())
            {
                held[patient] = held[patient] with { Until = nextTryAt!.Value };
            }
        }

        LogNotDelivered(log, Tenant, Webhook, failed.Stretch.First, failed.Answer.Outcome, failures);
    }

    /// <summary>Stops until somebody resumes it; changes wait.</summary>
    private async Task StopAsync(WebhookState state, Problem problem)
    {
        metrics.Stopped(state);
        LogStopped(log, Tenant, Webhook, state, problem.Code);
        (failures, nextTryAt) = (0, null);
        held.Clear();
        await UpdateAsync(data => data with { StoppedAs = state, Failure = problem });
    }

    /// <summary>Changes what is stored; one change after the other, each from what the one before left.</summary>
    private Task<bool> UpdateAsync(Func<WebhookData, WebhookData> change) => writes.RunAsync(async () =>
    {
        var before = stored.State;
        stored.State = change(before);
        try
        {
            await stored.WriteStateAsync(CancellationToken.None);
            return true;
        }
        catch
        {
            // Another activation has written, or the database is away: this one knows nothing for sure any more.
            stored.State = before;
            standing = null;
            DeactivateOnIdle();
            throw;
        }
    });

    private static WebhookState StandingOf(WebhookData data) => data switch
    {
        { PausedFor: not null } => WebhookState.Paused,
        { StoppedAs: { } state } => state,
        { Accepted: false } => WebhookState.Pending,
        _ => WebhookState.Active,
    };

    [LoggerMessage(5332, LogLevel.Warning, "ALARM webhook {Tenant}/{Webhook} stopped ({State}, {Code}); nothing is lost. «ehrgrains webhook show» says what to do.")]
    private static partial void LogStopped(ILogger logger, TenantId tenant, WebhookId webhook, WebhookState state, string code);

    [LoggerMessage(5333, LogLevel.Warning, "A delivery of webhook {Tenant}/{Webhook} (from change {First} on) failed with {Outcome}, failure {Failures} in a row; it is tried again.")]
    private static partial void LogNotDelivered(ILogger logger, TenantId tenant, WebhookId webhook, long first, string outcome, int failures);
}
