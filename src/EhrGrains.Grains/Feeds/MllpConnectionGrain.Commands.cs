using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Journal;

namespace EhrGrains.Grains.Feeds;

/// <summary>What operators ask of an inbound feed.</summary>
internal sealed partial class MllpConnectionGrain
{
    private const int QuarantinePageMax = 1_000;
    private const int ReadPageMax = 100;
    private const int ReasonLengthMax = 200;

    public async Task<FeedStatus> StatusAsync(CancellationToken cancellationToken)
    {
        var (_, tenant) = await ReadSpecAsync();
        var standing = await progress.ReadAsync(Tenant, Feed, cancellationToken);
        var (what, reason) = state switch
        {
            _ when tenant.Lifecycle == Lifecycle.Suspended => (FeedState.Closed, "The tenant is suspended."),
            { PausedFor: { } pause } => (FeedState.Paused, pause),
            { BlockedBy: { } block } => (FeedState.Blocked, $"Message {block.Position}: {block.Reason}"),
            _ => (FeedState.Running, (string?)null),
        };
        return new FeedStatus
        {
            State = what,
            Reason = reason,
            Position = standing.Position,
            Head = standing.Last,
            LastReceivedAt = standing.LastReceivedAt,
            LastProcessedAt = state.LastProcessedAt,
            Quarantined = standing.Quarantined,
            Epoch = standing.Epoch,
            Alarms = [.. state.Alarms],
            Hours = [.. state.Hours],
        };
    }

    public Task PauseAsync(string reason, CancellationToken cancellationToken) =>
        CommandAsync("feed.pause", () => SaveAsync(state with { PausedFor = FeedRefusals.Reason(reason, ReasonLengthMax) }), cancellationToken);

    public async Task ResumeAsync(CancellationToken cancellationToken)
    {
        await CommandAsync("feed.resume", () => SaveAsync(state with { PausedFor = null }), cancellationToken);
        await NudgeAsync(CancellationToken.None);
    }

    public async Task<long> ReplayAsync(long? position, DateTimeOffset? from, CancellationToken cancellationToken)
    {
        await ReadSpecAsync();
        var first = (position, from) switch
        {
            ({ } at, null) => at >= 1 && at <= (await progress.ReadAsync(Tenant, Feed, cancellationToken)).Last
                ? at
                : throw FeedRefusals.NotInJournal("position"),
            (null, { } at) => await journal.FindAsync(Tenant, Feed, at, cancellationToken) ?? throw FeedRefusals.NotInJournal("from"),
            _ => throw new ProblemException(ProblemKind.Invalid, "EHR-FED-110", "", "Say from which position or from which time on, one of the two."),
        };
        await CommandAsync(
            "feed.replay",
            async () =>
            {
                await TakeTurnAsync();
                await CommitAsync(new FeedCommit { Tenant = Tenant, Feed = Feed, Epoch = turn!.Epoch, Position = first - 1 });
                await UnblockAsync();
            },
            cancellationToken);
        await NudgeAsync(CancellationToken.None);
        return first;
    }

    public async Task<QuarantinedMessage[]> QuarantineAsync(long after, int countMax, CancellationToken cancellationToken)
    {
        await ReadSpecAsync();
        FeedRefusals.CheckCount(countMax, QuarantinePageMax);
        var aside = await progress.ListQuarantineAsync(Tenant, Feed, after, countMax, cancellationToken);
        return state.BlockedBy is { } block && block.Position > after ? [.. aside.Append(block).OrderBy(message => message.Position).Take(countMax)] : [.. aside];
    }

    public async Task RetryAsync(long position, CancellationToken cancellationToken)
    {
        var (spec, tenant) = await ReadSpecAsync();
        await CommandAsync("feed.retry", () => RetryAsync(position, spec, tenant), cancellationToken);
        await NudgeAsync(CancellationToken.None);
    }

    public async Task SkipAsync(long position, string reason, CancellationToken cancellationToken)
    {
        await ReadSpecAsync();
        FeedRefusals.Reason(reason, ReasonLengthMax);
        await CommandAsync("feed.skip", () => SkipAsync(position), cancellationToken);
        await NudgeAsync(CancellationToken.None);
    }

    public async Task<FeedMessage[]> ReadAsync(long after, int countMax, CancellationToken cancellationToken)
    {
        await ReadSpecAsync();
        FeedRefusals.CheckCount(countMax, ReadPageMax);

        // The intent is on disk before a byte is read (I5).
        return await audit.RunAsync(
            Tenant,
            "feed.read",
            async () =>
            {
                var entries = await journal.ReadAsync(Tenant, Feed, after, countMax, BatchBytesMax, cancellationToken);
                if (countMax == 1 && (entries.Count == 0 || entries[0].Position != after + 1))
                {
                    // One certain message that the journal's retention has dropped may still be in the quarantine.
                    entries = await progress.ReadQuarantinedAsync(Tenant, Feed, after + 1, cancellationToken) is { } kept ? [kept] : entries;
                }

                return entries.Select(entry => new FeedMessage(entry.Position, entry.ReceivedAt, entry.Message.ToArray())).ToArray();
            },
            cancellationToken);
    }

    private async Task RetryAsync(long position, InboundFeedSpec spec, TenantSnapshot tenant)
    {
        await TakeTurnAsync();
        var blocked = state.BlockedBy?.Position == position;
        var entry = blocked
            ? (await journal.ReadAsync(Tenant, Feed, position - 1, 1, BatchBytesMax, pump.Stopping)).FirstOrDefault(found => found.Position == position)
            : await progress.ReadQuarantinedAsync(Tenant, Feed, position, pump.Stopping);
        if (entry is null)
        {
            throw FeedRefusals.NotAside();
        }

        var reading = reader.Read(entry.Message);
        if (reading.Failure is { } failure)
        {
            throw new ProblemException(ProblemKind.CheckFailed, [failure]);
        }

        // One that was put aside may be older than what its patient's record has by now.
        var mapped = await MapAsync([entry], tenant, late: !blocked);
        if (mapped.Failure is { } stillFailing)
        {
            throw new ProblemException(ProblemKind.CheckFailed, [stillFailing]);
        }

        await CommitAsync(new FeedCommit
        {
            Tenant = Tenant,
            Feed = Feed,
            Epoch = turn!.Epoch,
            Position = blocked ? position : turn.Position,
            Settled = blocked ? [] : [position],
            Forwards = [.. Effects(entry, spec)],
            Exceptions = mapped.Exceptions,
        });
        state = Count(state, entry, reading);
        TellTargets(spec);
        if (blocked)
        {
            await UnblockAsync();
        }

        await NoteQuarantineAsync();
    }

    private async Task SkipAsync(long position)
    {
        await TakeTurnAsync();
        var blocked = state.BlockedBy?.Position == position;
        if (!blocked && await progress.ReadQuarantinedAsync(Tenant, Feed, position, pump.Stopping) is null)
        {
            throw FeedRefusals.NotAside();
        }

        await CommitAsync(new FeedCommit
        {
            Tenant = Tenant,
            Feed = Feed,
            Epoch = turn!.Epoch,
            Position = blocked ? position : turn.Position,
            Settled = blocked ? [] : [position],
        });
        if (blocked)
        {
            await UnblockAsync();
        }

        await NoteQuarantineAsync();
    }

    // After the position was committed: a crash between the two leaves a block by a message that is behind the position.
    private async Task UnblockAsync()
    {
        if (state.BlockedBy is not null)
        {
            await SaveAsync(state with { BlockedBy = null, Alarms = state.Alarms.Clear(FeedAlarmKind.Blocked) });
        }
    }

    private async Task TakeTurnAsync() => turn ??= await progress.TakeEpochAsync(Tenant, Feed, pump.Stopping);

    private async Task CommandAsync(string action, Func<Task> command, CancellationToken cancellationToken)
    {
        await ReadSpecAsync();
        await audit.RunAsync(
            Tenant,
            action,
            () => turns.RunAsync(async () =>
            {
                await command();
                return true;
            }),
            cancellationToken);
    }
}
