using System.Security.Cryptography;
using System.Text;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Storage.Audit;

/// <summary>A row that waits for its commit.</summary>
internal sealed class PendingRow(string tenant, AuditRow draft) : IQueuedRow
{
    public int Length => Draft.Patients.Length;

    public bool IsWaitedFor => !Done.Task.IsCompleted;

    internal string Tenant { get; } = tenant;

    internal AuditRow Draft { get; } = draft;

    /// <summary>The sequence number, once committed.</summary>
    internal TaskCompletionSource<long> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>
/// Adds rows to tenants' chains. The head row of each tenant is its lock: whoever has updated it holds the end of the chain
/// until the commit, on any silo. Heads are locked in the order of the tenants' ids, so that no two writers wait for each other.
/// </summary>
internal sealed class AuditChains(Database database, KeyRing keys)
{
    private readonly byte[] sealKey = keys.DeriveClusterKey("audit-head");
    private readonly HashSet<string> started = [];

    /// <summary>Commits rows of any number of tenants in one transaction, then completes their callers.</summary>
    internal async Task WriteAsync(IReadOnlyList<PendingRow> rows, CancellationToken cancellationToken)
    {
        var groups = rows.GroupBy(r => r.Tenant).OrderBy(g => g.Key, StringComparer.Ordinal).ToArray();
        await StartChainsAsync([.. groups.Select(g => g.Key).Where(t => !started.Contains(t))], cancellationToken);

        await using var session = await database.BeginAsync(TenantScope.Of(groups.Select(g => g.Key)), cancellationToken);
        var heads = await LockHeadsAsync(session, groups, cancellationToken);
        var entries = new List<Statement>(rows.Count);
        var ends = new List<Statement>(groups.Length * 2);
        var committed = new List<(PendingRow Row, long Seq)>(rows.Count);
        foreach (var group in groups)
        {
            if (!heads.TryGetValue(group.Key, out var head) || !IsSealed(group.Key, head.Seq, head.Hash, head.Seal))
            {
                // To go on would put a valid seal on a head that somebody made up. This tenant stops; the others do not.
                started.Remove(group.Key);
                var reason = $"the end of the chain of '{group.Key}' was removed or changed. Run 'ehrgrains audit verify {group.Key}'.";
                FailAll(group, new AuditUnavailableException(reason));
                continue;
            }

            var (seq, hash) = (head.Seq, head.Hash);
            foreach (var row in group)
            {
                var entry = row.Draft with { Seq = ++seq, AtMicroseconds = head.NowMicroseconds };
                hash = entry.ComputeHash(hash);
                entries.Add((entry with { Hash = hash }).Insert(group.Key));
                committed.Add((row, seq));
            }

            var patientsMax = group.Max(r => r.Draft.Patients.Length) / AuditRow.PatientLength;
            if (patientsMax > 0)
            {
                ends.Add(IndexPatients(group.Key, head.Seq, seq, patientsMax));
            }

            ends.Add(new Statement("UPDATE audit_head SET seq = $2, hash = $3, seal = $4 WHERE tenant_id = $1")
                .With(group.Key).With(seq).With(hash).With(Seal(group.Key, seq, hash)));
        }

        await session.CommitAsync([.. entries, .. ends], cancellationToken);
        foreach (var (row, seq) in committed)
        {
            row.Done.TrySetResult(seq);
        }
    }

    /// <summary>Takes the locks that writing takes, and lets go.</summary>
    internal async Task ProbeAsync(CancellationToken cancellationToken)
    {
        await using var session = await database.BeginAsync(TenantScope.None, cancellationToken);
        await session.ReadAsync(
            [
                new Statement("SELECT 1 FROM audit_head WHERE seq < 0"),
                new Statement("SELECT 1 FROM audit_entry WHERE tenant_id = ''"),
                new Statement("SELECT 1 FROM audit_patient WHERE tenant_id = ''"),
            ],
            _ => 0,
            cancellationToken);
    }

    internal static void FailAll(IEnumerable<PendingRow> rows, AuditUnavailableException reason)
    {
        foreach (var row in rows)
        {
            row.Done.TrySetException(reason);
        }
    }

    internal bool IsSealed(string tenant, long seq, byte[] hash, byte[] seal) =>
        CryptographicOperations.FixedTimeEquals(Seal(tenant, seq, hash), seal);

    private byte[] Seal(string tenant, long seq, byte[] hash) =>
        HMACSHA256.HashData(sealKey, Encoding.UTF8.GetBytes($"{tenant}\0{seq}\0{Convert.ToHexString(hash)}"));

    /// <summary>Makes the heads of new tenants, in a transaction of its own; not where rows exist, for then the head was removed.</summary>
    private async Task StartChainsAsync(string[] tenants, CancellationToken cancellationToken)
    {
        if (tenants.Length == 0)
        {
            return;
        }

        await using var session = await database.BeginAsync(TenantScope.Of(tenants), cancellationToken);
        var statements = tenants.Select(tenant => new Statement(
            """
            INSERT INTO audit_head (tenant_id, seq, hash, seal)
            SELECT $1, 0, $2, $3 WHERE NOT EXISTS (SELECT 1 FROM audit_entry e WHERE e.tenant_id = $1)
            ON CONFLICT (tenant_id) DO NOTHING
            """)
            .With(tenant).With(AuditRow.Genesis(tenant)).With(Seal(tenant, 0, AuditRow.Genesis(tenant))));
        await session.CommitAsync([.. statements], cancellationToken);
        started.UnionWith(tenants);
    }

    /// <summary>Locks the heads and reads them; the update itself changes nothing yet.</summary>
    private async Task<Dictionary<string, Head>> LockHeadsAsync(
        Session session, IEnumerable<IGrouping<string, PendingRow>> groups, CancellationToken cancellationToken)
    {
        var heads = await session.ReadAsync(
            [.. groups.Select(g => new Statement(
                $"UPDATE audit_head SET seq = seq WHERE tenant_id = $1 RETURNING tenant_id, seq, hash, seal, {database.ClockSql}")
                .With(g.Key))],
            r => (Tenant: r.GetString(0), Head: new Head(r.GetInt64(1), (byte[])r.GetValue(2), (byte[])r.GetValue(3), r.GetInt64(4))),
            cancellationToken);
        return heads.ToDictionary(h => h.Tenant, h => h.Head);
    }

    /// <summary>Cuts the patients of the new rows into the index, inside the database.</summary>
    private static Statement IndexPatients(string tenant, long after, long to, int patientsMax) => new Statement(
        """
        WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $4)
        INSERT INTO audit_patient (tenant_id, seq, patient)
        SELECT e.tenant_id, e.seq, substr(e.patients, n.i * 16 + 1, 16)
        FROM audit_entry e JOIN n ON n.i * 16 < length(e.patients)
        WHERE e.tenant_id = $1 AND e.seq > $2 AND e.seq <= $3
        """)
        .With(tenant).With(after).With(to).With((long)patientsMax);

    private sealed record Head(long Seq, byte[] Hash, byte[] Seal, long NowMicroseconds);
}
