using System.Buffers.Text;
using System.Text.Json;

namespace EhrGrains.Grains.Callers;

/// <summary>
/// What a JWT must look like before its signature is worth checking. Refuses what the token library takes although it should
/// not: repeated names, critical headers that nobody here understands (RFC 7515 §4.1.11), and headers by which a token brings
/// its own key (<c>jwk</c>, <c>jku</c>, <c>x5u</c>, <c>x5c</c>).
/// </summary>
internal static class TokenShape
{
    internal const int SizeMax = 16 * 1024;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 16 };

    internal static bool IsAcceptable(string? token, IEnumerable<string> algorithms)
    {
        if (token is null or { Length: 0 or > SizeMax } || token.Split('.') is not [var header, var payload, { Length: > 0 }])
        {
            return false;
        }

        try
        {
            using var head = JsonDocument.Parse(Base64Url.DecodeFromChars(header), Strict);
            using var body = JsonDocument.Parse(Base64Url.DecodeFromChars(payload), Strict);
            return head.RootElement.ValueKind == JsonValueKind.Object && body.RootElement.ValueKind == JsonValueKind.Object
                && !head.RootElement.EnumerateObject().Any(member => member.Name is "crit" or "jku" or "jwk" or "x5u" or "x5c")
                && TextOf(head.RootElement, "alg") is { } algorithm && algorithms.Contains(algorithm, StringComparer.Ordinal)
                && TextOf(head.RootElement, "kid") is { Length: >= 1 and <= 64 } kid
                && kid.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');
        }
        catch (Exception e) when (e is FormatException or JsonException)
        {
            return false;
        }
    }

    private static string? TextOf(JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
