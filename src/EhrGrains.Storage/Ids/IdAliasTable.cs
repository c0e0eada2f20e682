using System.Text;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;
using Microsoft.Extensions.Caching.Memory;

namespace EhrGrains.Storage.Ids;

/// <summary>
/// The ids of hospitals that FHIR forbids and that are too long to be written in a legal way: the alias that stands for each, and
/// the original, sealed. An alias is a digest of its original and so never comes to mean another.
/// </summary>
public sealed class IdAliasTable : IDisposable
{
    /// <summary>Aliases held in memory: those of the pages that apps are reading now.</summary>
    private const int HeldMax = 8192;

    private readonly Database database;
    private readonly KeyRing keys;
    private readonly MemoryCache held = new(new MemoryCacheOptions { SizeLimit = HeldMax });

    /// <summary>Creates the table over its database.</summary>
    public IdAliasTable(Database database, KeyRing keys)
    {
        this.database = database;
        this.keys = keys;
    }

    /// <summary>Stores aliases that are not stored yet; durable when it completes.</summary>
    public async Task SaveAsync(
        TenantId tenant, IReadOnlyCollection<(string Alias, string Original)> aliases, CancellationToken cancellationToken)
    {
        var inserts = new List<Statement>(aliases.Count);
        var added = aliases.Where(a => !held.TryGetValue((tenant, a.Alias), out _)).ToArray();
        foreach (var (alias, original) in added)
        {
            var record = await keys.SealAsync(
                tenant.Value, KeyClass.Id, Encoding.UTF8.GetBytes(original), AssociatedData(alias), cancellationToken);
            inserts.Add(new Statement(
                "INSERT INTO id_alias (tenant_id, alias, original) VALUES ($1, $2, $3) ON CONFLICT (tenant_id, alias) DO NOTHING")
                .With(tenant.Value).With(alias).With(record));
        }

        if (inserts.Count > 0)
        {
            await database.ExecuteAsync(TenantScope.Of(tenant), inserts, cancellationToken);
            Array.ForEach(added, a => Hold(tenant, a.Alias, a.Original));
        }
    }

    /// <summary>The original that an alias of this tenant stands for; null if there is no such alias.</summary>
    public async ValueTask<string?> FindAsync(TenantId tenant, string alias, CancellationToken cancellationToken)
    {
        if (held.TryGetValue((tenant, alias), out string? original))
        {
            return original;
        }

        var rows = await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement("SELECT original FROM id_alias WHERE tenant_id = $1 AND alias = $2").With(tenant.Value).With(alias),
            r => (byte[])r.GetValue(0),
            cancellationToken);
        if (rows.Count == 0)
        {
            return null;
        }

        var plaintext = await keys.OpenAsync(tenant.Value, KeyClass.Id, rows[0], AssociatedData(alias), cancellationToken);
        return Hold(tenant, alias, Encoding.UTF8.GetString(plaintext));
    }

    /// <summary>Forgets what is held in memory.</summary>
    public void Dispose() => held.Dispose();

    private string Hold(TenantId tenant, string alias, string original) =>
        held.Set((tenant, alias), original, new MemoryCacheEntryOptions { Size = 1, SlidingExpiration = TimeSpan.FromMinutes(5) });

    private static byte[] AssociatedData(string alias) => Encoding.UTF8.GetBytes($"id_alias\0{alias}");
}
