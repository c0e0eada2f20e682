using System.Buffers.Binary;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;
using Microsoft.Extensions.Caching.Memory;

namespace EhrGrains.Storage.Records;

/// <summary>Whose an identifier is.</summary>
/// <param name="Bound">The record that it was given to.</param>
/// <param name="Current">The record that this one was merged into, as far as is known here; else the same.</param>
public readonly record struct IdentifierOwner(PatientId Bound, PatientId Current);

/// <summary>
/// Whose an identifier is, over a tenant. Identifiers are texts that the caller makes unambiguous (namespace and value); only keyed hashes
/// of them are stored. Thread-safe.
/// </summary>
public sealed class PatientIdentities : IDisposable
{
    /// <summary>Identifiers held in memory, about 200 bytes each: those of the patients that messages are about now.</summary>
    private const int HeldMax = 100_000;

    private const string Purpose = "patient_identifier";
    private static readonly TimeSpan KeepFor = TimeSpan.FromMinutes(10);

    private readonly MemoryCache held = new(new MemoryCacheOptions { SizeLimit = HeldMax });
    private readonly Database database;
    private readonly BlindIndex blind;

    /// <summary>Creates it over its database.</summary>
    public PatientIdentities(Database database, KeyRing keys)
    {
        this.database = database;
        blind = new BlindIndex(keys);
    }

    /// <summary>
    /// Whose each identifier is; null where it is unknown. Whether a record was merged may be heard of late here: the record itself
    /// knows for sure, and says so when something is given to it.
    /// </summary>
    public async Task<IdentifierOwner?[]> FindAsync(TenantId tenant, IReadOnlyList<string> identifiers, CancellationToken cancellationToken)
    {
        var hashes = await blind.OfAsync(tenant, Purpose, identifiers, cancellationToken);
        var owners = new IdentifierOwner?[hashes.Length];
        var sought = new RowSet("tenant_id text, blind bytea");
        var missing = false;
        for (var i = 0; i < hashes.Length; i++)
        {
            owners[i] = held.TryGetValue(KeyOf(tenant, hashes[i]), out IdentifierOwner owner) ? owner : null;
            if (owners[i] is null)
            {
                sought.Add(tenant.Value, hashes[i]);
                missing = true;
            }
        }

        if (missing)
        {
            var found = await ReadAsync(tenant, sought, cancellationToken);
            for (var i = 0; i < hashes.Length; i++)
            {
                if (owners[i] is null && found.TryGetValue(Number(hashes[i]), out var owner))
                {
                    owners[i] = held.Set(KeyOf(tenant, hashes[i]), owner, Entry());
                }
            }
        }

        return owners;
    }

    /// <summary>Says whose identifiers are that nobody has yet; those that somebody has stay as they are.</summary>
    /// <returns>Whether all of them were new.</returns>
    public async Task<bool> BindAsync(
        TenantId tenant, IReadOnlyList<(string Identifier, PatientId Patient)> identifiers, CancellationToken cancellationToken)
    {
        if (identifiers.Count == 0)
        {
            return true;
        }

        var set = await RowsAsync(tenant, identifiers, cancellationToken);
        var inserted = await database.ExecuteAsync(
            TenantScope.Of(tenant),
            [.. set.InsertInto(database.Kind, "patient_identifiers", "ON CONFLICT (tenant_id, blind) DO NOTHING")],
            cancellationToken);
        return inserted == identifiers.Count;
    }

    /// <summary>Says whose identifiers are, whoever had them before: an identifier was moved (HL7 v2 A43) or changed (A47).</summary>
    public async Task RebindAsync(
        TenantId tenant, IReadOnlyList<(string Identifier, PatientId Patient)> identifiers, CancellationToken cancellationToken)
    {
        if (identifiers.Count == 0)
        {
            return;
        }

        var set = await RowsAsync(tenant, identifiers, cancellationToken);
        await database.ExecuteAsync(
            TenantScope.Of(tenant),
            [.. set.InsertInto(
                database.Kind, "patient_identifiers", "ON CONFLICT (tenant_id, blind) DO UPDATE SET patient = excluded.patient, at_us = excluded.at_us")],
            cancellationToken);
        await ForgetAsync(tenant, [.. identifiers.Select(i => i.Identifier)], cancellationToken);
    }

    /// <summary>Forgets what is held of identifiers: a record said that it has moved.</summary>
    public async Task ForgetAsync(TenantId tenant, IReadOnlyList<string> identifiers, CancellationToken cancellationToken)
    {
        foreach (var hash in await blind.OfAsync(tenant, Purpose, identifiers, cancellationToken))
        {
            held.Remove(KeyOf(tenant, hash));
        }
    }

    /// <summary>Forgets what is held in memory.</summary>
    public void Dispose() => held.Dispose();

    private async Task<RowSet> RowsAsync(
        TenantId tenant, IReadOnlyList<(string Identifier, PatientId Patient)> identifiers, CancellationToken cancellationToken)
    {
        var hashes = await blind.OfAsync(tenant, Purpose, [.. identifiers.Select(i => i.Identifier)], cancellationToken);
        var now = database.Time.GetUtcNow().ToMicroseconds();
        var set = new RowSet("tenant_id text, blind bytea, patient text, at_us bigint");
        for (var i = 0; i < hashes.Length; i++)
        {
            set.Add(tenant.Value, hashes[i], identifiers[i].Patient.Value, now);
        }

        return set;
    }

    private async Task<Dictionary<UInt128, IdentifierOwner>> ReadAsync(TenantId tenant, RowSet sought, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginSnapshotAsync(TenantScope.Of(tenant), cancellationToken);
        var rows = await session.ReadAsync(
            [.. sought.Statements(
                database.Kind,
                $"""
                SELECT i.blind, i.patient, coalesce(h.merged_into, i.patient) FROM patient_identifiers i JOIN {sought.Source}
                  ON i.tenant_id = q.tenant_id COLLATE "C" AND i.blind = q.blind
                LEFT JOIN record_heads h ON h.tenant_id = i.tenant_id AND h.patient = i.patient
                """,
                """
                SELECT i.blind, i.patient, coalesce(h.merged_into, i.patient) FROM patient_identifiers i
                LEFT JOIN record_heads h ON h.tenant_id = i.tenant_id AND h.patient = i.patient
                WHERE i.tenant_id = $1 AND i.blind = $2
                """)],
            r => (Number((byte[])r.GetValue(0)), new IdentifierOwner(PatientId.Parse(r.GetString(1), null), PatientId.Parse(r.GetString(2), null))),
            cancellationToken);
        return rows.DistinctBy(row => row.Item1).ToDictionary();
    }

    private static UInt128 Number(byte[] hash) => BinaryPrimitives.ReadUInt128BigEndian(hash);

    private static (TenantId Tenant, UInt128 Hash) KeyOf(TenantId tenant, byte[] hash) => (tenant, Number(hash));

    private static MemoryCacheEntryOptions Entry() => new() { Size = 1, AbsoluteExpirationRelativeToNow = KeepFor };
}
