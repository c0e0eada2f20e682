using System.Diagnostics;
using System.Diagnostics.Metrics;
using EhrGrains.Contracts.Budgets;

namespace EhrGrains.Connect;

/// <summary>The instruments of this project, on the meter <c>EhrGrains</c>. No tenant ids: their number has no bound.</summary>
public sealed class ConnectMetrics
{
    /// <summary>Spans of requests to hospitals; they hold no URL.</summary>
    internal static readonly ActivitySource Activities = new("EhrGrains.Vendor");

    private readonly Histogram<double> requests;
    private readonly Counter<long> tokens;
    private readonly Counter<long> refusals;
    private readonly Counter<long> pools;

    /// <summary>Creates the instruments.</summary>
    public ConnectMetrics(IMeterFactory meters)
    {
        ArgumentNullException.ThrowIfNull(meters);
        var meter = meters.Create("EhrGrains");
        requests = meter.CreateHistogram<double>(
            "ehrgrains.vendor.request.duration", "s", "Requests to hospitals with their waits and tries.");
        tokens = meter.CreateCounter<long>("ehrgrains.token.refresh", "{request}", "Token requests to hospitals.");
        refusals = meter.CreateCounter<long>("ehrgrains.egress.refused", "{request}", "Requests that the egress guard let not out.");
        pools = meter.CreateCounter<long>("ehrgrains.egress.pools.retired", "{pool}", "Connection pools closed.");
    }

    internal void Request(TimeSpan duration, string vendor, string resource, string op, string outcome, Lane lane) =>
        requests.Record(
            duration.TotalSeconds,
            new TagList
            {
                { "vendor", vendor },
                { "resource", resource },
                { "op", op },
                { "outcome", outcome },
                { "lane", LaneName(lane) },
            });

    internal void Token(string vendor, string method, string outcome) =>
        tokens.Add(1, new TagList { { "vendor", vendor }, { "method", method }, { "outcome", outcome } });

    internal void Refused(string reason) => refusals.Add(1, new KeyValuePair<string, object?>("reason", reason));

    internal void PoolRetired(string reason) => pools.Add(1, new KeyValuePair<string, object?>("reason", reason));

    private static string LaneName(Lane lane) => lane switch
    {
        Lane.Interactive => "interactive",
        Lane.Event => "event",
        _ => "backfill",
    };
}
