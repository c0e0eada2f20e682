using System.Globalization;
using System.Text.Json;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>One thing that a bundle says: a resource type and element path without indexes, and a normalized value.</summary>
internal readonly record struct Fact(string Path, string Value);

/// <summary>
/// A bundle as the set of facts that it states, so that two mappings of one message can be compared although their ids, their
/// order and their narrative differ.
/// </summary>
internal static class Facts
{
    /// <summary>
    /// Left out: what another mapper cannot have the same (ids, references), what is not data (meta, narrative), and extensions
    /// that are not HL7's own. Date-times count to the minute, as instants: 11:26+02:15 and 14:41+05:30 are one fact.
    /// </summary>
    public static HashSet<Fact> Of(ReadOnlySpan<byte> bundle)
    {
        var reader = new Utf8JsonReader(bundle);
        using var document = JsonDocument.ParseValue(ref reader);
        var facts = new HashSet<Fact>();
        foreach (var entry in document.RootElement.GetProperty("entry").EnumerateArray())
        {
            if (entry.TryGetProperty("resource", out var resource))
            {
                foreach (var member in resource.EnumerateObject())
                {
                    if (!member.NameEquals("text"))
                    {
                        Member(member, resource.GetProperty("resourceType").GetString()!, facts);
                    }
                }
            }
        }

        return facts;
    }

    private static void Member(JsonProperty member, string path, HashSet<Fact> facts)
    {
        if (member.Name is "id" or "fullUrl" or "reference" or "meta" or "resourceType" or "contained")
        {
            return;
        }

        Value(member.Value, path + "." + member.Name.TrimStart('_'), facts, isExtension: member.Name.EndsWith("xtension", StringComparison.Ordinal));
    }

    private static void Value(JsonElement value, string path, HashSet<Fact> facts, bool isExtension = false)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                {
                    Value(item, path, facts, isExtension);
                }

                break;
            case JsonValueKind.Object when !isExtension || !IsForeign(value):
                foreach (var member in value.EnumerateObject())
                {
                    Member(member, path, facts);
                }

                break;
            case JsonValueKind.String or JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False:
                facts.Add(new Fact(path, Normalize(value)));
                break;
        }
    }

    /// <summary>Parts of a complex extension have short names, not addresses; they belong to the extension around them.</summary>
    private static bool IsForeign(JsonElement extension) =>
        extension.TryGetProperty("url", out var url)
        && url.GetString() is { } address
        && address.Contains("://", StringComparison.Ordinal)
        && !address.StartsWith("http://hl7.org/fhir/", StringComparison.Ordinal);

    private static string Normalize(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Number)
        {
            return value.TryGetDecimal(out var number) ? number.ToString("0.############", CultureInfo.InvariantCulture) : value.GetRawText();
        }

        if (value.ValueKind != JsonValueKind.String)
        {
            return value.GetRawText();
        }

        var text = string.Join(' ', value.GetString()!.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        if (text.Length < 16 || text[10] != 'T' || !char.IsAsciiDigit(text[0]))
        {
            return text;
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var instant)
            ? instant.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm", CultureInfo.InvariantCulture)
            : text[..16];
    }
}
