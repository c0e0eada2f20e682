using System.Globalization;
using System.Text.Json;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;

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
public sealed class FeedTable(Database database)
{
    /// <summary>Replaces a tenant's feeds, unless a newer version is stored already.</summary>
    public Task SaveAsync(TenantFeeds feeds, CancellationToken cancellationToken)
    {
        var upsert = new Statement(
            """
            INSERT INTO tenant_feeds (tenant_id, version, specs) VALUES ($1, $2, $3)
            ON CONFLICT (tenant_id) DO UPDATE SET version = excluded.version, specs = excluded.specs
            WHERE tenant_feeds.version < excluded.version
            """)
            .With(feeds.Tenant.Value).With(feeds.Version)
            .With(JsonSerializer.Serialize(feeds.Specs.ToDictionary(e => e.Key.Value, e => e.Value)));
        return database.ExecuteAsync(TenantScope.Of(feeds.Tenant), [upsert], cancellationToken);
    }

    /// <summary>The feeds of every tenant that has ever had any, in order of the tenants' ids.</summary>
    public async Task<IReadOnlyList<TenantFeeds>> ListAllAsync(CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Directory,
            new Statement("SELECT tenant_id, version, specs FROM tenant_feeds ORDER BY tenant_id"),
            r => new TenantFeeds(
                TenantId.Parse(r.GetString(0), CultureInfo.InvariantCulture),
                r.GetInt64(1),
                JsonSerializer.Deserialize<Dictionary<string, string>>(r.GetString(2))!
                    .ToDictionary(e => FeedId.Parse(e.Key, CultureInfo.InvariantCulture), e => e.Value)),
            cancellationToken);
}
