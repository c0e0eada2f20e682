using System.Collections.Concurrent;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Sandbox.Tokens;

/// <summary>Checks client assertions (SMART App Launch 2.2, client-confidential-asymmetric; RFC 7523).</summary>
internal sealed class Assertions(TimeProvider time, string audience, int jtiLengthMax)
{
    private const int SeenMax = 100_000;
    private static readonly TimeSpan LifetimeMax = TimeSpan.FromMinutes(5);
    private static readonly string[] Algorithms = ["RS384", "ES384"];

    // Tokens are long gone before their keys are: a cache of signature providers would only grow.
    private static readonly CryptoProviderFactory Crypto = new() { CacheSignatureProviders = false };
    private static readonly JsonWebTokenHandler Handler = new() { MapInboundClaims = false, MaximumTokenSizeInBytes = 16_384 };

    private readonly ConcurrentDictionary<(string Client, string Jti), DateTimeOffset> seen = new();

    /// <summary>The client id that an assertion claims; null when it is no JWT.</summary>
    public static string? ClaimedClient(string assertion) => Read(assertion)?.Issuer;

    /// <summary>Why the assertion is no proof of the client; null: it is one.</summary>
    public async Task<string?> RefuseAsync(string assertion, string clientId, ClientKeys keys, CancellationToken cancellationToken)
    {
        if (Read(assertion) is not { } token)
        {
            return "The assertion is not a JWT.";
        }

        if (!Algorithms.Contains(token.Alg))
        {
            return "The assertion must be signed with RS384 or ES384.";
        }

        if (token.Typ is not (null or "" or "JWT"))
        {
            return "The assertion's typ must be JWT.";
        }

        if (string.IsNullOrEmpty(token.Kid) || await keys.FindAsync(token.Kid, token.Alg, cancellationToken) is not { } key)
        {
            return $"The client's key set has no such key. {keys.Trouble}".TrimEnd();
        }

        var result = await Handler.ValidateTokenAsync(token, Parameters(clientId, key));
        if (!result.IsValid)
        {
            return result.Exception switch
            {
                SecurityTokenInvalidAudienceException => "The assertion's aud is not this token endpoint.",
                SecurityTokenInvalidIssuerException => "The assertion's iss is not the client.",
                SecurityTokenExpiredException or SecurityTokenInvalidLifetimeException or SecurityTokenNoExpirationException =>
                    "The assertion has expired, or expires in more than five minutes.",
                _ => "The assertion's signature is not the client's.",
            };
        }

        return token.Subject == clientId ? RefuseReplay(token, clientId) : "The assertion's sub is not the client.";
    }

    private string? RefuseReplay(JsonWebToken token, string clientId)
    {
        if (string.IsNullOrEmpty(token.Id) || token.Id.Length > jtiLengthMax)
        {
            return $"The assertion needs a jti of at most {jtiLengthMax} characters.";
        }

        if (seen.Count >= SeenMax)
        {
            var now = time.GetUtcNow();
            foreach (var (old, expiresAt) in seen)
            {
                if (expiresAt <= now)
                {
                    seen.TryRemove(old, out _);
                }
            }
        }

        return seen.Count < SeenMax && seen.TryAdd((clientId, token.Id), new DateTimeOffset(token.ValidTo))
            ? null
            : "The assertion's jti was used before.";
    }

    private TokenValidationParameters Parameters(string clientId, JsonWebKey key) => new()
    {
        ValidIssuer = clientId,
        ValidAudience = audience,
        ValidAlgorithms = Algorithms,
        IssuerSigningKey = key,
        CryptoProviderFactory = Crypto,
        LifetimeValidator = (notBefore, expires, _, _) =>
        {
            var now = time.GetUtcNow().UtcDateTime;
            return expires is not null && expires > now && expires <= now + LifetimeMax && (notBefore is null || notBefore <= now);
        },
    };

    private static JsonWebToken? Read(string assertion)
    {
        try
        {
            return Handler.CanReadToken(assertion) ? Handler.ReadJsonWebToken(assertion) : null;
        }
        catch (Exception e) when (e is ArgumentException or SecurityTokenException)
        {
            return null;
        }
    }
}
