using System.Globalization;
using EhrGrains.Fhir.V2;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Benchmarks;

/// <summary>
/// HL7 v2 to FHIR: read, map and write each resource as JSON, against microsoft/FHIR-Converter's default templates on such a machine.
/// </summary>
internal static class V2FhirBenchmark
{
    // Messages a CPU-second and bytes a message of the reference, measured once with the same messages.
    private static readonly (string Name, double PerCpuSecond, double Bytes)[] Reference =
    [
        ("adt", 15, 40 * 1024 * 1024), ("siu", 35, 22 * 1024 * 1024), ("oru30", 0.33, 2_125d * 1024 * 1024),
    ];

    internal static IEnumerable<string[]> Run(string folder)
    {
        var mapping = V2Mapping.Compile(SiteLayer.None);
        foreach (var (name, reference, referenceBytes) in Reference)
        {
            var bytes = File.ReadAllBytes(Path.Combine(folder, name + ".hl7"));
            using var message = new Hl7Message();
            message.Read(bytes);
            var context = new MappingContext(
                ResourceIdentity.Offline, [.. mapping.ReadPatients(message).Patients.Select((_, i) => $"patient-{i}")], "feed/1", DateTimeOffset.UnixEpoch);
            var size = MappedBundle.Write(mapping.Map(message, context)).Length;
            var rate = Rate.Measure(() =>
            {
                message.Read(bytes);
                mapping.Map(message, context);
            });
            yield return
            [
                name, Rate.Text(rate.PerCpuSecond), Rate.Text(reference), Rate.Text(rate.PerCpuSecond / reference), Kilobytes(rate.AllocatedBytes),
                Kilobytes(referenceBytes), Kilobytes(size),
            ];
        }
    }

    private static string Kilobytes(double bytes) => (bytes / 1024).ToString("N0", CultureInfo.InvariantCulture);
}
