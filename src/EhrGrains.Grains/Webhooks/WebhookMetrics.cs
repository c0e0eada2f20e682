using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using EhrGrains.Contracts.Webhooks;

namespace EhrGrains.Grains.Webhooks;

/// <summary>What webhooks measure. Tags are bounded words; never a tenant or a webhook.</summary>
internal sealed class WebhookMetrics
{
    private readonly ConcurrentDictionary<object, DateTimeOffset> waiting = new();
    private readonly Histogram<double> deliveries;
    private readonly Histogram<double> delays;
    private readonly Counter<long> stops;

    public WebhookMetrics(IMeterFactory meters, TimeProvider time)
    {
        var meter = meters.Create("EhrGrains");
        deliveries = meter.CreateHistogram<double>("ehrgrains.webhook.delivery.duration", "s", "Tries to deliver, by outcome.");
        delays = meter.CreateHistogram<double>("ehrgrains.webhook.delay", "s", "From the commit of a change to its delivery.");
        stops = meter.CreateCounter<long>("ehrgrains.webhook.stopped", "{webhook}", "Webhooks that stopped by themselves.");
        meter.CreateObservableGauge(
            "ehrgrains.webhook.backlog.age",
            () => waiting.IsEmpty ? 0 : Math.Max(0, (time.GetUtcNow() - waiting.Values.Min()).TotalSeconds),
            "s",
            "Age of the oldest change that waits, of the webhooks that run on this silo.");
    }

    internal void Tried(DeliveryVerdict verdict, TimeSpan duration) => deliveries.Record(
        duration.TotalSeconds,
        new KeyValuePair<string, object?>("outcome", verdict switch
        {
            DeliveryVerdict.Delivered => "delivered",
            DeliveryVerdict.Gone => "gone",
            _ => "failed",
        }));

    internal void Delivered(TimeSpan delay) => delays.Record(Math.Max(0, delay.TotalSeconds));

    internal void Stopped(WebhookState state) =>
        stops.Add(1, new KeyValuePair<string, object?>("reason", state == WebhookState.Gone ? "gone" : "gave_up"));

    /// <summary>Since when the oldest change of a webhook's grain waits; null: none does.</summary>
    internal void Waiting(object grain, DateTimeOffset? since)
    {
        if (since is { } at)
        {
            waiting[grain] = at;
        }
        else
        {
            waiting.TryRemove(grain, out _);
        }
    }
}
