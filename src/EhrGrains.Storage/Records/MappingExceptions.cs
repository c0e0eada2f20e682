using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;

namespace EhrGrains.Storage.Records;

/// <summary>What could not be mapped as it should, by message, until it is mapped again without it or 90 days have passed. Thread-safe.</summary>
public sealed class MappingExceptions(Database database)
{
    private static readonly TimeSpan KeepFor = TimeSpan.FromDays(90);
    private static readonly TimeSpan PurgePeriod = TimeSpan.FromHours(1);

    private long purgedAt;

    /// <summary>How many there are of each kind, most first.</summary>
    public async Task<IReadOnlyList<MappingExceptionCount>> CountAsync(TenantId tenant, CancellationToken cancellationToken)
    {
        await PurgeAsync(cancellationToken);
        return await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT kind, location, count(*), max(at_us) FROM mapping_exceptions WHERE tenant_id = $1
                GROUP BY kind, location ORDER BY count(*) DESC, kind, location LIMIT 1000
                """).With(tenant.Value),
            r => new MappingExceptionCount(r.GetString(0), r.GetString(1), r.GetInt64(2), Microseconds.FromMicroseconds(r.GetInt64(3))),
            cancellationToken);
    }

    /// <summary>The newest, at most <paramref name="countMax"/> (1–1,000): of one kind or feed, or all.</summary>
    public async Task<IReadOnlyList<MappingExceptionEntry>> ListAsync(
        TenantId tenant, string? kind, FeedId? feed, int countMax, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(countMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(countMax, 1000);
        return await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT feed, position, at_us, kind, location, message FROM mapping_exceptions
                WHERE tenant_id = $1 AND ($2 = '' OR kind = $2) AND ($3 = '' OR feed = $3) ORDER BY at_us DESC, feed, position, ordinal LIMIT $4
                """)
                .With(tenant.Value).With(kind ?? "").With(feed?.Value ?? "").With(countMax),
            r => new MappingExceptionEntry(
                FeedId.Parse(r.GetString(0), null), r.GetInt64(1), Microseconds.FromMicroseconds(r.GetInt64(2)), r.GetString(3), r.GetString(4), r.GetString(5)),
            cancellationToken);
    }

    /// <summary>Puts what mapping a message again has found in place of what was found before.</summary>
    public Task ReplaceAsync(
        TenantId tenant, FeedId feed, long position, IReadOnlyList<MappingExceptionEntry> entries, CancellationToken cancellationToken) =>
        database.ExecuteAsync(
            TenantScope.Of(tenant),
            [
                new Statement("DELETE FROM mapping_exceptions WHERE tenant_id = $1 AND feed = $2 AND position = $3")
                    .With(tenant.Value).With(feed.Value).With(position),
                .. Insert(database.Kind, tenant, entries),
            ],
            cancellationToken);

    internal static IEnumerable<Statement> Insert(DatabaseKind kind, TenantId tenant, IReadOnlyList<MappingExceptionEntry> entries)
    {
        var set = new RowSet(
            "tenant_id text, feed text, position bigint, ordinal bigint, at_us bigint, kind text, location text, message text");
        foreach (var message in entries.GroupBy(e => (e.Feed, e.Position)))
        {
            foreach (var (ordinal, entry) in message.Index())
            {
                set.Add(
                    tenant.Value, entry.Feed.Value, entry.Position, (long)ordinal, entry.At.ToMicroseconds(), entry.Kind, entry.Location, entry.Message);
            }
        }

        return set.InsertInto(kind, "mapping_exceptions", "ON CONFLICT DO NOTHING");
    }

    private async Task PurgeAsync(CancellationToken cancellationToken)
    {
        if (Purging.IsDue(ref purgedAt, PurgePeriod, database.Time))
        {
            var delete = new Statement("DELETE FROM mapping_exceptions WHERE at_us <= $1")
                .With((database.Time.GetUtcNow() - KeepFor).ToMicroseconds());
            await database.ExecuteAsync(TenantScope.Expired, [delete], cancellationToken);
        }
    }
}
