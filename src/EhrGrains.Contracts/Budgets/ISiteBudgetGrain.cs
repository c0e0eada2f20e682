using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Contracts.Budgets;

/// <summary>Who a request to a hospital is made for; the order is the order of service.</summary>
[GenerateSerializer, Alias("ehr.Lane")]
public enum Lane
{
    /// <summary>Someone waits for the answer.</summary>
    Interactive = 0,

    /// <summary>Caused by a message or a hint from the hospital.</summary>
    Event = 1,

    /// <summary>Scheduled copying.</summary>
    Backfill = 2,
}

/// <summary>
/// What a tenant's EHR allows, dealt out to silos as leases of permits. Key: <see cref="GrainKeys.Tenant"/>.
/// docs/decisions/0004-site-budget.md says why a permit, not a token, is what is leased.
/// </summary>
[Alias("ehr.ISiteBudgetGrain")]
public interface ISiteBudgetGrain : IGrainWithStringKey
{
    /// <summary>Asks for permits or renews those in hand; called by each silo while it has work for the tenant, never per request.</summary>
    /// <exception cref="ProblemException">
    /// Conflict: a later demand of the same holder has been answered already, so this one says nothing any more.
    /// </exception>
    [Alias("Lease"), Requires(Permission.Internal), ResponseTimeout("00:00:03")]
    Task<BudgetLease> LeaseAsync(BudgetDemand demand, CancellationToken cancellationToken);

    /// <summary>The hospital answered 429 or 503: nothing is sent until the back-off is over. Answers how long that is.</summary>
    [Alias("Throttle"), Requires(Permission.Internal), ResponseTimeout("00:00:03")]
    Task<TimeSpan> ThrottleAsync(TimeSpan? retryAfter, CancellationToken cancellationToken);

    /// <summary>How the budget is spent now.</summary>
    [Alias("Describe"), Requires(Permission.Operate)]
    Task<BudgetDescription> DescribeAsync(CancellationToken cancellationToken);
}

/// <summary>What one silo wants of a site budget, and what it has.</summary>
[GenerateSerializer, Immutable, Alias("ehr.BudgetDemand")]
public sealed record BudgetDemand
{
    /// <summary>
    /// The silo's own name for itself in this process's life, <c>endpoint@generation/id</c>; a new process is a new holder. One of a
    /// later generation at the same endpoint proves that the earlier process is dead.
    /// </summary>
    [Id(0)]
    public required string Holder { get; init; }

    /// <summary>Counts the holder's demands from 1, so that one that was delayed on the way cannot undo a later one.</summary>
    [Id(1)]
    public required long Sequence { get; init; }

    /// <summary>Permits it has use for, by lane (index = <see cref="Lane"/>): waiting, in flight and used within the window.</summary>
    [Id(2)]
    public required int[] WantedPermits { get; init; }

    /// <summary>Requests it would have under way now, by lane: waiting and in flight.</summary>
    [Id(3)]
    public required int[] WantedSlots { get; init; }

    /// <summary>Permits it keeps; fewer than it was given means that the others are given back, free to use at once.</summary>
    [Id(4)]
    public required int HeldPermits { get; init; }

    /// <summary>Slots for requests under way that it keeps.</summary>
    [Id(5)]
    public required int HeldSlots { get; init; }

    /// <summary>Requests of the daily quota that it keeps and has not sent.</summary>
    [Id(6)]
    public required long HeldQuota { get; init; }

    /// <summary>Requests it has sent in its life.</summary>
    [Id(7)]
    public required long Sent { get; init; }

    /// <summary>True when it has nothing under way and sends nothing more: what it keeps is free when its last requests are a window ago.</summary>
    [Id(8)]
    public bool Leaving { get; init; }
}

/// <summary>What a silo may do until the lease ends.</summary>
[GenerateSerializer, Immutable, Alias("ehr.BudgetLease")]
public sealed record BudgetLease
{
    /// <summary>Permits: each allows one request in any window, counted from when the hospital must have seen the last one.</summary>
    [Id(0)]
    public required int Permits { get; init; }

    /// <summary>Slots: requests under way at one time.</summary>
    [Id(1)]
    public required int Slots { get; init; }

    /// <summary>
    /// The permits that are this silo's share now. Fewer than <see cref="Permits"/>: the others are to be given back as they become
    /// free. More: they are on their way back from other silos, so ask again soon.
    /// </summary>
    [Id(2)]
    public required int TargetPermits { get; init; }

    /// <summary>The slots that are this silo's share now.</summary>
    [Id(3)]
    public required int TargetSlots { get; init; }

    /// <summary>How long the lease holds, from when the silo asked for it.</summary>
    [Id(4)]
    public required TimeSpan Term { get; init; }

    /// <summary>Nothing may be sent for this long (Retry-After, back-off, or the daily quota is used up).</summary>
    [Id(5)]
    public required TimeSpan HoldOff { get; init; }

    /// <summary>After how long a permit may be used again: the contract's window.</summary>
    [Id(6)]
    public required TimeSpan Window { get; init; }

    /// <summary>Requests that the silo may still send of the daily quota under this lease; null: no quota.</summary>
    [Id(7)]
    public long? Quota { get; init; }
}

/// <summary>How a site budget is spent.</summary>
[GenerateSerializer, Immutable, Alias("ehr.BudgetDescription")]
public sealed record BudgetDescription
{
    /// <summary>The contract.</summary>
    [Id(0)]
    public required BudgetSpec Spec { get; init; }

    /// <summary>Permits out, by holder.</summary>
    [Id(1)]
    public required Dictionary<string, int> Leases { get; init; }

    /// <summary>How long nothing will be sent; zero: not held off.</summary>
    [Id(2)]
    public required TimeSpan HoldOff { get; init; }

    /// <summary>Requests counted today (UTC), those dealt out to silos and not known to be unsent among them.</summary>
    [Id(3)]
    public required long SpentToday { get; init; }
}
