using System.Diagnostics.Metrics;
using EhrGrains.Contracts.Writes;

namespace EhrGrains.Grains.Writes;

/// <summary>What writing back measures. Tags are bounded words; never a tenant.</summary>
internal sealed class WriteMetrics
{
    private readonly Counter<long> accepted;
    private readonly Counter<long> steps;
    private readonly Counter<long> full;
    private readonly Counter<long> audits;
    private readonly Histogram<double> latency;

    public WriteMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("EhrGrains");
        accepted = meter.CreateCounter<long>("ehrgrains.write.accepted", "{write}", "Writes that were put into an outbox.");
        steps = meter.CreateCounter<long>("ehrgrains.write.steps", "{step}", "Steps of writes, by the state that they led to.");
        full = meter.CreateCounter<long>("ehrgrains.write.outbox.full", "{write}", "Writes that were refused because the tenant's outbox is full.");
        audits = meter.CreateCounter<long>("ehrgrains.write.audit.lost", "{outcome}", "Outcomes of writes that could not be put on the audit trail.");
        latency = meter.CreateHistogram<double>("ehrgrains.write.latency", "s", "From accepting a write to its end.");
    }

    internal void Accepted(string type) => accepted.Add(1, new KeyValuePair<string, object?>("resource", type));

    internal void Stepped(WriteState state) => steps.Add(1, new KeyValuePair<string, object?>("state", Word(state)));

    internal void Settled(WriteState state, TimeSpan took) => latency.Record(took.TotalSeconds, new KeyValuePair<string, object?>("state", Word(state)));

    internal void Full() => full.Add(1);

    internal void AuditOutcomeLost() => audits.Add(1);

    private static string Word(WriteState state) => state.ToString().ToLowerInvariant();
}
