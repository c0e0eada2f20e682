using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Storage.Outbound;

/// <summary>
/// The durable queues of outbound feeds. Who sends takes the epoch; nothing that an earlier one does has an effect (I3). Thread-safe.
/// </summary>
public sealed class OutboundQueue(Database database, KeyRing keys)
{
    /// <summary>Queues messages, all or none; completes when they are on disk. One whose key is known is not queued again.</summary>
    public async Task EnqueueAsync(TenantId tenant, IReadOnlyList<Forward> messages, CancellationToken cancellationToken)
    {
        var insert = await OutboundInsert.PrepareAsync(keys, tenant, messages, cancellationToken);
        await using var session = await database.BeginAsync(TenantScope.Of(tenant), cancellationToken);
        await insert.TakePositionsAsync(session, cancellationToken);
        await session.CommitAsync([.. insert.Statements(keys, database.ClockSql)], cancellationToken);
    }

    /// <summary>Begins to send: takes the next epoch.</summary>
    public async Task<long> TakeEpochAsync(TenantId tenant, FeedId feed, CancellationToken cancellationToken)
    {
        var take = new Statement(
            """
            INSERT INTO outbound_head (tenant_id, feed, position, epoch) VALUES ($1, $2, 0, 1)
            ON CONFLICT (tenant_id, feed) DO UPDATE SET epoch = outbound_head.epoch + 1 RETURNING epoch
            """)
            .With(tenant.Value).With(feed.Value);
        await using var session = await database.BeginAsync(TenantScope.Of(tenant), cancellationToken);
        var epochs = await session.ReadAsync([take], r => r.GetInt64(0), cancellationToken);
        await session.CommitAsync(cancellationToken);
        return epochs[0];
    }

    /// <summary>
    /// Waiting messages after a position, in order: at most <paramref name="countMax"/> (1–1,000) and about
    /// <paramref name="bytesMax"/>, but one at least if there is one.
    /// </summary>
    public async Task<IReadOnlyList<OutboundEntry>> ReadAsync(
        TenantId tenant, FeedId feed, long after, int countMax, int bytesMax, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(countMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(countMax, 1000);
        var rows = await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT position, at_us, message FROM outbound_message
                WHERE tenant_id = $1 AND feed = $2 AND state = 0 AND position > $3 AND position <= (
                  SELECT max(position) FROM (
                    SELECT position, sum(length) OVER (ORDER BY position) - length AS before FROM (
                      SELECT position, length FROM outbound_message
                      WHERE tenant_id = $1 AND feed = $2 AND state = 0 AND position > $3 ORDER BY position LIMIT $4) first) sums
                  WHERE before < $5)
                ORDER BY position
                """)
                .With(tenant.Value).With(feed.Value).With(after).With(countMax).With(bytesMax),
            r => (Position: r.GetInt64(0), At: Microseconds.FromMicroseconds(r.GetInt64(1)), Message: (byte[])r.GetValue(2)),
            cancellationToken);
        var entries = new OutboundEntry[rows.Count];
        for (var i = 0; i < entries.Length; i++)
        {
            var (position, at, message) = rows[i];
            var opened = await keys.OpenAsync(
                tenant.Value, KeyClass.Journal, message, OutboundInsert.Place(feed.Value, position), cancellationToken);
            entries[i] = new OutboundEntry(position, at, opened);
        }

        return entries;
    }

    /// <summary>Commits what a sender has done.</summary>
    /// <returns>False: another has taken the epoch since, and nothing was changed.</returns>
    public async Task<bool> CommitAsync(OutboundCommit commit, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginAsync(TenantScope.Of(commit.Tenant), cancellationToken);
        var fence = new Statement(
            $"""
            UPDATE outbound_head SET delivered_at_us = CASE WHEN $4 > 0 THEN {database.ClockSql} ELSE delivered_at_us END
            WHERE tenant_id = $1 AND feed = $2 AND epoch = $3
            """)
            .With(commit.Tenant.Value).With(commit.Feed.Value).With(commit.Epoch).With(commit.Delivered.Count);
        if (await session.ExecuteAsync([fence], cancellationToken) == 0)
        {
            return false;
        }

        await session.CommitAsync(
            [
                .. commit.Delivered.Select(position => Settle(commit, position, state: 1)),
                .. commit.Quarantined.Select(message => PutAside(commit, message)),
                .. commit.Retried.Select(position => new Statement(
                    """
                    UPDATE outbound_message SET state = 0, tries = 0, code = NULL, reason = NULL
                    WHERE tenant_id = $1 AND feed = $2 AND position = $3 AND state = 2
                    """)
                    .With(commit.Tenant.Value).With(commit.Feed.Value).With(position)),
                .. commit.Skipped.Select(position => Settle(commit, position, state: 3)),
            ],
            cancellationToken);
        return true;
    }

    /// <summary>How the queue stands.</summary>
    public async Task<OutboundStanding> StandingAsync(TenantId tenant, FeedId feed, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT coalesce(h.epoch, 0),
                  (SELECT count(*) FROM outbound_message m WHERE m.tenant_id = $1 AND m.feed = $2 AND m.state = 0),
                  (SELECT m.at_us FROM outbound_message m
                    WHERE m.tenant_id = $1 AND m.feed = $2 AND m.state = 0 ORDER BY m.position LIMIT 1),
                  h.delivered_at_us,
                  (SELECT count(*) FROM outbound_message m WHERE m.tenant_id = $1 AND m.feed = $2 AND m.state = 2)
                FROM (SELECT 1 AS one) o LEFT JOIN outbound_head h ON h.tenant_id = $1 AND h.feed = $2
                """)
                .With(tenant.Value).With(feed.Value),
            r => new OutboundStanding(
                r.GetInt64(0),
                r.GetInt64(1),
                r.IsDBNull(2) ? null : Microseconds.FromMicroseconds(r.GetInt64(2)),
                r.IsDBNull(3) ? null : Microseconds.FromMicroseconds(r.GetInt64(3)),
                (int)r.GetInt64(4)),
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
                SELECT position, settled_at_us, tries, code, reason FROM outbound_message
                WHERE tenant_id = $1 AND feed = $2 AND state = 2 AND position > $3 ORDER BY position LIMIT $4
                """)
                .With(tenant.Value).With(feed.Value).With(after).With(countMax),
            r => new QuarantinedMessage(
                r.GetInt64(0), Microseconds.FromMicroseconds(r.GetInt64(1)), r.GetInt32(2), r.GetString(3), r.GetString(4)),
            cancellationToken);
    }

    private Statement Settle(OutboundCommit commit, long position, int state) => new Statement(
        $"""
        UPDATE outbound_message SET state = $4, settled_at_us = {database.ClockSql}, message = NULL
        WHERE tenant_id = $1 AND feed = $2 AND position = $3 AND state IN (0, 2)
        """)
        .With(commit.Tenant.Value).With(commit.Feed.Value).With(position).With(state);

    private static Statement PutAside(OutboundCommit commit, QuarantinedMessage message) => new Statement(
        """
        UPDATE outbound_message SET state = 2, settled_at_us = $4, tries = $5, code = $6, reason = $7
        WHERE tenant_id = $1 AND feed = $2 AND position = $3 AND state = 0
        """)
        .With(commit.Tenant.Value).With(commit.Feed.Value).With(message.Position).With(message.At.ToMicroseconds())
        .With(message.Tries).With(message.Code).With(message.Reason);
}
