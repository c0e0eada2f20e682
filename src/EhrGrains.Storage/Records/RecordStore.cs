using System.Data.Common;
using System.Globalization;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Storage.Records;

/// <summary>Where a resource is that was found over a tenant.</summary>
/// <param name="Patient">In whose record.</param>
/// <param name="Type">The resource type.</param>
/// <param name="Id">Its logical id.</param>
public sealed record FoundResource(PatientId Patient, string Type, string Id);

/// <summary>A part of a resource's history, newest first.</summary>
/// <param name="CountMax">At most so many: 1–1,001.</param>
/// <param name="Since">Not older than this.</param>
/// <param name="Until">Not younger than this: what is written meanwhile does not shift what is skipped.</param>
/// <param name="Skip">How many are left out first.</param>
public sealed record HistoryPart(int CountMax, DateTimeOffset? Since = null, DateTimeOffset? Until = null, long Skip = 0);

/// <summary>Reads patient records. Thread-safe.</summary>
public sealed class RecordStore
{
    internal const string TermPurpose = "record_index";

    /// <summary>Ids that one statement names.</summary>
    private const int AsOfIdsMax = 200;

    private const string Whose = "tenant_id = $1 AND patient IN (SELECT $2 UNION SELECT patient FROM record_heads WHERE tenant_id = $1 AND merged_into = $2)";

    private readonly Database database;
    private readonly KeyRing keys;
    private readonly BlindIndex blind;

    /// <summary>Creates it over its database.</summary>
    public RecordStore(Database database, KeyRing keys)
    {
        this.database = database;
        this.keys = keys;
        blind = new BlindIndex(keys);
    }

    /// <summary>
    /// The record, by one range read. One of more than <paramref name="bytesMax"/> bytes comes without its resources, which are then read
    /// by type (<see cref="LoadTypeAsync"/>).
    /// </summary>
    /// <exception cref="System.Security.Cryptography.CryptographicException">A row was changed, or copied from another place.</exception>
    public async Task<StoredChart> LoadAsync(TenantId tenant, PatientId patient, long bytesMax, CancellationToken cancellationToken)
    {
        // The head comes first, so that a resource can only be newer than the head says, and the next commit then finds itself fenced.
        await using var session = await database.BeginSnapshotAsync(TenantScope.Of(tenant), cancellationToken);
        ChartHead? head = null;
        var rows = await session.ReadAsync(
            [
                Of($"SELECT {RecordRows.HeadColumns} FROM record_heads WHERE tenant_id = $1 AND patient = $2", tenant, patient),
                Of(
                    $"""
                    SELECT {RecordRows.VersionColumns} FROM record_resources WHERE tenant_id = $1 AND patient = $2
                      AND (SELECT bytes FROM record_heads WHERE tenant_id = $1 AND patient = $2) <= $3
                    """,
                    tenant,
                    patient).With(bytesMax),
            ],
            r =>
            {
                if (r.FieldCount == 8)
                {
                    head = RecordRows.ReadHead(r);
                    return null;
                }

                return RecordRows.ReadVersion(r);
            },
            cancellationToken);
        return new StoredChart(head ?? ChartHead.New(patient), await OpenAsync(tenant, patient, rows.OfType<ChartResource>(), cancellationToken));
    }

    /// <summary>The current resources of one type.</summary>
    public async Task<IReadOnlyList<ChartResource>> LoadTypeAsync(
        TenantId tenant, PatientId patient, string type, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            TenantScope.Of(tenant),
            Of($"SELECT {RecordRows.VersionColumns} FROM record_resources WHERE tenant_id = $1 AND patient = $2 AND type = $3", tenant, patient)
                .With(type),
            RecordRows.ReadVersion,
            cancellationToken);
        return await OpenAsync(tenant, patient, rows, cancellationToken);
    }

    /// <summary>How many resources with content a record has of each type, and their bytes.</summary>
    public async Task<IReadOnlyList<(string Type, int Count, long Bytes)>> CountAsync(
        TenantId tenant, PatientId patient, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(tenant),
            Of(
                """
                SELECT type, count(*), CAST(sum(length) AS bigint) FROM record_resources
                WHERE tenant_id = $1 AND patient = $2 AND length > 0 GROUP BY type ORDER BY type
                """,
                tenant,
                patient),
            r => (r.GetString(0), (int)r.GetInt64(1), r.GetInt64(2)),
            cancellationToken);

    /// <summary>
    /// Versions of a record without their contents, newest first: of one resource (with those that it had in a record merged into this
    /// one), or of all. <paramref name="countMax"/> is 1–1,000.
    /// </summary>
    public async Task<IReadOnlyList<RecordVersion>> ListVersionsAsync(
        TenantId tenant, PatientId patient, RecordKey? resource, int countMax, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(tenant),
            Versions("type, id, version, at_us, kind, source, length", tenant, patient, resource, null, countMax),
            r => new RecordVersion(
                new RecordKey(r.GetString(0), r.GetString(1)),
                (int)r.GetInt64(2),
                Microseconds.FromMicroseconds(r.GetInt64(3)),
                (ChangeKind)r.GetInt64(4),
                r.GetString(5),
                (int)r.GetInt64(6)),
            cancellationToken);

    /// <summary>The versions of one resource with their contents, newest first, without the place that it left when it moved.</summary>
    /// <param name="tenant">The tenant.</param>
    /// <param name="patient">The record; those that were merged into it count.</param>
    /// <param name="resource">Which resource.</param>
    /// <param name="part">Which of them.</param>
    /// <param name="cancellationToken">Ends the read.</param>
    public async Task<IReadOnlyList<ChartResource>> HistoryAsync(
        TenantId tenant, PatientId patient, RecordKey resource, HistoryPart part, CancellationToken cancellationToken)
    {
        const string Which = $"{Whose} AND type = $3 AND id = $4 AND at_us >= $5 AND at_us <= $6 AND (patient = $2 OR length > 0)";
        ArgumentOutOfRangeException.ThrowIfLessThan(part.CountMax, 1, nameof(part));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(part.CountMax, 1001, nameof(part));
        var read = Of(
            $"""
            SELECT {RecordRows.VersionColumns}, patient FROM record_resources WHERE {Which}
            UNION ALL SELECT {RecordRows.VersionColumns}, patient FROM record_versions WHERE {Which}
            ORDER BY at_us DESC, version DESC LIMIT $7 OFFSET $8
            """,
            tenant,
            patient).With(resource.Type).With(resource.Id)
            .With(part.Since?.ToMicroseconds() ?? 0).With(part.Until?.ToMicroseconds() ?? long.MaxValue).With(part.CountMax).With(part.Skip);
        return await OpenAsync(tenant, await database.ReadAsync(TenantScope.Of(tenant), read, ReadOwned, cancellationToken), cancellationToken);
    }

    /// <summary>Resources of one type as they were at a time, with the record that they were in; without those that had no content then.</summary>
    /// <param name="tenant">The tenant.</param>
    /// <param name="patient">The record; those that were merged into it count.</param>
    /// <param name="type">The resource type.</param>
    /// <param name="ids">Which.</param>
    /// <param name="at">The time.</param>
    /// <param name="cancellationToken">Ends the read.</param>
    public async Task<IReadOnlyList<(PatientId Patient, ChartResource Resource)>> ListAsOfAsync(
        TenantId tenant, PatientId patient, string type, IReadOnlyCollection<string> ids, DateTimeOffset at, CancellationToken cancellationToken)
    {
        var rows = new Dictionary<string, (PatientId Patient, ChartResource Row)>(StringComparer.Ordinal);
        foreach (var some in ids.Chunk(AsOfIdsMax))
        {
            var last = 3 + some.Length;
            var which = $"{Whose} AND type = $3 AND at_us <= ${last + 1} AND id IN ({string.Join(", ", Enumerable.Range(4, some.Length).Select(n => $"${n}"))})";
            var read = Of(
                $"""
                SELECT {RecordRows.VersionColumns}, patient, length FROM record_resources WHERE {which}
                UNION ALL SELECT {RecordRows.VersionColumns}, patient, length FROM record_versions WHERE {which}
                ORDER BY at_us, version, length
                """,
                tenant,
                patient).With(type);
            Array.ForEach(some, id => read.With(id));

            // Of each the last one stays; the place that a moved resource left has one of the same number, without content.
            foreach (var (whose, row) in await database.ReadAsync(TenantScope.Of(tenant), read.With(at.ToMicroseconds()), ReadOwned, cancellationToken))
            {
                rows[row.Id] = (whose, row);
            }
        }

        var opened = new List<(PatientId, ChartResource)>(rows.Count);
        foreach (var (whose, row) in rows.Values.Where(found => !found.Row.Content.IsEmpty))
        {
            opened.Add((whose, await RecordRows.OpenAsync(keys, tenant, whose, row, cancellationToken)));
        }

        return opened;
    }

    /// <summary>One version of a resource, wherever it was then; null: there is none.</summary>
    public async Task<ChartResource?> ReadVersionAsync(
        TenantId tenant, PatientId patient, RecordKey resource, int version, CancellationToken cancellationToken)
    {
        // When a resource moves, the place that it leaves gets a version without content under the same number.
        var rows = await ReadVersionsAsync(tenant, patient, resource, version, 2, cancellationToken);
        return rows.FirstOrDefault(row => !row.Content.IsEmpty) ?? rows.FirstOrDefault();
    }

    /// <summary>What a merge moved into a record, wherever it is now.</summary>
    /// <param name="tenant">The tenant.</param>
    /// <param name="patient">The surviving record.</param>
    /// <param name="mergedBy">The source of the merge.</param>
    /// <param name="cancellationToken">Ends the read.</param>
    public async Task<IReadOnlyList<RecordKey>> ListMovedAsync(
        TenantId tenant, PatientId patient, string mergedBy, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(tenant),
            Of(
                $"""
                SELECT type, id FROM record_resources WHERE tenant_id = $1 AND patient = $2 AND kind = {(int)ChangeKind.Merged} AND source = $3
                  AND (type <> 'Patient' OR id <> $2)
                UNION SELECT type, id FROM record_versions WHERE tenant_id = $1 AND patient = $2 AND kind = {(int)ChangeKind.Merged} AND source = $3
                  AND (type <> 'Patient' OR id <> $2)
                """,
                tenant,
                patient).With(mergedBy),
            r => new RecordKey(r.GetString(0), r.GetString(1)),
            cancellationToken);

    /// <summary>
    /// The resources that are found under one term of each list, at most <paramref name="countMax"/> (1–1,000), by patient, type and id.
    /// </summary>
    public async Task<IReadOnlyList<FoundResource>> FindAsync(
        TenantId tenant, IReadOnlyList<IReadOnlyList<IndexTerm>> terms, int countMax, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfZero(terms.Count, nameof(terms));
        ArgumentOutOfRangeException.ThrowIfLessThan(countMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(countMax, 1000);
        var hashes = await blind.OfAsync(tenant, TermPurpose, [.. terms.SelectMany(list => list).Select(Text)], cancellationToken);
        var next = 3;
        var lists = terms.Select(list => string.Join(", ", list.Select(_ => string.Create(CultureInfo.InvariantCulture, $"${next++}")))).ToArray();
        var and = string.Concat(lists.Skip(1).Select(list =>
            $"""

             AND EXISTS (SELECT 1 FROM record_index o WHERE o.tenant_id = $1 AND o.term IN ({list})
               AND o.patient = i.patient AND o.type = i.type AND o.id = i.id)
            """));
        var find = new Statement(
            $"""
            SELECT DISTINCT patient, type, id FROM record_index i WHERE tenant_id = $1 AND term IN ({lists[0]}){and}
            ORDER BY patient, type, id LIMIT $2
            """)
            .With(tenant.Value).With(countMax);
        Array.ForEach(hashes, hash => find.With(hash));
        return await database.ReadAsync(
            TenantScope.Of(tenant), find, r => new FoundResource(PatientId.Parse(r.GetString(0), null), r.GetString(1), r.GetString(2)), cancellationToken);
    }

    /// <summary>What a term is hashed as.</summary>
    internal static string Text(IndexTerm term) => $"{term.Parameter}\0{term.Value}";

    private static Statement Of(string sql, TenantId tenant, PatientId patient) => new Statement(sql).With(tenant.Value).With(patient.Value);

    private static Statement Versions(
        string columns, TenantId tenant, PatientId patient, RecordKey? resource, int? version, int countMax)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(countMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(countMax, 1000);
        var which = (resource is null ? "" : " AND type = $4 AND id = $5") + (version is null ? "" : " AND version = $6");
        var read = Of(
            $"""
            SELECT {columns}, patient FROM record_resources WHERE {Whose}{which}
            UNION ALL SELECT {columns}, patient FROM record_versions WHERE {Whose}{which}
            ORDER BY at_us DESC, version DESC, type, id LIMIT $3
            """,
            tenant,
            patient).With(countMax);
        if (resource is { } key)
        {
            read.With(key.Type).With(key.Id);
        }

        return version is { } number ? read.With(number) : read;
    }

    private async Task<List<ChartResource>> ReadVersionsAsync(
        TenantId tenant, PatientId patient, RecordKey resource, int? version, int countMax, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            TenantScope.Of(tenant),
            Versions(RecordRows.VersionColumns, tenant, patient, resource, version, countMax),
            ReadOwned,
            cancellationToken);
        return await OpenAsync(tenant, rows, cancellationToken);
    }

    private async Task<List<ChartResource>> OpenAsync(
        TenantId tenant, List<(PatientId Patient, ChartResource Row)> rows, CancellationToken cancellationToken)
    {
        var opened = new List<ChartResource>(rows.Count);
        foreach (var (whose, row) in rows)
        {
            opened.Add(await RecordRows.OpenAsync(keys, tenant, whose, row, cancellationToken));
        }

        return opened;
    }

    private static (PatientId Patient, ChartResource Row) ReadOwned(DbDataReader r) => (PatientId.Parse(r.GetString(7), null), RecordRows.ReadVersion(r));

    private async Task<IReadOnlyList<ChartResource>> OpenAsync(
        TenantId tenant, PatientId patient, IEnumerable<ChartResource> rows, CancellationToken cancellationToken)
    {
        var opened = new List<ChartResource>();
        foreach (var row in rows)
        {
            opened.Add(await RecordRows.OpenAsync(keys, tenant, patient, row, cancellationToken));
        }

        return opened;
    }
}
