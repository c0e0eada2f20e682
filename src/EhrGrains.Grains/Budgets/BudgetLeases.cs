using System.Collections.Concurrent;
using EhrGrains.Connect.Ehr;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Query;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Budgets;

/// <summary>
/// This silo's part of all site budgets: a lease a tenant that it has work for, taken from <see cref="ISiteBudgetGrain"/> and renewed
/// while there is demand. With a lease in hand a permit costs no grain call. Thread-safe.
/// </summary>
public sealed class BudgetLeases : ILifecycleParticipant<ISiloLifecycle>
{
    private readonly ConcurrentDictionary<TenantId, SiteLease> leases = new();
    private readonly Func<TenantId, SiteLease> create;
    private readonly IGrainFactory grains;
    private readonly CallerTickets tickets;

    /// <summary>Creates the leases of a silo; there is one instance a silo.</summary>
    internal BudgetLeases(
        ILocalSiloDetails silo, IGrainFactory grains, CallerTickets tickets, TimeProvider time, QueryMetrics metrics, ILogger<BudgetLeases> log)
    {
        (this.grains, this.tickets) = (grains, tickets);
        create = tenant => new SiteLease(silo.SiloAddress.ToParsableString(), tenant, demand => LeaseAsync(tenant, demand), Forget, time, metrics, log);
    }

    /// <summary>
    /// Waits for the right to send one request to the tenant's EHR: in order within a lane, interactive before event before backfill.
    /// </summary>
    /// <exception cref="BudgetRefusedException">The wait is too long for the lane, or too many wait already.</exception>
    public ValueTask<BudgetPermit> AcquireAsync(TenantId tenant, Lane lane, CancellationToken cancellationToken)
    {
        while (true)
        {
            var lease = leases.GetOrAdd(tenant, create);
            if (lease.TryAcquire(lane, cancellationToken, out var permit))
            {
                return permit;
            }

            // It ended just now; the next one is another holder.
            Forget(tenant, lease);
        }
    }

    /// <summary>The hospital answered 429 or 503: this silo stops at once, the others when the budget grain tells them.</summary>
    public async ValueTask ThrottledAsync(TenantId tenant, TimeSpan? retryAfter, int status)
    {
        leases.TryGetValue(tenant, out var lease);
        lease?.HoldOff(retryAfter is { } wait && wait > TimeSpan.Zero ? wait : BudgetTiming.RenewEvery, status);
        using var system = tickets.EnterSystem();
        try
        {
            var holdOff = await grains.GetGrain<ISiteBudgetGrain>(GrainKeys.Tenant(tenant)).ThrottleAsync(retryAfter, CancellationToken.None);
            lease?.HoldOff(holdOff, null);
        }
        catch (Exception e) when (e is ProblemException or TimeoutException or OrleansException)
        {
            // This silo holds off by itself; the others meet their own 429 and report it.
            lease?.ReportFailed(e);
        }
    }

    /// <inheritdoc/>
    public void Participate(ISiloLifecycle observer) => observer.Subscribe(
        nameof(BudgetLeases), ServiceLifecycleStage.Active, _ => Task.CompletedTask, StopAsync);

    internal int Count => leases.Count;

    // What is free goes back, so that a silo that stops in good order takes nothing with it.
    private Task StopAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(leases.Values.Select(lease => lease.GiveUpAsync())).WaitAsync(cancellationToken);

    private async Task<BudgetLease> LeaseAsync(TenantId tenant, BudgetDemand demand)
    {
        // The lease asks under its lock; the call itself is made without it.
        await Task.Yield();
        using var system = tickets.EnterSystem();
        return await grains.GetGrain<ISiteBudgetGrain>(GrainKeys.Tenant(tenant)).LeaseAsync(demand, CancellationToken.None);
    }

    private void Forget(TenantId tenant, SiteLease lease) => leases.TryRemove(new(tenant, lease));
}
