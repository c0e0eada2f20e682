using EhrGrains.Contracts.Apps;
using EhrGrains.Storage.OneTime;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace EhrGrains.Silo.OAuth;

/// <summary>
/// Checks client assertions as SMART has them (SMART App Launch 2.2, client-confidential-asymmetric; RFC 7523 §3): header
/// <c>typ: JWT</c>, audience the token endpoint, at most five minutes, one use. OpenIddict's own check asks for the newer
/// <c>typ: client-authentication+jwt</c> and the issuer as audience, which SMART clients do not send; both are taken.
/// </summary>
internal sealed class ClientAssertionHandler(AppDirectory apps, OneTimeTable oneTime, TimeProvider time)
    : IOpenIddictServerHandler<ValidateTokenContext>
{
    private const int AssertionCharactersMax = 16 * 1024;
    private const int JtiCharactersMax = 256;
    private static readonly TimeSpan LifetimeMax = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(30);
    private static readonly string[] Algorithms = [SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.RsaSha384];
    private static readonly string[] RefusedHeaders = ["crit", "jwk", "jku", "x5c", "x5u"];
    private static readonly JsonWebTokenHandler Tokens = new() { MapInboundClaims = false, MaximumTokenSizeInBytes = AssertionCharactersMax };

    public async ValueTask HandleAsync(ValidateTokenContext context)
    {
        if (!context.ValidTokenTypes.SetEquals([TokenTypeIdentifiers.Private.ClientAssertion]))
        {
            return;
        }

        var refusal = await CheckAsync(context);
        if (refusal is not null)
        {
            context.Reject(Errors.InvalidClient, refusal);
        }
    }

    // Returns why the assertion is refused, or null. The reasons name the rule, never the value.
    private async Task<string?> CheckAsync(ValidateTokenContext context)
    {
        if (!TryRead(context.Token, out var assertion))
        {
            return "The client assertion is not a JWT.";
        }

        // An unverified issuer only chooses whose keys are tried; the signature then proves it.
        if (!AppId.TryParse(assertion.Issuer, out var app) || assertion.Subject != assertion.Issuer)
        {
            return "The client assertion's iss and sub must both be the client id.";
        }

        var client = await apps.FindAsync(app, context.CancellationToken);
        var keys = client?.Spec.JsonWebKeySet is { } jwks ? JsonWebKeySet.Create(jwks).GetSigningKeys() : [];
        var result = await Tokens.ValidateTokenAsync(assertion, Parameters(context.Options, keys));
        if (!result.IsValid)
        {
            return result.Exception is SecurityTokenExpiredException or SecurityTokenNotYetValidException
                ? "The client assertion is expired or not yet valid."
                : "The client assertion's signature, audience or type is not accepted.";
        }

        if (assertion.ValidTo - time.GetUtcNow().UtcDateTime > LifetimeMax + ClockSkew)
        {
            return "The client assertion's exp must be at most five minutes ahead.";
        }

        if (string.IsNullOrEmpty(assertion.Id) || assertion.Id.Length > JtiCharactersMax)
        {
            return "The client assertion needs a jti of at most 256 characters.";
        }

        if (!await oneTime.TryUseAsync(app.Value, assertion.Id, new DateTimeOffset(assertion.ValidTo) + ClockSkew, context.CancellationToken))
        {
            return "The client assertion was used before; each has its own jti.";
        }

        context.Principal = new System.Security.Claims.ClaimsPrincipal(result.ClaimsIdentity).SetTokenType(TokenTypeIdentifiers.Private.ClientAssertion);
        context.DisableAudienceValidation = true;
        context.DisableLifetimeValidation = true;
        return null;
    }

    private static bool TryRead(string token, out JsonWebToken assertion)
    {
        assertion = null!;
        try
        {
            if (token.Length > AssertionCharactersMax || !Tokens.CanReadToken(token))
            {
                return false;
            }

            // "crit" names extensions that must be understood (RFC 7515 §4.1.11), and we understand none; a key sent along proves nothing.
            assertion = Tokens.ReadJsonWebToken(token);
            var header = assertion;
            return !RefusedHeaders.Any(name => header.TryGetHeaderValue<object>(name, out _));
        }
        catch (Exception e) when (e is ArgumentException or SecurityTokenException)
        {
            return false;
        }
    }

    private TokenValidationParameters Parameters(OpenIddictServerOptions options, IEnumerable<SecurityKey> keys)
    {
        var issuer = options.Issuer!.AbsoluteUri;
        return new TokenValidationParameters
        {
            // The issuer is the client itself and is checked before; everything else is checked here.
            ValidateIssuer = false,
            IssuerSigningKeys = keys,
            TryAllIssuerSigningKeys = false,
            ValidAlgorithms = Algorithms,
            ValidTypes = ["JWT", "client-authentication+jwt"],
            ValidAudiences = [new Uri(options.Issuer, AuthorizationServer.TokenPath).AbsoluteUri, issuer, issuer.TrimEnd('/')],
            RequireExpirationTime = true,
            RequireSignedTokens = true,
            ClockSkew = ClockSkew,
            LifetimeValidator = (notBefore, expires, _, _) =>
                expires is { } end && end > (time.GetUtcNow() - ClockSkew).UtcDateTime
                && (notBefore is not { } start || start < (time.GetUtcNow() + ClockSkew).UtcDateTime),
        };
    }
}
