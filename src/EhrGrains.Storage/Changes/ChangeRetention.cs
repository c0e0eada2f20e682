using EhrGrains.Storage.Databases;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Storage.Changes;

/// <summary>
/// Deletes changes that are older than 30 days, and what is known of deliveries after 7. A change stays while a webhook has not delivered
/// it: nothing is dropped because a receiver was away for long. Every silo does it; whoever comes first has done it.
/// </summary>
internal sealed partial class ChangeRetention(Database database, ILogger<ChangeRetention> log) : BackgroundService
{
    internal static readonly TimeSpan KeepChangesFor = TimeSpan.FromDays(30);
    internal static readonly TimeSpan KeepDeliveriesFor = TimeSpan.FromDays(7);
    private const int RowsAtOnce = 1_000;
    private static readonly TimeSpan Period = TimeSpan.FromHours(1);

    /// <summary>Does what is due now.</summary>
    internal async Task RunAsync(CancellationToken cancellationToken)
    {
        var now = database.Time.GetUtcNow();
        var tenants = await database.ReadAsync(
            TenantScope.Directory, new Statement("SELECT tenant_id FROM change_heads ORDER BY tenant_id"), r => r.GetString(0), cancellationToken);
        foreach (var tenant in tenants)
        {
            await PurgeAsync(tenant, ExpiredChanges(tenant, (now - KeepChangesFor).ToMicroseconds()), cancellationToken);
            await PurgeAsync(tenant, ExpiredDeliveries(tenant, (now - KeepDeliveriesFor).ToMicroseconds()), cancellationToken);
            await WarnAsync(tenant, (now - KeepChangesFor).ToMicroseconds(), cancellationToken);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, database.Time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                try
                {
                    await RunAsync(stoppingToken);
                }
                catch (Exception e) when (e is not (OutOfMemoryException or OperationCanceledException))
                {
                    // The top of a loop: the database is away. The next hour tries again.
                    LogFailed(log, e);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The silo stops.
        }
    }

    private async Task PurgeAsync(string tenant, Statement purge, CancellationToken cancellationToken)
    {
        while (await database.ExecuteAsync(TenantScope.Of([tenant]), [purge], cancellationToken) == RowsAtOnce)
        {
            // More of the same: in small bites, so that nobody waits for it.
        }
    }

    // Numbers grow with time, so the oldest are the lowest: no index by time is needed, and no gap can be made.
    private static Statement ExpiredChanges(string tenant, long before) => new Statement(
        """
        DELETE FROM changes WHERE tenant_id = $1 AND at_us < $2 AND seq IN (
          SELECT seq FROM changes WHERE tenant_id = $1
            AND seq <= coalesce((SELECT min(position) FROM webhook WHERE tenant_id = $1), 9223372036854775807)
          ORDER BY seq LIMIT $3)
        """)
        .With(tenant).With(before).With(RowsAtOnce);

    private static Statement ExpiredDeliveries(string tenant, long before) => new Statement(
        """
        DELETE FROM webhook_delivery WHERE tenant_id = $1 AND (webhook, number) IN (
          SELECT webhook, number FROM webhook_delivery WHERE tenant_id = $1 AND at_us < $2 LIMIT $3)
        """)
        .With(tenant).With(before).With(RowsAtOnce);

    private async Task WarnAsync(string tenant, long before, CancellationToken cancellationToken)
    {
        var late = await database.ReadAsync(
            TenantScope.Of([tenant]),
            new Statement(
                """
                SELECT w.webhook FROM webhook w WHERE w.tenant_id = $1 AND EXISTS (
                  SELECT 1 FROM changes c WHERE c.tenant_id = $1 AND c.seq = w.position + 1 AND c.at_us < $2)
                ORDER BY w.webhook
                """)
                .With(tenant).With(before),
            r => r.GetString(0),
            cancellationToken);
        foreach (var webhook in late)
        {
            LogKept(log, tenant, webhook);
        }
    }

    [LoggerMessage(
        5300, LogLevel.Warning,
        "Changes of {Tenant} are kept beyond their 30 days, for webhook {Webhook} has not delivered them. Resume the webhook, or remove it.")]
    private static partial void LogKept(ILogger logger, string tenant, string webhook);

    [LoggerMessage(5301, LogLevel.Warning, "Old changes could not be deleted now; it is tried again in an hour.")]
    private static partial void LogFailed(ILogger logger, Exception cause);
}
