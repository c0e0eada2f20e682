using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Audit;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Populations;
using EhrGrains.Grains.Records;
using EhrGrains.Grains.Tenants;
using EhrGrains.Storage.GrainStorage;
using EhrGrains.Storage.Journal;
using EhrGrains.Storage.Outbound;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Feeds;

/// <summary>
/// One inbound feed: processes its journal in order. Works in steps, each a bounded batch that ends in one commit of position and
/// effects under the epoch that this activation took (I3); steps and commands run one after the other (<see cref="turns"/>), the
/// grain's calls interleave with them. The effects of a message carry its position, so that processing it again, after a crash or
/// for a replay, changes nothing.
/// </summary>
[GrainType("ehr.feed")]
internal sealed partial class MllpConnectionGrain(
    [PersistentState("feed", EhrGrainsStorage.Name)] IPersistentState<InboundState> stored,
    JournalReader journal,
    FeedProgress progress,
    FeedMapping mapping,
    SiteMappings sites,
    MessageEnrolment enrolment,
    TenantSnapshots tenants,
    FeedNudges nudges,
    CommandAudit audit,
    CallerTickets tickets,
    FeedMetrics metrics,
    TimeProvider time,
    ILogger<MllpConnectionGrain> log) : Grain, IMllpConnectionGrain, IDisposable
{
    internal const int BatchMax = 256;
    internal const int BatchBytesMax = 8 * 1024 * 1024;
    private static readonly TimeSpan RetryDelayMax = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan BrokenDelay = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan WriteInterval = TimeSpan.FromSeconds(15);

    private readonly Turns turns = new();
    private readonly FeedMessageReader reader = new();
    private Pump pump = null!; // Made on activation.
    private IGrainTimer? wake;
    private FeedTurn? turn;
    private InboundState state = new();
    private DateTimeOffset writtenAt;
    private DateTimeOffset? lastHeardAt;
    private bool overtaken;

    private TenantId Tenant { get; set; }

    private FeedId Feed { get; set; }

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        (Tenant, Feed) = GrainKeys.TryGetFeed(this.GetPrimaryKeyString(), out var tenant, out var feed) ? (tenant, feed) : throw NoFeed();
        pump = new Pump(tickets, () => turns.RunAsync(StepAsync), StepFailedAsync);
        state = stored.State;
        writtenAt = time.GetUtcNow();
        return Task.CompletedTask;
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        await pump.StopAsync(cancellationToken);
        if (pump.IsIdle && stored.State != state && turn is not null)
        {
            await SaveAsync(state);
        }

        metrics.Forget(this);
        if (overtaken)
        {
            // What this activation leaves is for the next one, which has to be there for that.
            nudges.Inbound(Tenant, Feed);
        }
    }

    public void Dispose()
    {
        reader.Dispose();
        pump?.Dispose();
    }

    public Task NudgeAsync(CancellationToken cancellationToken)
    {
        pump.Tell();
        return Task.CompletedTask;
    }

    private Task StepFailedAsync(Exception failure)
    {
        if (failure is ProblemException { Kind: ProblemKind.NotFound or ProblemKind.Conflict })
        {
            // No longer a feed of the tenant, or another silo's now. Where it is still needed it is woken again.
            DeactivateOnIdle();
            return Task.CompletedTask;
        }

        // The database is away, a record's silo has ended, or another activation wrote: the next step begins from what is stored.
        LogBroken(log, failure, Tenant, Feed);
        turn = null;
        WakeAfter(BrokenDelay);
        return Task.CompletedTask;
    }

    /// <summary>One batch; answers whether there may be more at once.</summary>
    private async Task<bool> StepAsync()
    {
        var (spec, tenant) = await ReadSpecAsync();
        if (tenant.Lifecycle == Lifecycle.Suspended || state.PausedFor is not null)
        {
            return false;
        }

        await TakeTurnAsync();
        if (state.BlockedBy is { } block && block.Position > turn!.Position)
        {
            return false;
        }

        await UnblockAsync();
        var entries = await journal.ReadAsync(Tenant, Feed, turn!.Position, BatchMax, BatchBytesMax, pump.Stopping);
        if (entries.Count == 0)
        {
            await WatchSilenceAsync(spec);
            await SaveIfDueAsync();
            return false;
        }

        NoteGap(entries[0].Position);
        var batch = await ProcessAsync(entries, spec, tenant);
        if (batch.Position > turn.Position)
        {
            await CommitAsync(new FeedCommit
            {
                Tenant = Tenant,
                Feed = Feed,
                Epoch = turn.Epoch,
                Position = batch.Position,
                Forwards = batch.Forwards,
                Exceptions = batch.Exceptions,
            });
            state = batch.State;
            TellTargets(spec);
        }

        lastHeardAt = time.GetUtcNow();
        metrics.Waited(time.GetUtcNow() - entries[0].ReceivedAt);
        if (state.Alarms.Has(FeedAlarmKind.Silence))
        {
            await SaveAsync(state with { Alarms = state.Alarms.Clear(FeedAlarmKind.Silence) });
        }

        if (batch.Failure is { } failure)
        {
            return await FailAsync(entries.First(entry => entry.Position > batch.Position), failure, spec);
        }

        await SaveIfDueAsync();
        return true;
    }

    /// <summary>
    /// What a batch does, as far as it can be done: the place where a message is turned into its effects. The patients' records take them
    /// at once, and know what they have taken; the rest is committed with the position. It ends before the first message that cannot be
    /// processed.
    /// </summary>
    private async Task<Batch> ProcessAsync(IReadOnlyList<JournalEntry> entries, InboundFeedSpec spec, TenantSnapshot tenant)
    {
        var readings = new List<FeedReading>(entries.Count);
        Problem? failure = null;
        while (readings.Count < entries.Count && failure is null)
        {
            var reading = reader.Read(entries[readings.Count].Message);
            failure = reading.Failure;
            if (failure is null)
            {
                readings.Add(reading);
            }
        }

        var mapped = await MapAsync([.. entries.Take(readings.Count)], tenant, late: false);
        var calling = entries.Take(mapped.Applied).Where((_, i) => tenant.Spec.Sync.EnrolOn.Contains(readings[i].Type, StringComparer.Ordinal)).ToArray();
        if (calling.Length > 0)
        {
            await enrolment.TakeAsync(Tenant, sites.Of(Tenant, tenant), calling, pump.Stopping);
        }

        var next = state;
        var position = turn!.Position;
        var forwards = new List<Forward>();
        for (var i = 0; i < mapped.Applied; i++)
        {
            forwards.AddRange(Effects(entries[i], spec));
            metrics.Processed(readings[i].Type);
            position = entries[i].Position;
            next = Count(next, entries[i], readings[i]);
        }

        return new Batch(position, forwards, mapped.Exceptions, next, mapped.Failure ?? failure);
    }

    private async Task<MappedBatch> MapAsync(IReadOnlyList<JournalEntry> entries, TenantSnapshot tenant, bool late)
    {
        var job = await mapping.PrepareAsync(Tenant, Feed, sites.Of(Tenant, tenant), turn!.Reached, late, pump.Stopping);
        return await mapping.ApplyAsync(job, entries, pump.Stopping);
    }

    private IEnumerable<Forward> Effects(JournalEntry entry, InboundFeedSpec spec) =>
        spec.ForwardTo.Select(target => new Forward(FeedId.Parse(target, null), $"{Feed}/{entry.Position}", entry.Message));

    private InboundState Count(InboundState before, JournalEntry entry, FeedReading reading)
    {
        var next = before with { LastProcessedAt = time.GetUtcNow() };
        return entry.Position <= before.Counted
            ? next
            : next with { Counted = entry.Position, Hours = FeedStatistics.Add(before.Hours, entry.ReceivedAt, reading.Type, reading.Warnings) };
    }

    /// <summary>A message that cannot be processed is tried some times, then put aside or stopped at, as the feed says.</summary>
    private async Task<bool> FailAsync(JournalEntry entry, Problem failure, InboundFeedSpec spec)
    {
        var tries = await progress.CountTryAsync(Tenant, Feed, turn!.Epoch, pump.Stopping) ?? throw Fenced();
        LogFailed(log, Tenant, Feed, entry.Position, failure.Code, tries);
        if (tries < spec.TriesMax)
        {
            WakeAfter(RetryDelay(tries));
            return false;
        }

        var aside = new QuarantinedMessage(entry.Position, time.GetUtcNow(), tries, failure.Code, failure.Message);
        if (spec.Poison == PoisonPolicy.Block)
        {
            Alarmed(FeedAlarmKind.Blocked);
            await SaveAsync(state with
            {
                BlockedBy = aside,
                Alarms = state.Alarms.Raise(
                    FeedAlarmKind.Blocked, time.GetUtcNow(), $"The message at {entry.Position} cannot be processed ({failure.Code}). Retry or skip it."),
            });
            return false;
        }

        await CommitAsync(new FeedCommit { Tenant = Tenant, Feed = Feed, Epoch = turn.Epoch, Position = entry.Position, Quarantined = [aside] });
        await NoteQuarantineAsync();
        return true;
    }

    internal static TimeSpan RetryDelay(int tries)
    {
        var delay = TimeSpan.FromSeconds(Math.Pow(2, Math.Min(tries, 10) - 1));
        return delay < RetryDelayMax ? delay : RetryDelayMax;
    }

    /// <summary>Commits under this activation's epoch; the position in memory follows the one in the database.</summary>
    private async Task CommitAsync(FeedCommit commit)
    {
        if (!await progress.CommitAsync(commit, CancellationToken.None))
        {
            throw Fenced();
        }

        turn = turn! with { Position = commit.Position, Reached = Math.Max(turn.Reached, commit.Position), Tries = 0 };
    }

    private ProblemException Fenced()
    {
        LogFenced(log, Tenant, Feed, turn?.Epoch ?? 0);
        (turn, overtaken) = (null, true);
        DeactivateOnIdle();
        return new ProblemException(ProblemKind.Conflict, "EHR-FED-101", "", "Another silo has taken the feed over meanwhile. Ask again.");
    }

    private async Task<(InboundFeedSpec Spec, TenantSnapshot Tenant)> ReadSpecAsync()
    {
        var snapshot = await tenants.GetAsync(Tenant, pump.Stopping);
        var spec = Find(snapshot) ?? Find(snapshot = await tenants.GetNowAsync(Tenant, pump.Stopping)) ?? throw NoFeed();
        return (spec, snapshot!);
    }

    private InboundFeedSpec? Find(TenantSnapshot? tenant) =>
        tenant is { Lifecycle: not Lifecycle.Offboarded } ? tenant.Spec.Feeds.FirstOrDefault(feed => feed.Feed == Feed.Value)?.Inbound : null;

    private void TellTargets(InboundFeedSpec spec)
    {
        foreach (var target in spec.ForwardTo)
        {
            nudges.Outbound(Tenant, FeedId.Parse(target, null));
        }
    }

    private void WakeAfter(TimeSpan delay)
    {
        wake?.Dispose();
        wake = this.RegisterGrainTimer(
            _ => NudgeAsync(CancellationToken.None), new GrainTimerCreationOptions(delay, Timeout.InfiniteTimeSpan) { Interleave = true, KeepAlive = true });
    }

    // Retention drops whole days, whether or not they were processed: a feed that is paused for longer loses what it has not seen.
    private void NoteGap(long first)
    {
        if (first != turn!.Position + 1)
        {
            LogGap(log, Tenant, Feed, turn.Position + 1, first - 1);
        }
    }

    private static ProblemException NoFeed() =>
        new(ProblemKind.NotFound, "EHR-FED-100", "feed", "The tenant has no such inbound feed.");

    private sealed record Batch(
        long Position, IReadOnlyList<Forward> Forwards, IReadOnlyList<MappingExceptionEntry> Exceptions, InboundState State, Problem? Failure);

    [LoggerMessage(4110, LogLevel.Error, "Feed {Tenant}/{Feed} could not go on; it tries again in a moment.")]
    private static partial void LogBroken(ILogger logger, Exception exception, TenantId tenant, FeedId feed);

    [LoggerMessage(4111, LogLevel.Warning, "The message at {Position} of feed {Tenant}/{Feed} could not be processed ({Code}), try {Tries}.")]
    private static partial void LogFailed(ILogger logger, TenantId tenant, FeedId feed, long position, string code, int tries);

    [LoggerMessage(4112, LogLevel.Information, "Feed {Tenant}/{Feed} was taken over by another silo; epoch {Epoch} is over.")]
    private static partial void LogFenced(ILogger logger, TenantId tenant, FeedId feed, long epoch);

    [LoggerMessage(4113, LogLevel.Error, "Feed {Tenant}/{Feed}: the messages {First} to {Last} left the journal by its retention before they were processed.")]
    private static partial void LogGap(ILogger logger, TenantId tenant, FeedId feed, long first, long last);
}
