using System.Collections.Frozen;
using System.Data.Common;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage.Webhooks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Webhooks;

/// <summary>
/// The webhooks of all tenants as this silo knows them, at most 5 s old, to wake their grains: at each change, and all of them every half
/// minute, so that one whose silo died goes on without a change.
/// </summary>
internal sealed partial class WebhookDirectory : BackgroundService
{
    private static readonly TimeSpan RefreshPeriod = TimeSpan.FromSeconds(2);
    private const int RefreshesPerWake = 15;

    private readonly WebhookTable table;
    private readonly IGrainFactory grains;
    private readonly CallerTickets tickets;
    private readonly TimeProvider time;
    private readonly ILogger<WebhookDirectory> log;
    private readonly Nudges<(TenantId Tenant, WebhookId Webhook)> nudges;

    private volatile FrozenDictionary<TenantId, WebhookId[]> known = FrozenDictionary<TenantId, WebhookId[]>.Empty;

    public WebhookDirectory(WebhookTable table, IGrainFactory grains, CallerTickets tickets, TimeProvider time, ILogger<WebhookDirectory> log)
    {
        (this.table, this.grains, this.tickets, this.time, this.log) = (table, grains, tickets, time, log);
        nudges = new(CallAsync);
    }

    /// <summary>Tells the tenant's webhooks that there are changes.</summary>
    internal void Wake(TenantId tenant)
    {
        foreach (var webhook in known.GetValueOrDefault(tenant, []))
        {
            nudges.Tell((tenant, webhook));
        }
    }

    /// <summary>A webhook was made: changes that are committed in this silo reach it from now on.</summary>
    internal void Add(TenantId tenant, WebhookId webhook)
    {
        var before = known;
        if (!before.GetValueOrDefault(tenant, []).Contains(webhook))
        {
            known = before.Where(row => row.Key != tenant)
                .Append(KeyValuePair.Create(tenant, before.GetValueOrDefault(tenant, []).Append(webhook).ToArray()))
                .ToFrozenDictionary();
        }
    }

    /// <summary>Tells one webhook that it has something to do.</summary>
    internal void Wake(TenantId tenant, WebhookId webhook) => nudges.Tell((tenant, webhook));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(RefreshPeriod, time);
        try
        {
            var round = 0;
            do
            {
                try
                {
                    await RefreshAsync(isWake: round++ % RefreshesPerWake == 0, stoppingToken);
                }
                catch (Exception e) when (e is DbException or TimeoutException or IOException or InvalidOperationException)
                {
                    LogNotRefreshed(log, e.GetType().Name);
                }
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The silo stops.
        }
    }

    private async Task RefreshAsync(bool isWake, CancellationToken cancellationToken)
    {
        var before = known;
        var stored = await table.ListAllAsync(cancellationToken);
        known = stored.GroupBy(row => row.Tenant).ToFrozenDictionary(rows => rows.Key, rows => rows.Select(row => row.Webhook).ToArray());
        foreach (var (tenant, webhook) in stored)
        {
            // One that is new may have missed a change that was committed here before it was known.
            if (isWake || !before.GetValueOrDefault(tenant, []).Contains(webhook))
            {
                nudges.Tell((tenant, webhook));
            }
        }
    }

    private async Task CallAsync((TenantId Tenant, WebhookId Webhook) key)
    {
        using var system = tickets.EnterSystem();
        try
        {
            await grains.GetGrain<IWebhookGrain>(GrainKeys.Webhook(key.Tenant, key.Webhook)).NudgeAsync(CancellationToken.None);
        }
        catch (Exception e) when (e is OrleansException or TimeoutException or ProblemException or InvalidOperationException)
        {
            LogNotReached(log, key.Tenant, key.Webhook, e.GetType().Name);
        }
    }

    [LoggerMessage(5320, LogLevel.Warning, "The webhooks could not be read again ({Reason}); those that are known stay in force.")]
    private static partial void LogNotRefreshed(ILogger logger, string reason);

    [LoggerMessage(5321, LogLevel.Debug, "Webhook {Webhook} of tenant {Tenant} could not be told of news ({Reason}); it is woken again soon.")]
    private static partial void LogNotReached(ILogger logger, TenantId tenant, WebhookId webhook, string reason);
}
