using EhrGrains.Contracts.Budgets;

namespace EhrGrains.Grains.Budgets;

/// <summary>One request on its way: the permit it uses and where that is in its round.</summary>
internal sealed class Flight(Lane lane)
{
    internal Lane Lane { get; } = lane;

    /// <summary>When the request was written to the connection; null: not yet, or nobody says.</summary>
    internal TimeSpan? SentAt { get; set; }

    /// <summary>True once the permit's window is being counted.</summary>
    internal bool Counting { get; set; }

    /// <summary>True once the slot is free again.</summary>
    internal bool Over { get; set; }
}

/// <summary>
/// The silo's side of a site budget: permits in hand, which of them are free, and when to ask the grain. A permit may be used
/// again one window after the hospital must have seen its last request. Decides only; not thread-safe; times are monotonic.
/// </summary>
internal sealed class PermitPool(string holder)
{
    // Nothing is asked more often than this, whatever happens.
    private static readonly TimeSpan AskGap = TimeSpan.FromMilliseconds(50);

    // What the others have been told to give back arrives when their permits become free: ask often then.
    private static readonly TimeSpan AskWhileOwed = TimeSpan.FromMilliseconds(100);

    // In the order in which they become free: a deque of times, not a timer for each permit.
    private readonly Queue<(TimeSpan From, Lane Lane)> cooling = new();
    private readonly Queue<Flight> sent = new();
    private readonly int[] busy = new int[3];
    private readonly int[] underWay = new int[3];
    private TimeSpan lastFrom;
    private TimeSpan window = TimeSpan.FromSeconds(1);
    private TimeSpan leaseEnds = TimeSpan.MinValue;
    private TimeSpan leaseHoldOffEnds;
    private TimeSpan throttledUntil;
    private TimeSpan lastUse;
    private TimeSpan lastInteractive = -BudgetTiming.ReserveFor;
    private TimeSpan? lastAsk;
    private long sequence;
    private long sentCount;
    private long sentWhenAsked;
    private int permitsAskedFor;
    private int slotsAskedFor;

    // Below zero while more are in use than the lease has: they then come free for others, not for us.
    private int free;
    private int slots;
    private int targetPermits;
    private int targetSlots;
    private long? quota = 0;

    /// <summary>Permits in hand.</summary>
    internal int Held { get; private set; }

    /// <summary>Requests under way.</summary>
    internal int UnderWay => underWay[0] + underWay[1] + underWay[2];

    /// <summary>True when nothing is left that the grain would have to be told of.</summary>
    internal bool IsEmpty => Held == 0 && slots == 0 && UnderWay == 0 && quota is null or 0;

    /// <summary>Takes a permit and a slot for one request; null when there is none to be had now.</summary>
    internal Flight? TryTake(Lane lane, TimeSpan now)
    {
        Settle(now);
        lastUse = now;
        lastInteractive = lane == Lane.Interactive ? now : lastInteractive;
        var surplus = Math.Max(0, Held - targetPermits);
        var (permits, requests) = (Math.Min(Held, targetPermits), Math.Min(slots, targetSlots));
        if (now >= leaseEnds || HoldOffUntil > now || quota == 0
            || free <= surplus + Reserve(permits, busy, lane, now) || UnderWay >= requests - Reserve(requests, underWay, lane, now))
        {
            return null;
        }

        free--;
        quota--;
        sentCount++;
        busy[(int)lane]++;
        underWay[(int)lane]++;
        return new Flight(lane);
    }

    /// <summary>
    /// The request is being written to the connection. False when the lease has ended meanwhile (this process was paused, or opening
    /// the connection took long), when the lease in hand now has fewer permits than are in use, or when the permit is already being
    /// counted for an earlier try: then it must not be sent.
    /// </summary>
    internal bool TrySend(Flight flight, TimeSpan now)
    {
        Settle(now);
        if (now >= leaseEnds || free < 0 || flight.Counting)
        {
            return false;
        }

        if (flight.SentAt is null)
        {
            sent.Enqueue(flight);
        }

        flight.SentAt = now;
        return true;
    }

    /// <summary>The hospital has answered, so it has seen the request.</summary>
    internal void Arrived(Flight flight, TimeSpan now)
    {
        Settle(now);
        StartCounting(flight, now);
    }

    /// <summary>The request is over: its slot is free. Without an answer it may still be on its way.</summary>
    internal void End(Flight flight, TimeSpan now)
    {
        Settle(now);
        StartCounting(flight, (flight.SentAt ?? now) + BudgetTiming.Transit);
        if (!flight.Over)
        {
            flight.Over = true;
            underWay[(int)flight.Lane]--;
        }
    }

    /// <summary>Nothing is sent for this long.</summary>
    internal void Throttle(TimeSpan wait, TimeSpan now)
    {
        throttledUntil = Later(throttledUntil, now + wait);
    }

    /// <summary>Until when nothing is sent; in the past: not held off.</summary>
    internal TimeSpan HoldOffUntil => Later(throttledUntil, leaseHoldOffEnds);

    /// <summary>
    /// When, as far as this silo knows, the next permit may be free for one who waits; null: when something comes back or is dealt.
    /// </summary>
    internal TimeSpan? NextFree(TimeSpan now)
    {
        Settle(now);
        TimeSpan? next = null;
        if (cooling.TryPeek(out var first))
        {
            next = first.From + window;
        }
        else if (sent.TryPeek(out var flight))
        {
            next = flight.SentAt!.Value + BudgetTiming.Transit + window;
        }

        return HoldOffUntil > now ? Later(HoldOffUntil, next ?? now) : next;
    }

    /// <summary>When to ask the grain; null: not before there is something to do.</summary>
    internal TimeSpan? NextAsk(ReadOnlySpan<int> waiting, TimeSpan now)
    {
        Settle(now);
        if (IsIdle(waiting, now))
        {
            return IsEmpty ? null : Later(cooling.Count > 0 ? lastFrom + window : now, (lastAsk ?? now) + AskGap);
        }

        if (lastAsk is not { } last)
        {
            return now;
        }

        var waits = waiting[0] + waiting[1] + waiting[2] > 0;
        var givesBack = (free > 0 && Held > targetPermits) || (slots > targetSlots && slots > UnderWay);
        if (givesBack || (waits && now >= leaseEnds))
        {
            return last + AskGap;
        }

        if (waits && (Held < targetPermits || slots < targetSlots))
        {
            return last + AskWhileOwed;
        }

        // All that was asked for has been dealt, so more may be had; otherwise there is no more.
        var more = waits && ((targetPermits >= permitsAskedFor && Wanted(waiting, busy).Sum() > targetPermits)
            || (targetSlots >= slotsAskedFor && Wanted(waiting, underWay).Sum() > targetSlots));
        return last + (more ? AskGap : BudgetTiming.RenewEvery);
    }

    /// <summary>
    /// What to ask. What is given back is out of hand from here on, whatever becomes of the message. Until it is answered or has
    /// failed nothing else may be asked.
    /// </summary>
    /// <param name="waiting">How many wait, by lane.</param>
    /// <param name="now">Now.</param>
    /// <param name="giveUp">True to give everything back that is free: this silo stops.</param>
    internal BudgetDemand Ask(ReadOnlySpan<int> waiting, TimeSpan now, bool giveUp = false)
    {
        Settle(now);
        if (giveUp || IsIdle(waiting, now))
        {
            (targetPermits, targetSlots) = (0, 0);
            quota = quota is null ? null : 0;
        }

        var back = Math.Clamp(Held - targetPermits, 0, Math.Max(0, free));
        Held -= back;
        free -= back;
        slots = Math.Max(UnderWay, Math.Min(slots, targetSlots));
        lastAsk = now;
        sentWhenAsked = sentCount;
        var (permits, requests) = (Wanted(waiting, busy), Wanted(waiting, underWay));
        (permitsAskedFor, slotsAskedFor) = (permits.Sum(), requests.Sum());
        return new BudgetDemand
        {
            Holder = holder,
            Sequence = ++sequence,
            WantedPermits = permits,
            WantedSlots = requests,
            HeldPermits = Held,
            HeldSlots = slots,
            HeldQuota = quota ?? 0,
            Sent = sentCount,
            Leaving = giveUp && UnderWay == 0,
        };
    }

    /// <summary>Takes the answer to the demand that was made at <paramref name="askedAt"/>.</summary>
    internal void Apply(BudgetLease lease, TimeSpan askedAt, TimeSpan now)
    {
        window = lease.Window;
        Settle(now);

        // Fewer than were kept: the lease had ended and they were dealt to others.
        free += lease.Permits - Held;
        Held = lease.Permits;
        slots = lease.Slots;
        (targetPermits, targetSlots) = (lease.TargetPermits, lease.TargetSlots);
        leaseEnds = askedAt + lease.Term;
        leaseHoldOffEnds = now + lease.HoldOff;
        quota = lease.Quota is { } left ? Math.Max(0, left - (sentCount - sentWhenAsked)) : null;
    }

    private static TimeSpan Later(TimeSpan a, TimeSpan b) => a > b ? a : b;

    private static int[] Wanted(ReadOnlySpan<int> waiting, int[] inUse) =>
        [waiting[0] + inUse[0], waiting[1] + inUse[1], waiting[2] + inUse[2]];

    // Without it a backfill would use up each window at its beginning, and who asks would wait for the next one.
    private int Reserve(int units, int[] inUse, Lane lane, TimeSpan now)
    {
        var asked = now - lastInteractive < BudgetTiming.ReserveFor ? (units / BudgetTiming.ReserveAsked) - inUse[(int)Lane.Interactive] : 0;
        var reserve = Math.Max(asked, units / BudgetTiming.ReserveAlways);
        return lane switch
        {
            Lane.Interactive => 0,
            Lane.Event => reserve / 2,
            _ => reserve,
        };
    }

    private bool IsIdle(ReadOnlySpan<int> waiting, TimeSpan now) =>
        waiting[0] + waiting[1] + waiting[2] + UnderWay == 0 && now - lastUse >= BudgetTiming.KeepIdle;

    private void Settle(TimeSpan now)
    {
        while (sent.TryPeek(out var flight) && (flight.Counting || flight.SentAt!.Value + BudgetTiming.Transit <= now))
        {
            sent.Dequeue();
            StartCounting(flight, flight.SentAt!.Value + BudgetTiming.Transit);
        }

        while (cooling.TryPeek(out var permit) && permit.From + window <= now)
        {
            cooling.Dequeue();
            busy[(int)permit.Lane]--;
            free++;
        }
    }

    // The queue is in order of time; one that comes a little late waits that little longer.
    private void StartCounting(Flight flight, TimeSpan from)
    {
        if (!flight.Counting)
        {
            flight.Counting = true;
            lastFrom = Later(lastFrom, from);
            cooling.Enqueue((lastFrom, flight.Lane));
        }
    }
}
