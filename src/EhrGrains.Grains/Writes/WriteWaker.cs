using System.Data.Common;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Writes;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage.Writes;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Writes;

/// <summary>
/// Wakes the grains of tenants whose outbox has something to do, so that one whose silo died goes on. Every silo looks; a grain that is
/// told twice does nothing twice.
/// </summary>
internal sealed partial class WriteWaker : BackgroundService
{
    private const int CountMax = 1_000;
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(5);

    private readonly WriteTable table;
    private readonly IGrainFactory grains;
    private readonly CallerTickets tickets;
    private readonly TimeProvider time;
    private readonly ILogger<WriteWaker> log;
    private readonly Nudges<TenantId> nudges;

    public WriteWaker(WriteTable table, IGrainFactory grains, CallerTickets tickets, TimeProvider time, ILogger<WriteWaker> log)
    {
        (this.table, this.grains, this.tickets, this.time, this.log) = (table, grains, tickets, time, log);
        nudges = new(CallAsync);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, time);
        try
        {
            do
            {
                try
                {
                    foreach (var tenant in await table.DueTenantsAsync(time.GetUtcNow(), CountMax, stoppingToken))
                    {
                        nudges.Tell(tenant);
                    }
                }
                catch (Exception e) when (e is DbException or TimeoutException or IOException or InvalidOperationException)
                {
                    LogNotRead(log, e.GetType().Name);
                }
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The silo stops.
        }
    }

    private async Task CallAsync(TenantId tenant)
    {
        using var system = tickets.EnterSystem();
        try
        {
            await grains.GetGrain<IWritesGrain>(GrainKeys.Tenant(tenant)).NudgeAsync(CancellationToken.None);
        }
        catch (Exception e) when (e is OrleansException or TimeoutException or ProblemException or InvalidOperationException)
        {
            LogNotReached(log, tenant, e.GetType().Name);
        }
    }

    [LoggerMessage(3400, LogLevel.Warning, "What outboxes have to do could not be read ({Reason}); it is looked for again in a moment.")]
    private static partial void LogNotRead(ILogger logger, string reason);

    [LoggerMessage(3401, LogLevel.Debug, "The outbox of tenant {Tenant} could not be told that it has something to do ({Reason}); it is told again.")]
    private static partial void LogNotReached(ILogger logger, TenantId tenant, string reason);
}
