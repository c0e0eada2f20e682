using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using EhrGrains.Fhir.V2;

namespace EhrGrains.Grains.Records;

/// <summary>What records and the mapping measure. Tags are bounded words; never a tenant or a patient.</summary>
internal sealed class RecordMetrics
{
    private readonly ConcurrentDictionary<object, long> resident = new();
    private readonly Counter<long> written;
    private readonly Counter<long> unchanged;
    private readonly Counter<long> exceptions;
    private readonly Counter<long> merges;
    private readonly Histogram<double> loads;
    private readonly Histogram<double> mappings;

    public RecordMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("EhrGrains");
        written = meter.CreateCounter<long>("ehrgrains.record.versions", "{version}", "Versions of resources written.");
        unchanged = meter.CreateCounter<long>("ehrgrains.record.unchanged", "{resource}", "Resources given to records that said nothing new.");
        exceptions = meter.CreateCounter<long>("ehrgrains.hl7.mapping.exceptions", "{exception}", "What could not be mapped as it should, by kind.");
        merges = meter.CreateCounter<long>("ehrgrains.record.merges", "{merge}", "Merges and moves of records, by outcome.");
        loads = meter.CreateHistogram<double>("ehrgrains.record.load.duration", "s", "Reading a record into memory.");
        mappings = meter.CreateHistogram<double>("ehrgrains.hl7.mapping.duration", "s", "Mapping a message to FHIR.");
        meter.CreateObservableGauge("ehrgrains.record.resident", () => resident.Count, "{record}", "Records in this silo's memory.");
        meter.CreateObservableGauge("ehrgrains.record.resident.bytes", () => resident.Values.Sum(), "By", "Their resources, when they were read.");
    }

    internal void Applied(int versions, int same)
    {
        written.Add(versions);
        unchanged.Add(same);
    }

    internal void Loaded(object grain, TimeSpan duration, long bytes)
    {
        resident[grain] = bytes;
        loads.Record(duration.TotalSeconds);
    }

    internal void Forget(object grain) => resident.TryRemove(grain, out _);

    internal void Mapped(TimeSpan duration) => mappings.Record(duration.TotalSeconds);

    /// <param name="kind">One of <see cref="MappingExceptionKinds"/>.</param>
    internal void Exception(string kind) => exceptions.Add(1, new KeyValuePair<string, object?>("kind", kind));

    /// <param name="outcome">merged, known, moved, replaced, linked, unlinked or unmerged.</param>
    internal void Merged(string outcome) => merges.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
}
