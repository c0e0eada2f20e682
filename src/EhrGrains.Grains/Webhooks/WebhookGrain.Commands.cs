using System.Buffers.Text;
using System.Collections.Immutable;
using System.Security.Cryptography;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Grains.Changes;
using EhrGrains.Grains.Feeds;
using EhrGrains.Storage.Webhooks;

namespace EhrGrains.Grains.Webhooks;

/// <summary>What operators, and apps for their subscriptions, ask of a webhook.</summary>
internal sealed partial class WebhookGrain
{
    private const int DeliveriesPageMax = 1_000;
    private const int ReasonLengthMax = 200;
    private static readonly TimeSpan OverlapMax = TimeSpan.FromDays(30);

    public Task<WebhookRegistration> SetAsync(WebhookSpec spec, CancellationToken cancellationToken) =>
        SetAsync(spec with { Format = WebhookFormat.Standard, FhirBase = null }, [], State.PausedFor, cancellationToken);

    public async Task<WebhookStatus> SubscribeAsync(WebhookSpec spec, SecretText[] headers, bool paused, CancellationToken cancellationToken)
    {
        if (State.Spec is { } known && (known.App != spec.App || known.Format != WebhookFormat.Subscription))
        {
            throw NotThere();
        }

        string[] texts = [.. headers.Select(header => header.Reveal())];
        return (await SetAsync(spec, texts, paused ? "The app switched it off." : null, cancellationToken)).Status;
    }

    public async Task<WebhookStatus> StatusAsync(CancellationToken cancellationToken)
    {
        var spec = State.Spec ?? throw NotThere();
        var position = await table.FindAsync(Tenant, Webhook, cancellationToken) ?? throw NotThere();
        var read = await changes.ReadAsync(Tenant, position.Position, 1, cancellationToken);
        var state = StandingOf(State);
        var granted = await GrantAsync(spec) is not null;
        state = state == WebhookState.Active && !granted ? WebhookState.Closed : state;
        return new WebhookStatus
        {
            Webhook = Webhook,
            Spec = spec,
            State = state,
            Reason = state switch
            {
                WebhookState.Pending => "The receiver has not said that it wants the deliveries. Resume asks it again.",
                WebhookState.Paused => State.PausedFor,
                WebhookState.GaveUp => "Nothing came through for too long. Changes wait; resume tries again.",
                WebhookState.Gone => "The receiver answered 410 Gone. Changes wait; resume asks it whether it wants them, remove ends the webhook.",
                WebhookState.Closed => "The tenant is not open, or its app has no grant there.",
                _ => null,
            },
            Position = position.Position,
            Head = read.Last,
            OldestWaitingAt = read.Rows is [var oldest, ..] ? oldest.At : null,
            LastDeliveredAt = position.DeliveredAt,
            Delivered = position.Delivered,
            Failures = failures,
            NextTryAt = state == WebhookState.Active ? nextTryAt : null,
            LastFailure = State.Failure,
            PreviousSecretUntil = State.PreviousSecret.IsEmpty || State.PreviousUntil <= time.GetUtcNow() ? null : State.PreviousUntil,
            Epoch = position.Epoch,
        };
    }

    public Task<WebhookStatus> SubscriptionAsync(AppId app, CancellationToken cancellationToken)
    {
        CheckSubscription(app);
        return StatusAsync(cancellationToken);
    }

    public async Task<SecretText> RotateAsync(TimeSpan overlap, CancellationToken cancellationToken)
    {
        CheckThere();
        if (overlap < TimeSpan.Zero || overlap > OverlapMax)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-WHK-104", "overlap", $"The secrets overlap for 0 to {OverlapMax.TotalDays} days.");
        }

        var secret = WebhookSignatures.NewSecret();
        await audit.RunAsync(
            Tenant,
            "webhook.rotate",
            () => UpdateAsync(data => data with
            {
                Secret = [.. secret],
                PreviousSecret = overlap > TimeSpan.Zero ? data.Secret : [],
                PreviousUntil = time.GetUtcNow() + overlap,
            }),
            cancellationToken);
        return new SecretText(WebhookSignatures.Write(secret));
    }

    public Task PauseAsync(string reason, CancellationToken cancellationToken)
    {
        CheckThere();
        FeedRefusals.Reason(reason, ReasonLengthMax);
        return audit.RunAsync(Tenant, "webhook.pause", () => UpdateAsync(data => data with { PausedFor = reason }), cancellationToken);
    }

    public async Task<WebhookStatus> ResumeAsync(CancellationToken cancellationToken)
    {
        CheckThere();
        await audit.RunAsync(
            Tenant,
            "webhook.resume",
            async () =>
            {
                // One that was told 410 is to be wanted again before anything is sent.
                var isAsked = !State.Accepted || State.StoppedAs == WebhookState.Gone;
                await UpdateAsync(data => data with { PausedFor = null, StoppedAs = null, FailingSince = null, Accepted = !isAsked });
                if (isAsked)
                {
                    await ChallengeAsync(cancellationToken);
                }
            },
            cancellationToken);
        TryAtOnce();
        return await StatusAsync(cancellationToken);
    }

    public async Task ReplayAsync(long seq, CancellationToken cancellationToken)
    {
        CheckThere();
        var read = seq < 1 ? null : await changes.ReadAsync(Tenant, seq - 1, 1, cancellationToken);
        if (read is null || seq > read.Last)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-WHK-105", "seq", $"Give the number of a change, 1 to {read?.Last ?? 1}.");
        }

        if (read.IsGone)
        {
            throw ChangeRefusals.Gone();
        }

        await audit.RunAsync(
            Tenant,
            "webhook.replay",
            () => rounds.RunAsync(async () =>
            {
                standing ??= await TakeEpochAsync();
                await CommitAsync(standing with { Position = seq - 1 }, []);
                ahead.Clear();
                return true;
            }),
            cancellationToken);
        TryAtOnce();
    }

    public async Task<WebhookDelivery> TestAsync(CancellationToken cancellationToken)
    {
        CheckThere();
        return await audit.RunAsync(
            Tenant,
            "webhook.test",
            () => rounds.RunAsync(async () =>
            {
                standing ??= await TakeEpochAsync();
                var delivery = WebhookPayloads.WriteTest(Tenant, Webhook, State.Spec!, time.GetUtcNow(), standing.Delivered);
                return await LogAsync(delivery, await sender.SendAsync(Tenant, State, delivery, cancellationToken));
            }),
            cancellationToken);
    }

    public async Task<WebhookDelivery[]> DeliveriesAsync(long? before, int countMax, CancellationToken cancellationToken)
    {
        CheckThere();
        FeedRefusals.CheckCount(countMax, DeliveriesPageMax);
        return [.. await table.DeliveriesAsync(Tenant, Webhook, before ?? long.MaxValue, countMax, cancellationToken)];
    }

    public Task RemoveAsync(CancellationToken cancellationToken)
    {
        CheckThere();
        return audit.RunAsync(
            Tenant,
            "webhook.remove",
            () => rounds.RunAsync(async () =>
            {
                await stored.ClearStateAsync(cancellationToken);
                stored.State = new WebhookData();
                await table.RemoveAsync(Tenant, Webhook, cancellationToken);
                standing = null;
                DeactivateOnIdle();
                return true;
            }),
            cancellationToken);
    }

    public Task UnsubscribeAsync(AppId app, CancellationToken cancellationToken)
    {
        CheckSubscription(app);
        return RemoveAsync(cancellationToken);
    }

    private async Task<WebhookRegistration> SetAsync(WebhookSpec spec, string[] headers, string? pausedFor, CancellationToken cancellationToken)
    {
        var problems = WebhookRules.Check(spec).ToArray();
        if (problems.Length > 0)
        {
            throw new ProblemException(ProblemKind.Invalid, problems);
        }

        if (await tenants.GetNowAsync(Tenant, cancellationToken) is null or { Lifecycle: Lifecycle.Offboarded })
        {
            throw new ProblemException(ProblemKind.NotFound, "EHR-WHK-106", "tenant", "There is no such tenant.");
        }

        var isNew = State.Spec is null;
        if (isNew && (await table.ListAsync(Tenant, null, cancellationToken)).Count >= WebhookTable.CountMax)
        {
            throw new ProblemException(ProblemKind.Conflict, "EHR-WHK-107", "webhook", $"A tenant has at most {WebhookTable.CountMax} webhooks.");
        }

        var secret = isNew ? WebhookSignatures.NewSecret() : null;
        await audit.RunAsync(
            Tenant,
            "webhook.set",
            () => rounds.RunAsync(async () =>
            {
                var isKnown = State.Accepted && State.Spec!.Url == spec.Url;
                await table.AddAsync(Tenant, Webhook, spec.App, cancellationToken);
                await UpdateAsync(data => data with
                {
                    Spec = spec,
                    Headers = [.. headers],
                    PausedFor = pausedFor,
                    Accepted = isKnown,
                    StoppedAs = isKnown ? data.StoppedAs : null,
                    Secret = secret is null ? data.Secret : ImmutableArray.Create(secret),
                });
                if (!isKnown && pausedFor is null)
                {
                    await ChallengeAsync(cancellationToken);
                }

                return true;
            }),
            cancellationToken);
        directory.Add(Tenant, Webhook);
        TryAtOnce();
        return new WebhookRegistration(await StatusAsync(cancellationToken), secret is null ? null : new SecretText(WebhookSignatures.Write(secret)));
    }

    /// <summary>Asks the receiver whether it wants the deliveries: nobody is to be sent what he did not ask for.</summary>
    private async Task ChallengeAsync(CancellationToken cancellationToken)
    {
        standing ??= await TakeEpochAsync();
        var spec = State.Spec!;
        var challenge = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(24));
        var delivery = WebhookPayloads.WriteChallenge(Tenant, Webhook, spec, time.GetUtcNow(), challenge);
        var answer = await sender.SendAsync(Tenant, State, delivery, cancellationToken);
        await LogAsync(delivery, answer);
        var isAccepted = WebhookPayloads.IsAccepted(spec, answer, challenge);
        await UpdateAsync(data => data with
        {
            Accepted = isAccepted,
            Failure = isAccepted ? null : answer.Verdict == DeliveryVerdict.Delivered
                ? new Problem("EHR-WHK-136", "url", "The receiver took the challenge but did not give it back as {\"challenge\": …}: it has to say that it wants the deliveries.")
                : answer.Explain(),
        });
    }

    private async Task<WebhookDelivery> LogAsync(Delivery delivery, DeliveryAnswer answer)
    {
        var number = standing!.Tries + 1;
        var line = new WebhookDelivery(number, time.GetUtcNow(), delivery.Id, 0, 0, 1, answer.Outcome, (int)answer.Duration.TotalMilliseconds);
        await CommitAsync(standing with { Tries = number }, [line]);
        return line;
    }

    // A command is somebody's word that something has changed: what waits is tried at once.
    private void TryAtOnce()
    {
        (failures, nextTryAt) = (0, null);
        held.Clear();
        pump.Tell();
    }

    private void CheckThere()
    {
        if (State.Spec is null)
        {
            throw NotThere();
        }
    }

    private void CheckSubscription(AppId app)
    {
        if (State.Spec is not { Format: WebhookFormat.Subscription } spec || spec.App != app)
        {
            throw NotThere();
        }
    }
}
