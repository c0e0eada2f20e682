using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Feeds;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Storage.Journal;

/// <summary>
/// Drops segments of the journal whose retention is over, each as a whole; and what is left of outbound messages that were settled
/// long ago. A segment stays while a registered feed has not processed all of it: what was acknowledged is not lost because a feed was
/// paused for long. Every silo does it; whoever comes first has done it.
/// </summary>
internal sealed partial class JournalRetention(Database database, FeedTable feeds, ILogger<JournalRetention> log) : IHostedService, IDisposable
{
    /// <summary>How long the key of a settled outbound message stays known.</summary>
    internal static readonly TimeSpan KeepKeysFor = TimeSpan.FromDays(30);

    private const int TenantsAtOnce = 100;
    private const int RowsAtOnce = 1000;
    private static readonly TimeSpan Period = TimeSpan.FromHours(1);

    private readonly IJournalTables tables = JournalAppender.For(database);
    private readonly CancellationTokenSource stopping = new();
    private Task running = Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        running = RunAllAsync();
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await stopping.CancelAsync();
        await running.WaitAsync(cancellationToken);
    }

    public void Dispose() => stopping.Dispose();

    /// <summary>Does what is due now.</summary>
    internal async Task RunAsync(CancellationToken cancellationToken)
    {
        var today = Segments.Today(database.Time.GetUtcNow());
        foreach (var segment in (await tables.ListSegmentsAsync(cancellationToken)).Where(s => s <= today))
        {
            if (await FindWaitingAsync(segment, cancellationToken) is { } feed)
            {
                LogKept(log, segment, feed.Tenant, feed.Feed);
                continue;
            }

            await tables.DropSegmentAsync(segment, cancellationToken);
            LogDropped(log, segment);
        }

        await PurgeOutboundAsync(cancellationToken);
    }

    /// <summary>A registered feed that has not processed all of its messages in a segment; null: there is none.</summary>
    private async Task<FeedKey?> FindWaitingAsync(long segment, CancellationToken cancellationToken)
    {
        var registered = (await feeds.ListAllAsync(cancellationToken))
            .SelectMany(t => t.Specs.Keys.Select(f => new FeedKey(t.Tenant.Value, f.Value))).ToHashSet();
        foreach (var tenants in registered.Select(f => f.Tenant).Distinct().Chunk(TenantsAtOnce))
        {
            var waiting = await database.ReadAsync(
                TenantScope.Of(tenants),
                new Statement(
                    """
                    SELECT h.tenant_id, h.feed FROM journal_head h
                    LEFT JOIN feed_progress p ON p.tenant_id = h.tenant_id AND p.feed = h.feed
                    WHERE EXISTS (
                      SELECT 1 FROM journal_entry e WHERE e.segment = $1 AND e.tenant_id = h.tenant_id AND e.feed = h.feed
                        AND e.position > coalesce(p.reached, 0))
                    """)
                    .With(segment),
                r => new FeedKey(r.GetString(0), r.GetString(1)),
                cancellationToken);
            if (waiting.Exists(registered.Contains))
            {
                return waiting.Find(registered.Contains);
            }
        }

        return null;
    }

    private async Task PurgeOutboundAsync(CancellationToken cancellationToken)
    {
        var before = (database.Time.GetUtcNow() - KeepKeysFor).ToMicroseconds();
        var tenants = await database.ReadAsync(
            TenantScope.Directory, new Statement("SELECT DISTINCT tenant_id FROM outbound_head"), r => r.GetString(0), cancellationToken);
        foreach (var tenant in tenants)
        {
            var purge = new Statement(
                """
                DELETE FROM outbound_message WHERE tenant_id = $1 AND (feed, position) IN (
                  SELECT feed, position FROM outbound_message
                  WHERE tenant_id = $1 AND state IN (1, 3) AND settled_at_us < $2 LIMIT $3)
                """)
                .With(tenant).With(before).With(RowsAtOnce);
            while (await database.ExecuteAsync(TenantScope.Of(tenant), [purge], cancellationToken) == RowsAtOnce)
            {
                // More of the same: in small bites, so that nobody waits for it.
            }
        }
    }

    private async Task RunAllAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        using var timer = new PeriodicTimer(Period, database.Time);
        try
        {
            do
            {
                try
                {
                    await RunAsync(stopping.Token);
                }
                catch (Exception e) when (e is not (OutOfMemoryException or OperationCanceledException))
                {
                    // The top of a loop: readers were in the way, or the database is away. The next hour tries again.
                    LogFailed(log, e);
                }
            }
            while (await timer.WaitForNextTickAsync(stopping.Token));
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    [LoggerMessage(6050, LogLevel.Information, "Dropped segment {Segment} of the journal: its retention is over.")]
    private static partial void LogDropped(ILogger logger, long segment);

    [LoggerMessage(6051, LogLevel.Warning,
        "Segment {Segment} of the journal is kept beyond its retention, for {Tenant}/{Feed} has not processed all of it. Resume the feed, or remove it.")]
    private static partial void LogKept(ILogger logger, long segment, string tenant, string feed);

    [LoggerMessage(6052, LogLevel.Warning, "Old parts of the journal could not be dropped now; it is tried again in an hour.")]
    private static partial void LogFailed(ILogger logger, Exception cause);
}
