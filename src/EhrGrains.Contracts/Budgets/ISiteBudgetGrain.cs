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
    [Alias("Lease"), Requires(Permission.Internal)]
    Task<BudgetLease> LeaseAsync(BudgetDemand demand, CancellationToken cancellationToken);

    /// <summary>The hospital answered 429 or 503: nothing is sent until the back-off is over.</summary>
    [Alias("Throttle"), Requires(Permission.Internal)]
    Task<BudgetLease> ThrottleAsync(string holder, TimeSpan? retryAfter, CancellationToken cancellationToken);

    /// <summary>The contract changed.</summary>
    [Alias("Configure"), Requires(Permission.Internal)]
    Task ConfigureAsync(BudgetSpec spec, CancellationToken cancellationToken);

    /// <summary>How the budget is spent now.</summary>
    [Alias("Describe"), Requires(Permission.Operate)]
    Task<BudgetDescription> DescribeAsync(CancellationToken cancellationToken);
}

/// <summary>What one silo wants of a site budget.</summary>
[GenerateSerializer, Immutable, Alias("ehr.BudgetDemand")]
public sealed record BudgetDemand
{
    /// <summary>The silo's own name for itself in this process's life; a new process is a new holder.</summary>
    [Id(0)]
    public required string Holder { get; init; }

    /// <summary>Permits it would use now, by lane (index = <see cref="Lane"/>): waiting plus in flight.</summary>
    [Id(1)]
    public required int[] WantedByLane { get; init; }

    /// <summary>Permits it holds and keeps; fewer than before means that the others are given back and are free.</summary>
    [Id(2)]
    public required int Held { get; init; }

    /// <summary>Requests sent since the last lease, for the daily quota.</summary>
    [Id(3)]
    public required long Spent { get; init; }
}

/// <summary>What a silo may do until the lease ends.</summary>
[GenerateSerializer, Immutable, Alias("ehr.BudgetLease")]
public sealed record BudgetLease
{
    /// <summary>Permits: each allows one request in any window, counted from when the hospital must have seen the last one.</summary>
    [Id(0)]
    public required int Permits { get; init; }

    /// <summary>Requests under way at one time.</summary>
    [Id(1)]
    public required int Concurrency { get; init; }

    /// <summary>The silo should give permits back down to this number as they become free.</summary>
    [Id(2)]
    public required int TargetPermits { get; init; }

    /// <summary>How long the lease holds, from when the silo asked for it.</summary>
    [Id(3)]
    public required TimeSpan Term { get; init; }

    /// <summary>Nothing may be sent for this long (Retry-After, back-off, or the daily quota is used up).</summary>
    [Id(4)]
    public required TimeSpan HoldOff { get; init; }

    /// <summary>After how long a permit may be used again: the contract's window.</summary>
    [Id(5)]
    public required TimeSpan Window { get; init; }

    /// <summary>Requests that the silo may still send of the daily quota under this lease; null: no quota.</summary>
    [Id(6)]
    public long? QuotaLeft { get; init; }
}

/// <summary>How a site budget is spent.</summary>
[GenerateSerializer, Immutable, Alias("ehr.BudgetDescription")]
public sealed record BudgetDescription
{
    /// <summary>The contract.</summary>
    [Id(0)]
    public required BudgetSpec Spec { get; init; }

    /// <summary>Permits out, by silo.</summary>
    [Id(1)]
    public required Dictionary<string, int> Leases { get; init; }

    /// <summary>How long nothing will be sent; zero: not held off.</summary>
    [Id(2)]
    public required TimeSpan HoldOff { get; init; }

    /// <summary>Requests counted today (UTC).</summary>
    [Id(3)]
    public required long SpentToday { get; init; }
}
