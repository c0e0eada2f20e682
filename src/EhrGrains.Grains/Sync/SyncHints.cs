using System.Collections.Concurrent;
using System.Data.Common;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage.Sync;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Sync;

/// <summary>
/// What messages of feeds say happened to patients that are copied: gathered for a moment, then noted in the table all at once. Who tells
/// waits for nothing. One that is lost with its silo is made good by the copy's own schedule. Thread-safe.
/// </summary>
internal sealed partial class SyncHints(
    SyncTable table, IGrainFactory grains, CallerTickets tickets, SyncOptions options, SyncMetrics metrics, TimeProvider time, ILogger<SyncHints> log)
    : BackgroundService
{
    private const int PatientsMax = 10_000;
    private const int TicksPerRefresh = 5;

    private ConcurrentDictionary<(TenantId Tenant, PatientId Record), HashSet<string>> gathered = new();
    private volatile HashSet<TenantId> copied = [];

    /// <summary>Something happened with resources of these types in a record.</summary>
    internal void Tell(TenantId tenant, PatientId record, IEnumerable<string> types)
    {
        if (!copied.Contains(tenant) || gathered.Count >= PatientsMax)
        {
            return;
        }

        var one = gathered.GetOrAdd((tenant, record), _ => new HashSet<string>(StringComparer.Ordinal));
        lock (one)
        {
            one.UnionWith(types);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.TickEvery, time);
        try
        {
            for (var tick = 0; ; tick++)
            {
                try
                {
                    if (tick % TicksPerRefresh == 0)
                    {
                        copied = (await table.TenantsAsync(stoppingToken)).ToHashSet();
                    }

                    await NoteAsync(stoppingToken);
                }
                catch (Exception e) when (e is DbException or TimeoutException or IOException or InvalidOperationException or OrleansException or ProblemException)
                {
                    LogNotNoted(log, e.GetType().Name);
                }

                await timer.WaitForNextTickAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The silo stops.
        }
    }

    private async Task NoteAsync(CancellationToken cancellationToken)
    {
        if (gathered.IsEmpty)
        {
            return;
        }

        var all = Interlocked.Exchange(ref gathered, new());
        foreach (var tenant in all.GroupBy(one => one.Key.Tenant))
        {
            var hints = new List<(PatientId, IReadOnlyCollection<string>)>();
            foreach (var (key, types) in tenant)
            {
                lock (types)
                {
                    hints.Add((key.Record, [.. types]));
                }
            }

            var concerned = await table.HintAsync(tenant.Key, hints, time.GetUtcNow() + options.HintDelay, cancellationToken);
            if (concerned > 0)
            {
                metrics.Hinted(concerned);
                using var system = tickets.EnterSystem();
                await grains.GetGrain<ISyncShardGrain>(GrainKeys.SyncShardOf(tenant.Key)).WakeAsync(cancellationToken);
            }
        }
    }

    [LoggerMessage(3030, LogLevel.Warning, "Hints of messages could not be noted ({Reason}); the copies are renewed when they are due.")]
    private static partial void LogNotNoted(ILogger logger, string reason);
}
