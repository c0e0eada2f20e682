using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Testing;

/// <summary>A client of the token endpoint with a key pair of its own; its access token is kept until shortly before it ends.</summary>
public sealed class Identity : IDisposable
{
    private readonly ECDsa key;
    private readonly SemaphoreSlim gate = new(1);
    private readonly HttpClient http;
    private readonly Uri tokenEndpoint;
    private readonly string keyId;
    private string token = "";
    private DateTimeOffset goodUntil;

    /// <summary>A client with a new key.</summary>
    public Identity(string clientId, string scope, HttpClient http, Uri tokenEndpoint)
        : this(clientId, scope, http, tokenEndpoint, ECDsa.Create(ECCurve.NamedCurves.nistP384), Guid.CreateVersion7().ToString("N"))
    {
    }

    private Identity(string clientId, string scope, HttpClient http, Uri tokenEndpoint, ECDsa key, string keyId)
    {
        (ClientId, Scope, this.http, this.tokenEndpoint, this.key, this.keyId) = (clientId, scope, http, tokenEndpoint, key, keyId);
        var jwk = JsonWebKeyConverter.ConvertFromECDsaSecurityKey(new ECDsaSecurityKey(ECDsa.Create(key.ExportParameters(false))) { KeyId = keyId });
        JsonWebKeySet = JsonSerializer.Serialize(new
        {
            keys = new[] { new { kty = jwk.Kty, crv = jwk.Crv, x = jwk.X, y = jwk.Y, kid = keyId, alg = "ES384", use = "sig" } },
        });
    }

    /// <summary>The administrator of an embedded silo, from the operator.json that the silo wrote.</summary>
    public static Identity FromOperatorFile(string path, string scope, HttpClient http)
    {
        var file = JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;
        var jwk = file.GetProperty("privateJwk");
        byte[] Bytes(string name) => Base64UrlEncoder.DecodeBytes(jwk.GetProperty(name).GetString());
        var pair = ECDsa.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP384,
            Q = new ECPoint { X = Bytes("x"), Y = Bytes("y") },
            D = Bytes("d"),
        });
        var endpoint = new Uri(new Uri(file.GetProperty("url").GetString()!), "/oauth/token");
        return new Identity(file.GetProperty("clientId").GetString()!, scope, http, endpoint, pair, jwk.GetProperty("kid").GetString()!);
    }

    public string ClientId { get; }

    public string Scope { get; }

    public string JsonWebKeySet { get; }

    public async ValueTask<string> TokenAsync(CancellationToken cancellationToken)
    {
        if (DateTimeOffset.UtcNow < goodUntil)
        {
            return token;
        }

        await gate.WaitAsync(cancellationToken);
        try
        {
            if (DateTimeOffset.UtcNow >= goodUntil)
            {
                await RequestAsync(cancellationToken);
            }

            return token;
        }
        finally
        {
            gate.Release();
        }
    }

    public void Dispose()
    {
        key.Dispose();
        gate.Dispose();
    }

    private async Task RequestAsync(CancellationToken cancellationToken)
    {
        var now = DateTimeOffset.UtcNow;
        var assertion = new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = ClientId,
            Audience = tokenEndpoint.ToString(),
            IssuedAt = now.UtcDateTime,
            Expires = now.AddMinutes(1).UtcDateTime,
            Claims = new Dictionary<string, object> { ["sub"] = ClientId, ["jti"] = Guid.CreateVersion7().ToString("N") },
            SigningCredentials = new SigningCredentials(new ECDsaSecurityKey(key) { KeyId = keyId }, SecurityAlgorithms.EcdsaSha384)
            {
                // The library's cache would keep a disposed key for the next identity with the same key id.
                CryptoProviderFactory = new CryptoProviderFactory { CacheSignatureProviders = false },
            },
        });
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["scope"] = Scope,
            ["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ["client_assertion"] = assertion,
        });
        using var answer = await http.PostAsync(tokenEndpoint, form, cancellationToken);
        var body = await answer.Content.ReadFromJsonAsync<JsonElement>(cancellationToken);
        if (!answer.IsSuccessStatusCode)
        {
            throw new InvalidOperationException($"No token for {ClientId}: {(int)answer.StatusCode} {body}");
        }

        token = body.GetProperty("access_token").GetString()!;
        goodUntil = now.AddSeconds(body.GetProperty("expires_in").GetInt32() - 60);
    }
}
