using System.Diagnostics.Metrics;

namespace EhrGrains.Silo.Telemetry;

/// <summary>What the gateway and the token endpoint count. Tags are bounded: no tenant, no app, no patient.</summary>
internal sealed class SiloMetrics
{
    internal const string Meter = "EhrGrains";

    private readonly Histogram<double> requestDuration;
    private readonly Counter<long> refusedByLimit;
    private readonly Counter<long> tokens;

    public SiloMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(Meter);
        requestDuration = meter.CreateHistogram<double>(
            "ehrgrains.gateway.request.duration", "s", "Time of a FHIR request, from routing to the last byte handed to the connection.");
        refusedByLimit = meter.CreateCounter<long>("ehrgrains.gateway.limited", "{request}", "Requests answered 429 by this process's own limit.");
        tokens = meter.CreateCounter<long>("ehrgrains.oauth.tokens", "{request}", "Token requests by outcome.");
    }

    internal void Request(string op, string source, int status, TimeSpan duration) =>
        requestDuration.Record(
            duration.TotalSeconds,
            new KeyValuePair<string, object?>("op", op),
            new KeyValuePair<string, object?>("source", source),
            new KeyValuePair<string, object?>("outcome", status));

    internal void Limited() => refusedByLimit.Add(1);

    internal void TokenIssued(string method) =>
        tokens.Add(1, new KeyValuePair<string, object?>("outcome", "issued"), new KeyValuePair<string, object?>("method", method));

    internal void TokenRefused(string error) => tokens.Add(1, new KeyValuePair<string, object?>("outcome", error));
}
