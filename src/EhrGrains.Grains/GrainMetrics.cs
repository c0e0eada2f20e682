using System.Diagnostics.Metrics;

namespace EhrGrains.Grains;

/// <summary>What the grains measure. Tags are bounded words; never a tenant, a key or an app.</summary>
internal sealed class GrainMetrics
{
    private readonly Counter<long> callsRefused;
    private readonly Counter<long> credentialVerification;
    private readonly Counter<long> quirkLooks;
    private readonly Counter<long> quirkChanges;
    private readonly Counter<long> contractVerdicts;
    private readonly Counter<long> preflights;

    public GrainMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("EhrGrains");
        callsRefused = meter.CreateCounter<long>("ehrgrains.call.refused", "{call}", "Grain calls refused, by reason.");
        credentialVerification = meter.CreateCounter<long>(
            "ehrgrains.credential.verification", "{verification}", "Credential verifications.");
        quirkLooks = meter.CreateCounter<long>("ehrgrains.quirk.looks", "{look}", "Looks at what a hospital's EHR says of itself.");
        quirkChanges = meter.CreateCounter<long>(
            "ehrgrains.quirk.changes", "{change}", "Things that a hospital's EHR says of itself otherwise than before: an alarm.");
        contractVerdicts = meter.CreateCounter<long>("ehrgrains.contract.verdicts", "{verdict}", "Data contracts held against a site or its copies.");
        preflights = meter.CreateCounter<long>("ehrgrains.preflight.runs", "{run}", "Preflights of sites, by what they came to.");
    }

    internal void CallRefused(string reason) => callsRefused.Add(1, new KeyValuePair<string, object?>("reason", reason));

    internal void QuirksLooked(string vendor, string outcome) =>
        quirkLooks.Add(1, new KeyValuePair<string, object?>("vendor", vendor), new KeyValuePair<string, object?>("outcome", outcome));

    internal void QuirksChanged(string vendor, int count) => quirkChanges.Add(count, new KeyValuePair<string, object?>("vendor", vendor));

    internal void ContractJudged(string against, bool isMet) =>
        contractVerdicts.Add(1, new KeyValuePair<string, object?>("against", against), new KeyValuePair<string, object?>("outcome", isMet ? "met" : "unmet"));

    internal void Preflight(string vendor, string outcome) =>
        preflights.Add(1, new KeyValuePair<string, object?>("vendor", vendor), new KeyValuePair<string, object?>("outcome", outcome));

    internal void CredentialVerified(string method, string outcome) =>
        credentialVerification.Add(1, new("method", method), new("outcome", outcome));
}
