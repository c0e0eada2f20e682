using System.Text.Json;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Grains.Apps;

/// <summary>What an app's registration must be like. Pure; reports every problem at once and repeats no value.</summary>
internal static class AppSpecRules
{
    private const int JwksLengthMax = 65_536;
    private const int KeysMax = 10;
    private const int RsaBitsMin = 2_048;
    private const int RsaBitsMax = 8_192;

    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 8 };
    private static readonly string[] PrivateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

    internal static IReadOnlyList<Problem> Validate(AppSpec spec, AppId key)
    {
        var problems = new List<Problem>();
        if (spec.App != key)
        {
            problems.Add(new("EHR-APP-001", "app", "The id in the spec is not the id that the command went to."));
        }

        if (string.IsNullOrWhiteSpace(spec.DisplayName) || spec.DisplayName.Length > 200 || spec.DisplayName.Any(char.IsControl))
        {
            problems.Add(new("EHR-APP-002", "displayName", "Give the app's name: 1 to 200 characters, no control characters."));
        }

        if (!Enum.IsDefined(spec.Role))
        {
            problems.Add(new("EHR-APP-003", "role", "The role is application, operator or admin."));
        }

        if (spec.JsonWebKeySet is { } jwks)
        {
            AddKeys(problems, jwks);
        }

        return problems;
    }

    private static void AddKeys(List<Problem> problems, string jwks)
    {
        const string Path = "jsonWebKeySet";
        try
        {
            using var json = jwks.Length <= JwksLengthMax ? JsonDocument.Parse(jwks, Strict) : null;
            if (json?.RootElement is not { ValueKind: JsonValueKind.Object } set || !set.TryGetProperty("keys", out var keys)
                || keys.ValueKind != JsonValueKind.Array || keys.GetArrayLength() is 0 or > KeysMax)
            {
                problems.Add(new("EHR-APP-010", Path, "Give a JWK set (RFC 7517 §5): an object with 1 to 10 keys in the member keys."));
                return;
            }

            var ids = new HashSet<string>(StringComparer.Ordinal);
            foreach (var (index, element) in keys.EnumerateArray().Index())
            {
                if (CheckKey(element, ids) is { } wrong)
                {
                    problems.Add(wrong with { Path = $"{Path}.keys[{index}]" });
                }
            }
        }
        catch (JsonException)
        {
            problems.Add(new("EHR-APP-010", Path, "This is not JSON, or it has a member twice."));
        }
    }

    private static Problem? CheckKey(JsonElement json, HashSet<string> ids)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            return new("EHR-APP-011", "", "A key is a JSON object.");
        }

        if (PrivateMembers.Any(member => json.TryGetProperty(member, out _)))
        {
            return new(
                "EHR-APP-012",
                "",
                "This is a private or a secret key. Give the public half only, and replace the key: it is no longer private.");
        }

        var key = new JsonWebKey(json.GetRawText());
        if (string.IsNullOrEmpty(key.Kid) || key.Kid.Length > 64 || !ids.Add(key.Kid))
        {
            return new("EHR-APP-013", "", "Each key has a kid of its own, 1 to 64 characters.");
        }

        if (key.Use is not (null or "" or "sig"))
        {
            return new("EHR-APP-014", "", "The key is not for signatures: its use is sig, or left out.");
        }

        return IsUsable(key)
            ? null
            : new("EHR-APP-015", "", "The key is EC on P-256 (ES256) or P-384 (ES384), or RSA of 2,048 to 8,192 bits (RS256, RS384).");
    }

    private static bool IsUsable(JsonWebKey key)
    {
        try
        {
            return (key.Kty, key.Crv) switch
            {
                ("EC", "P-256") => IsAlgorithm(key, "ES256") && IsOnCurve(key, 32),
                ("EC", "P-384") => IsAlgorithm(key, "ES384") && IsOnCurve(key, 48),
                ("RSA", _) =>
                    IsAlgorithm(key, "RS256", "RS384") && key.KeySize is >= RsaBitsMin and <= RsaBitsMax
                        && Base64UrlEncoder.DecodeBytes(key.E).Length is >= 1 and <= 4,
                _ => false,
            };
        }
        catch (Exception e) when (e is FormatException or ArgumentException or System.Security.Cryptography.CryptographicException)
        {
            return false;
        }
    }

    private static bool IsAlgorithm(JsonWebKey key, params ReadOnlySpan<string> algorithms) =>
        string.IsNullOrEmpty(key.Alg) || algorithms.Contains(key.Alg);

    // Importing a point that is not on its curve fails.
    private static bool IsOnCurve(JsonWebKey key, int coordinateBytes)
    {
        using var imported = System.Security.Cryptography.ECDsa.Create(new System.Security.Cryptography.ECParameters
        {
            Curve = coordinateBytes == 32
                ? System.Security.Cryptography.ECCurve.NamedCurves.nistP256
                : System.Security.Cryptography.ECCurve.NamedCurves.nistP384,
            Q = { X = Base64UrlEncoder.DecodeBytes(key.X), Y = Base64UrlEncoder.DecodeBytes(key.Y) },
        });
        return imported.KeySize == coordinateBytes * 8;
    }
}
