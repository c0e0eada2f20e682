using System.Globalization;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;

namespace EhrGrains.Storage.Tenants;

/// <summary>
/// The directory: what listing tenants needs without waking their grains. The tenant's grain writes it after each change; the
/// version fences it (I3), so that a late writer changes nothing.
/// </summary>
public sealed class TenantTable(Database database)
{
    /// <summary>Replaces a tenant's line and the apps that have a grant there, unless a newer version is stored already.</summary>
    public Task SaveAsync(
        TenantListing listing, IReadOnlyCollection<AppId> grantedApps, long version, CancellationToken cancellationToken)
    {
        var tenant = listing.Tenant.Value;
        var upsert = new Statement(
            """
            INSERT INTO tenant (tenant_id, display_name, vendor, environment, lifecycle, version) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (tenant_id) DO UPDATE SET display_name = excluded.display_name, vendor = excluded.vendor,
              environment = excluded.environment, lifecycle = excluded.lifecycle, version = excluded.version
            WHERE tenant.version < excluded.version
            """)
            .With(tenant).With(listing.DisplayName).With(listing.Vendor)
            .With((long)listing.Environment).With((long)listing.Lifecycle).With(version);

        // The line is locked by now: its version tells whether this is still the newest.
        var delete = new Statement(
            """
            DELETE FROM tenant_grant WHERE tenant_id = $1
              AND EXISTS (SELECT 1 FROM tenant t WHERE t.tenant_id = $1 AND t.version = $2)
            """)
            .With(tenant).With(version);
        var grants = grantedApps.Distinct().Select(app => new Statement(
            """
            INSERT INTO tenant_grant (tenant_id, app_id)
            SELECT $1, $2 WHERE EXISTS (SELECT 1 FROM tenant t WHERE t.tenant_id = $1 AND t.version = $3)
            """)
            .With(tenant).With(app.Value).With(version));
        return database.ExecuteAsync(TenantScope.Of(listing.Tenant), [upsert, delete, .. grants], cancellationToken);
    }

    /// <summary>
    /// Up to <paramref name="countMax"/> (1–1,000) tenants in order of id, after <paramref name="after"/> (null: from the start).
    /// </summary>
    public async Task<TenantListing[]> ListAsync(TenantId? after, int countMax, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(countMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(countMax, 1000);
        var rows = await database.ReadAsync(
            TenantScope.Directory,
            new Statement(
                """
                SELECT tenant_id, display_name, vendor, environment, lifecycle FROM tenant
                WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2
                """)
                .With(after?.Value ?? "").With((long)countMax),
            r => new TenantListing(
                TenantId.Parse(r.GetString(0), CultureInfo.InvariantCulture),
                r.GetString(1),
                r.GetString(2),
                (TenantEnvironment)r.GetInt32(3),
                (Lifecycle)r.GetInt32(4)),
            cancellationToken);
        return [.. rows];
    }

    /// <summary>The tenants at which the app has a grant, in order of id.</summary>
    public async Task<TenantId[]> ListGrantedAsync(AppId app, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            TenantScope.Directory,
            new Statement("SELECT tenant_id FROM tenant_grant WHERE app_id = $1 ORDER BY tenant_id").With(app.Value),
            r => TenantId.Parse(r.GetString(0), CultureInfo.InvariantCulture),
            cancellationToken);
        return [.. rows];
    }
}
