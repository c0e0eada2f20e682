using System.Text.Json;
using EhrGrains.Contracts.Query;

namespace EhrGrains.Cli.Fhir;

/// <summary>One resource as a line of a table.</summary>
/// <param name="Tenant">The tenant it came from.</param>
/// <param name="Type">Its resource type.</param>
/// <param name="Id">Its normalized id.</param>
/// <param name="What">A patient's name, else its code as text, else empty.</param>
/// <param name="When">A patient's birth date, else its clinical date, else empty.</param>
public sealed record FhirLine(string Tenant, string Type, string Id, string What, string When);

/// <summary>What people want to see of a FHIR answer: its resources, what it warns of, and where it goes on.</summary>
public sealed class FhirAnswer
{
    // The normalizer writes the tenant into every resource's meta.source.
    private const string SourcePrefix = "urn:ehrgrains:tenant:";

    private static readonly string[] Dates =
        ["birthDate", "effectiveDateTime", "recordedDate", "onsetDateTime", "authoredOn", "date", "issued"];

    private readonly List<FhirLine> lines = [];
    private readonly List<string> issues = [];

    private FhirAnswer()
    {
    }

    /// <summary>The resources, those that report on the search itself left out.</summary>
    public IReadOnlyList<FhirLine> Lines => lines;

    /// <summary>What the answer's OperationOutcome says, with its severity.</summary>
    public IReadOnlyList<string> Issues => issues;

    /// <summary>The cursor of the next page; null on the last.</summary>
    public string? NextCursor { get; private set; }

    /// <summary>Reads a resource, a searchset Bundle or an OperationOutcome.</summary>
    /// <exception cref="JsonException">The body is not JSON.</exception>
    public static FhirAnswer Read(ReadOnlyMemory<byte> body)
    {
        using var document = JsonDocument.Parse(body);
        var answer = new FhirAnswer();
        answer.Add(document.RootElement);
        return answer;
    }

    private void Add(JsonElement resource)
    {
        switch (Text(resource, "resourceType"))
        {
            case "Bundle":
                foreach (var entry in Items(resource, "entry").Where(entry => entry.TryGetProperty("resource", out _)))
                {
                    Add(entry.GetProperty("resource"));
                }

                NextCursor = ReadCursor(Items(resource, "link").FirstOrDefault(link => Text(link, "relation") == "next"));
                break;
            case "OperationOutcome":
                issues.AddRange(Items(resource, "issue").Select(issue => $"{Text(issue, "severity")}: {Text(issue, "diagnostics")} [{Text(issue, "code")}]"));
                break;
            case var type:
                lines.Add(new FhirLine(Tenant(resource), type, Text(resource, "id"), What(resource), When(resource)));
                break;
        }
    }

    private static string Tenant(JsonElement resource) =>
        Member(resource, "meta") is { } meta && Text(meta, "source") is var source && source.StartsWith(SourcePrefix, StringComparison.Ordinal)
            ? source[SourcePrefix.Length..]
            : "";

    private static string What(JsonElement resource)
    {
        if (Items(resource, "name").FirstOrDefault() is { ValueKind: JsonValueKind.Object } name)
        {
            return string.Join(' ', Items(name, "given").Select(given => given.ToString()).Append(Text(name, "family")));
        }

        return Member(resource, "code") is not { } code ? ""
            : Text(code, "text") is { Length: > 0 } text ? text
            : Items(code, "coding").Select(coding => Text(coding, "display")).FirstOrDefault(display => display.Length > 0, "");
    }

    private static string When(JsonElement resource) => Dates.Select(date => Text(resource, date)).FirstOrDefault(date => date.Length > 0, "");

    private static string? ReadCursor(JsonElement link)
    {
        if (link.ValueKind != JsonValueKind.Object || !Uri.TryCreate(Text(link, "url"), UriKind.Absolute, out var url))
        {
            return null;
        }

        return FhirQuery.Parameters(url.Query.TrimStart('?')).FirstOrDefault(parameter => parameter.Name == FhirSearch.CursorParameter).Value;
    }

    private static JsonElement? Member(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) ? value : null;

    private static string Text(JsonElement element, string name) =>
        Member(element, name) is { ValueKind: JsonValueKind.String } value ? value.GetString()! : "";

    private static JsonElement.ArrayEnumerator Items(JsonElement element, string name) =>
        Member(element, name) is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray() : default;
}
