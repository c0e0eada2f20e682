using System.Globalization;
using System.Text;
using System.Text.Json;
using EhrGrains.Storage.Records;

namespace EhrGrains.Grains.Records;

/// <summary>
/// Under which terms a resource is found over a tenant, where no patient is named: Patients by identifier, name, birth date, gender
/// and telecom. Names are found by their beginnings (FHIR R4 §3.1.1.4.8), up to eight letters of them. Pure.
/// </summary>
internal static class IndexTerms
{
    private const int PrefixMax = 8;

    internal static IReadOnlyList<IndexTerm> Of(string type, ReadOnlyMemory<byte> content)
    {
        if (content.IsEmpty || type is not ("Patient" or "Practitioner" or "Organization" or "Location"))
        {
            return [];
        }

        using var document = JsonDocument.Parse(content);
        var resource = document.RootElement;
        var terms = new HashSet<IndexTerm>();
        foreach (var identifier in List(resource, "identifier"))
        {
            var (system, value) = (Text(identifier, "system"), Text(identifier, "value"));
            terms.Add(new($"{type}.identifier", value));
            terms.Add(new($"{type}.identifier", $"{system}|{value}"));
        }

        foreach (var name in List(resource, "name"))
        {
            AddName(terms, type, name);
        }

        foreach (var telecom in List(resource, "telecom"))
        {
            terms.Add(new($"{type}.telecom", Text(telecom, "value").ToLowerInvariant()));
        }

        terms.Add(new($"{type}.birthdate", Text(resource, "birthDate")));
        terms.Add(new($"{type}.gender", Text(resource, "gender")));
        terms.RemoveWhere(term => term.Value is "" or "|");
        return [.. terms];
    }

    /// <summary>A name's word as it is compared: without case, accents and marks.</summary>
    internal static string Normalize(string text)
    {
        var plain = new StringBuilder(text.Length);
        foreach (var c in text.Normalize(NormalizationForm.FormD))
        {
            if (char.IsLetterOrDigit(c))
            {
                plain.Append(char.ToLowerInvariant(c));
            }
            else if (CharUnicodeInfo.GetUnicodeCategory(c) == UnicodeCategory.SpaceSeparator && plain.Length > 0)
            {
                plain.Append(' ');
            }
        }

        return plain.ToString();
    }

    private static void AddName(HashSet<IndexTerm> terms, string type, JsonElement name)
    {
        if (name.ValueKind == JsonValueKind.String)
        {
            AddWord(terms, $"{type}.name", name.GetString()!);
            return;
        }

        AddWord(terms, $"{type}.family", Text(name, "family"));
        AddWord(terms, $"{type}.name", Text(name, "family"));
        AddWord(terms, $"{type}.name", Text(name, "text"));
        foreach (var given in List(name, "given").Where(given => given.ValueKind == JsonValueKind.String))
        {
            AddWord(terms, $"{type}.given", given.GetString()!);
            AddWord(terms, $"{type}.name", given.GetString()!);
        }
    }

    private static void AddWord(HashSet<IndexTerm> terms, string parameter, string text)
    {
        var word = Normalize(text);
        terms.Add(new(parameter, word));
        for (var length = 1; length <= Math.Min(PrefixMax, word.Length); length++)
        {
            terms.Add(new($"{parameter}:prefix", word[..length]));
        }
    }

    private static string Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : "";

    private static IEnumerable<JsonElement> List(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value)
            ? value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : [value]
            : [];
}
