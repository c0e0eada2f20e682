using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;

namespace EhrGrains.Contracts;

/// <summary>
/// The one place that builds and reads grain keys. A key begins with its tenant (or, for grains of an app, with
/// <c>~app/</c>, which no tenant id can begin with), so that whoever checks a call can read the tenant off the key. Keys hold
/// opaque ids only: they appear in logs, exceptions and SQL.
/// </summary>
public static class GrainKeys
{
    /// <summary>The key prefix of grains that belong to an app rather than to a tenant.</summary>
    public const string AppScope = "~app";

    /// <summary>The key prefix of shards of the due-queue, which belong to no tenant.</summary>
    public const string SyncScope = "~sync";

    /// <summary>The purpose of the token session that backend queries use.</summary>
    public const string BackendPurpose = "backend";

    /// <summary>Key of the tenant's own grain, its site budget and its queries.</summary>
    public static string Tenant(TenantId tenant) => tenant.Value;

    /// <summary>Key of a token session: <c>{tenant}/{purpose}</c>.</summary>
    public static string TokenSession(TenantId tenant, string purpose) => $"{tenant.Value}/{purpose}";

    /// <summary>Key of a feed: <c>{tenant}/{feed}</c>.</summary>
    public static string Feed(TenantId tenant, FeedId feed) => $"{tenant.Value}/{feed.Value}";

    /// <summary>Key of a patient's record: <c>{tenant}/{patient}</c>.</summary>
    public static string Patient(TenantId tenant, PatientId patient) => $"{tenant.Value}/{patient.Value}";

    /// <summary>Key of a webhook: <c>{tenant}/{webhook}</c>.</summary>
    public static string Webhook(TenantId tenant, WebhookId webhook) => $"{tenant.Value}/{webhook.Value}";

    /// <summary>Key of a cohort: <c>{tenant}/{cohort}</c>.</summary>
    public static string Cohort(TenantId tenant, CohortId cohort) => $"{tenant.Value}/{cohort.Value}";

    /// <summary>How many shards look after what is due to be synced. Fixed: a tenant's shard follows from its id.</summary>
    public const int SyncShards = 64;

    /// <summary>Key of the shard that looks after a tenant's due work: <c>~sync/{number}</c>.</summary>
    public static string SyncShardOf(TenantId tenant) => SyncShard(ShardOf(tenant));

    /// <summary>Key of a shard by its number.</summary>
    public static string SyncShard(int shard) => string.Create(CultureInfo.InvariantCulture, $"{SyncScope}/{shard}");

    /// <summary>The number of a tenant's shard.</summary>
    public static int ShardOf(TenantId tenant) =>
        BinaryPrimitives.ReadUInt16BigEndian(SHA256.HashData(Encoding.ASCII.GetBytes(tenant.Value))) % SyncShards;

    /// <summary>Key of an app's grain: <c>~app/{app}</c>.</summary>
    public static string App(AppId app) => $"{AppScope}/{app.Value}";

    /// <summary>Reads the tenant that a key belongs to; false for keys of apps and for keys that name no tenant.</summary>
    public static bool TryGetTenant(string key, out TenantId tenant)
    {
        var slash = key.IndexOf('/', StringComparison.Ordinal);
        return TenantId.TryParse(slash < 0 ? key : key[..slash], out tenant);
    }

    /// <summary>Reads the app that a key belongs to; false for keys of tenants.</summary>
    public static bool TryGetApp(string key, out AppId app)
    {
        app = default;
        var parts = key.Split('/');
        return parts.Length >= 2 && parts[0] == AppScope && AppId.TryParse(parts[1], out app);
    }

    /// <summary>Reads the key of a feed; false for other keys.</summary>
    public static bool TryGetFeed(string key, out TenantId tenant, out FeedId feed)
    {
        feed = default;
        var slash = key.IndexOf('/', StringComparison.Ordinal);
        return TryGetTenant(key, out tenant) && slash > 0 && FeedId.TryParse(key[(slash + 1)..], out feed);
    }

    /// <summary>Reads the key of a patient's record; false for other keys.</summary>
    public static bool TryGetPatient(string key, out TenantId tenant, out PatientId patient)
    {
        patient = default;
        var slash = key.IndexOf('/', StringComparison.Ordinal);
        return TryGetTenant(key, out tenant) && slash > 0 && PatientId.TryParse(key[(slash + 1)..], out patient);
    }

    /// <summary>Reads the key of a webhook; false for other keys.</summary>
    public static bool TryGetWebhook(string key, out TenantId tenant, out WebhookId webhook)
    {
        webhook = default;
        var slash = key.IndexOf('/', StringComparison.Ordinal);
        return TryGetTenant(key, out tenant) && slash > 0 && WebhookId.TryParse(key[(slash + 1)..], out webhook);
    }

    /// <summary>Reads the key of a cohort; false for other keys.</summary>
    public static bool TryGetCohort(string key, out TenantId tenant, out CohortId cohort)
    {
        cohort = default;
        var slash = key.IndexOf('/', StringComparison.Ordinal);
        return TryGetTenant(key, out tenant) && slash > 0 && CohortId.TryParse(key[(slash + 1)..], out cohort);
    }
}
