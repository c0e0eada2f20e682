using System.Collections.Immutable;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Outbound;

namespace EhrGrains.Grains.Feeds;

/// <summary>What operators ask of an outbound feed.</summary>
internal sealed partial class MllpSenderGrain
{
    private const int QuarantinePageMax = 1_000;
    private const int EnqueueMax = 100;
    private const int ReasonLengthMax = 200;
    private const int KeyLengthMax = 200;

    public async Task EnqueueAsync(OutboundMessage[] messages, CancellationToken cancellationToken)
    {
        await ReadSpecAsync();
        var problems = Check(messages).ToArray();
        if (problems.Length > 0)
        {
            throw new ProblemException(ProblemKind.Invalid, problems);
        }

        Forward[] forwards = [.. messages.Select(message => new Forward(Feed, message.Key, message.Message))];
        await audit.RunAsync(Tenant, "feed.send", () => queue.EnqueueAsync(Tenant, forwards, cancellationToken), cancellationToken);
        await NudgeAsync(CancellationToken.None);
    }

    public async Task<OutboundStatus> StatusAsync(CancellationToken cancellationToken)
    {
        var (tenant, _) = await ReadSpecAsync();
        var standing = await queue.StandingAsync(Tenant, Feed, cancellationToken);
        var (what, reason) = State switch
        {
            _ when tenant.Lifecycle is not (Lifecycle.Sandbox or Lifecycle.Uat or Lifecycle.Live) =>
                (FeedState.Closed, $"The tenant is {tenant.Lifecycle.ToString().ToLowerInvariant()}: nothing is sent to the hospital."),
            { PausedFor: { } pause } => (FeedState.Paused, pause),
            { GaveUp: true } => (FeedState.GaveUp, "The receiver did not take a message for too long; resume tries again."),
            { BlockedBy: { } block } => (FeedState.Blocked, $"Message {block.Position}: {block.Reason}"),
            _ => (FeedState.Running, (string?)null),
        };
        return new OutboundStatus
        {
            State = what,
            Reason = reason,
            Queued = standing.Waiting,
            OldestQueuedAt = standing.OldestQueuedAt,
            Outstanding = outstanding,
            Connected = connection is { IsOpen: true },
            LastDeliveredAt = standing.LastDeliveredAt,
            Failures = failures,
            NextTryAt = what == FeedState.Running ? nextTryAt : null,
            LastFailure = lastFailure,
            Quarantined = standing.Quarantined,
            Certificate = State.Certificate,
            Epoch = standing.Epoch,
            Alarms = [.. State.Alarms],
        };
    }

    public Task PauseAsync(string reason, CancellationToken cancellationToken)
    {
        FeedRefusals.Reason(reason, ReasonLengthMax);
        return CommandAsync("feed.pause", () => UpdateAsync(state => state with { PausedFor = reason }), cancellationToken);
    }

    public Task ResumeAsync(CancellationToken cancellationToken) => CommandAsync(
        "feed.resume",
        () => UpdateAsync(state => state with { PausedFor = null, GaveUp = false, FailingAt = 0, Alarms = state.Alarms.Clear(FeedAlarmKind.GaveUp) }),
        cancellationToken);

    public async Task<QuarantinedMessage[]> QuarantineAsync(long after, int countMax, CancellationToken cancellationToken)
    {
        await ReadSpecAsync();
        FeedRefusals.CheckCount(countMax, QuarantinePageMax);
        var aside = await queue.ListQuarantineAsync(Tenant, Feed, after, countMax, cancellationToken);
        return State.BlockedBy is { } block && block.Position > after ? [.. aside.Append(block).OrderBy(message => message.Position).Take(countMax)] : [.. aside];
    }

    public Task RetryAsync(long position, CancellationToken cancellationToken) => CommandAsync(
        "feed.retry",
        async () =>
        {
            refusals.Remove(position);
            if (!await IsBlockedByAsync(position))
            {
                await SettleAsync(position, new OutboundCommit { Tenant = Tenant, Feed = Feed, Epoch = await EpochAsync(), Retried = [position] });
            }
        },
        cancellationToken);

    public Task SkipAsync(long position, string reason, CancellationToken cancellationToken)
    {
        FeedRefusals.Reason(reason, ReasonLengthMax);
        return CommandAsync(
            "feed.skip",
            async () =>
            {
                var skip = new OutboundCommit { Tenant = Tenant, Feed = Feed, Epoch = await EpochAsync(), Skipped = [position] };
                await SettleAsync(position, skip);
                await IsBlockedByAsync(position);
            },
            cancellationToken);
    }

    public async Task<FeedCertificate?> SetClientCertificateAsync(SecretText? pem, CancellationToken cancellationToken)
    {
        await ReadSpecAsync();
        var text = pem?.Reveal();
        var facts = text is null ? null : certificates.Check(text);
        ImmutableArray<byte>? bytes = text is null ? null : [.. await certificates.SealAsync(Tenant, Feed, text, cancellationToken)];
        await CommandAsync(
            "feed.certificate",
            () => UpdateAsync(state => state with { SealedCertificate = bytes, Certificate = facts }),
            cancellationToken);
        return facts;
    }

    /// <summary>Lets the feed go on if it stands in front of this message; answers whether it did.</summary>
    private async Task<bool> IsBlockedByAsync(long position)
    {
        var blocked = State.BlockedBy?.Position == position;
        if (blocked)
        {
            await UpdateAsync(state => state with { BlockedBy = null, Alarms = state.Alarms.Clear(FeedAlarmKind.Blocked) });
        }

        return blocked;
    }

    private async Task SettleAsync(long position, OutboundCommit commit)
    {
        var aside = State.BlockedBy?.Position == position
            || (await queue.ListQuarantineAsync(Tenant, Feed, position - 1, 1, pump.Stopping)).Any(message => message.Position == position);
        if (!aside)
        {
            throw FeedRefusals.NotAside();
        }

        if (!await queue.CommitAsync(commit, CancellationToken.None))
        {
            throw Fenced();
        }

        await NoteQuarantineAsync();
    }

    private async ValueTask<long> EpochAsync() => epoch ??= await TakeEpochAsync();

    // A command is the operator's word that something has changed: what waits is tried at once.
    private async Task CommandAsync(string action, Func<Task> command, CancellationToken cancellationToken)
    {
        await ReadSpecAsync();
        await audit.RunAsync(Tenant, action, command, cancellationToken);
        nextTryAt = null;
        ahead.Clear();
        await NudgeAsync(CancellationToken.None);
    }

    private static IEnumerable<Problem> Check(OutboundMessage[] messages)
    {
        if (messages.Length is 0 or > EnqueueMax || messages.Sum(message => (long)message.Message.Length) > RoundBytesMax)
        {
            yield return new("EHR-FED-115", "messages", "Give 1 to 100 messages, 16 MiB in all.");
            yield break;
        }

        using var reader = new FeedMessageReader();
        foreach (var (index, message) in messages.Index())
        {
            if (message.Key is not { Length: >= 1 and <= KeyLengthMax } key || !key.All(c => c is >= ' ' and <= '~'))
            {
                yield return new("EHR-FED-116", $"messages[{index}].key", "A key has 1 to 200 printable ASCII characters.");
            }

            if (reader.Read(message.Message).Failure is { } failure)
            {
                yield return failure with { Path = $"messages[{index}]" };
            }
        }
    }
}
