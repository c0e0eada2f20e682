using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts.Feeds;

namespace EhrGrains.Grains.Feeds;

/// <summary>What feeds measure behind the listener. Tags are bounded words; never a tenant or a feed.</summary>
internal sealed class FeedMetrics
{
    // HL7 table 0076, what hospitals send; whatever else a sender makes up is one more word and no more.
    private static readonly HashSet<string> KnownTypes = new(StringComparer.Ordinal)
    {
        "ACK", "ADT", "BAR", "DFT", "MDM", "MFN", "OMG", "OMI", "OML", "OMP", "OMS", "ORL", "ORM", "ORR", "ORU", "OUL", "PPR", "QBP", "RAS", "RDE",
        "RDS", "REF", "RGV", "RSP", "SIU", "SRM", "VXU",
    };

    private readonly ConcurrentDictionary<object, int> aside = new();
    private readonly Counter<long> processed;
    private readonly Counter<long> alarms;
    private readonly Histogram<double> queueAge;
    private readonly Counter<long> sent;
    private readonly Histogram<double> acknowledged;

    public FeedMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("EhrGrains");
        processed = meter.CreateCounter<long>("ehrgrains.hl7.processed", "{message}", "Messages of inbound feeds that were processed.");
        queueAge = meter.CreateHistogram<double>("ehrgrains.hl7.queue.age", "s", "Age of the oldest message of a batch when it is processed or sent.");
        alarms = meter.CreateCounter<long>("ehrgrains.hl7.alarms", "{alarm}", "Alarms raised by feeds.");
        sent = meter.CreateCounter<long>("ehrgrains.hl7.sent", "{message}", "Tries to deliver a message of an outbound feed, by outcome.");
        acknowledged = meter.CreateHistogram<double>("ehrgrains.hl7.delivery.duration", "s", "From sending a message to its acknowledgement.");
        meter.CreateObservableGauge(
            "ehrgrains.hl7.dlq.depth", () => aside.Values.Sum(), "{message}", "Messages put aside, of the feeds that run on this silo.");
    }

    internal void Processed(string type)
    {
        var word = type.Split('^')[0];
        processed.Add(1, new KeyValuePair<string, object?>("message_type", KnownTypes.Contains(word) ? word : "other"));
    }

    internal void Waited(TimeSpan age) => queueAge.Record(Math.Max(0, age.TotalSeconds));

    internal void Alarmed(FeedAlarmKind kind) =>
        alarms.Add(1, new KeyValuePair<string, object?>("kind", kind switch
        {
            FeedAlarmKind.Silence => "silence",
            FeedAlarmKind.Quarantine => "quarantine",
            FeedAlarmKind.Blocked => "blocked",
            FeedAlarmKind.GaveUp => "gave_up",
            _ => "circuit_open",
        }));

    internal void Sent(MllpSendOutcome outcome, TimeSpan elapsed)
    {
        var word = outcome switch
        {
            MllpSendOutcome.Accepted => "accepted",
            MllpSendOutcome.Error => "error",
            MllpSendOutcome.Rejected => "rejected",
            MllpSendOutcome.NoAnswer => "no_answer",
            _ => "disconnected",
        };
        sent.Add(1, new KeyValuePair<string, object?>("outcome", word));
        acknowledged.Record(elapsed.TotalSeconds, new KeyValuePair<string, object?>("outcome", word));
    }

    /// <summary>How many messages of a feed's grain are put aside.</summary>
    internal void Quarantined(object grain, int count) => aside[grain] = count;

    /// <summary>The grain has left this silo.</summary>
    internal void Forget(object grain) => aside.TryRemove(grain, out _);
}
