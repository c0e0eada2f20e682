using System.Collections.Frozen;
using System.Text.Json;

namespace EhrGrains.Sandbox.Charts;

internal enum IndexKind
{
    Token,
    Text,
    Time,
}

/// <summary>A search parameter and the elements it looks at.</summary>
internal sealed record IndexedParameter(string Name, IndexKind Kind, params string[] Paths);

/// <summary>What resources can be found by (FHIR R4 search parameter registry, the part that the vendors declare).</summary>
internal static class SearchIndex
{
    private static readonly IndexedParameter Status = new("status", IndexKind.Token, "status");
    private static readonly IndexedParameter Category = new("category", IndexKind.Token, "category");
    private static readonly IndexedParameter Code = new("code", IndexKind.Token, "code");
    private static readonly IndexedParameter Encounter = new(
        "encounter", IndexKind.Token, "encounter.reference", "context.encounter.reference");
    private static readonly IndexedParameter Identifier = new("identifier", IndexKind.Token, "identifier");
    private static readonly IndexedParameter ClinicalStatus = new("clinical-status", IndexKind.Token, "clinicalStatus");

    private static readonly IndexedParameter[] Names =
    [
        new("family", IndexKind.Text, "name.family"), new("given", IndexKind.Text, "name.given"),
        new("name", IndexKind.Text, "name.family", "name.given", "name.text", "name"),
    ];

    private static readonly FrozenDictionary<string, IndexedParameter[]> ByType = new Dictionary<string, IndexedParameter[]>
    {
        ["Patient"] =
        [
            .. Names, Identifier, new("birthdate", IndexKind.Time, "birthDate"), new("gender", IndexKind.Token, "gender"),
            new("legal-sex", IndexKind.Token, "gender"),
            new("telecom", IndexKind.Token, "telecom.value"), new("phone", IndexKind.Token, "telecom.value"),
            new("email", IndexKind.Token, "telecom.value"), new("address-postalcode", IndexKind.Text, "address.postalCode"),
        ],
        ["Practitioner"] = [.. Names, Identifier],
        ["Organization"] = [Names[2], Identifier],
        ["Location"] = [Names[2]],
        ["Encounter"] =
        [
            Status, Identifier, new("class", IndexKind.Token, "class"), new("type", IndexKind.Token, "type"),
            new("date", IndexKind.Time, "period")
        ],
        ["Condition"] =
        [
            Category, Code, ClinicalStatus, Encounter, new("onset-date", IndexKind.Time, "onsetDateTime"),
            new("recorded-date", IndexKind.Time, "recordedDate")
        ],
        ["Observation"] =
        [
            Status, Category, Code, Encounter,
            new("date", IndexKind.Time, "effectiveDateTime", "effectivePeriod", "effectiveInstant"),
            new("issued", IndexKind.Time, "issued")
        ],
        ["AllergyIntolerance"] = [ClinicalStatus, Code],
        ["MedicationRequest"] =
        [
            Status, Category, Encounter, new("intent", IndexKind.Token, "intent"),
            new("authoredon", IndexKind.Time, "authoredOn"), new("date", IndexKind.Time, "authoredOn")
        ],
        ["DiagnosticReport"] =
        [
            Status, Category, Code, Encounter, new("date", IndexKind.Time, "effectiveDateTime", "effectivePeriod")
        ],
        ["DocumentReference"] =
        [
            Status, Category, Encounter, new("type", IndexKind.Token, "type"),
            new("date", IndexKind.Time, "date"), new("period", IndexKind.Time, "context.period"),
        ],
        ["Group"] = [new("type", IndexKind.Token, "type")],
        ["Coverage"] = [Status],
        ["Immunization"] = [Status, new("date", IndexKind.Time, "occurrenceDateTime")],
        ["Procedure"] = [Status, Code, new("date", IndexKind.Time, "performedDateTime", "performedPeriod")],
    }.ToFrozenDictionary();

    private static readonly IndexedParameter[] Others = [Status, Category, Code];

    /// <summary>Collects what a resource can be found by.</summary>
    public static (IndexedToken[] Tokens, IndexedText[] Texts, IndexedTime[] Times) Read(
        string type, JsonElement resource, TimeZoneInfo zone)
    {
        var tokens = new List<IndexedToken>();
        var texts = new List<IndexedText>();
        var times = new List<IndexedTime>();
        foreach (var parameter in ByType.GetValueOrDefault(type, Others))
        {
            foreach (var element in parameter.Paths.SelectMany(path => Elements(resource, path)))
            {
                switch (parameter.Kind)
                {
                    case IndexKind.Token:
                        AddTokens(parameter.Name, element, tokens);
                        break;
                    case IndexKind.Text when element.ValueKind == JsonValueKind.String:
                        texts.Add(new IndexedText(parameter.Name, element.GetString()!.Trim()));
                        break;
                    case IndexKind.Time:
                        AddTime(parameter.Name, element, zone, times);
                        break;
                }
            }
        }

        return ([.. tokens], [.. texts], [.. times]);
    }

    private static IEnumerable<JsonElement> Elements(JsonElement from, string path)
    {
        IEnumerable<JsonElement> found = [from];
        foreach (var name in path.Split('.'))
        {
            found = found.SelectMany(Flatten)
                .Where(item => item.ValueKind == JsonValueKind.Object && item.TryGetProperty(name, out _))
                .Select(item => item.GetProperty(name));
        }

        return found.SelectMany(Flatten);
    }

    private static IEnumerable<JsonElement> Flatten(JsonElement element) =>
        element.ValueKind == JsonValueKind.Array ? element.EnumerateArray() : [element];

    private static void AddTokens(string parameter, JsonElement element, List<IndexedToken> tokens)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                tokens.Add(new IndexedToken(parameter, null, element.GetString()!));
                break;
            case JsonValueKind.Object when element.TryGetProperty("coding", out var codings):
                foreach (var coding in codings.EnumerateArray())
                {
                    AddTokens(parameter, coding, tokens);
                }

                break;
            case JsonValueKind.Object when Text(element, "code") is { } code:
                tokens.Add(new IndexedToken(parameter, Text(element, "system"), code));
                break;
            case JsonValueKind.Object when Text(element, "value") is { } value:
                tokens.Add(new IndexedToken(parameter, Text(element, "system"), value.Trim()));
                if (element.TryGetProperty("type", out var type) && Text(type, "text") is { } typeText)
                {
                    // Epic takes the type's text in the place of the system.
                    tokens.Add(new IndexedToken(parameter, typeText, value.Trim()));
                }

                break;
        }
    }

    private static void AddTime(string parameter, JsonElement element, TimeZoneInfo zone, List<IndexedTime> times)
    {
        if (element.ValueKind == JsonValueKind.String && FhirTime.TryParse(element.GetString()!, zone, out var from, out var to))
        {
            times.Add(new IndexedTime(parameter, from, to));
        }
        else if (element.ValueKind == JsonValueKind.Object)
        {
            var start = Text(element, "start") is { } text && FhirTime.TryParse(text, zone, out var first, out _)
                ? first
                : DateTime.MinValue;
            var end = Text(element, "end") is { } last && FhirTime.TryParse(last, zone, out _, out var after) ? after : DateTime.MaxValue;
            times.Add(new IndexedTime(parameter, start, end));
        }
    }

    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;
}
