using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Grains.Budgets;

/// <summary>
/// The grain's side of a site budget: who holds which permits, and who should. Decides only; the grain persists
/// <see cref="State"/> when <see cref="MustWrite"/> says so, before it answers. Times are monotonic, from the activation's start.
/// </summary>
internal sealed class BudgetLedger
{
    /// <summary>More silos than any cluster has; a bound on what crashing processes can leave behind.</summary>
    internal const int HoldersMax = 1_000;

    private readonly SortedDictionary<string, Holder> holders = new(StringComparer.Ordinal);
    private DateOnly day;
    private long spent;
    private int strikes;
    private DateTimeOffset? holdOffUntil;
    private TimeSpan holdOffEnds;
    private TimeSpan confirmedAt = TimeSpan.MinValue;
    private bool unwritten;

    /// <summary>
    /// Goes on from what a previous activation wrote. That one may still be answering: it does so for at most
    /// <see cref="BudgetTiming.ConfirmEvery"/> after its last write, so leases are taken to be renewed until then.
    /// </summary>
    internal BudgetLedger(BudgetState state, TimeSpan now, DateTimeOffset utcNow)
    {
        (day, spent, strikes, holdOffUntil) = (state.Day, state.Spent, state.Strikes, state.HoldOffUntil);
        var remaining = (holdOffUntil ?? utcNow) - utcNow;
        holdOffEnds = now + (remaining < BudgetTiming.HoldOffMax ? remaining : BudgetTiming.HoldOffMax);
        foreach (var (name, share) in state.Shares)
        {
            holders[name] = new Holder(name, share) { RenewedAt = now + BudgetTiming.ConfirmEvery, LeftAt = share.Left ? now : null };
        }
    }

    /// <summary>What to persist.</summary>
    internal BudgetState State => new()
    {
        Shares = holders.ToDictionary(h => h.Key, h => h.Value.Share),
        Day = day,
        Spent = spent,
        HoldOffUntil = holdOffUntil,
        Strikes = strikes,
    };

    /// <summary>True when the state must be written before the last answer may go out.</summary>
    internal bool MustWrite(TimeSpan now) =>
        unwritten || confirmedAt == TimeSpan.MinValue || now - confirmedAt >= BudgetTiming.ConfirmEvery;

    /// <summary>Says that the state was written, and when the write began.</summary>
    internal void Written(TimeSpan startedAt) => (confirmedAt, unwritten) = (startedAt, false);

    /// <summary>Answers a demand.</summary>
    internal BudgetLease Lease(BudgetSpec spec, BudgetDemand demand, TimeSpan now, DateTimeOffset utcNow)
    {
        RollDay(DateOnly.FromDateTime(utcNow.UtcDateTime));
        Reclaim(now);
        var holder = Settle(demand, spec.WindowSeconds, now);

        var (targetPermits, targetSlots) = (0, 0);
        if (holder.LeftAt is null)
        {
            targetPermits = Deal(spec.Requests, holder, h => h.Permits, now);
            targetSlots = Deal(spec.Concurrency, holder, h => h.Slots, now);
            DealQuota(spec, holder);
        }

        return new BudgetLease
        {
            Permits = holder.Permits.Held,
            Slots = holder.Slots.Held,
            TargetPermits = targetPermits,
            TargetSlots = targetSlots,
            Term = BudgetTiming.Term,
            HoldOff = HoldOff(spec, holder, now, utcNow),
            Window = TimeSpan.FromSeconds(spec.WindowSeconds),
            Quota = spec.DailyQuota is null ? null : holder.Quota,
        };
    }

    /// <summary>
    /// The hospital answered 429 or 503. What it asks for counts, up to an hour; when it names nothing (or nothing sensible) the
    /// back-off doubles from 1 s, once for each back-off that did not help, up to five minutes.
    /// </summary>
    internal TimeSpan Throttle(TimeSpan? retryAfter, TimeSpan now, DateTimeOffset utcNow)
    {
        var heldOff = holdOffEnds > now;
        if (!heldOff && now - holdOffEnds > BudgetTiming.BackOffMax)
        {
            strikes = 0;
        }

        var wait = TimeSpan.Zero;
        if (retryAfter > TimeSpan.Zero)
        {
            wait = retryAfter.Value < BudgetTiming.HoldOffMax ? retryAfter.Value : BudgetTiming.HoldOffMax;
        }
        else if (!heldOff)
        {
            var doubled = TimeSpan.FromSeconds(1 << Math.Min(strikes, 9));
            wait = doubled < BudgetTiming.BackOffMax ? doubled : BudgetTiming.BackOffMax;
            strikes = Math.Min(strikes + 1, 9);
        }

        if (now + wait > holdOffEnds)
        {
            holdOffEnds = now + wait;
            holdOffUntil = utcNow + wait;
            unwritten = true;
        }

        return holdOffEnds - now;
    }

    /// <summary>How the budget is spent.</summary>
    internal BudgetDescription Describe(BudgetSpec spec, TimeSpan now) => new()
    {
        Spec = spec,
        Leases = holders.ToDictionary(h => h.Key, h => h.Value.Permits.Held),
        HoldOff = holdOffEnds > now ? holdOffEnds - now : TimeSpan.Zero,
        SpentToday = spent + holders.Values.Sum(h => h.Quota),
    };

    // A holder that does not renew may use its permits until its lease ends, one that has left not at all; what it sent last counts
    // for a window after that.
    private void Reclaim(TimeSpan now)
    {
        foreach (var (name, holder) in holders.ToArray())
        {
            var endsAt = holder.RenewedAt + BudgetTiming.Term + BudgetTiming.Drift;
            if (now >= (holder.LeftAt ?? endsAt) + BudgetTiming.Transit + TimeSpan.FromSeconds(holder.WindowSeconds))
            {
                spent += holder.Quota;
                holder.Drop(now);
            }

            // Remembered until then, so that a late demand of it is not taken for that of a new holder.
            if (now >= endsAt && holder.HoldsNothing)
            {
                holders.Remove(name);
            }
        }
    }

    // Takes a demand at its word about what the holder keeps, never for more than it was given.
    private Holder Settle(BudgetDemand demand, int windowSeconds, TimeSpan now)
    {
        if (!holders.TryGetValue(demand.Holder, out var holder))
        {
            if (holders.Count >= HoldersMax)
            {
                throw new ProblemException(
                    ProblemKind.Unavailable, "EHR-BUD-002", "", $"More than {HoldersMax} silos hold a part of this site budget.");
            }

            holder = new Holder(demand.Holder, new BudgetShare(0, 0, 0, demand.Sent, 0, windowSeconds, Left: false));
            foreach (var dead in holders.Values.Where(other => other.LeftAt is null && holder.Name.Succeeds(other.Name)))
            {
                dead.LeftAt = now;
                unwritten = true;
            }

            holders[demand.Holder] = holder;
        }

        if (demand.Sequence <= holder.Sequence || holder.LeftAt is not null)
        {
            throw new ProblemException(ProblemKind.Conflict, "EHR-BUD-001", "", "A later demand of this silo has been answered.");
        }

        var held = !holder.HoldsNothing;
        var sentMore = Math.Max(0, demand.Sent - holder.Sent);
        spent += sentMore;
        holder.Sent += sentMore;
        holder.Quota = Math.Clamp(demand.HeldQuota, 0, Math.Max(0, holder.Quota - sentMore));
        holder.Permits.Settle(demand.HeldPermits, demand.WantedPermits, now);
        holder.Slots.Settle(demand.HeldSlots, demand.WantedSlots, now);
        holder.Sequence = demand.Sequence;
        holder.RenewedAt = now;
        holder.WindowSeconds = Math.Max(holder.WindowSeconds, windowSeconds);
        holder.LeftAt = demand.Leaving ? now : null;

        // Written, so that whoever comes after a restart finds it free.
        unwritten |= demand.Leaving || (held && holder.HoldsNothing);
        return holder;
    }

    // First of all: what was dealt and is not known to be sent counts for the new day, for that is when it may have been sent.
    private void RollDay(DateOnly today)
    {
        if (today > day)
        {
            (day, spent) = (today, 0);
        }
    }

    // Gives the asking holder what it should have and what is free; answers its share.
    private int Deal(int units, Holder asking, Func<Holder, Units> of, TimeSpan now)
    {
        var free = units;
        var live = new List<Holder>(holders.Count);
        foreach (var holder in holders.Values)
        {
            free -= of(holder).Held;
            if (holder.LeftAt is null && now < holder.RenewedAt + BudgetTiming.Term)
            {
                live.Add(holder);
            }
            else
            {
                units -= of(holder).Held;
            }
        }

        live.Sort((a, b) => of(a).TurnAt(now).CompareTo(of(b).TurnAt(now)));
        var claims = new Claim[live.Count];
        for (var i = 0; i < claims.Length; i++)
        {
            // One that has not been heard of for some renewals keeps what it has, but nothing is put by for it.
            var silent = now - live[i].RenewedAt > 3 * BudgetTiming.RenewEvery;
            claims[i] = new Claim(of(live[i]).Held, silent ? [0, 0, 0] : of(live[i]).Wanted, i);
        }

        var targets = Dealing.Targets(units, claims);
        var target = targets[live.IndexOf(asking)];

        // Something over what it wants now saves the next question; an eighth is left for who has nothing yet.
        var spare = units - targets.Sum() - units / 8;
        var wants = of(asking).Wanted.Sum();
        if (spare > 0 && wants > 0)
        {
            var ample = Math.Max(2 * wants, Math.Max(1, units / 8));
            target += Math.Clamp(ample - target, 0, spare);
        }

        var more = Math.Min(target - of(asking).Held, free);
        if (more > 0)
        {
            of(asking).Give(more, now);
            unwritten = true;
        }

        return target;
    }

    // Dealt in portions, so that what a crashed silo takes with it is small and the state is not written for each request.
    private void DealQuota(BudgetSpec spec, Holder asking)
    {
        if (spec.DailyQuota is not { } quota)
        {
            return;
        }

        var left = quota - spent - holders.Values.Sum(h => h.Quota);
        long wants = 2 * Math.Max(asking.Slots.Wanted.Sum(), asking.Permits.Wanted.Sum());
        if (left > 0 && asking.Quota < (wants + 1) / 2)
        {
            var portion = Math.Max(1, left / (2 * holders.Count));
            asking.Quota += Math.Min(portion, wants - asking.Quota);
            unwritten = true;
        }
    }

    private TimeSpan HoldOff(BudgetSpec spec, Holder holder, TimeSpan now, DateTimeOffset utcNow)
    {
        var holdOff = holdOffEnds > now ? holdOffEnds - now : TimeSpan.Zero;
        var quotaUsedUp = spec.DailyQuota is not null && holder.Quota == 0 && holder.Slots.Wanted.Sum() > 0;
        var toMidnight = quotaUsedUp ? utcNow.UtcDateTime.Date.AddDays(1) - utcNow.UtcDateTime : TimeSpan.Zero;
        return holdOff > toMidnight ? holdOff : toMidnight;
    }

    // A holder as this activation knows it; only the share outlives it.
    private sealed class Holder(string name, BudgetShare share)
    {
        internal HolderName Name { get; } = HolderName.Parse(name);

        internal Units Permits { get; } = new(share.Permits);

        internal Units Slots { get; } = new(share.Slots);

        internal long Quota { get; set; } = share.Quota;

        internal long Sent { get; set; } = share.Sent;

        internal long Sequence { get; set; } = share.Sequence;

        internal int WindowSeconds { get; set; } = share.WindowSeconds;

        internal TimeSpan RenewedAt { get; set; }

        /// <summary>Since when it is known to send nothing more; null: it may.</summary>
        internal TimeSpan? LeftAt { get; set; }

        internal bool HoldsNothing => Permits.Held == 0 && Slots.Held == 0 && Quota == 0;

        internal void Drop(TimeSpan now)
        {
            Permits.Settle(0, [0, 0, 0], now);
            Slots.Settle(0, [0, 0, 0], now);
            Quota = 0;
        }

        internal BudgetShare Share => new(Permits.Held, Slots.Held, Quota, Sent, Sequence, WindowSeconds, LeftAt is not null);
    }

    // A holder's part of what is dealt in whole units.
    private sealed class Units(int held)
    {
        private TimeSpan dealtAt;
        private TimeSpan? starvingSince;

        internal int Held { get; private set; } = held;

        internal int[] Wanted { get; private set; } = [0, 0, 0];

        internal void Settle(int keeps, int[] wanted, TimeSpan now)
        {
            Held = Math.Clamp(keeps, 0, Held);
            Wanted = wanted;
            starvingSince = Held > 0 || wanted.Sum() == 0 ? null : starvingSince ?? now;
        }

        internal void Give(int more, TimeSpan now)
        {
            Held += more;
            (dealtAt, starvingSince) = (now, null);
        }

        // When there are fewer units than holders they take turns of a second: who has just got its turn, then who waits longest,
        // then who has had its turn. Among those who have something, who has more keeps it: nothing moves without need.
        internal (int Class, int Held, TimeSpan Since) TurnAt(TimeSpan now) => Held switch
        {
            0 => (1, 0, starvingSince ?? now),
            _ when now - dealtAt < BudgetTiming.RenewEvery => (0, -Held, dealtAt),
            _ => (2, -Held, dealtAt),
        };
    }
}
