using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Sandbox.Tests;

/// <summary>What a client assertion says; the defaults are right.</summary>
public sealed record Assertion
{
    public string Key { get; init; } = "es";

    public string? KeyId { get; init; }

    public string Algorithm { get; init; } = "ES384";

    public string Client { get; init; } = "ehrgrains";

    public string? Subject { get; init; }

    public string? Audience { get; init; }

    public string? Jti { get; init; }

    public DateTimeOffset Now { get; init; } = DateTimeOffset.UtcNow;

    public int LifetimeSeconds { get; init; } = 240;
}

/// <summary>Serves a client's public keys and signs with the private ones.</summary>
public sealed class KeyServer : IAsyncDisposable
{
    // Making one takes longer than a test.
    private static readonly RSAParameters RsaKey = RSA.Create(2048).ExportParameters(includePrivateParameters: true);

    private readonly WebApplication app;
    private readonly Dictionary<string, SecurityKey> keys = [];
    private readonly Lock gate = new();
    private int fetches;
    private int issued;

    public KeyServer()
    {
        Add("es", new ECDsaSecurityKey(ECDsa.Create(ECCurve.NamedCurves.nistP384)));
        Add("rs", new RsaSecurityKey(RSA.Create(RsaKey)));
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        app = builder.Build();
        app.MapGet("/tenants/{tenant}/jwks.json", async (HttpContext context) =>
        {
            Interlocked.Increment(ref fetches);
            context.Response.Headers.CacheControl = CacheControl;
            await context.Response.WriteAsync(Document(), context.RequestAborted);
        });
    }

    public string CacheControl { get; set; } = "max-age=300";

    public int Fetches => Volatile.Read(ref fetches);

    public string Url => app.Urls.Single();

    public Task StartAsync() => app.StartAsync(CancellationToken.None);

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    /// <summary>Publishes one more key.</summary>
    public void Add(string name, SecurityKey key)
    {
        lock (gate)
        {
            key.KeyId = name;
            keys[name] = key;
        }
    }

    public string Sign(Assertion assertion)
    {
        SecurityKey key;
        lock (gate)
        {
            key = keys[assertion.Key];
        }

        var named = assertion.KeyId is null ? key : Renamed(key, assertion.KeyId);
        var credentials = new SigningCredentials(
            named, assertion.Algorithm)
        { CryptoProviderFactory = new CryptoProviderFactory { CacheSignatureProviders = false } };
        var now = assertion.Now.ToUnixTimeSeconds();
        var payload = JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["iss"] = assertion.Client,
            ["sub"] = assertion.Subject ?? assertion.Client,
            ["aud"] = assertion.Audience ?? "",
            ["jti"] = assertion.Jti ?? "jti-" + Interlocked.Increment(ref issued).ToString(CultureInfo.InvariantCulture),
            ["iat"] = now,
            ["exp"] = now + assertion.LifetimeSeconds,
        });
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(payload, credentials);
    }

    private static SecurityKey Renamed(SecurityKey key, string keyId) => key switch
    {
        ECDsaSecurityKey ec => new ECDsaSecurityKey(ec.ECDsa) { KeyId = keyId },
        RsaSecurityKey rsa => new RsaSecurityKey(rsa.Rsa) { KeyId = keyId },
        _ => throw new ArgumentException("This kind of key has no other name.", nameof(key)),
    };

    private string Document()
    {
        lock (gate)
        {
            return JsonSerializer.Serialize(new { keys = keys.Values.Select(Public) });
        }
    }

    private static Dictionary<string, string> Public(SecurityKey key)
    {
        switch (key)
        {
            case ECDsaSecurityKey ec:
                var point = ec.ECDsa.ExportParameters(false).Q;
                return new()
                {
                    ["kty"] = "EC",
                    ["crv"] = "P-384",
                    ["kid"] = key.KeyId,
                    ["x"] = Base64UrlEncoder.Encode(
                    point.X),
                    ["y"] = Base64UrlEncoder.Encode(point.Y)
                };
            default:
                var rsa = ((RsaSecurityKey)key).Rsa.ExportParameters(false);
                return new()
                {
                    ["kty"] = "RSA",
                    ["kid"] = key.KeyId,
                    ["n"] = Base64UrlEncoder.Encode(
                    rsa.Modulus),
                    ["e"] = Base64UrlEncoder.Encode(rsa.Exponent)
                };
        }
    }
}
