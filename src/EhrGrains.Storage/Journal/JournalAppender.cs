using System.Buffers.Binary;
using System.Text;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Storage.Journal;

/// <summary>
/// Commits a batch of messages of any number of feeds. The head row of each feed is its lock: whoever holds it gives out the feed's
/// positions until the commit, on any silo. Heads are locked in one order, so that no two writers wait for each other.
/// </summary>
internal sealed class JournalAppender(Database database, KeyRing keys)
{
    private readonly IJournalTables tables = For(database);
    private readonly HashSet<FeedKey> started = [];
    private readonly HashSet<long> segments = [];

    internal static IJournalTables For(Database database) =>
        database.Kind == DatabaseKind.PostgreSql ? new PostgreSqlJournalTables(database) : new SqliteJournalTables(database);

    /// <summary>Binds a sealed message to its place (AAD).</summary>
    internal static byte[] Place(string feed, long position, long segment)
    {
        var place = new byte[16 + Encoding.ASCII.GetByteCount(feed)];
        BinaryPrimitives.WriteInt64BigEndian(place, position);
        BinaryPrimitives.WriteInt64BigEndian(place.AsSpan(8), segment);
        Encoding.ASCII.GetBytes(feed, place.AsSpan(16));
        return place;
    }

    /// <summary>Commits the rows in their order, then completes their callers.</summary>
    internal async Task WriteAsync(IReadOnlyList<JournalRow> rows, CancellationToken cancellationToken)
    {
        var today = Segments.Today(database.Time.GetUtcNow());
        await PrepareAsync(rows, today, cancellationToken);
        try
        {
            var batch = new Batch(rows, today);
            while (!await TryWriteAsync(batch, cancellationToken))
            {
                // A key ran out between its preparation and its use, which happens once in five minutes at most.
                await PrepareAsync(rows, today, cancellationToken);
                batch = new Batch(rows, today);
            }

            batch.Complete();
        }
        catch
        {
            // What was believed to be there may be what was missing.
            started.Clear();
            segments.Clear();
            throw;
        }
    }

    /// <summary>Takes the locks that writing takes, and lets go.</summary>
    internal async Task ProbeAsync(CancellationToken cancellationToken)
    {
        await using var session = await database.BeginAsync(TenantScope.None, cancellationToken);
        await session.ReadAsync(
            [.. tables.LockHeads([new FeedKey("", "")]), new Statement("SELECT 1 FROM journal_entry WHERE tenant_id = '' LIMIT 1")],
            _ => 0,
            cancellationToken);
    }

    /// <summary>
    /// Whatever needs a transaction of its own, which it must not wait for while it holds the heads: the tenants' keys, the heads of
    /// new feeds, the segments of a new day.
    /// </summary>
    private async Task PrepareAsync(IReadOnlyList<JournalRow> rows, long today, CancellationToken cancellationToken)
    {
        foreach (var tenant in rows.Select(r => r.Feed.Tenant).Distinct())
        {
            await keys.SealAsync(tenant, KeyClass.Journal, default, default, cancellationToken);
        }

        // No head is made where there are entries: it was removed, and the next position is not known any more.
        var newFeeds = rows.Select(r => r.Feed).Distinct().Where(f => !started.Contains(f)).Order().ToArray();
        if (newFeeds.Length > 0)
        {
            await database.ExecuteAsync(
                TenantScope.Of(newFeeds.Select(f => f.Tenant).Distinct()),
                [.. newFeeds.Select(feed => new Statement(
                    """
                    INSERT INTO journal_head (tenant_id, feed, position, at_us, resends, reused)
                    SELECT $1, $2, 0, 0, 0, 0
                    WHERE NOT EXISTS (SELECT 1 FROM journal_entry e WHERE e.tenant_id = $1 AND e.feed = $2)
                    ON CONFLICT (tenant_id, feed) DO NOTHING
                    """)
                    .With(feed.Tenant).With(feed.Feed))],
                cancellationToken);
            started.UnionWith(newFeeds);
        }

        var newSegments = rows.Select(r => Segments.Of(today, r.Message.RetentionDays)).Distinct().Except(segments).ToArray();
        if (newSegments.Length > 0)
        {
            await tables.AddSegmentsAsync(newSegments, cancellationToken);
            segments.UnionWith(newSegments);
        }
    }

    /// <summary>False when a key was not in hand; nothing was written then.</summary>
    private async Task<bool> TryWriteAsync(Batch batch, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginAsync(TenantScope.Of(batch.Tenants), cancellationToken);
        await session.ReadAsync(
            [.. tables.LockHeads(batch.Feeds), tables.FindKnown(batch.Sought)],
            r =>
            {
                if (r.GetInt32(0) == 0)
                {
                    batch.AddHead(
                        new JournalHead
                        {
                            Feed = new FeedKey(r.GetString(1), r.GetString(2)),
                            Position = r.GetInt64(3),
                            AtMicroseconds = Math.Max(r.GetInt64(4), r.GetInt64(8)),
                            Sequence = r.IsDBNull(5) ? null : r.GetInt64(5),
                            Resends = r.GetInt64(6),
                            Reused = r.GetInt64(7),
                        });
                }
                else
                {
                    batch.MarkKnown((int)r.GetInt64(1));
                }

                return 0;
            },
            cancellationToken);
        await FindSameAsync(session, batch, cancellationToken);

        if (!batch.TryDecide(keys))
        {
            return false;
        }

        await session.CommitAsync(
            [
                .. tables.Insert(batch.Entries),
                .. batch.Resent.Select(e => tables.CountResend(e.Segment, e.Feed, e.Position)),
                .. tables.UpdateHeads([.. batch.Heads]),
            ],
            cancellationToken);
        return true;
    }

    /// <summary>Of the few whose sender and control id are known: where, if anywhere, the same content is.</summary>
    private static async Task FindSameAsync(Session session, Batch batch, CancellationToken cancellationToken)
    {
        if (batch.Known.Count == 0)
        {
            return;
        }

        await session.ReadAsync(
            [.. batch.Known.Select(n => new Statement(
                """
                SELECT $5, position, segment FROM journal_entry
                WHERE segment BETWEEN $1 AND $2 AND identity = $3 AND content = $4 ORDER BY position LIMIT 1
                """)
                .With(batch.Sought[n].FromSegment).With(batch.Sought[n].ToSegment)
                .With(batch.Sought[n].Row.Identity).With(batch.Sought[n].Row.Content).With(n))],
            r =>
            {
                batch.MarkSame((int)r.GetInt64(0), r.GetInt64(1), r.GetInt64(2));
                return 0;
            },
            cancellationToken);
    }

    /// <summary>The rows of one transaction, and what becomes of each.</summary>
    private sealed class Batch(IReadOnlyList<JournalRow> rows, long today)
    {
        private readonly Dictionary<FeedKey, JournalHead> heads = [];
        private readonly Dictionary<UInt128, Seen> seen = [];
        private readonly List<(JournalRow Row, JournalReceipt Receipt)> receipts = new(rows.Count);

        internal IEnumerable<string> Tenants => rows.Select(r => r.Feed.Tenant).Distinct();

        internal FeedKey[] Feeds { get; } = [.. rows.Select(r => r.Feed).Distinct().Order()];

        internal Sought[] Sought { get; } =
        [
            .. rows.Select(r => new Sought(
                r,
                Segments.Of(today - Segments.DuplicateDays, r.Message.RetentionDays),
                Segments.Of(today, r.Message.RetentionDays))),
        ];

        internal List<int> Known { get; } = [];

        internal List<StoredEntry> Entries { get; } = new(rows.Count);

        internal List<(long Segment, FeedKey Feed, long Position)> Resent { get; } = [];

        internal IEnumerable<JournalHead> Heads => heads.Values;

        internal void AddHead(JournalHead head) => heads.Add(head.Feed, head);

        internal void MarkKnown(int row)
        {
            Known.Add(row);
            seen.TryAdd(Number(rows[row].Identity), new Seen());
        }

        internal void MarkSame(int row, long position, long segment) =>
            seen[Number(rows[row].Identity)].Contents.TryAdd(Number(rows[row].Content), (position, segment));

        /// <summary>Gives each message its position and seals it there; false when a key is not in hand.</summary>
        internal bool TryDecide(KeyRing keys)
        {
            foreach (var row in rows)
            {
                if (!heads.TryGetValue(row.Feed, out var head))
                {
                    throw new HeadRemovedException();
                }

                if (!TryDecide(keys, row, head))
                {
                    return false;
                }
            }

            return true;
        }

        internal void Complete()
        {
            foreach (var (row, receipt) in receipts)
            {
                row.Done.TrySetResult(receipt);
            }
        }

        private bool TryDecide(KeyRing keys, JournalRow row, JournalHead head)
        {
            var (identity, content) = (Number(row.Identity), Number(row.Content));
            var earlier = default(Earlier);
            if (seen.TryGetValue(identity, out var of))
            {
                earlier = of.Contents.TryGetValue(content, out var same) ? new Earlier(same.Position, false) : new Earlier(null, true);
            }

            var segment = Segments.Of(today, row.Message.RetentionDays);
            var position = head.Position + 1;
            var @sealed = earlier.SamePosition is null ? row.Seal(keys, Place(row.Feed.Feed, position, segment)) : null;
            switch (@sealed)
            {
                case null when earlier.SamePosition is null:
                    return false;
                case { Length: 0 }:
                    return true;
            }

            var receipt = head.Take(row.Message.Sequence, earlier);
            receipts.Add((row, receipt));
            if (receipt.Disposition is JournalDisposition.Appended or JournalDisposition.ControlIdReused)
            {
                Entries.Add(new StoredEntry(row, segment, position, head.AtMicroseconds, earlier.Other, @sealed!));
                seen.TryAdd(identity, new Seen());
                seen[identity].Contents[content] = (position, segment);
            }
            else if (receipt.Disposition == JournalDisposition.Duplicate)
            {
                Resent.Add((seen[identity].Contents[content].Segment, row.Feed, receipt.Position));
            }

            return true;
        }

        private static UInt128 Number(byte[] hash) => BinaryPrimitives.ReadUInt128BigEndian(hash);
    }

    /// <summary>What is in the journal of one sender and control id, by content.</summary>
    private sealed class Seen
    {
        internal Dictionary<UInt128, (long Position, long Segment)> Contents { get; } = [];
    }
}

/// <summary>The end of a feed's journal is not in the database any more: somebody removed it, and with it what the next position is.</summary>
internal sealed class HeadRemovedException() : Exception("The row that says where the feed's journal ends was removed.");
