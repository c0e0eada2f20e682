using System.Data.Common;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage.Populations;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Populations;

/// <summary>
/// Wakes the grains of cohorts that have something to do, so that one whose silo died goes on. Every silo looks; a grain that is told twice
/// does nothing twice.
/// </summary>
internal sealed partial class CohortWaker : BackgroundService
{
    private const int CountMax = 1_000;
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(5);

    private readonly CohortTable table;
    private readonly IGrainFactory grains;
    private readonly CallerTickets tickets;
    private readonly TimeProvider time;
    private readonly ILogger<CohortWaker> log;
    private readonly Nudges<(TenantId Tenant, CohortId Cohort)> nudges;

    public CohortWaker(CohortTable table, IGrainFactory grains, CallerTickets tickets, TimeProvider time, ILogger<CohortWaker> log)
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
                    foreach (var cohort in await table.DueAsync(time.GetUtcNow(), CountMax, stoppingToken))
                    {
                        nudges.Tell(cohort);
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

    private async Task CallAsync((TenantId Tenant, CohortId Cohort) key)
    {
        using var system = tickets.EnterSystem();
        try
        {
            await grains.GetGrain<IPopulationSyncGrain>(GrainKeys.Cohort(key.Tenant, key.Cohort)).NudgeAsync(CancellationToken.None);
        }
        catch (Exception e) when (e is OrleansException or TimeoutException or ProblemException or InvalidOperationException)
        {
            LogNotReached(log, key.Tenant, key.Cohort, e.GetType().Name);
        }
    }

    [LoggerMessage(3300, LogLevel.Warning, "What cohorts have to do could not be read ({Reason}); it is looked for again in a moment.")]
    private static partial void LogNotRead(ILogger logger, string reason);

    [LoggerMessage(3301, LogLevel.Debug, "Cohort {Cohort} of tenant {Tenant} could not be told that it has something to do ({Reason}); it is told again.")]
    private static partial void LogNotReached(ILogger logger, TenantId tenant, CohortId cohort, string reason);
}
