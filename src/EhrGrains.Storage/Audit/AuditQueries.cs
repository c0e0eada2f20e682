using EhrGrains.Contracts.Audit;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;

namespace EhrGrains.Storage.Audit;

/// <summary>Reads chains: verifies one, and finds the rows that name a patient.</summary>
internal sealed class AuditQueries(Database database, AuditChains chains)
{
    private const int PageRows = 1000;

    internal async Task<AuditEntry[]> WhoAsync(
        TenantId tenant, byte[] patient, long? before, int countMax, CancellationToken cancellationToken)
    {
        var columns = string.Join(", ", AuditRow.Columns.Split(", ").Select(c => $"e.{c}"));
        var statement = new Statement(
            $"""
            SELECT {columns} FROM audit_patient p JOIN audit_entry e ON e.tenant_id = p.tenant_id AND e.seq = p.seq
            WHERE p.tenant_id = $1 AND p.patient = $2 AND p.seq < $3 ORDER BY p.seq DESC LIMIT $4
            """)
            .With(tenant.Value).With(patient).With(before ?? long.MaxValue).With((long)countMax);
        var rows = await database.ReadAsync(TenantScope.Of(tenant), statement, AuditRow.Read, cancellationToken);
        return [.. rows.Select(r => r.ToEntry())];
    }

    internal async Task<AuditVerification> VerifyAsync(TenantId tenant, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginSnapshotAsync(TenantScope.Of(tenant), cancellationToken);
        var heads = await session.ReadAsync(
            [new Statement("SELECT seq, hash, seal FROM audit_head WHERE tenant_id = $1").With(tenant.Value)],
            r => new Head(r.GetInt64(0), (byte[])r.GetValue(1), (byte[])r.GetValue(2)),
            cancellationToken);
        var head = heads.SingleOrDefault();
        var walk = new Walk(tenant.Value);

        // From the very start of the numbers, so that a row numbered 0 or -5 is seen.
        var after = long.MinValue;
        while (walk.Finding is null)
        {
            var rows = await session.ReadAsync([Page("audit_entry", AuditRow.Columns, tenant, after)], AuditRow.Read, cancellationToken);
            var to = rows.Count == PageRows ? rows[^1].Seq : long.MaxValue;
            var indexed = await ReadIndexAsync(session, tenant, after, to, cancellationToken);
            walk.Check(rows, indexed);
            if (to == long.MaxValue)
            {
                break;
            }

            after = to;
        }

        if (walk.Finding is null)
        {
            CheckHead(walk, head, tenant.Value);
        }

        return new AuditVerification
        {
            Intact = walk.Finding is null,
            Rows = walk.Rows,
            BrokenAt = walk.BrokenAt,
            Finding = walk.Finding,
            Head = head is null ? null : Convert.ToHexStringLower(head.Hash),
        };
    }

    private void CheckHead(Walk walk, Head? head, string tenant)
    {
        if (head is null)
        {
            if (walk.Rows > 0)
            {
                walk.Found(walk.Rows + 1, "the head of the chain was removed");
            }
        }
        else if (!chains.IsSealed(tenant, head.Seq, head.Hash, head.Seal))
        {
            var last = Math.Min(walk.Rows, Math.Max(head.Seq, 0));
            walk.Found(last + 1, "the head of the chain was changed, or rows from here on were replaced");
        }
        else if (head.Seq > walk.Rows)
        {
            walk.Found(walk.Rows + 1, $"{head.Seq - walk.Rows} rows at the end of the chain were removed");
        }
        else if (head.Seq < walk.Rows)
        {
            walk.Found(head.Seq + 1, "rows were inserted after the end of the chain");
        }
        else if (!head.Hash.AsSpan().SequenceEqual(walk.Hash))
        {
            walk.Found(walk.Rows, "rows were replaced, up to the end of the chain");
        }
    }

    private static Task<List<(long Seq, byte[] Patient)>> ReadIndexAsync(
        Session session, TenantId tenant, long after, long to, CancellationToken cancellationToken) =>
        session.ReadAsync(
            [new Statement(
                "SELECT seq, patient FROM audit_patient WHERE tenant_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq, patient")
                .With(tenant.Value).With(after).With(to)],
            r => (r.GetInt64(0), (byte[])r.GetValue(1)),
            cancellationToken);

    private static Statement Page(string table, string columns, TenantId tenant, long after) =>
        new Statement($"SELECT {columns} FROM {table} WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT {PageRows}")
            .With(tenant.Value).With(after);

    private sealed record Head(long Seq, byte[] Hash, byte[] Seal);

    /// <summary>Where a verification has got to; pure.</summary>
    private sealed class Walk(string tenant)
    {
        internal byte[] Hash { get; private set; } = AuditRow.Genesis(tenant);

        internal long Rows { get; private set; }

        internal long? BrokenAt { get; private set; }

        internal string? Finding { get; private set; }

        internal void Found(long seq, string finding)
        {
            BrokenAt = seq;
            Finding = $"{char.ToUpperInvariant(finding[0])}{finding[1..]}.";
        }

        /// <summary>Checks rows that follow the ones checked before, and the patients' index of the same stretch.</summary>
        internal void Check(List<AuditRow> rows, List<(long Seq, byte[] Patient)> indexed)
        {
            var index = 0;
            foreach (var row in rows)
            {
                var next = Rows + 1;
                if (row.Seq != next)
                {
                    if (row.Seq < next)
                    {
                        Found(row.Seq, "a row was inserted here");
                    }
                    else
                    {
                        Found(next, "this row was removed");
                    }

                    return;
                }

                var hash = row.ComputeHash(Hash);
                if (!hash.AsSpan().SequenceEqual(row.Hash))
                {
                    Found(next, "this row is not the one that was written here");
                    return;
                }

                var patients = new List<byte>();
                for (; index < indexed.Count && indexed[index].Seq <= row.Seq; index++)
                {
                    if (indexed[index].Seq < row.Seq)
                    {
                        break;
                    }

                    patients.AddRange(indexed[index].Patient);
                }

                if (!patients.SequenceEqual(row.Patients))
                {
                    Found(next, "the index of patients does not match this row");
                    return;
                }

                (Rows, Hash) = (next, hash);
            }

            if (index < indexed.Count)
            {
                Found(indexed[index].Seq, "the index of patients names a row that does not exist");
            }
        }
    }
}
