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
    private readonly Counter<long> messages;
    private readonly Histogram<double> acknowledgements;
    private readonly Counter<long> frameErrors;
    private readonly UpDownCounter<long> connections;
    private readonly Counter<long> connectionsClosed;
    private readonly Counter<long> unmatched;

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
        messages = meter.CreateCounter<long>("ehrgrains.hl7.messages", "{message}", "HL7 v2 messages that came in, by what became of them.");
        acknowledgements = meter.CreateHistogram<double>(
            "ehrgrains.hl7.ack.duration", "s", "From the last byte of a batch of HL7 v2 messages to its acknowledgements.");
        frameErrors = meter.CreateCounter<long>("ehrgrains.hl7.frame.errors", "{frame}", "What was no MLLP frame.");
        connections = meter.CreateUpDownCounter<long>("ehrgrains.hl7.connections", "{connection}", "MLLP connections that are open.");
        connectionsClosed = meter.CreateCounter<long>(
            "ehrgrains.hl7.connections.closed", "{connection}", "MLLP connections that a bound closed.");
        unmatched = meter.CreateCounter<long>(
            "ehrgrains.hl7.acks.unmatched", "{message}", "What a receiver sent that acknowledges nothing outstanding; it was ignored.");
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

    internal void MllpMessage(string messageType, string outcome) => messages.Add(
        1, new KeyValuePair<string, object?>("message_type", messageType), new KeyValuePair<string, object?>("outcome", outcome));

    internal void MllpAnswered(TimeSpan duration) => acknowledgements.Record(duration.TotalSeconds);

    internal void MllpFrameError(string reason) => frameErrors.Add(1, new KeyValuePair<string, object?>("reason", reason));

    internal void MllpConnections(int change) => connections.Add(change);

    internal void MllpClosed(string reason) => connectionsClosed.Add(1, new KeyValuePair<string, object?>("reason", reason));

    internal void MllpUnmatched(string reason) => unmatched.Add(1, new KeyValuePair<string, object?>("reason", reason));

    private static string LaneName(Lane lane) => lane switch
    {
        Lane.Interactive => "interactive",
        Lane.Event => "event",
        _ => "backfill",
    };
}
