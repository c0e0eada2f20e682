using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Storage.SigningKeys;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Grains.Callers;

/// <summary>What an access token proved: a caller, or why it is refused.</summary>
/// <param name="Caller">The caller; null when refused.</param>
/// <param name="Refusal">Why not; null when there is a caller. Says nothing that helps to forge a token.</param>
public sealed record TokenVerdict(Caller? Caller, Problem? Refusal);

/// <summary>
/// Validates access tokens (RFC 9068) of the embedded authorization server or of one external OpenID Connect issuer, and that
/// the app that a token names is registered here and enabled. A verdict is kept for at most 60 s, which bounds how long a
/// disabled app goes on; at most 10,000 verdicts. Thread-safe.
/// </summary>
public sealed partial class AccessTokenValidator : IDisposable
{
    private static readonly TimeSpan VerdictAgeMax = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan KeysAgeMax = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan KeysRefetchAfter = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Skew = TimeSpan.FromSeconds(30);
    private static readonly Problem Invalid = new(
        "EHR-AUT-002",
        "",
        "The access token is not valid here, or its app is not registered or disabled. Ask the token endpoint for a new one.");

    private readonly AccessTokenOptions options;
    private readonly SigningKeyTable signingKeys;
    private readonly IGrainFactory grains;
    private readonly CallerTickets tickets;
    private readonly TimeProvider time;
    private readonly ILogger<AccessTokenValidator> log;
    private readonly JsonWebTokenHandler handler = new() { MapInboundClaims = false, MaximumTokenSizeInBytes = TokenShape.SizeMax };
    private readonly TokenValidationParameters parameters;
    private readonly FreshCache<string, ImmutableArray<SecurityKey>> embeddedKeys;
    private readonly FreshCache<string, TokenVerdict> verdicts;
    private readonly HttpClient? http;

    /// <summary>Creates the validator.</summary>
    public AccessTokenValidator(
        IOptions<AccessTokenOptions> options, SigningKeyTable signingKeys, IGrainFactory grains, CallerTickets tickets, TimeProvider time,
        ILogger<AccessTokenValidator> log)
    {
        this.options = options.Value;
        this.grains = grains;
        this.tickets = tickets;
        this.time = time;
        this.log = log;
        this.signingKeys = signingKeys;
        embeddedKeys = new(1, TimeSpan.FromSeconds(10), time);
        verdicts = new(10_000, TimeSpan.FromSeconds(10), time);
        parameters = BaseParameters();
        if (this.options.ExternalIssuer is { } issuer)
        {
            http = new HttpClient(
                new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ActivityHeadersPropagator = null })
            {
                Timeout = TimeSpan.FromSeconds(10),
                MaxResponseContentBufferSize = 1 << 20,
            };
            parameters.ConfigurationManager = Configuration(issuer, http);
        }
    }

    /// <summary>Who a token is of. The same token is checked once in 60 s, however often it comes.</summary>
    /// <exception cref="ProblemException">Unavailable: the keys of the issuer or the app's registration could not be read.</exception>
    public async ValueTask<TokenVerdict> ValidateAsync(string token, CancellationToken cancellationToken)
    {
        // The cache holds digests, not tokens, and no refusals: made-up tokens must not push good ones out.
        var key = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
        try
        {
            var verdict = await verdicts.GetAsync(
                key, VerdictAgeMax, VerdictAgeMax, (_, ct) => ValidateNowAsync(token, ct), cancellationToken);
            if (verdict.Caller is { } caller && caller.ExpiresAt + Skew > time.GetUtcNow())
            {
                return verdict;
            }

            verdicts.Remove(key);
            return new TokenVerdict(null, Invalid);
        }
        catch (Exception e) when (e is not (ProblemException or OperationCanceledException))
        {
            LogUnavailable(log, e);
            throw new ProblemException(
                ProblemKind.Unavailable,
                "EHR-AUT-010",
                "",
                "The access token cannot be checked now: the issuer or the database does not answer. Try again.");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => http?.Dispose();

    private async Task<TokenVerdict> ValidateNowAsync(string token, CancellationToken cancellationToken)
    {
        if (!TokenShape.IsAcceptable(token, parameters.ValidAlgorithms))
        {
            LogRefused(log, "Shape");
            return new TokenVerdict(null, Invalid);
        }

        var checks = parameters.Clone();
        if (options.ExternalIssuer is null)
        {
            checks.IssuerSigningKeys = await KeysForAsync(token, cancellationToken);
        }

        var result = await handler.ValidateTokenAsync(token, checks);
        if (!result.IsValid || result.SecurityToken is not JsonWebToken valid)
        {
            LogRefused(log, result.Exception?.GetType().Name ?? "unknown");
            return new TokenVerdict(null, Invalid);
        }

        return await IdentifyAsync(valid, cancellationToken);
    }

    private async Task<TokenVerdict> IdentifyAsync(JsonWebToken token, CancellationToken cancellationToken)
    {
        var name = Texts(token, options.ExternalIssuer is null ? "client_id" : options.ClientClaim).FirstOrDefault()
            ?? (options.ExternalIssuer is null ? null : Texts(token, "azp").FirstOrDefault());
        if (!AppId.TryParse(name, out var app))
        {
            LogRefused(log, "NoClientId");
            return new TokenVerdict(null, Invalid);
        }

        AppClient? client;
        using (tickets.EnterSystem())
        {
            client = await grains.GetGrain<IAppGrain>(GrainKeys.App(app)).GetClientAsync(cancellationToken);
        }

        if (client is null)
        {
            LogRefused(log, "AppNotRegistered");
            return new TokenVerdict(null, Invalid);
        }

        // The issuer cannot give more than the registration does, and a token cannot outlive a demotion by more than a verdict.
        var role = Texts(token, options.ExternalIssuer is null ? "role" : options.RoleClaim)
            .Select(RoleOf)
            .DefaultIfEmpty(AppRole.Application).Max();
        var scopes = Texts(token, options.ExternalIssuer is null ? "scope" : options.ScopeClaim)
            .SelectMany(text => text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Distinct(StringComparer.Ordinal);
        var capped = role < client.Spec.Role ? role : client.Spec.Role;
        return new TokenVerdict(new Caller(app, capped, [.. scopes], new DateTimeOffset(token.ValidTo, TimeSpan.Zero)), null);
    }

    private async Task<ImmutableArray<SecurityKey>> KeysForAsync(string token, CancellationToken cancellationToken)
    {
        var kid = new JsonWebToken(token).Kid;
        var keys = await embeddedKeys.GetAsync("", KeysAgeMax, KeysAgeMax, ReadKeysAsync, cancellationToken);

        // A key that another silo made a moment ago. At most one look in 5 s, so that unknown kids cost the database nothing.
        return keys.Any(key => key.KeyId == kid)
            ? keys
            : await embeddedKeys.GetAsync("", KeysRefetchAfter, KeysRefetchAfter, ReadKeysAsync, cancellationToken);
    }

    private async Task<ImmutableArray<SecurityKey>> ReadKeysAsync(string onlyKey, CancellationToken cancellationToken)
    {
        var keys = await signingKeys.GetAsync(cancellationToken);
        var result = ImmutableArray.CreateBuilder<SecurityKey>(keys.Count);
        foreach (var key in keys)
        {
            using var pair = ECDsa.Create();
            pair.ImportPkcs8PrivateKey(key.Pkcs8, out _);
            result.Add(new ECDsaSecurityKey(ECDsa.Create(pair.ExportParameters(includePrivateParameters: false))) { KeyId = key.KeyId });
        }

        return result.ToImmutable();
    }

    private TokenValidationParameters BaseParameters()
    {
        var external = options.ExternalIssuer is not null;
        var lifetimeMax = options.LifetimeMax ?? (external ? TimeSpan.FromHours(24) : TimeSpan.FromMinutes(10));
        return new TokenValidationParameters
        {
            ValidIssuer = options.ExternalIssuer ?? options.Issuer,
            ValidAudience = options.Audience,
            IgnoreTrailingSlashWhenValidatingAudience = false,
            ValidAlgorithms = external ? ["RS256", "RS384", "ES256", "ES384", "PS256"] : ["ES256", "ES384"],
            ValidTypes = options.TokenTypes is { Count: > 0 } types ? [.. types] : ["at+jwt"],
            TryAllIssuerSigningKeys = false,
            ValidateIssuerSigningKey = true,
            RequireSignedTokens = true,
            RequireExpirationTime = true,
            RequireAudience = true,
            ClockSkew = Skew,
            LogValidationExceptions = false,
            LifetimeValidator = (notBefore, expires, token, _) => IsTimely(notBefore, expires, token, lifetimeMax),
        };
    }

    private bool IsTimely(DateTime? notBefore, DateTime? expires, SecurityToken token, TimeSpan lifetimeMax)
    {
        var now = time.GetUtcNow().UtcDateTime;
        return expires is { } end && end + Skew > now
            && (notBefore is null || notBefore <= now + Skew)
            && token is JsonWebToken { IssuedAt: var issued } && issued != DateTime.MinValue && issued <= now + Skew
            && end - issued <= lifetimeMax;
    }

    private static ConfigurationManager<OpenIdConnectConfiguration> Configuration(string issuer, HttpClient http)
    {
        var uri = new Uri(issuer);
        var documents = new HttpDocumentRetriever(http) { RequireHttps = !uri.IsLoopback };
        return new ConfigurationManager<OpenIdConnectConfiguration>(
            $"{issuer.TrimEnd('/')}/.well-known/openid-configuration", new OpenIdConnectConfigurationRetriever(), documents);
    }

    private static AppRole RoleOf(string text) => text switch
    {
        "admin" => AppRole.Admin,
        "operator" => AppRole.Operator,
        _ => AppRole.Application,
    };

    private static string[] Texts(JsonWebToken token, string claim) =>
        token.TryGetPayloadValue<string[]>(claim, out var many) && many is not null
            ? many
            : token.TryGetPayloadValue<string>(claim, out var one) && one is not null ? [one] : [];

    [LoggerMessage(1100, LogLevel.Information, "An access token was refused: {Reason}.")]
    private static partial void LogRefused(ILogger logger, string reason);

    [LoggerMessage(1101, LogLevel.Error, "An access token could not be checked.")]
    private static partial void LogUnavailable(ILogger logger, Exception exception);
}
