using EhrGrains.Contracts.Callers;

namespace EhrGrains.Contracts.Query;

/// <summary>
/// Where one search has got to, when that does not fit into its cursor. Written once, read any number of times until it expires,
/// then cleared. Keys: <see cref="GrainKeys.Paging(Tenants.TenantId, string)"/> and
/// <see cref="GrainKeys.Paging(Apps.AppId, string)"/>.
/// </summary>
[Alias("ehr.IPagingGrain")]
public interface IPagingGrain : IGrainWithStringKey
{
    /// <summary>Keeps the position; the grain is written once.</summary>
    [Alias("Save"), Requires(Permission.Internal)]
    Task SaveAsync(PagingPosition position, CancellationToken cancellationToken);

    /// <summary>The position; null when it expired or never was.</summary>
    [Alias("Get"), Requires(Permission.Internal)]
    Task<PagingPosition?> GetAsync(CancellationToken cancellationToken);
}

/// <summary>Where a search has got to.</summary>
[GenerateSerializer, Immutable, Alias("ehr.PagingPosition")]
public sealed record PagingPosition
{
    /// <summary>
    /// By tenant: for a tenant's own search the EHR's link to the next page, for a federated search the tenant's own cursor.
    /// </summary>
    [Id(0)]
    public required Dictionary<string, string> ByTenant { get; init; }

    /// <summary>When it is forgotten.</summary>
    [Id(1)]
    public required DateTimeOffset ExpiresAt { get; init; }
}
