using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;
using EhrGrains.Storage.SigningKeys;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Callers;

/// <summary>
/// Access tokens as our token endpoint makes them, and as an attacker would: put together by hand, so that nothing is too wrong
/// to be said.
/// </summary>
internal sealed class TestTokens
{
    private readonly GrainCluster cluster;
    private readonly ECDsa key;
    private readonly string keyId;

    private TestTokens(GrainCluster cluster, ECDsa key, string keyId) => (this.cluster, this.key, this.keyId) = (cluster, key, keyId);

    internal ECDsa Key => key;

    internal static async Task<TestTokens> CreateAsync(GrainCluster cluster)
    {
        var newest = (await cluster.Silo(0).GetRequiredService<SigningKeyTable>().GetAsync(CancellationToken.None))[0];
        var pair = ECDsa.Create();
        pair.ImportPkcs8PrivateKey(newest.Pkcs8, out _);
        return new TestTokens(cluster, pair, newest.KeyId);
    }

    internal JsonObject Header => new() { ["alg"] = key.KeySize == 256 ? "ES256" : "ES384", ["typ"] = "at+jwt", ["kid"] = keyId };

    internal JsonObject Payload(string app, string role)
    {
        var now = cluster.Time.GetUtcNow().ToUnixTimeSeconds();
        return new JsonObject
        {
            ["iss"] = GrainCluster.Issuer,
            ["aud"] = GrainCluster.Audience,
            ["sub"] = app,
            ["client_id"] = app,
            ["scope"] = "system/*.rs",
            ["role"] = role,
            ["iat"] = now,
            ["exp"] = now + 300,
            ["jti"] = Guid.CreateVersion7().ToString("N"),
        };
    }

    internal string Mint(string app, string role) => Sign(Header.ToJsonString(), Payload(app, role).ToJsonString());

    internal string Sign(string header, string payload, ECDsa? with = null)
    {
        var content = $"{Encode(header)}.{Encode(payload)}";
        var hash = key.KeySize == 256 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA384;
        return $"{content}.{Base64Url.EncodeToString((with ?? key).SignData(Encoding.ASCII.GetBytes(content), hash))}";
    }

    internal static string Encode(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));

    /// <summary>Registers an app, so that its tokens are worth something.</summary>
    internal async Task RegisterAsync(string app, AppRole role)
    {
        using var admin = cluster.EnterAdmin();
        await cluster.Inside.GetGrain<IAppGrain>(GrainKeys.App(AppId.Parse(app, null)))
            .RegisterAsync(new AppSpec { App = AppId.Parse(app, null), DisplayName = app, Role = role }, CancellationToken.None);
    }

    /// <summary>Calls from outside, as an application does.</summary>
    internal static async Task<Exception?> CallAsync(string? token, Func<Task> call, string? ticket = null)
    {
        Set(CallContext.AccessToken, token);
        Set(CallContext.Ticket, ticket);
        try
        {
            await call();
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
        finally
        {
            RequestContext.Clear();
        }

        static void Set(string name, string? value)
        {
            if (value is not null)
            {
                RequestContext.Set(name, value);
            }
        }
    }
}
