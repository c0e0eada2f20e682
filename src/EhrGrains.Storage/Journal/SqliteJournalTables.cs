using System.Globalization;
using System.Text;
using EhrGrains.Storage.Databases;

namespace EhrGrains.Storage.Journal;

/// <summary>
/// The journal on SQLite: a table per segment, and <c>journal_entry</c> as a view over them. A writing transaction has the database
/// for itself, so that a head that it has read is locked.
/// </summary>
internal sealed class SqliteJournalTables(Database database) : IJournalTables
{
    private const string Columns = "tenant_id, feed, position, at_us, identity, content, reused, resends, length, message";

    private long[] known = [];

    public IEnumerable<Statement> LockHeads(IReadOnlyList<FeedKey> feeds) => feeds.Select(feed => new Statement(
        $"""
        SELECT 0, tenant_id, feed, position, at_us, sequence, resends, reused, {database.ClockSql}
        FROM journal_head WHERE tenant_id = $1 AND feed = $2
        """)
        .With(feed.Tenant).With(feed.Feed));

    /// <summary>The identities are handed over as one blob and cut up inside the database: one statement, prepared once.</summary>
    public Statement FindKnown(IReadOnlyList<Sought> sought)
    {
        var identities = new byte[sought.Count * JournalRow.HashLength];
        for (var i = 0; i < sought.Count; i++)
        {
            sought[i].Row.Identity.CopyTo(identities, i * JournalRow.HashLength);
        }

        var (low, high) = (sought.Min(s => s.FromSegment), sought.Max(s => s.ToSegment));
        var found = known.Where(s => s >= low && s <= high)
            .Select(s => $"EXISTS (SELECT 1 FROM {Table(s)} e WHERE e.identity = substr($1, n * 16 + 1, 16))");
        return new Statement(
            $"""
            WITH RECURSIVE q (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM q WHERE n + 1 < $2)
            SELECT 1, n FROM q WHERE {string.Join(" OR ", found.DefaultIfEmpty("0"))}
            """)
            .With(identities).With((long)sought.Count);
    }

    public IEnumerable<Statement> Insert(IReadOnlyList<StoredEntry> entries) => entries.Select(entry => new Statement(
        $"INSERT INTO {Table(entry.Segment)} ({Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9)")
        .With(entry.Row.Feed.Tenant).With(entry.Row.Feed.Feed).With(entry.Position).With(entry.AtMicroseconds)
        .With(entry.Row.Identity).With(entry.Row.Content).With(entry.Reused ? 1 : 0).With(entry.Row.Length).With(entry.Sealed));

    public IEnumerable<Statement> UpdateHeads(IReadOnlyList<JournalHead> heads) => heads.Select(head => new Statement(
        """
        UPDATE journal_head SET position = $3, at_us = $4, sequence = $5, resends = $6, reused = $7
        WHERE tenant_id = $1 AND feed = $2
        """)
        .With(head.Feed.Tenant).With(head.Feed.Feed).With(head.Position).With(head.AtMicroseconds).With(head.Sequence)
        .With(head.Resends).With(head.Reused));

    public Statement CountResend(long segment, FeedKey feed, long position) => new Statement(
        $"UPDATE {Table(segment)} SET resends = resends + 1 WHERE tenant_id = $1 AND feed = $2 AND position = $3")
        .With(feed.Tenant).With(feed.Feed).With(position);

    public async Task AddSegmentsAsync(IEnumerable<long> segments, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginAsync(TenantScope.None, cancellationToken);
        var existing = await ListAsync(session, cancellationToken);
        var missing = segments.Except(existing).ToArray();
        if (missing.Length == 0)
        {
            known = [.. existing];
            return;
        }

        var tables = missing.SelectMany(segment => new[]
        {
            new Statement(
                $"""
                CREATE TABLE {Table(segment)} (
                  tenant_id TEXT NOT NULL, feed TEXT NOT NULL, position INTEGER NOT NULL, at_us INTEGER NOT NULL,
                  identity BLOB NOT NULL, content BLOB NOT NULL, reused INTEGER NOT NULL, resends INTEGER NOT NULL,
                  length INTEGER NOT NULL, message BLOB NOT NULL, PRIMARY KEY (tenant_id, feed, position)) STRICT
                """),
            new Statement($"CREATE INDEX {Table(segment)}_identity ON {Table(segment)} (identity, content)"),
        });
        await RenewAsync(session, tables, [.. existing.Concat(missing).Order()], cancellationToken);
    }

    public async Task DropSegmentAsync(long segment, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginAsync(TenantScope.None, cancellationToken);
        var remaining = await ListAsync(session, cancellationToken);
        remaining.Remove(segment);
        await RenewAsync(session, [new Statement($"DROP TABLE IF EXISTS {Table(segment)}")], [.. remaining], cancellationToken);
    }

    public async Task<List<long>> ListSegmentsAsync(CancellationToken cancellationToken)
    {
        await using var session = await database.BeginSnapshotAsync(TenantScope.None, cancellationToken);
        return await ListAsync(session, cancellationToken);
    }

    private static string Table(long segment) => string.Create(CultureInfo.InvariantCulture, $"journal_{segment}");

    private static Task<List<long>> ListAsync(Session session, CancellationToken cancellationToken) =>
        session.ReadAsync(
            [new Statement("SELECT CAST(substr(name, 9) AS INTEGER) FROM sqlite_schema WHERE type = 'table' AND name GLOB 'journal_[0-9]*' ORDER BY 1")],
            r => r.GetInt64(0),
            cancellationToken);

    private async Task RenewAsync(
        Session session, IEnumerable<Statement> changes, long[] segments, CancellationToken cancellationToken)
    {
        var view = new StringBuilder(
            """
            CREATE VIEW journal_entry AS
            SELECT 0 AS segment, '' AS tenant_id, '' AS feed, 0 AS position, 0 AS at_us, x'' AS identity, x'' AS content, 0 AS reused,
              0 AS resends, 0 AS length, x'' AS message WHERE 0
            """);
        foreach (var segment in segments)
        {
            view.Append(CultureInfo.InvariantCulture, $" UNION ALL SELECT {segment}, {Columns} FROM {Table(segment)}");
        }

        await session.ExecuteAsync(
            [new Statement("DROP VIEW journal_entry"), .. changes, new Statement(view.ToString())], cancellationToken);
        await session.CommitAsync(cancellationToken);
        known = segments;
    }
}
