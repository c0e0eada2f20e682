using System.Buffers.Binary;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Storage.Records;

/// <summary>Whose an identifier is.</summary>
/// <param name="Bound">The record that it was given to.</param>
/// <param name="Current">The record that this one was merged into, and that one in turn; else the same.</param>
public readonly record struct IdentifierOwner(PatientId Bound, PatientId Current);

/// <summary>
/// Whose an identifier is, over a tenant. Identifiers are texts that the caller makes unambiguous (namespace and value); only keyed hashes
/// of them are stored. Nothing is held in memory: whoever batches asks once a batch, and an answer that was true a minute ago would let two
/// batches believe in two patients where a merge has made one. Thread-safe.
/// </summary>
public sealed class PatientIdentities(Database database, KeyRing keys)
{
    private const string Purpose = "patient_identifier";

    /// <summary>Merges that are followed, one after the other.</summary>
    private const int MergesMax = 100;

    private readonly BlindIndex blind = new(keys);

    /// <summary>Whose each identifier is; null where it is unknown.</summary>
    public async Task<IdentifierOwner?[]> FindAsync(TenantId tenant, IReadOnlyList<string> identifiers, CancellationToken cancellationToken)
    {
        if (identifiers.Count == 0)
        {
            return [];
        }

        var hashes = await blind.OfAsync(tenant, Purpose, identifiers, cancellationToken);
        await using var session = await database.BeginSnapshotAsync(TenantScope.Of(tenant), cancellationToken);
        var bound = await ReadAsync(session, tenant, hashes, cancellationToken);
        var current = bound.Values.Distinct().ToDictionary(patient => patient);
        var open = current.Keys.ToList();
        for (var i = 0; open.Count > 0 && i < MergesMax; i++)
        {
            var merged = await FollowAsync(session, tenant, open, cancellationToken);
            foreach (var patient in current.Keys.Where(patient => merged.ContainsKey(current[patient])).ToArray())
            {
                current[patient] = merged[current[patient]];
            }

            open = [.. merged.Values.Distinct()];
        }

        return Array.ConvertAll(hashes, hash =>
            bound.TryGetValue(Number(hash), out var patient) ? new IdentifierOwner(patient, current[patient]) : (IdentifierOwner?)null);
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
    }

    /// <summary>
    /// Whether a record has been given other identifiers than these. Looks through those of the tenant, which are not kept by record: for what
    /// happens now and then.
    /// </summary>
    public async Task<bool> HasOthersAsync(TenantId tenant, PatientId patient, IReadOnlyList<string> identifiers, CancellationToken cancellationToken)
    {
        var hashes = await blind.OfAsync(tenant, Purpose, identifiers, cancellationToken);
        var others = new Statement(
            $"""
            SELECT 1 FROM patient_identifiers WHERE tenant_id = $1 AND patient = $2{string.Concat(hashes.Select((_, i) => $" AND blind <> ${i + 3}"))} LIMIT 1
            """).With(tenant.Value).With(patient.Value);
        Array.ForEach(hashes, hash => others.With(hash));
        return (await database.ReadAsync(TenantScope.Of(tenant), others, _ => true, cancellationToken)).Count > 0;
    }

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

    private async Task<Dictionary<UInt128, PatientId>> ReadAsync(
        Session session, TenantId tenant, byte[][] hashes, CancellationToken cancellationToken)
    {
        var sought = new RowSet("tenant_id text, blind bytea");
        Array.ForEach(hashes, hash => sought.Add(tenant.Value, hash));
        var rows = await session.ReadAsync(
            [.. sought.Statements(
                database.Kind,
                $"""
                SELECT i.blind, i.patient FROM patient_identifiers i JOIN {sought.Source} ON i.tenant_id = q.tenant_id COLLATE "C" AND i.blind = q.blind
                """,
                "SELECT blind, patient FROM patient_identifiers WHERE tenant_id = $1 AND blind = $2")],
            r => (Hash: Number((byte[])r.GetValue(0)), Patient: PatientId.Parse(r.GetString(1), null)),
            cancellationToken);
        return rows.DistinctBy(row => row.Hash).ToDictionary(row => row.Hash, row => row.Patient);
    }

    /// <summary>Of some records those that were merged, and into which.</summary>
    private async Task<Dictionary<PatientId, PatientId>> FollowAsync(
        Session session, TenantId tenant, List<PatientId> patients, CancellationToken cancellationToken)
    {
        var sought = new RowSet("tenant_id text, patient text");
        patients.ForEach(patient => sought.Add(tenant.Value, patient.Value));
        var rows = await session.ReadAsync(
            [.. sought.Statements(
                database.Kind,
                $"""
                SELECT h.patient, h.merged_into FROM record_heads h JOIN {sought.Source}
                  ON h.tenant_id = q.tenant_id COLLATE "C" AND h.patient = q.patient COLLATE "C" WHERE h.merged_into IS NOT NULL
                """,
                "SELECT patient, merged_into FROM record_heads WHERE tenant_id = $1 AND patient = $2 AND merged_into IS NOT NULL")],
            r => (Patient: PatientId.Parse(r.GetString(0), null), Into: PatientId.Parse(r.GetString(1), null)),
            cancellationToken);
        return rows.ToDictionary(row => row.Patient, row => row.Into);
    }

    private static UInt128 Number(byte[] hash) => BinaryPrimitives.ReadUInt128BigEndian(hash);
}
