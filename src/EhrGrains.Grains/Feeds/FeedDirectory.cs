using System.Collections.Frozen;
using System.Data.Common;
using System.Text.Json;
using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Feeds;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Feeds;

/// <summary>
/// The feeds of all tenants as this silo knows them, at most 5 s old: what the listener routes by. It also wakes the grains of
/// feeds: of those that changed at once, of all of them every half minute, so that a feed whose silo died goes on without traffic
/// and silence is noticed. While the table cannot be read the feeds that are known stay in force.
/// </summary>
public sealed partial class FeedDirectory(FeedTable table, FeedNudges nudges, TimeProvider time, ILogger<FeedDirectory> log)
    : BackgroundService
{
    internal static readonly TimeSpan RefreshPeriod = TimeSpan.FromSeconds(2);
    private const int RefreshesPerWake = 15;

    private volatile Known known = new(FeedRoutes.None, FrozenDictionary<TenantId, long>.Empty, FrozenSet<TenantId>.Empty, []);

    /// <summary>Which feed a message belongs to.</summary>
    public FeedRoutes Routes => known.Routes;

    /// <summary>False while the feeds of the tenant take nothing.</summary>
    public bool IsOpen(TenantId tenant) => !known.Closed.Contains(tenant);

    /// <inheritdoc/>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        // Before anything listens: what was registered must be known.
        await RefreshAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(RefreshPeriod, time);
        try
        {
            for (var round = 1; await timer.WaitForNextTickAsync(stoppingToken); round++)
            {
                try
                {
                    await RefreshAsync(stoppingToken);
                }
                catch (Exception e) when (e is DbException or TimeoutException or IOException or InvalidOperationException)
                {
                    LogNotRefreshed(log, e.GetType().Name);
                }

                if (round % RefreshesPerWake == 0)
                {
                    Wake(known.Feeds);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The silo stops.
        }
    }

    internal async Task RefreshAsync(CancellationToken cancellationToken)
    {
        var before = known;
        var stored = await table.ListAllAsync(cancellationToken);
        if (stored.Count == before.Versions.Count && stored.All(tenant => before.Versions.GetValueOrDefault(tenant.Tenant) == tenant.Version))
        {
            return;
        }

        var feeds = new List<KnownFeed>();
        var closed = new HashSet<TenantId>();
        foreach (var tenant in stored)
        {
            foreach (var (feed, json) in tenant.Specs)
            {
                if (Read(tenant.Tenant, feed, json) is { } row)
                {
                    feeds.Add(new KnownFeed(tenant.Tenant, feed, row.Spec));
                    _ = row.IsOpen || closed.Add(tenant.Tenant);
                }
            }
        }

        var routes = FeedRoutes.From(feeds.Where(feed => feed.Spec.Inbound is not null)
            .Select(feed => new FeedRoute(feed.Tenant, feed.Feed, feed.Spec.Inbound!)));
        foreach (var conflict in routes.Conflicts)
        {
            LogConflict(log, conflict.First.Tenant, conflict.First.Feed, conflict.Second.Tenant, conflict.Second.Feed);
        }

        known = new Known(routes, stored.ToFrozenDictionary(tenant => tenant.Tenant, tenant => tenant.Version), closed.ToFrozenSet(), feeds);
        LogKnown(log, feeds.Count, stored.Count);
        Wake(feeds.Where(feed => before.Versions.GetValueOrDefault(feed.Tenant) != known.Versions[feed.Tenant]));
    }

    // A row of a newer version of the program may be beyond this one; its feed is then served by the newer silos alone.
    private FeedRow? Read(TenantId tenant, FeedId feed, string json)
    {
        try
        {
            return FeedRow.Read(json);
        }
        catch (JsonException)
        {
            LogUnreadable(log, tenant, feed);
            return null;
        }
    }

    private void Wake(IEnumerable<KnownFeed> feeds)
    {
        foreach (var feed in feeds)
        {
            if (feed.Spec.Direction == FeedDirection.Inbound)
            {
                nudges.Inbound(feed.Tenant, feed.Feed);
            }
            else
            {
                nudges.Outbound(feed.Tenant, feed.Feed);
            }
        }
    }

    private sealed record Known(
        FeedRoutes Routes, FrozenDictionary<TenantId, long> Versions, FrozenSet<TenantId> Closed, IReadOnlyList<KnownFeed> Feeds);

    private sealed record KnownFeed(TenantId Tenant, FeedId Feed, FeedSpec Spec);

    [LoggerMessage(4101, LogLevel.Information, "{Feeds} feeds of {Tenants} tenants are known here.")]
    private static partial void LogKnown(ILogger logger, int feeds, int tenants);

    [LoggerMessage(4102, LogLevel.Warning, "The feeds could not be read again ({Reason}); those that are known stay in force.")]
    private static partial void LogNotRefreshed(ILogger logger, string reason);

    [LoggerMessage(
        4103, LogLevel.Error,
        "Feeds {FirstTenant}/{First} and {SecondTenant}/{Second} could both be meant by one message; such messages are refused. Change one.")]
    private static partial void LogConflict(ILogger logger, TenantId firstTenant, FeedId first, TenantId secondTenant, FeedId second);

    [LoggerMessage(4104, LogLevel.Error, "Feed {Tenant}/{Feed} is stored in a form that this version cannot read; it is not served here.")]
    private static partial void LogUnreadable(ILogger logger, TenantId tenant, FeedId feed);
}
