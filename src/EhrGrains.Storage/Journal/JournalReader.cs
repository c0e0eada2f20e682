using System.Data.Common;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Storage.Journal;

/// <summary>Reads the journal. Thread-safe.</summary>
public sealed class JournalReader(Database database, KeyRing keys)
{
    /// <summary>
    /// Entries after a position, in order: at most <paramref name="countMax"/> (1–1,000) and about <paramref name="bytesMax"/>, but
    /// one at least if there is one. Positions whose retention is over are passed over.
    /// </summary>
    public async Task<IReadOnlyList<JournalEntry>> ReadAsync(
        TenantId tenant, FeedId feed, long after, int countMax, int bytesMax, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(countMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(countMax, 1000);
        var rows = await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT position, at_us, reused, resends, segment, message FROM journal_entry
                WHERE tenant_id = $1 AND feed = $2 AND position > $3 AND position <= (
                  SELECT max(position) FROM (
                    SELECT position, sum(length) OVER (ORDER BY position) - length AS before FROM (
                      SELECT position, length FROM journal_entry
                      WHERE tenant_id = $1 AND feed = $2 AND position > $3 ORDER BY position LIMIT $4) first) sums
                  WHERE before < $5)
                ORDER BY position
                """)
                .With(tenant.Value).With(feed.Value).With(after).With(countMax).With(bytesMax),
            SealedEntry.Read,
            cancellationToken);
        var entries = new JournalEntry[rows.Count];
        for (var i = 0; i < entries.Length; i++)
        {
            entries[i] = await rows[i].OpenAsync(keys, tenant, feed, cancellationToken);
        }

        return entries;
    }

    /// <summary>The position of the first entry that was received at that time or later; null: there is none.</summary>
    public async Task<long?> FindAsync(TenantId tenant, FeedId feed, DateTimeOffset at, CancellationToken cancellationToken)
    {
        // Times never go back within a feed, so that halving finds the place: some 25 small reads instead of one more index.
        var (low, high) = (0L, await LastAsync(tenant, feed, cancellationToken));
        long? found = null;
        while (low < high)
        {
            var middle = low + ((high - low) / 2);
            var first = await FirstAfterAsync(tenant, feed, middle, cancellationToken);
            if (first is null)
            {
                high = middle;
            }
            else if (first.Value.At >= at)
            {
                (found, high) = (first.Value.Position, middle);
            }
            else
            {
                low = first.Value.Position;
            }
        }

        return found;
    }

    private async Task<long> LastAsync(TenantId tenant, FeedId feed, CancellationToken cancellationToken) =>
        (await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement("SELECT position FROM journal_head WHERE tenant_id = $1 AND feed = $2").With(tenant.Value).With(feed.Value),
            r => r.GetInt64(0),
            cancellationToken)).SingleOrDefault();

    private async Task<(long Position, DateTimeOffset At)?> FirstAfterAsync(
        TenantId tenant, FeedId feed, long after, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT position, at_us FROM journal_entry
                WHERE tenant_id = $1 AND feed = $2 AND position > $3 ORDER BY position LIMIT 1
                """)
                .With(tenant.Value).With(feed.Value).With(after),
            r => (r.GetInt64(0), Microseconds.FromMicroseconds(r.GetInt64(1))),
            cancellationToken);
        return rows.Count == 0 ? null : rows[0];
    }
}

/// <summary>An entry as it is stored: columns position, at_us, reused, resends, segment, message.</summary>
internal sealed record SealedEntry(long Position, long AtMicroseconds, bool Reused, int Resends, long Segment, byte[] Message)
{
    internal static SealedEntry Read(DbDataReader r) =>
        new(r.GetInt64(0), r.GetInt64(1), r.GetInt32(2) != 0, r.GetInt32(3), r.GetInt64(4), (byte[])r.GetValue(5));

    internal async Task<JournalEntry> OpenAsync(KeyRing keys, TenantId tenant, FeedId feed, CancellationToken cancellationToken)
    {
        var message = await keys.OpenAsync(
            tenant.Value, KeyClass.Journal, Message, JournalAppender.Place(feed.Value, Position, Segment), cancellationToken);
        return new JournalEntry(Position, Microseconds.FromMicroseconds(AtMicroseconds), message, Reused, Resends);
    }
}
