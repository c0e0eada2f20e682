using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Storage.Feeds;

/// <summary>The feeds of one tenant, as the listeners of all silos need them.</summary>
/// <param name="Tenant">Whose.</param>
/// <param name="Version">The version of the tenant's grain that wrote it.</param>
/// <param name="Specs">Each feed's specification as JSON, by id. No patient data and no secret.</param>
public sealed record TenantFeeds(TenantId Tenant, long Version, IReadOnlyDictionary<FeedId, string> Specs);

/// <summary>
/// The feeds of all tenants, for listeners that cannot wake every tenant's grain. The tenant's grain writes it after each change; the
/// version fences it (I3), so that a late writer changes nothing.
/// </summary>
public sealed class FeedTable
{
    /// <summary>Replaces a tenant's feeds, unless a newer version is stored already.</summary>
    public Task SaveAsync(TenantFeeds feeds, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>The feeds of every tenant that has any, in order of the tenants' ids.</summary>
    public Task<IReadOnlyList<TenantFeeds>> ListAllAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
}
