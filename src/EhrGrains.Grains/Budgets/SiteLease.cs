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
    /// <summary>How many may wait in a lane; one more is refused at once.</summary>
    internal const int WaitersMax = 1_000;

    private static readonly TimeSpan Never = TimeSpan.MaxValue;
    private static readonly TimeSpan FailurePauseMax = TimeSpan.FromSeconds(2);

    private readonly Lock gate = new();
    private readonly LinkedList<Waiter>[] waiters = [new(), new(), new()];
    private readonly int[] waiting = new int[3];
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
        TenantId tenant,
        Func<BudgetDemand, Task<BudgetLease>> ask,
        Action<TenantId, SiteLease> ended,
        TimeProvider time,
        QueryMetrics metrics,
        ILogger log)
    {
        (this.tenant, this.ask, this.ended, this.time, this.metrics, this.log) = (tenant, ask, ended, time, metrics, log);
        startedAt = time.GetTimestamp();

        // A name for this lease alone: a later one of this silo starts from nothing, and so must be another holder.
        pool = new PermitPool($"{Environment.MachineName}-{Guid.CreateVersion7(time.GetUtcNow()):N}");

        // Not in the execution context of whoever came first: its ticket and its trace are not ours.
        using (ExecutionContext.IsFlowSuppressed() ? default : ExecutionContext.SuppressFlow())
        {
            timer = time.CreateTimer(static lease => ((SiteLease)lease!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    private TimeSpan Now => time.GetElapsedTime(startedAt);

    /// <summary>How long a request of a lane may wait for its permit.</summary>
    internal static TimeSpan WaitMax(Lane lane) => lane switch
    {
        Lane.Interactive => TimeSpan.FromSeconds(15),
        Lane.Event => TimeSpan.FromMinutes(2),
        _ => TimeSpan.FromMinutes(10),
    };

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
            if (NobodyBefore(lane) && pool.TryTake(lane, now) is { } flight)
            {
                if (timerDue - now > BudgetTiming.RenewEvery)
                {
                    Schedule(now);
                }

                metrics.Waited(lane, TimeSpan.Zero);
                permit = new ValueTask<BudgetPermit>(Permit(flight));
                return true;
            }

            var queue = waiters[(int)lane];
            var pause = pool.HoldOffUntil - now;
            if (pause > WaitMax(lane) || queue.Count >= WaitersMax)
            {
                metrics.Refused(lane);
                permit = ValueTask.FromException<BudgetPermit>(Refusal(now));
                return true;
            }

            waiter = new Waiter(lane, now);
            queue.AddLast(waiter.Node);
            waiting[(int)lane]++;
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

    private bool NobodyBefore(Lane lane) =>
        waiting[0] == 0 && (lane == Lane.Interactive || (waiting[1] == 0 && (lane == Lane.Event || waiting[2] == 0)));

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
            if (Remove(waiter))
            {
                waiter.Permit.TrySetCanceled(cancellationToken);
            }
        }
    }

    private bool Remove(Waiter waiter)
    {
        if (waiter.Node.List is not { } queue)
        {
            return false;
        }

        queue.Remove(waiter.Node);
        waiting[(int)waiter.Lane]--;
        return true;
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
            if (waiting[0] + waiting[1] + waiting[2] > 0)
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
            if (asking.IsCompleted && pool.NextAsk(waiting, now) is { } due && due <= now && askNotBefore <= now)
            {
                asking = AskAsync(pool.Ask(waiting, now), now);
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
            // Not under the lock: the call begins on the thread pool.
            await Task.Yield();
            lease = await ask(demand);
        }
        catch (ProblemException e) when (e.Kind is not (ProblemKind.Conflict or ProblemKind.Unavailable))
        {
            refusal = e;
        }
#pragma warning disable CA1031 // The top of a loop: whatever it is, the next question may be answered.
        catch (Exception e)
#pragma warning restore CA1031
        {
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
        foreach (var queue in waiters)
        {
            while (queue.First?.Value is { } waiter)
            {
                if (pool.TryTake(waiter.Lane, now) is not { } flight)
                {
                    return;
                }

                Remove(waiter);
                metrics.Waited(waiter.Lane, now - waiter.Since);
                waiter.Permit.TrySetResult(flight);
            }
        }
    }

    // Those who have waited as long as their lane allows, and those who would have to.
    private void Expire(TimeSpan now)
    {
        var pause = pool.HoldOffUntil - now;
        foreach (var queue in waiters)
        {
            while (queue.First?.Value is { } waiter && (now >= waiter.Until || pause > WaitMax(waiter.Lane)))
            {
                Remove(waiter);
                metrics.Refused(waiter.Lane);
                waiter.Permit.TrySetException(Refusal(now));
            }
        }
    }

    private void Refuse(BudgetRefusedException reason)
    {
        foreach (var waiter in waiters.SelectMany(queue => queue).ToArray())
        {
            Remove(waiter);
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
        var someoneWaits = false;
        foreach (var queue in waiters)
        {
            if (queue.First?.Value is { } waiter)
            {
                someoneWaits = true;
                due = Earlier(due, waiter.Until);
            }
        }

        if (someoneWaits)
        {
            due = Earlier(due, pool.NextFree(now) ?? Never);
        }

        if (asking.IsCompleted)
        {
            if (pool.NextAsk(waiting, now) is { } next)
            {
                due = Earlier(due, next > askNotBefore ? next : askNotBefore);
            }
            else if (!someoneWaits)
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

    private sealed class Waiter
    {
        internal Waiter(Lane lane, TimeSpan now)
        {
            (Lane, Since, Until) = (lane, now, now + WaitMax(lane));
            Node = new LinkedListNode<Waiter>(this);
        }

        internal Lane Lane { get; }

        internal TimeSpan Since { get; }

        internal TimeSpan Until { get; }

        internal LinkedListNode<Waiter> Node { get; }

        internal TaskCompletionSource<Flight> Permit { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
