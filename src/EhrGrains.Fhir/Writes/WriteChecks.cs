using System.Text.Json;
using EhrGrains.Contracts;
using EhrGrains.Fhir.Vendors;
using Hl7.Fhir.Serialization;
using Hl7.Fhir.Utility;

namespace EhrGrains.Fhir.Writes;

/// <summary>Whether a resource is R4, and what its vendor wants beyond it. Problems name elements, never values.</summary>
public static class WriteChecks
{
    private const int ProblemsMax = 50;

    /// <summary>Everything that is wrong, at most 50 problems.</summary>
    public static IReadOnlyList<Problem> Check(ReadOnlySpan<byte> json, string type, WriteRules rules)
    {
        ArgumentNullException.ThrowIfNull(rules);
        var problems = new List<Problem>();
        CheckBase(json, problems);
        try
        {
            var reader = new Utf8JsonReader(json);
            using var document = JsonDocument.ParseValue(ref reader);
            CheckVendor(document.RootElement, type, rules, problems);
        }
        catch (JsonException)
        {
            problems.Add(new("EHR-WRT-001", "", "The body is not one JSON object: send the resource as application/fhir+json."));
        }

        return problems.Count <= ProblemsMax ? problems : problems[..ProblemsMax];
    }

    // Elements, cardinalities, required codes and formats of R4, by Firely's model. Its messages quote values; its paths and codes do not.
    private static void CheckBase(ReadOnlySpan<byte> json, List<Problem> problems)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            FhirJsonDeserializer.STRICT.TryDeserializeResource(ref reader, out _, out var issues);
            foreach (var issue in issues.Take(ProblemsMax))
            {
                var path = (issue as ExtendedCodedException)?.InstancePath ?? "";
                problems.Add(new("EHR-WRT-010", path, $"This is not as R4 has it ({issue.ErrorCode}): see http://hl7.org/fhir/R4/ for the element."));
            }
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or NotSupportedException or ArgumentException)
        {
            problems.Add(new("EHR-WRT-011", "", "The resource cannot be read as R4: an element is not what its definition says."));
        }
    }

    private static void CheckVendor(JsonElement resource, string type, WriteRules rules, List<Problem> problems)
    {
        foreach (var path in rules.Required.GetValueOrDefault(type, []))
        {
            if (!Has(resource, path.Split('.')))
            {
                problems.Add(new("EHR-WRT-012", $"{type}.{path}", "This EHR does not take the resource without it."));
            }
        }

        if (rules.Categories.TryGetValue(type, out var categories) && !HasCategory(resource, categories))
        {
            problems.Add(new("EHR-WRT-013", $"{type}.category", $"This EHR takes the categories {string.Join(", ", categories)}."));
        }

        if (rules.Rejected.Count > 0)
        {
            FindRejected(resource, type, rules.Rejected, problems);
        }
    }

    private static bool Has(JsonElement element, ReadOnlySpan<string> path)
    {
        if (path.IsEmpty)
        {
            return true;
        }

        if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in element.EnumerateArray())
            {
                if (!Has(item, path))
                {
                    return false;
                }
            }

            return element.GetArrayLength() > 0;
        }

        return element.ValueKind == JsonValueKind.Object && element.TryGetProperty(path[0], out var inner) && Has(inner, path[1..]);
    }

    private static bool HasCategory(JsonElement resource, IReadOnlyList<string> categories) =>
        resource.TryGetProperty("category"u8, out var concepts) && concepts.ValueKind == JsonValueKind.Array
            && concepts.EnumerateArray().Any(concept => concept.ValueKind == JsonValueKind.Object
                && concept.TryGetProperty("coding"u8, out var codings) && codings.ValueKind == JsonValueKind.Array
                && codings.EnumerateArray().Any(coding => coding.ValueKind == JsonValueKind.Object && coding.TryGetProperty("code"u8, out var code)
                    && code.ValueKind == JsonValueKind.String && categories.Contains(code.GetString()!)));

    private static void FindRejected(JsonElement element, string path, IReadOnlyList<string> rejected, List<Problem> problems)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Array:
                foreach (var (i, item) in element.EnumerateArray().Index())
                {
                    FindRejected(item, $"{path}[{i}]", rejected, problems);
                }

                break;
            case JsonValueKind.Object:
                foreach (var member in element.EnumerateObject())
                {
                    if (rejected.Contains(member.Name))
                    {
                        problems.Add(new("EHR-WRT-014", $"{path}.{member.Name}", "This EHR refuses a resource with this element."));
                    }

                    FindRejected(member.Value, $"{path}.{member.Name}", rejected, problems);
                }

                break;
        }
    }
}
