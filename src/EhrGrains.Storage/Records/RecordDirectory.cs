using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Storage.Records;

/// <summary>Where in a tenant's records a resource is: by its id, or by the terms that it is found under. Thread-safe.</summary>
public sealed class RecordDirectory
{
    private readonly Database database;
    private readonly BlindIndex blind;

    /// <summary>Creates it over its database.</summary>
    public RecordDirectory(Database database, KeyRing keys)
    {
        this.database = database;
        blind = new BlindIndex(keys);
    }

    /// <summary>
    /// A record that has the resource; of several, as with a practitioner of many patients, the first. With none that has it now, one that had
    /// it: its history is there. Null: there never was such a resource.
    /// </summary>
    public async Task<PatientId?> FindAsync(TenantId tenant, RecordKey resource, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT patient FROM record_resources WHERE tenant_id = $1 AND type = $2 AND id = $3
                ORDER BY CASE WHEN length > 0 THEN 0 ELSE 1 END, patient LIMIT 1
                """).With(tenant.Value).With(resource.Type).With(resource.Id),
            r => PatientId.Parse(r.GetString(0), null),
            cancellationToken);
        return rows.Count == 0 ? null : rows[0];
    }

    /// <summary>
    /// The resources of a type that have at least one term of every list, in order of their ids, each once with one record that has it.
    /// </summary>
    /// <param name="tenant">Whose.</param>
    /// <param name="type">The resource type.</param>
    /// <param name="terms">The terms: any of each list, and all of the lists. At least one list, none empty.</param>
    /// <param name="afterId">Only ids after this one; null: from the start.</param>
    /// <param name="countMax">At most so many: 1–10,000.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<IReadOnlyList<FoundResource>> FindAsync(
        TenantId tenant, string type, IReadOnlyList<IReadOnlyList<IndexTerm>> terms, string? afterId, int countMax, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfZero(terms.Count, nameof(terms));
        ArgumentOutOfRangeException.ThrowIfLessThan(countMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(countMax, 10_000);
        var hashes = await blind.OfAsync(
            tenant, RecordStore.TermPurpose, [.. terms.SelectMany(list => list).Select(RecordStore.Text)], cancellationToken);
        var next = 5;
        var conditions = terms.Select(list => string.Join(", ", list.Select(_ => $"${next++}"))).ToArray();
        var and = string.Concat(conditions.Skip(1).Select(any =>
            $"""

             AND EXISTS (SELECT 1 FROM record_index o WHERE o.tenant_id = $1 AND o.term IN ({any})
               AND o.patient = i.patient AND o.type = i.type AND o.id = i.id)
            """));
        var find = new Statement(
            $"""
            SELECT min(patient), id FROM record_index i WHERE tenant_id = $1 AND type = $2 AND id > $3 AND term IN ({conditions[0]}){and}
            GROUP BY id ORDER BY id LIMIT $4
            """).With(tenant.Value).With(type).With(afterId ?? "").With(countMax);
        Array.ForEach(hashes, hash => find.With(hash));
        return await database.ReadAsync(
            TenantScope.Of(tenant), find, r => new FoundResource(PatientId.Parse(r.GetString(0), null), type, r.GetString(1)), cancellationToken);
    }
}
