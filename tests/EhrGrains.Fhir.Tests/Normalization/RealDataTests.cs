using System.Buffers;
using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Fhir.Bundles;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Testing;
using Hl7.Fhir.Model;
using Hl7.Fhir.Serialization;

namespace EhrGrains.Fhir.Tests.Normalization;

/// <summary>Real charts and the published examples of US Core, with Firely's SDK as the judge.</summary>
public sealed class RealDataTests
{
    private const string Own = "https://ehrgrains.dev/fhir/";

    [Theory]
    [InlineData("epic")]
    [InlineData("oracle-health")]
    [InlineData("athenahealth")]
    public void Synthetic_charts_stay_FHIR_and_whole(string vendor)
    {
        var folder = SharedData.Require("fhir/synthea-2.5-bulk-data-server");
        var normalizer = Hospital.Of(vendor);
        foreach (var file in Directory.EnumerateFiles(folder, "*.json"))
        {
            var resources = JsonNode.Parse(File.ReadAllBytes(file))!["entry"]!.AsArray().Select(e => e!["resource"]!).ToArray();
            foreach (var chunk in resources.Chunk(50))
            {
                var distinct = chunk.DistinctBy(r => (string?)r["resourceType"] + r["id"]).Count();
                var page = Hospital.Page([.. chunk.Select(r => Hospital.Entry(r.ToJsonString(), "include"))]);
                var entries = new ArrayBufferWriter<byte>();

                var result = normalizer.NormalizePage(
                    Encoding.UTF8.GetBytes(page), new PageRequest("Patient", Hospital.GatewayBase, _ => true), entries);

                (result.Matches + result.Others).ShouldBe(distinct);
                var frame = SearchsetWriter.Frame(entries.WrittenCount > 0, null, "https://gateway.example/self", null, result.Issues);
                var bundle = Strict([.. frame.Head.Span, .. entries.WrittenSpan, .. frame.Tail.Span]).ShouldBeOfType<Bundle>();
                bundle.Entry.Count.ShouldBe(distinct);
                bundle.Entry.ShouldAllBe(e => e.FullUrl == $"{Hospital.GatewayBase}/{e.Resource!.TypeName}/{e.Resource.Id}");
                bundle.Entry.ShouldAllBe(e => e.Resource!.Meta!.Source == "urn:ehrgrains:tenant:st-mary");
            }
        }
    }

    [Fact]
    public void The_examples_of_US_Core_pass_unchanged_but_for_the_tenant()
    {
        var examples = UsCore.Files("package/example/").ToArray();
        examples.Length.ShouldBeGreaterThan(150);
        var normalizer = Hospital.Of("us-core");
        foreach (var (name, json) in examples)
        {
            var output = new ArrayBufferWriter<byte>();
            var result = normalizer.NormalizeResource(json, output);

            result.RuleCounts.Keys.ShouldBeSubsetOf(["tenant-source", "tenant-tag", "code-systems", "must-haves"], name);
            var before = JsonNode.Parse(json)!.AsObject();
            var after = JsonNode.Parse(output.WrittenSpan)!.AsObject();
            after["meta"]!["source"]!.GetValue<string>().ShouldStartWith("urn:ehrgrains:");
            Untenanted(after);
            before.Remove("meta");
            after.Remove("meta");
            if (!result.RuleCounts.ContainsKey("code-systems") && !result.RuleCounts.ContainsKey("must-haves"))
            {
                JsonNode.DeepEquals(before, after).ShouldBeTrue(name);
            }
        }
    }

    [Fact]
    public void The_must_have_elements_are_those_that_every_US_Core_profile_requires()
    {
        var required = new Dictionary<string, List<HashSet<string>>>();
        foreach (var (_, json) in UsCore.Files("package/StructureDefinition-"))
        {
            var definition = JsonNode.Parse(json)!;
            if ((string?)definition["kind"] == "resource")
            {
                required.TryAdd((string)definition["type"]!, []);
                required[(string)definition["type"]!].Add(
                    [.. definition["snapshot"]!["element"]!.AsArray().Where(IsRequiredElement).Select(e => ((string)e!["path"]!).Split('.')[1])]);
            }
        }

        var ofEveryProfile = required
            .Select(t => (t.Key, Names: t.Value.Aggregate((a, b) => [.. a.Intersect(b)]).Order().ToArray()))
            .Where(t => t.Names.Length > 0)
            .ToDictionary(t => t.Key, t => t.Names);
        var ours = MustHaves.ByType.ToDictionary(
            t => t.Key, t => t.Value.Select(m => Encoding.UTF8.GetString(m.Name) + (m.Choice ? "[x]" : "")).Order().ToArray());

        ours.Keys.ShouldBe(ofEveryProfile.Keys, ignoreOrder: true);
        foreach (var (type, names) in ofEveryProfile)
        {
            ours[type].ShouldBe(names, type);
        }
    }

    [Fact]
    public void A_resource_with_nothing_but_an_id_becomes_FHIR_of_its_type()
    {
        foreach (var type in MustHaves.ByType.Keys)
        {
            var output = new ArrayBufferWriter<byte>();
            Hospital.Of("us-core").NormalizeResource(Encoding.UTF8.GetBytes($$"""{"resourceType":"{{type}}","id":"1"}"""), output);

            Strict(output.WrittenSpan).TypeName.ShouldBe(type);
        }
    }

    [Fact]
    public void The_resource_types_are_those_of_FHIR_R4() => ResourceTypes.All.ShouldBe(ModelInfo.SupportedResources, ignoreOrder: true);

    internal static Resource Strict(ReadOnlySpan<byte> json)
    {
        var reader = new System.Text.Json.Utf8JsonReader(json);
        FhirJsonDeserializer.STRICT.TryDeserializeResource(ref reader, out var resource, out var issues);
        issues.Select(i => i.Message).ShouldBeEmpty();
        return resource!;
    }

    private static bool IsRequiredElement(JsonNode? element) =>
        ((string)element!["path"]!).Split('.').Length == 2 && (int?)element["min"] >= 1 && !((string)element["id"]!).Contains(':', StringComparison.Ordinal);

    private static void Untenanted(JsonObject resource)
    {
        var tags = resource["meta"]!["tag"]!.AsArray();
        tags.Count(t => ((string?)t!["system"])?.StartsWith(Own, StringComparison.Ordinal) == true).ShouldBe(1);
    }
}
