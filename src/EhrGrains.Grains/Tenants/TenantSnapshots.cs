using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;

namespace EhrGrains.Grains.Tenants;

/// <summary>
/// What this silo knows of tenants: at most 5 s old, so that a revoked grant or a suspension holds everywhere within 5 s. One
/// grain call a tenant and refresh; one older than 2 s is still served while the next is on its way. At most 20,000 tenants.
/// </summary>
public sealed class TenantSnapshots
{
    private static readonly TimeSpan RefreshAfter = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AgeMax = TimeSpan.FromSeconds(5);

    private readonly FreshCache<TenantId, TenantSnapshot?> cache;
    private readonly Func<TenantId, CancellationToken, Task<TenantSnapshot?>> fetch;

    /// <summary>Creates the cache.</summary>
    public TenantSnapshots(IGrainFactory grains, CallerTickets tickets, TimeProvider time)
    {
        cache = new(20_000, TimeSpan.FromSeconds(10), time);
        fetch = (tenant, ct) => FetchAsync(grains, tickets, tenant, ct);
    }

    /// <summary>The tenant; null when it is not registered.</summary>
    public ValueTask<TenantSnapshot?> GetAsync(TenantId tenant, CancellationToken cancellationToken) =>
        cache.GetAsync(tenant, RefreshAfter, AgeMax, fetch, cancellationToken);

    /// <summary>The tenant as it is now: for a refusal, which is never made from memory, so that a new grant holds at once.</summary>
    public ValueTask<TenantSnapshot?> GetNowAsync(TenantId tenant, CancellationToken cancellationToken) =>
        cache.GetAsync(tenant, TimeSpan.Zero, TimeSpan.Zero, fetch, cancellationToken);

    private static async Task<TenantSnapshot?> FetchAsync(
        IGrainFactory grains, CallerTickets tickets, TenantId tenant, CancellationToken cancellationToken)
    {
        using var system = tickets.EnterSystem();
        try
        {
            return await grains.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(tenant)).GetSnapshotAsync(cancellationToken);
        }
        catch (ProblemException e) when (e.Kind == ProblemKind.NotFound)
        {
            return null;
        }
    }
}
