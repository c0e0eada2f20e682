using System.Security.Cryptography;
using Microsoft.AspNetCore.WebUtilities;

namespace EhrGrains.Sandbox.Tokens;

/// <summary>The access tokens of one hospital: random and opaque. Bounded: the oldest is forgotten when there are too many.</summary>
internal sealed class AccessTokens(TimeProvider time)
{
    public const int TokensMax = 10_000;
    private const string Bearer = "Bearer ";

    private readonly Lock gate = new();
    private readonly Dictionary<string, (Grant Grant, DateTimeOffset ExpiresAt)> byText = new(StringComparer.Ordinal);
    private readonly Queue<string> inOrder = new();

    public string Issue(Grant grant, TimeSpan lifetime)
    {
        var token = WebEncoders.Base64UrlEncode(RandomNumberGenerator.GetBytes(32));
        lock (gate)
        {
            if (inOrder.Count == TokensMax)
            {
                byText.Remove(inOrder.Dequeue());
            }

            inOrder.Enqueue(token);
            byText[token] = (grant, time.GetUtcNow() + lifetime);
        }

        return token;
    }

    /// <summary>What the bearer of an Authorization header may do; null: the token is missing, expired or not known.</summary>
    public Grant? Find(string? authorization)
    {
        if (authorization is null || !authorization.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        lock (gate)
        {
            return byText.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(authorization.AsSpan(Bearer.Length), out var token)
                && token.ExpiresAt > time.GetUtcNow()
                ? token.Grant
                : null;
        }
    }

    public void RevokeAll()
    {
        lock (gate)
        {
            byText.Clear();
            inOrder.Clear();
        }
    }
}
