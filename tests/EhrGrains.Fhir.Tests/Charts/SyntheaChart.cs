using System.Text;
using System.Text.Json;
using EhrGrains.Fhir.Charts;
using EhrGrains.Testing;
using Hl7.Fhir.Model;
using Hl7.Fhir.Serialization;

namespace EhrGrains.Fhir.Tests.Charts;

/// <summary>A patient of the test data, with references as a server has them.</summary>
internal static class SyntheaChart
{
    internal static readonly JsonSerializerOptions Json = new JsonSerializerOptions().ForFhir(ModelInfo.ModelInspector);

    internal static IEnumerable<string> Files() => Directory.EnumerateFiles(SharedData.Require("fhir/synthea-2.5-bulk-data-server"), "*.json").Order(StringComparer.Ordinal);

    /// <summary>The resources of a bundle, each as its bytes.</summary>
    internal static IReadOnlyList<ChartEntry> Read(string file)
    {
        var text = new StringBuilder(File.ReadAllText(file));
        using (var urns = JsonDocument.Parse(text.ToString()))
        {
            foreach (var entry in urns.RootElement.GetProperty("entry").EnumerateArray())
            {
                var resource = entry.GetProperty("resource");
                text.Replace($"\"{entry.GetProperty("fullUrl").GetString()}\"", $"\"{resource.GetProperty("resourceType").GetString()}/{resource.GetProperty("id").GetString()}\"");
            }
        }

        using var bundle = JsonDocument.Parse(text.ToString());
        return
        [
            .. bundle.RootElement.GetProperty("entry").EnumerateArray().Select(entry => entry.GetProperty("resource"))
                .DistinctBy(r => (r.GetProperty("resourceType").GetString(), r.GetProperty("id").GetString()))
                .Select(r => new ChartEntry(
                    r.GetProperty("resourceType").GetString()!,
                    r.GetProperty("id").GetString()!,
                    1,
                    DateTimeOffset.UnixEpoch,
                    Encoding.UTF8.GetBytes(JsonSerializer.Serialize(r)))),
        ];
    }

    internal static Resource Parse(ChartEntry entry) => JsonSerializer.Deserialize<Resource>(entry.Json.Span, Json)!;
}
