using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;

namespace EhrGrains.Contracts.Tenants;

/// <summary>Lists tenants. A stateless worker over the directory table; key: <see cref="TenantDirectory.Key"/>.</summary>
[Alias("ehr.ITenantDirectoryGrain")]
public interface ITenantDirectoryGrain : IGrainWithStringKey
{
    /// <summary>Up to <paramref name="countMax"/> (1–1,000) tenants in order of id, after <paramref name="after"/> (null: from the start).</summary>
    [Alias("List"), Requires(Permission.Operate)]
    Task<TenantListing[]> ListAsync(TenantId? after, int countMax, CancellationToken cancellationToken);

    /// <summary>The tenants at which the app has any grant, in order of id.</summary>
    [Alias("ListGranted"), Requires(Permission.Internal)]
    Task<TenantId[]> ListGrantedAsync(AppId app, CancellationToken cancellationToken);
}

/// <summary>Where the tenant directory is found.</summary>
public static class TenantDirectory
{
    /// <summary>The key of <see cref="ITenantDirectoryGrain"/>.</summary>
    public const string Key = "~tenants";
}
