using System.Globalization;
using EhrGrains.Contracts.Changes;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;

namespace EhrGrains.Storage.Changes;

/// <summary>
/// The changes of records, to read. Numbers are given out under a lock that is held to the commit: what is read after a number is all
/// there is, and nothing will ever appear before it. Thread-safe.
/// </summary>
public sealed class ChangeLog(Database database)
{
    private const int TenantsAtOnce = 500;

    /// <summary>The changes after a number, in order; at most <paramref name="countMax"/> (1–1,000).</summary>
    public async Task<ChangeRead> ReadAsync(TenantId tenant, long after, int countMax, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(countMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(countMax, ChangePage.CountMax);
        var rows = await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT h.last, c.seq, c.patient, c.type, c.id, c.version, c.kind, c.source, c.at_us FROM change_heads h
                LEFT JOIN (SELECT * FROM changes WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3) c ON c.tenant_id = h.tenant_id
                WHERE h.tenant_id = $1 ORDER BY c.seq
                """)
                .With(tenant.Value).With(after).With(countMax),
            r => (Last: r.GetInt64(0), Change: r.IsDBNull(1) ? null : new ChangeRecord(
                r.GetInt64(1),
                PatientId.Parse(r.GetString(2), CultureInfo.InvariantCulture),
                r.GetString(3),
                r.GetString(4),
                (int)r.GetInt64(5),
                (ChangeKind)r.GetInt64(6),
                r.GetString(7),
                Microseconds.FromMicroseconds(r.GetInt64(8)))),
            cancellationToken);
        return rows is [] or [{ Change: null }]
            ? new ChangeRead([], after, rows is [var only] ? only.Last : 0)
            : new ChangeRead([.. rows.Select(row => row.Change!)], after, rows[0].Last);
    }

    /// <summary>The tenant's last number; 0: there was no change yet.</summary>
    public async Task<long> LastAsync(TenantId tenant, CancellationToken cancellationToken) =>
        (await LastAsync([tenant], cancellationToken)).GetValueOrDefault(tenant);

    /// <summary>The last numbers of tenants; of those that had a change.</summary>
    public async Task<IReadOnlyDictionary<TenantId, long>> LastAsync(IReadOnlyCollection<TenantId> tenants, CancellationToken cancellationToken)
    {
        var found = new Dictionary<TenantId, long>();
        foreach (var some in tenants.Chunk(TenantsAtOnce))
        {
            // SQLite has no policies that choose the rows.
            var wanted = some.ToHashSet();
            foreach (var (tenant, last) in await database.ReadAsync(
                TenantScope.Of(some.Select(tenant => tenant.Value)),
                new Statement("SELECT tenant_id, last FROM change_heads"),
                r => (TenantId.Parse(r.GetString(0), CultureInfo.InvariantCulture), r.GetInt64(1)),
                cancellationToken))
            {
                _ = wanted.Contains(tenant) && found.TryAdd(tenant, last);
            }
        }

        return found;
    }
}

/// <summary>What was read of the changes.</summary>
/// <param name="Rows">The changes, in order and without gaps.</param>
/// <param name="After">The number that was asked after.</param>
/// <param name="Last">The tenant's last number.</param>
public sealed record ChangeRead(IReadOnlyList<ChangeRecord> Rows, long After, long Last)
{
    /// <summary>True: the changes that follow <see cref="After"/> are no longer kept.</summary>
    public bool IsGone => Rows.Count == 0 ? After < Last : Rows[0].Seq != After + 1;
}
