using EhrGrains.Connect.Ehr;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Query;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Budgets;

/// <summary>One tenant's budget in one silo: the pool of permits, those who wait for one, and the renewals.</summary>
internal sealed partial class SiteLease
{
    private static readonly TimeSpan Never = TimeSpan.MaxValue;
    private static readonly TimeSpan FailurePauseMax = TimeSpan.FromSeconds(2);

    private readonly Lock gate = new();
    private readonly WaitingLanes waiting = new();
    private readonly TenantId tenant;
    private readonly Func<BudgetDemand, Task<BudgetLease>> ask;
    private readonly Action<TenantId, SiteLease> ended;
    private readonly TimeProvider time;
    private readonly QueryMetrics metrics;
    private readonly ILogger log;
    private readonly long startedAt;
    private readonly PermitPool pool;
    private readonly ITimer timer;
    private TimeSpan timerDue = Never;
    private TimeSpan askNotBefore;
    private Task asking = Task.CompletedTask;
    private int failures;
    private bool closed;

    internal SiteLease(
        string silo,
        TenantId tenant,
        Func<BudgetDemand, Task<BudgetLease>> ask,
        Action<TenantId, SiteLease> ended,
        TimeProvider time,
        QueryMetrics metrics,
        ILogger log)
    {
        (this.tenant, this.ask, this.ended, this.time, this.metrics, this.log) = (tenant, ask, ended, time, metrics, log);
        startedAt = time.GetTimestamp();
        pool = new PermitPool(HolderName.New(silo, time.GetUtcNow()));

        // Not in the execution context of whoever came first: its ticket and its trace are not ours.
        using (ExecutionContext.IsFlowSuppressed() ? default : ExecutionContext.SuppressFlow())
        {
            timer = time.CreateTimer(static lease => ((SiteLease)lease!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    private TimeSpan Now => time.GetElapsedTime(startedAt);

    /// <summary>Asks for a permit; false when this lease has ended and another one must be begun.</summary>
    internal bool TryAcquire(Lane lane, CancellationToken cancellationToken, out ValueTask<BudgetPermit> permit)
    {
        Waiter waiter;
        lock (gate)
        {
            if (closed)
            {
                permit = default;
                return false;
            }

            var now = Now;
            if (!waiting.AnyBefore(lane) && pool.TryTake(lane, now) is { } flight)
            {
                if (timerDue - now > BudgetTiming.RenewEvery)
                {
                    Schedule(now);
                }

                metrics.Waited(lane, TimeSpan.Zero);
                permit = new ValueTask<BudgetPermit>(Permit(flight));
                return true;
            }

            if (pool.HoldOffUntil - now > WaitingLanes.WaitMax(lane) || waiting.IsFull(lane))
            {
                metrics.Refused(lane);
                permit = ValueTask.FromException<BudgetPermit>(Refusal(now));
                return true;
            }

            waiter = waiting.Add(lane, now);
            Schedule(now);
        }

        permit = WaitAsync(waiter, cancellationToken);
        return true;
    }

    /// <summary>Sends nothing for this long.</summary>
    internal void HoldOff(TimeSpan wait, int? status)
    {
        lock (gate)
        {
            pool.Throttle(wait, Now);
        }

        if (status is { } answered)
        {
            metrics.Throttled(answered);
        }
    }

    internal void ReportFailed(Exception e) => LogAskFailed(log, e, tenant, 1);

    /// <summary>Gives back what is free and ends.</summary>
    internal async Task GiveUpAsync()
    {
        Task last;
        lock (gate)
        {
            last = asking;
            Refuse(new BudgetRefusedException("This silo stops.", BudgetTiming.RenewEvery));
            Close();
        }

        await last;
        BudgetDemand demand;
        lock (gate)
        {
            demand = pool.Ask([0, 0, 0], Now, giveUp: true);
        }

        try
        {
            await ask(demand);
        }
        catch (Exception e) when (e is ProblemException or TimeoutException or OrleansException)
        {
            LogAskFailed(log, e, tenant, 1);
        }
    }

    private async ValueTask<BudgetPermit> WaitAsync(Waiter waiter, CancellationToken cancellationToken)
    {
        using var cancelled = cancellationToken.UnsafeRegister(static (state, _) => ((Action)state!)(), () => Withdraw(waiter, cancellationToken));
        var flight = await waiter.Permit.Task;
        return Permit(flight);
    }

    private void Withdraw(Waiter waiter, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (waiting.Remove(waiter))
            {
                waiter.Permit.TrySetCanceled(cancellationToken);
            }
        }
    }

    private BudgetPermit Permit(Flight flight) => new(() => Arrived(flight), () => End(flight), () => TrySend(flight));

    private bool TrySend(Flight flight)
    {
        lock (gate)
        {
            return pool.TrySend(flight, Now);
        }
    }

    private void Arrived(Flight flight)
    {
        lock (gate)
        {
            pool.Arrived(flight, Now);
        }
    }

    private void End(Flight flight)
    {
        lock (gate)
        {
            var now = Now;
            pool.End(flight, now);
            if (waiting.Any)
            {
                Serve(now);
                Schedule(now);
            }
        }
    }

    private void OnTimer()
    {
        lock (gate)
        {
            timerDue = Never;
            if (closed)
            {
                return;
            }

            var now = Now;
            Serve(now);
            Expire(now);
            if (asking.IsCompleted && pool.NextAsk(waiting.Counts, now) is { } due && due <= now && askNotBefore <= now)
            {
                asking = AskAsync(pool.Ask(waiting.Counts, now), now);
            }

            Schedule(now);
        }
    }

    private async Task AskAsync(BudgetDemand demand, TimeSpan askedAt)
    {
        BudgetLease? lease = null;
        ProblemException? refusal = null;
        try
        {
            lease = await ask(demand);
        }
        catch (ProblemException e) when (e.Kind is not (ProblemKind.Conflict or ProblemKind.Unavailable))
        {
            refusal = e;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // The top of a loop: whatever it is, the next question may be answered.
            LogAskFailed(log, e, tenant, failures + 1);
        }

        lock (gate)
        {
            var now = Now;
            failures = lease is null ? failures + 1 : 0;
            if (lease is not null)
            {
                pool.Apply(lease, askedAt, now);
            }
            else
            {
                var pause = TimeSpan.FromMilliseconds(100 << Math.Min(failures, 5));
                askNotBefore = now + (pause < FailurePauseMax ? pause : FailurePauseMax);
            }

            asking = Task.CompletedTask;
            if (refusal is not null)
            {
                Refuse(new BudgetRefusedException(refusal.Message, BudgetTiming.RenewEvery, refusal));
            }

            Serve(now);
            Expire(now);
            Schedule(now);
        }
    }

    private void Serve(TimeSpan now)
    {
        while (waiting.Next is { } waiter && pool.TryTake(waiter.Lane, now) is { } flight)
        {
            waiting.Remove(waiter);
            metrics.Waited(waiter.Lane, now - waiter.Since);
            waiter.Permit.TrySetResult(flight);
        }
    }

    // Those who have waited as long as their lane allows, and those who would have to.
    private void Expire(TimeSpan now)
    {
        var pause = pool.HoldOffUntil - now;
        while (waiting.Heads.FirstOrDefault(w => now >= w.Until || pause > WaitingLanes.WaitMax(w.Lane)) is { } waiter)
        {
            waiting.Remove(waiter);
            metrics.Refused(waiter.Lane);
            waiter.Permit.TrySetException(Refusal(now));
        }
    }

    private void Refuse(BudgetRefusedException reason)
    {
        foreach (var waiter in waiting.Clear())
        {
            waiter.Permit.TrySetException(reason);
        }
    }

    private BudgetRefusedException Refusal(TimeSpan now)
    {
        var pause = pool.HoldOffUntil - now;
        return pause > TimeSpan.Zero
            ? new("The hospital asked for a pause, or its daily quota is used up.", pause)
            : new("The hospital's contract allows no more requests now: too many wait already.", (pool.NextFree(now) ?? now) - now);
    }

    // One timer: the next permit, the next question, or the end of somebody's patience.
    private void Schedule(TimeSpan now)
    {
        if (closed)
        {
            return;
        }

        var due = Never;
        if (waiting.Any)
        {
            due = Earlier(pool.NextFree(now) ?? Never, waiting.Heads.Min(waiter => waiter.Until));
        }

        if (asking.IsCompleted)
        {
            if (pool.NextAsk(waiting.Counts, now) is { } next)
            {
                due = Earlier(due, next > askNotBefore ? next : askNotBefore);
            }
            else if (!waiting.Any)
            {
                Close();
                return;
            }
        }

        if (due < timerDue)
        {
            timerDue = due;
            var wait = due - now;
            timer.Change(wait > TimeSpan.Zero ? wait : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }
    }

    private void Close()
    {
        closed = true;
        timer.Dispose();
        ended(tenant, this);
    }

    private static TimeSpan Earlier(TimeSpan a, TimeSpan b) => a < b ? a : b;

    [LoggerMessage(2101, LogLevel.Warning, "The site budget of tenant {Tenant} could not be asked, {Failures} times in a row.")]
    private static partial void LogAskFailed(ILogger logger, Exception e, TenantId tenant, int failures);
}
