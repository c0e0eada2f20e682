using System.Text.Json;

namespace EhrGrains.Grains.Preflight;

/// <summary>Members of a document that may be anything.</summary>
internal static class JsonMembers
{
    private const int ItemsMax = 5_000;

    internal static string? Text(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    internal static JsonElement? Member(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) ? value : null;

    internal static IEnumerable<JsonElement> Items(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array
            ? value.EnumerateArray().Take(ItemsMax)
            : [];

    internal static string[] Texts(this JsonElement element, string name) =>
        [.. element.Items(name).Where(static item => item.ValueKind == JsonValueKind.String).Select(static item => item.GetString()!)];
}
