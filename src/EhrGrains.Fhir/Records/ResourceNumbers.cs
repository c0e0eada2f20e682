using System.Text.Json;
using System.Text.Json.Nodes;

namespace EhrGrains.Fhir.Records;

/// <summary>The numbers (<c>identifier</c>) of an account or a visit, where it is merged or its number changes. Pure, thread-safe.</summary>
public static class ResourceNumbers
{
    /// <summary>Whether a resource has one of some numbers; a number without a system is one of any.</summary>
    public static bool Has(ReadOnlyMemory<byte> content, IReadOnlyCollection<(string? System, string Value)> numbers)
    {
        using var document = JsonDocument.Parse(content);
        return document.RootElement.TryGetProperty("identifier"u8, out var identifiers) && identifiers.ValueKind == JsonValueKind.Array
            && identifiers.EnumerateArray().Any(identifier => numbers.Any(number =>
                Is(Text(identifier, "value"), number.Value) && (Text(identifier, "system") is not { } system || number.System is null || Is(system, number.System))));
    }

    /// <summary>The resource under another id; its numbers are old ones then (R4 datatypes.html#Identifier, use).</summary>
    public static byte[] Superseded(ReadOnlyMemory<byte> content, string id)
    {
        var resource = JsonNode.Parse(content.Span)!.AsObject();
        resource["id"] = id;
        foreach (var identifier in (resource["identifier"] as JsonArray ?? []).OfType<JsonObject>())
        {
            identifier.Remove("use");
            identifier.Insert(0, "use", "old");
        }

        return JsonText.Write(resource, content.Length + 64);
    }

    private static bool Is(string? one, string other) => string.Equals(one, other, StringComparison.Ordinal);

    private static string? Text(JsonElement identifier, string name) =>
        identifier.ValueKind == JsonValueKind.Object && identifier.TryGetProperty(name, out var text) && text.ValueKind == JsonValueKind.String ? text.GetString() : null;
}
