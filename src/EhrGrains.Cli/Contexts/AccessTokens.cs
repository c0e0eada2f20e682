using Duende.IdentityModel;
using Duende.IdentityModel.Client;
using EhrGrains.Contracts;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Cli.Contexts;

/// <summary>
/// The app's access token from the gateway's token endpoint (OAuth 2.0 client credentials; RFC 7523 assertions), kept until
/// shortly before it ends. Asks for one scope, or for what the app's role has by itself. Thread-safe; concurrent callers share one
/// request.
/// </summary>
public sealed class AccessTokens(ClusterContext context, HttpClient http, TimeProvider time, string? scope = null) : IDisposable
{
    private static readonly TimeSpan AssertionLifetime = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim gate = new(1, 1);
    private volatile Held? held;

    /// <summary>When the token in hand ends; null: none was asked for yet.</summary>
    public DateTimeOffset? ExpiresAt => held?.ExpiresAt;

    /// <summary>A token that is good for at least half a minute.</summary>
    /// <exception cref="ProblemException">Unauthenticated: refused. Unavailable: no answer.</exception>
    public async ValueTask<string> GetAsync(CancellationToken cancellationToken)
    {
        if (Current() is { } token)
        {
            return token;
        }

        await gate.WaitAsync(cancellationToken);
        try
        {
            return Current() ?? await RequestAsync(cancellationToken);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => gate.Dispose();

    private string? Current() => held is { } now && time.GetUtcNow() < now.ExpiresAt - Margin ? now.Token : null;

    private async Task<string> RequestAsync(CancellationToken cancellationToken)
    {
        var endpoint = (context.TokenUrl ?? new Uri(context.Url, "/oauth/token")).AbsoluteUri;
        using var request = new ClientCredentialsTokenRequest
        {
            Address = endpoint,
            ClientId = context.ClientId,
            ClientSecret = context.ClientSecret,
            ClientCredentialStyle = ClientCredentialStyle.PostBody,
            Scope = scope,
        };
        if (context.PrivateJwk is { } jwk)
        {
            request.ClientAssertion = new ClientAssertion { Type = OidcConstants.ClientAssertionTypes.JwtBearer, Value = Assertion(jwk.GetRawText(), endpoint) };
        }

        var asked = time.GetUtcNow();
        var response = await http.RequestClientCredentialsTokenAsync(request, cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();
        if (response.IsError || response.AccessToken is null)
        {
            throw Refusal(response);
        }

        held = new Held(response.AccessToken, asked.AddSeconds(response.ExpiresIn));
        return response.AccessToken;
    }

    // RFC 7523 §3 and SMART App Launch 2.2: iss = sub = client id, aud = the token endpoint, jti used once, short life.
    private string Assertion(string jwk, string audience)
    {
        var key = new JsonWebKey(jwk);
        var now = time.GetUtcNow().UtcDateTime;
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = context.ClientId,
            Audience = audience,
            IssuedAt = now,
            NotBefore = now,
            Expires = now + AssertionLifetime,
            Claims = new Dictionary<string, object>(StringComparer.Ordinal)
            {
                [JwtClaimTypes.Subject] = context.ClientId,
                [JwtClaimTypes.JwtId] = Guid.CreateVersion7(time.GetUtcNow()).ToString("N"),
            },
            SigningCredentials = new SigningCredentials(key, key.Alg ?? SecurityAlgorithms.EcdsaSha384),
        });
    }

    private ProblemException Refusal(TokenResponse response)
    {
        var status = (int)response.HttpStatusCode;
        return status is >= 400 and < 500
            ? new ProblemException(
                ProblemKind.Unauthenticated,
                "EHR-CLI-040",
                "",
                $"The token endpoint of {context.Url.Authority} refused {context.ClientId} ({status} {response.Error}). Is the app registered there and not disabled, and is this clock right? «ehrgrains doctor» checks.")
            : new ProblemException(
                ProblemKind.Unavailable,
                "EHR-CLI-041",
                "",
                $"The token endpoint of {context.Url.Authority} gave no token ({(status > 0 ? status : response.Exception?.GetType().Name)}). Is the silo running? «ehrgrains doctor» checks.");
    }

    private sealed record Held(string Token, DateTimeOffset ExpiresAt);
}
