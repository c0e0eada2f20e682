using System.Collections.Concurrent;
using System.Data.Common;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Webhooks;
using EhrGrains.Storage.Changes;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Changes;

/// <summary>
/// Says that a tenant has new changes: at once to who waits in this silo and to the tenant's webhooks wherever they are, and within a
/// second to who waits in another silo, which looks as long as somebody waits. Thread-safe.
/// </summary>
internal sealed partial class ChangeNews(ChangeLog changes, WebhookDirectory webhooks, TimeProvider time, ILogger<ChangeNews> log) : BackgroundService
{
    internal static readonly TimeSpan LookPeriod = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<TenantId, TaskCompletionSource> waited = new();
    private IReadOnlyDictionary<TenantId, long> seen = new Dictionary<TenantId, long>();

    /// <summary>Changes of the tenant are committed. To be called after each commit; costs nothing.</summary>
    internal void Committed(TenantId tenant)
    {
        Wake(tenant);
        webhooks.Wake(tenant);
    }

    /// <summary>Done with the tenant's next change. Take it before you look whether there are changes, so that none is missed.</summary>
    internal Task NextAsync(TenantId tenant) =>
        waited.GetOrAdd(tenant, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(LookPeriod, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                try
                {
                    await LookAsync(stoppingToken);
                }
                catch (Exception e) when (e is DbException or TimeoutException or IOException or InvalidOperationException)
                {
                    LogNotLooked(log, e.GetType().Name);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The silo stops.
        }
    }

    /// <summary>Wakes who waits for a tenant whose last number is another than at the last look.</summary>
    private async Task LookAsync(CancellationToken cancellationToken)
    {
        TenantId[] tenants = [.. waited.Keys];
        var now = tenants.Length == 0 ? new Dictionary<TenantId, long>() : await changes.LastAsync(tenants, cancellationToken);
        foreach (var (tenant, last) in now)
        {
            // One that was not looked at before may have changed before it was: waking for nothing is harmless.
            if (!seen.TryGetValue(tenant, out var before) || before != last)
            {
                Wake(tenant);
            }
        }

        seen = now;
    }

    private void Wake(TenantId tenant)
    {
        if (waited.TryRemove(tenant, out var waiting))
        {
            waiting.TrySetResult();
        }
    }

    [LoggerMessage(5310, LogLevel.Warning, "Who waits for changes could not be served from the database ({Reason}); it is tried again in a second.")]
    private static partial void LogNotLooked(ILogger logger, string reason);
}
