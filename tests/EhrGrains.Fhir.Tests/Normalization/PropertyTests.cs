using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using CsCheck;
using EhrGrains.Fhir.Normalization;

namespace EhrGrains.Fhir.Tests.Normalization;

/// <summary>Laws that hold for any JSON resource.</summary>
public sealed class PropertyTests
{
    private static readonly Gen<string> Name = Gen.OneOf(
        Gen.OneOf("extension", "identifier", "type", "text", "coding", "system", "value", "reference", "class", "url", "tag", "code", "contained"),
        Gen.String[Gen.Char.AlphaNumeric, 1, 12],
        Gen.String[Gen.Char["a\"\\/é\u2028\t b"], 1, 6]);

    private static readonly Gen<string> Text = Gen.OneOf(
        Gen.String[Gen.Char["ab \"\\/<é\n"], 0, 20],
        Gen.OneOf(
            "#x", "urn:uuid:1", "Patient/1", "Patient/a_b", "https://ehr.example/api/FHIR/R4/Location/9", "urn:oid:2.16.840.1.113883.6.1", "EPI",
            "  7 ", "2024-01-01T00:00:00", "\ud83d\ude00"));

    private static readonly Gen<string> Scalar = Gen.OneOf(
        Text.Select(t => JsonSerializer.Serialize(t)),
        Gen.Long.Select(n => n.ToString(CultureInfo.InvariantCulture)),
        Gen.OneOf("1.50", "-0.0", "1e-7", "12345678901234567.890123456789", "true", "false", "null"));

    private static readonly Gen<string> Value = Gen.Recursive<string>((depth, inner) => depth > 4
        ? Scalar
        : Gen.Frequency((3, Scalar), (2, Object(inner)), (1, inner.Array[0, 4].Select(items => $"[{string.Join(" , ", items)}]"))));

    private static readonly Gen<string> Members = Object(Value).Select(o => o[1..^1]);

    private static readonly Gen<string> Resource = Gen.Select(
        Gen.OneOf("Patient", "Encounter", "Observation", "Practitioner", "Basic"),
        Gen.String[Gen.Char["ab_1"], 1, 8],
        Members,
        (type, id, members) => $$"""{"resourceType":"{{type}}","id":"{{id}}"{{(members.Length == 0 ? "" : $",{members}")}}}""");

    [Fact]
    public void What_the_EHR_said_is_still_there()
    {
        Resource.Sample(resource =>
        {
            var normalized = Normalize(resource, "epic");
            var before = Leaves(resource);
            var after = Leaves(normalized);

            // Strings that a rule may rewrite are compared by what they are rewritten to; all others have to be there as they were.
            foreach (var (path, value) in before.Where(l => !IsRewritten(l.Value) && l.Path is not ("id" or "meta.source")))
            {
                var kept = path.StartsWith("class.", StringComparison.Ordinal) && !after.Contains((path, value))
                    ? after.Any(l => l.Path.StartsWith("class.extension[0].valueCoding", StringComparison.Ordinal) && l.Value == value)
                    : after.Contains((path, value));
                kept.ShouldBeTrue($"{path} of {resource} is not in {normalized}");
            }
        });
    }

    [Fact]
    public void Normalizing_the_normalized_changes_nothing()
    {
        Resource.Sample(resource =>
        {
            var once = Normalize(resource, "epic");

            // Documented: an id that starts with our own prefix is escaped again, or two ids could share one.
            if (!once.Contains("eg-", StringComparison.Ordinal))
            {
                Normalize(once, "epic").ShouldBe(once);
            }
        });
    }

    [Fact]
    public void A_resource_is_the_same_alone_and_in_a_page()
    {
        Resource.Array[1, 5].Sample(resources =>
        {
            var distinct = resources.Select((r, i) => r.Replace("\"id\":\"", $"\"id\":\"n{i}", StringComparison.Ordinal)).ToArray();
            var output = new ArrayBufferWriter<byte>();
            Hospital.Of("epic").NormalizePage(
                Encoding.UTF8.GetBytes(Hospital.Page([.. distinct.Select(r => Hospital.Entry(r, "include"))])),
                new PageRequest("Patient", Hospital.GatewayBase, _ => true), output);

            using var entries = JsonDocument.Parse(new ReadOnlyMemory<byte>([(byte)'[', .. output.WrittenSpan, (byte)']']));
            entries.RootElement.EnumerateArray().Select(e => e.GetProperty("resource").GetRawText())
                .ShouldBe(distinct.Select(r => Normalize(r, "epic")));
        });
    }

    private static string Normalize(string resource, string vendor)
    {
        var output = new ArrayBufferWriter<byte>();
        Hospital.Of(vendor).NormalizeResource(Encoding.UTF8.GetBytes(resource), output);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    private static Gen<string> Object(Gen<string> value) =>
        Gen.Select(Name, value).Array[0, 5].Select(members =>
            $"{{{string.Join(",", members.DistinctBy(m => m.Item1).Select(m => $"{JsonSerializer.Serialize(m.Item1)}:{m.Item2}"))}}}");

    private static bool IsRewritten(string value) =>
        value.Contains("ehr.example", StringComparison.Ordinal) || value.Contains("a_b", StringComparison.Ordinal)
        || value.Contains("urn:oid:", StringComparison.Ordinal) || value.Contains("  7 ", StringComparison.Ordinal)
        || value.StartsWith("\" ", StringComparison.Ordinal) || value.EndsWith(" \"", StringComparison.Ordinal);

    private static HashSet<(string Path, string Value)> Leaves(string json)
    {
        using var document = JsonDocument.Parse(json);
        var leaves = new HashSet<(string, string)>();
        Add(document.RootElement, "");
        return leaves;

        void Add(JsonElement element, string path)
        {
            switch (element.ValueKind)
            {
                case JsonValueKind.Object:
                    foreach (var member in element.EnumerateObject())
                    {
                        Add(member.Value, path.Length == 0 ? member.Name : $"{path}.{member.Name}");
                    }

                    break;
                case JsonValueKind.Array:
                    var i = 0;
                    foreach (var item in element.EnumerateArray())
                    {
                        Add(item, $"{path}[{i++}]");
                    }

                    break;
                default:
                    leaves.Add((path, element.GetRawText()));
                    break;
            }
        }
    }
}
