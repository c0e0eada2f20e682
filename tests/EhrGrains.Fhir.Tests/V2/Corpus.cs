using System.Collections.Concurrent;
using EhrGrains.Fhir.V2;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Testing;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>The public messages beside the checkout, and what they become.</summary>
internal static class Corpus
{
    private static readonly ConcurrentDictionary<string, MappedMessage> Mapped = new(StringComparer.Ordinal);

    internal static V2Mapping Shared { get; } = V2Mapping.Compile(SiteLayer.None);

    /// <summary>All messages, in the order of their names; skips the test where they are absent.</summary>
    internal static IEnumerable<string> Names() =>
        Directory.EnumerateFiles(SharedData.Require("hl7/messages"), "*.hl7").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal);

    internal static byte[] Read(string name) => File.ReadAllBytes(SharedData.Require($"hl7/messages/{name}.hl7"));

    /// <summary>What a message becomes; null when it is none (a batch, a fragment).</summary>
    internal static MappedMessage? Map(string name)
    {
        if (Mapped.TryGetValue(name, out var known))
        {
            return known;
        }

        try
        {
            using var message = Hl7Message.Parse(Read(name));
            return Mapped[name] = Map(message);
        }
        catch (Hl7FormatException)
        {
            return null;
        }
    }

    internal static MappedMessage Map(Hl7Message message, bool explain = false, bool ofPatientsOnly = false)
    {
        var mentions = Shared.ReadPatients(message);
        return Shared.Map(
            message,
            new MappingContext(
                ResourceIdentity.Offline, [.. mentions.Patients.Select((_, i) => $"patient-{i}")], "feed/1", DateTimeOffset.UnixEpoch, explain)
            {
                OfPatientsOnly = ofPatientsOnly,
            });
    }
}
