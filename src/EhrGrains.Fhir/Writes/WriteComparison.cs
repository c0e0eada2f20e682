using System.Globalization;
using System.Text.Json;

namespace EhrGrains.Fhir.Writes;

/// <summary>
/// Holds what was read back against what was sent. An EHR may add what it likes; what was sent has to be there. Only paths leave, never
/// values.
/// </summary>
public static class WriteComparison
{
    private const int DifferencesMax = 50;

    // The EHR's own: its id and versions, and the text that it makes of the rest.
    private static readonly string[] Own = ["id", "meta", "text", "resourceType"];

    /// <summary>The elements that were sent and are otherwise or not there, at most 50.</summary>
    public static IReadOnlyList<string> Differences(ReadOnlySpan<byte> sent, ReadOnlySpan<byte> found)
    {
        using var before = Parse(sent);
        using var after = Parse(found);
        var type = before.RootElement.TryGetProperty("resourceType"u8, out var name) ? name.GetString() ?? "" : "";
        var differences = new List<string>();
        foreach (var member in before.RootElement.EnumerateObject().Where(member => !Own.Contains(member.Name)))
        {
            Compare(member, after.RootElement, type, differences);
        }

        return differences.Count <= DifferencesMax ? differences : differences[..DifferencesMax];
    }

    private static JsonDocument Parse(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        return JsonDocument.ParseValue(ref reader);
    }

    private static void Compare(JsonProperty member, JsonElement holder, string path, List<string> differences)
    {
        if (!holder.TryGetProperty(member.Name, out var found))
        {
            differences.Add($"{path}.{member.Name}");
        }
        else
        {
            Compare(member.Value, found, $"{path}.{member.Name}", differences);
        }
    }

    private static void Compare(JsonElement sent, JsonElement found, string path, List<string> differences)
    {
        switch (sent.ValueKind)
        {
            case JsonValueKind.Object when found.ValueKind == JsonValueKind.Object:
                foreach (var member in sent.EnumerateObject())
                {
                    Compare(member, found, path, differences);
                }

                break;
            case JsonValueKind.Array when found.ValueKind == JsonValueKind.Array:
                foreach (var (i, item) in sent.EnumerateArray().Index())
                {
                    // In whichever order it keeps them.
                    if (!found.EnumerateArray().Any(candidate => IsIn(item, candidate)))
                    {
                        differences.Add($"{path}[{i}]");
                    }
                }

                break;
            default:
                if (!IsSame(sent, found))
                {
                    differences.Add(path);
                }

                break;
        }
    }

    private static bool IsIn(JsonElement sent, JsonElement found)
    {
        var differences = new List<string>();
        Compare(sent, found, "", differences);
        return differences.Count == 0;
    }

    private static bool IsSame(JsonElement sent, JsonElement found)
    {
        if (sent.ValueKind != found.ValueKind)
        {
            return false;
        }

        return sent.ValueKind switch
        {
            JsonValueKind.Number => sent.TryGetDecimal(out var a) && found.TryGetDecimal(out var b) ? a == b : sent.GetRawText() == found.GetRawText(),
            JsonValueKind.String => IsSame(sent.GetString()!, found.GetString()!),
            JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null => true,
            _ => false,
        };
    }

    // The same instant may be written in another zone; a reference may be absolute.
    private static bool IsSame(string sent, string found) =>
        sent == found
        || (sent.Contains('T', StringComparison.Ordinal)
            && DateTimeOffset.TryParse(sent, CultureInfo.InvariantCulture, DateTimeStyles.None, out var a)
            && DateTimeOffset.TryParse(found, CultureInfo.InvariantCulture, DateTimeStyles.None, out var b) && a == b)
        || (sent.Contains('/', StringComparison.Ordinal) && found.EndsWith("/" + sent, StringComparison.Ordinal));
}
