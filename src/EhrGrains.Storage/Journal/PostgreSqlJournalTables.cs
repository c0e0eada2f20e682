using EhrGrains.Storage.Databases;

namespace EhrGrains.Storage.Journal;

/// <summary>The journal on PostgreSQL: a whole batch in one statement of each kind, and partitions as segments.</summary>
internal sealed class PostgreSqlJournalTables(Database database) : IJournalTables
{
    public IEnumerable<Statement> LockHeads(IReadOnlyList<FeedKey> feeds) =>
    [
        new Statement(
            $"""
            SELECT 0, h.tenant_id, h.feed, h.position, h.at_us, h.sequence, h.resends, h.reused, {database.ClockSql}
            FROM journal_head h
            JOIN unnest($1::text[], $2::text[]) q (tenant_id, feed)
              ON h.tenant_id = q.tenant_id COLLATE "C" AND h.feed = q.feed COLLATE "C"
            ORDER BY h.tenant_id, h.feed FOR UPDATE OF h
            """)
            .With(feeds.Select(f => f.Tenant).ToArray()).With(feeds.Select(f => f.Feed).ToArray()),
    ];

    // The subquery is one that the planner does not turn into a join over whole partitions.
    public Statement FindKnown(IReadOnlyList<Sought> sought) => new Statement(
        """
        SELECT 1, q.n - 1 FROM unnest($1::bytea[], $2::bigint[], $3::bigint[]) WITH ORDINALITY q (identity, low, high, n)
        WHERE (
          SELECT 1 FROM journal_entry e WHERE e.segment BETWEEN q.low AND q.high AND e.identity = q.identity LIMIT 1) IS NOT NULL
        """)
        .With(sought.Select(s => s.Row.Identity).ToArray())
        .With(sought.Select(s => s.FromSegment).ToArray())
        .With(sought.Select(s => s.ToSegment).ToArray());

    public IEnumerable<Statement> Insert(IReadOnlyList<StoredEntry> entries) =>
    [
        new Statement(
            """
            INSERT INTO journal_entry
              (segment, tenant_id, feed, position, at_us, identity, content, reused, resends, length, message)
            SELECT segment, tenant_id, feed, position, at_us, identity, content, reused, 0, length, message
            FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bigint[],
              $9::bigint[], $10::bytea[])
              q (segment, tenant_id, feed, position, at_us, identity, content, reused, length, message)
            """)
            .With(entries.Select(e => e.Segment).ToArray())
            .With(entries.Select(e => e.Row.Feed.Tenant).ToArray())
            .With(entries.Select(e => e.Row.Feed.Feed).ToArray())
            .With(entries.Select(e => e.Position).ToArray())
            .With(entries.Select(e => e.AtMicroseconds).ToArray())
            .With(entries.Select(e => e.Row.Identity).ToArray())
            .With(entries.Select(e => e.Row.Content).ToArray())
            .With(entries.Select(e => e.Reused ? 1L : 0L).ToArray())
            .With(entries.Select(e => (long)e.Row.Length).ToArray())
            .With(entries.Select(e => e.Sealed).ToArray()),
    ];

    public IEnumerable<Statement> UpdateHeads(IReadOnlyList<JournalHead> heads) =>
    [
        new Statement(
            """
            UPDATE journal_head h
            SET position = q.position, at_us = q.at_us, sequence = q.sequence, resends = q.resends, reused = q.reused
            FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
              q (tenant_id, feed, position, at_us, sequence, resends, reused)
            WHERE h.tenant_id = q.tenant_id COLLATE "C" AND h.feed = q.feed COLLATE "C"
            """)
            .With(heads.Select(h => h.Feed.Tenant).ToArray())
            .With(heads.Select(h => h.Feed.Feed).ToArray())
            .With(heads.Select(h => h.Position).ToArray())
            .With(heads.Select(h => h.AtMicroseconds).ToArray())
            .With(heads.Select(h => h.Sequence).ToArray())
            .With(heads.Select(h => h.Resends).ToArray())
            .With(heads.Select(h => h.Reused).ToArray()),
    ];

    public Statement CountResend(long segment, FeedKey feed, long position) => new Statement(
        """
        UPDATE journal_entry SET resends = resends + 1 WHERE segment = $1 AND tenant_id = $2 AND feed = $3 AND position = $4
        """)
        .With(segment).With(feed.Tenant).With(feed.Feed).With(position);

    public Task AddSegmentsAsync(IEnumerable<long> segments, CancellationToken cancellationToken) =>
        database.ExecuteAsync(
            TenantScope.None,
            [.. segments.Select(s => new Statement("SELECT journal_add_segment($1)").With(s))],
            cancellationToken);

    public Task DropSegmentAsync(long segment, CancellationToken cancellationToken) =>
        database.ExecuteAsync(
            TenantScope.None, [new Statement("SELECT journal_drop_segment($1)").With(segment)], cancellationToken);

    public Task<List<long>> ListSegmentsAsync(CancellationToken cancellationToken) =>
        database.ReadAsync(
            TenantScope.None,
            new Statement(
                """
                SELECT substr(c.relname, 9)::bigint FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'journal_entry'::regclass ORDER BY 1
                """),
            r => r.GetInt64(0),
            cancellationToken);
}
