using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Writes;
using EhrGrains.Grains.Audit;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Query;
using EhrGrains.Grains.Tenants;
using EhrGrains.Storage.Audit;
using EhrGrains.Storage.Ids;
using EhrGrains.Storage.Writes;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Writes;

/// <summary>
/// A tenant's outbox. Works in rounds: of a few patients the first write each goes one step on, and what came of the step is committed
/// under the epoch that this activation took (I3). Accepting and asking interleave with rounds: they only add rows and read them.
/// </summary>
[GrainType("ehr.writes")]
internal sealed partial class WritesGrain : Grain, IWritesGrain, IDisposable
{
    private static readonly TimeSpan BrokenDelay = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ClosedDelay = TimeSpan.FromMinutes(1);

    private readonly WriteTable table;
    private readonly WriteIntake intake;
    private readonly WriteForms forms;
    private readonly WriteOptions options;
    private readonly EhrLine line;
    private readonly IdAliasTable aliases;
    private readonly Normalizers normalizers;
    private readonly EhrPatientLinks links;
    private readonly TenantSnapshots tenants;
    private readonly AuditLog trail;
    private readonly CommandAudit audit;
    private readonly WriteMetrics metrics;
    private readonly TimeProvider time;
    private readonly ILogger<WritesGrain> log;
    private readonly Pump pump;
    private readonly Dictionary<long, Waiters> waiting = [];

    private IGrainTimer? wake;
    private long? epoch;
    private int failures;
    private DateTimeOffset? nextTryAt;
    private Problem? lastFailure;

    public WritesGrain(
        WriteTable table, WriteIntake intake, WriteForms forms, WriteOptions options, EhrLine line, IdAliasTable aliases, Normalizers normalizers,
        EhrPatientLinks links, TenantSnapshots tenants, AuditLog trail, CommandAudit audit, CallerTickets tickets, WriteMetrics metrics, TimeProvider time,
        ILogger<WritesGrain> log)
    {
        (this.table, this.intake, this.forms, this.options, this.line, this.aliases, this.normalizers) = (table, intake, forms, options, line, aliases, normalizers);
        (this.links, this.tenants, this.trail, this.audit, this.metrics, this.time, this.log) = (links, tenants, trail, audit, metrics, time, log);
        pump = new Pump(tickets, RoundAsync, RoundFailedAsync);
    }

    private TenantId Tenant => TenantId.Parse(this.GetPrimaryKeyString(), null);

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        await pump.StopAsync(cancellationToken);
        foreach (var waiters in waiting.Values)
        {
            waiters.Ended.TrySetResult();
        }
    }

    public void Dispose() => pump.Dispose();

    public Task NudgeAsync(CancellationToken cancellationToken)
    {
        pump.Tell();
        return Task.CompletedTask;
    }

    /// <summary>One round; answers whether there may be more at once.</summary>
    private async Task<bool> RoundAsync()
    {
        var now = time.GetUtcNow();
        epoch ??= await table.TakeEpochAsync(Tenant, pump.Stopping);
        if (await tenants.GetAsync(Tenant, pump.Stopping) is not { Lifecycle: Lifecycle.Sandbox or Lifecycle.Uat or Lifecycle.Live } snapshot)
        {
            await SleepAsync(now + ClosedDelay);
            return false;
        }

        if (nextTryAt > now)
        {
            await SleepAsync(nextTryAt.Value);
            return false;
        }

        var due = await table.DueAsync(Tenant, now, options.ParallelMax, pump.Stopping);
        if (due.Count == 0)
        {
            await SleepAsync(now);
            return false;
        }

        var rules = normalizers.For(Tenant, snapshot);
        var wire = new WriteWire(line, aliases, Tenant, snapshot.Spec, rules, time, options);
        await Task.WhenAll(due.Select(write => new WriteRun(this, wire, rules.Profile.Writes, write).RunAsync(pump.Stopping)));
        return true;
    }

    private async Task SleepAsync(DateTimeOffset notBefore)
    {
        var now = time.GetUtcNow();
        if (await table.SleepAsync(Tenant, epoch!.Value, now, notBefore, options.KeptFor, pump.Stopping) is not { } next)
        {
            throw Fenced();
        }

        if (next - now < TimeSpan.FromHours(1))
        {
            WakeAfter(next - now);
        }
    }

    private void WakeAfter(TimeSpan delay)
    {
        wake?.Dispose();
        wake = this.RegisterGrainTimer(
            _ => NudgeAsync(CancellationToken.None),
            new GrainTimerCreationOptions(delay > TimeSpan.Zero ? delay : TimeSpan.Zero, Timeout.InfiniteTimeSpan) { Interleave = true });
    }

    private Task RoundFailedAsync(Exception failure)
    {
        if (failure is not ProblemException { Kind: ProblemKind.Conflict })
        {
            LogBroken(log, failure, Tenant);
        }

        // The database is away, or another activation has taken over: the next round begins from what is stored.
        epoch = null;
        WakeAfter(BrokenDelay);
        return Task.CompletedTask;
    }

    private ProblemException Fenced()
    {
        LogFenced(log, Tenant, epoch ?? 0);
        epoch = null;
        DeactivateOnIdle();
        return new ProblemException(ProblemKind.Conflict, "EHR-WRT-030", "", "Another silo has taken the outbox over meanwhile. Ask again.");
    }

    /// <summary>Who waits for a write is told, wherever it came to its end.</summary>
    private void Tell(long number)
    {
        if (waiting.TryGetValue(number, out var waiters))
        {
            waiters.Ended.TrySetResult();
        }
    }

    private Lane LaneOf(long number) => waiting.ContainsKey(number) ? Lane.Interactive : Lane.Event;

    /// <summary>Those who wait for one write.</summary>
    private sealed class Waiters
    {
        internal TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal int Count { get; set; }
    }

    [LoggerMessage(3410, LogLevel.Error, "The outbox of tenant {Tenant} could not go on; it tries again in a moment.")]
    private static partial void LogBroken(ILogger logger, Exception exception, TenantId tenant);

    [LoggerMessage(3411, LogLevel.Information, "The outbox of tenant {Tenant} was taken over by another silo; epoch {Epoch} is over.")]
    private static partial void LogFenced(ILogger logger, TenantId tenant, long epoch);

    [LoggerMessage(3412, LogLevel.Warning, "ALARM Whether write {Number} of tenant {Tenant} arrived at the hospital is unknown; «ehrgrains write status» says what to do.")]
    private static partial void LogUnknown(ILogger logger, TenantId tenant, long number);

    [LoggerMessage(3413, LogLevel.Warning, "Write {Number} of tenant {Tenant} was not sent ({Code}, failure {Failures} in a row); the next try is after {Delay}.")]
    private static partial void LogNotSent(ILogger logger, TenantId tenant, long number, string code, int failures, TimeSpan delay);

    [LoggerMessage(6110, LogLevel.Error, "The outcome of write {Number} of tenant {Tenant} could not be put on the audit trail; its intent is row {Intent}.")]
    private static partial void LogOutcomeLost(ILogger logger, Exception e, TenantId tenant, long number, long intent);

    [LoggerMessage(3414, LogLevel.Debug, "The copy could not be told of write {Number} of tenant {Tenant} ({Reason}); it finds out when it is due.")]
    private static partial void LogNotHinted(ILogger logger, TenantId tenant, long number, string reason);
}
