using System.Diagnostics.Metrics;

namespace EhrGrains.Grains;

/// <summary>What the grains measure. Tags are bounded words; never a tenant, a key or an app.</summary>
internal sealed class GrainMetrics
{
    private readonly Counter<long> callsRefused;
    private readonly Counter<long> credentialVerification;

    public GrainMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("EhrGrains");
        callsRefused = meter.CreateCounter<long>("ehrgrains.call.refused", "{call}", "Grain calls refused, by reason.");
        credentialVerification = meter.CreateCounter<long>(
            "ehrgrains.credential.verification", "{verification}", "Credential verifications.");
    }

    internal void CallRefused(string reason) => callsRefused.Add(1, new KeyValuePair<string, object?>("reason", reason));

    internal void CredentialVerified(string method, string outcome) =>
        credentialVerification.Add(1, new("method", method), new("outcome", outcome));
}
