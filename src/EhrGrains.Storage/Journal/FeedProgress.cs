using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;
using EhrGrains.Storage.Outbound;
using EhrGrains.Storage.Records;

namespace EhrGrains.Storage.Journal;

/// <summary>
/// How far a feed's journal has been processed. Who processes it takes the epoch; from then on nothing that an earlier one does has
/// an effect (I3). Thread-safe.
/// </summary>
public sealed class FeedProgress(Database database, KeyRing keys)
{
    /// <summary>Begins to process a feed: takes the next epoch and tells where the last one was.</summary>
    public async Task<FeedTurn> TakeEpochAsync(TenantId tenant, FeedId feed, CancellationToken cancellationToken)
    {
        var take = new Statement(
            """
            INSERT INTO feed_progress (tenant_id, feed, epoch, position, reached, tries) VALUES ($1, $2, 1, 0, 0, 0)
            ON CONFLICT (tenant_id, feed) DO UPDATE SET epoch = feed_progress.epoch + 1
            RETURNING epoch, position, reached, tries
            """)
            .With(tenant.Value).With(feed.Value);
        await using var session = await database.BeginAsync(TenantScope.Of(tenant), cancellationToken);
        var turns = await session.ReadAsync(
            [take], r => new FeedTurn(r.GetInt64(0), r.GetInt64(1), r.GetInt64(2), r.GetInt32(3)), cancellationToken);
        await session.CommitAsync(cancellationToken);
        return turns[0];
    }

    /// <summary>
    /// Moves the position, puts messages aside, settles what was put aside and queues what is forwarded, all in one commit. It also
    /// sets the count of tries back to 0.
    /// </summary>
    /// <returns>False: another has taken the epoch since, and nothing was changed.</returns>
    public async Task<bool> CommitAsync(FeedCommit commit, CancellationToken cancellationToken)
    {
        var outbound = await OutboundInsert.PrepareAsync(keys, commit.Tenant, commit.Forwards, cancellationToken);
        await using var session = await database.BeginAsync(TenantScope.Of(commit.Tenant), cancellationToken);
        var move = new Statement(
            """
            UPDATE feed_progress SET position = $4, reached = CASE WHEN reached < $4 THEN $4 ELSE reached END, tries = 0
            WHERE tenant_id = $1 AND feed = $2 AND epoch = $3
            """)
            .With(commit.Tenant.Value).With(commit.Feed.Value).With(commit.Epoch).With(commit.Position);

        // The line is locked by the update: who takes the epoch now waits for this commit.
        if (await session.ExecuteAsync([move], cancellationToken) == 0)
        {
            return false;
        }

        await outbound.TakePositionsAsync(session, cancellationToken);
        await session.CommitAsync(
            [
                .. commit.Quarantined.Select(message => PutAside(commit, message)),
                .. commit.Settled.Select(position => new Statement(
                    "DELETE FROM feed_quarantine WHERE tenant_id = $1 AND feed = $2 AND position = $3")
                    .With(commit.Tenant.Value).With(commit.Feed.Value).With(position)),
                .. outbound.Statements(keys, database.ClockSql),
                .. MappingExceptions.Insert(database.Kind, commit.Tenant, commit.Exceptions),
            ],
            cancellationToken);
        return true;
    }

    /// <summary>Counts a try that failed, so that a message that ends the process is known after a restart too; answers how many there were.</summary>
    /// <returns>Null: another has taken the epoch since.</returns>
    public async Task<int?> CountTryAsync(TenantId tenant, FeedId feed, long epoch, CancellationToken cancellationToken)
    {
        var count = new Statement(
            "UPDATE feed_progress SET tries = tries + 1 WHERE tenant_id = $1 AND feed = $2 AND epoch = $3 RETURNING tries")
            .With(tenant.Value).With(feed.Value).With(epoch);
        await using var session = await database.BeginAsync(TenantScope.Of(tenant), cancellationToken);
        var tries = await session.ReadAsync([count], r => r.GetInt32(0), cancellationToken);
        await session.CommitAsync(cancellationToken);
        return tries.Count == 0 ? null : tries[0];
    }

    /// <summary>How the feed stands.</summary>
    public async Task<FeedStanding> ReadAsync(TenantId tenant, FeedId feed, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT coalesce(p.epoch, 0), coalesce(p.position, 0), coalesce(p.reached, 0), coalesce(h.position, 0), h.at_us,
                  (SELECT e.at_us FROM journal_entry e WHERE e.tenant_id = $1 AND e.feed = $2
                    AND e.position > coalesce(p.position, 0) ORDER BY e.position LIMIT 1),
                  coalesce(h.resends, 0), coalesce(h.reused, 0),
                  (SELECT count(*) FROM feed_quarantine q WHERE q.tenant_id = $1 AND q.feed = $2)
                FROM (SELECT 1 AS one) o
                LEFT JOIN feed_progress p ON p.tenant_id = $1 AND p.feed = $2
                LEFT JOIN journal_head h ON h.tenant_id = $1 AND h.feed = $2
                """)
                .With(tenant.Value).With(feed.Value),
            r => new FeedStanding(
                r.GetInt64(0),
                r.GetInt64(1),
                r.GetInt64(2),
                r.GetInt64(3),
                r.GetInt64(3) == 0 ? null : Microseconds.FromMicroseconds(r.GetInt64(4)),
                r.IsDBNull(5) ? null : Microseconds.FromMicroseconds(r.GetInt64(5)),
                r.GetInt64(6),
                r.GetInt64(7),
                (int)r.GetInt64(8)),
            cancellationToken);
        return rows[0];
    }

    /// <summary>What was put aside, after a position, in order. <paramref name="countMax"/> is 1–1,000.</summary>
    public async Task<IReadOnlyList<QuarantinedMessage>> ListQuarantineAsync(
        TenantId tenant, FeedId feed, long after, int countMax, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(countMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(countMax, 1000);
        return await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT position, at_us, tries, code, reason FROM feed_quarantine
                WHERE tenant_id = $1 AND feed = $2 AND position > $3 ORDER BY position LIMIT $4
                """)
                .With(tenant.Value).With(feed.Value).With(after).With(countMax),
            r => new QuarantinedMessage(
                r.GetInt64(0), Microseconds.FromMicroseconds(r.GetInt64(1)), r.GetInt32(2), r.GetString(3), r.GetString(4)),
            cancellationToken);
    }

    /// <summary>A message that was put aside; it is kept with the quarantine, however long that takes. Null: there is none at this position.</summary>
    public async Task<JournalEntry?> ReadQuarantinedAsync(
        TenantId tenant, FeedId feed, long position, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT position, received_at_us, reused, resends, segment, message FROM feed_quarantine
                WHERE tenant_id = $1 AND feed = $2 AND position = $3
                """)
                .With(tenant.Value).With(feed.Value).With(position),
            SealedEntry.Read,
            cancellationToken);
        return rows.Count == 0 ? null : await rows[0].OpenAsync(keys, tenant, feed, cancellationToken);
    }

    private static Statement PutAside(FeedCommit commit, QuarantinedMessage message) => new Statement(
        """
        INSERT INTO feed_quarantine
          (tenant_id, feed, position, at_us, tries, code, reason, segment, received_at_us, reused, resends, message)
        SELECT tenant_id, feed, position, $4, $5, $6, $7, segment, at_us, reused, resends, message FROM journal_entry
        WHERE tenant_id = $1 AND feed = $2 AND position = $3
        ON CONFLICT (tenant_id, feed, position) DO UPDATE
          SET at_us = excluded.at_us, tries = excluded.tries, code = excluded.code, reason = excluded.reason
        """)
        .With(commit.Tenant.Value).With(commit.Feed.Value).With(message.Position).With(message.At.ToMicroseconds())
        .With(message.Tries).With(message.Code).With(message.Reason);
}
