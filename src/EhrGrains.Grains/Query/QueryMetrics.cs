using System.Diagnostics.Metrics;
using EhrGrains.Contracts.Budgets;

namespace EhrGrains.Grains.Query;

/// <summary>What queries and site budgets measure. Tags are bounded words; never a tenant, a key or an app.</summary>
internal sealed class QueryMetrics
{
    private readonly Histogram<double> duration;
    private readonly Counter<long> partial;
    private readonly Counter<long> auditLost;
    private readonly Histogram<double> wait;
    private readonly Counter<long> refused;
    private readonly Counter<long> throttled;

    public QueryMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("EhrGrains");
        duration = meter.CreateHistogram<double>("ehrgrains.gateway.request.duration", "s", "Queries, from the grain call to the answer.");
        partial = meter.CreateCounter<long>("ehrgrains.gateway.fanout.partial", "{answer}", "Answers over several tenants that lack some.");
        auditLost = meter.CreateCounter<long>("ehrgrains.audit.outcome.lost", "{row}", "Audit outcomes that could not be written; their intents are.");
        wait = meter.CreateHistogram<double>("ehrgrains.ratelimit.wait.duration", "s", "Waits for a permit of a site budget.");
        refused = meter.CreateCounter<long>("ehrgrains.ratelimit.refused", "{request}", "Requests that got no permit in the time of their lane.");
        throttled = meter.CreateCounter<long>("ehrgrains.ratelimit.throttled", "{answer}", "Answers 429 and 503 of hospitals.");
    }

    internal void Answered(TimeSpan elapsed, string op, string source, int status) =>
        duration.Record(elapsed.TotalSeconds, new("op", op), new("source", source), new("status", status));

    internal void Partial() => partial.Add(1);

    internal void AuditOutcomeLost() => auditLost.Add(1);

    internal void Waited(Lane lane, TimeSpan time) => wait.Record(time.TotalSeconds, new KeyValuePair<string, object?>("lane", Word(lane)));

    internal void Refused(Lane lane) => refused.Add(1, new KeyValuePair<string, object?>("lane", Word(lane)));

    internal void Throttled(int status) => throttled.Add(1, new KeyValuePair<string, object?>("status", status));

    private static string Word(Lane lane) => lane switch
    {
        Lane.Interactive => "interactive",
        Lane.Event => "event",
        _ => "backfill",
    };
}
