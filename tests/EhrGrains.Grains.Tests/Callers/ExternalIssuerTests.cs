using System.Security.Cryptography;
using System.Text.Json.Nodes;
using EhrGrains.Contracts.Apps;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage.SigningKeys;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Grains.Tests.Callers;

/// <summary>Tokens of somebody else's OpenID Connect issuer, on a real socket.</summary>
public sealed class ExternalIssuerTests(SqliteGrainCluster cluster) : IClassFixture<SqliteGrainCluster>, IAsyncLifetime
{
    private readonly RSA key = RSA.Create(2_048);
    private WebApplication? app;
    private int keysFetched;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string Issuer { get; set; } = "";

    [Fact]
    public async Task A_token_of_the_external_issuer_names_a_registered_app_with_its_role_and_scopes()
    {
        await (await TestTokens.CreateAsync(cluster)).RegisterAsync("external-app", AppRole.Operator);
        using var validator = NewValidator();

        var verdict = await validator.ValidateAsync(Token("external-app", ["admin", "something-else"]), Ct);

        verdict.Caller.ShouldNotBeNull();
        verdict.Caller.App.Value.ShouldBe("external-app");
        verdict.Caller.Role.ShouldBe(AppRole.Operator, "the issuer cannot give more than the registration");
        verdict.Caller.Scopes.ShouldBe(["system/Patient.rs", "system/Encounter.rs"]);
    }

    [Fact]
    public async Task An_external_issuer_names_nobody_who_is_not_registered_here()
    {
        using var validator = NewValidator();
        (await validator.ValidateAsync(Token("unknown-app", ["admin"]), Ct)).Caller.ShouldBeNull();
    }

    [Fact]
    public async Task With_an_external_issuer_our_own_tokens_and_those_of_strangers_are_worth_nothing()
    {
        var own = await TestTokens.CreateAsync(cluster);
        await own.RegisterAsync("external-app", AppRole.Operator);
        using var validator = NewValidator();
        (await validator.ValidateAsync(own.Mint("external-app", "operator"), Ct)).Caller.ShouldBeNull();

        using var stranger = RSA.Create(2_048);
        for (var i = 0; i < 5; i++)
        {
            (await validator.ValidateAsync(Token("external-app", ["operator"], stranger, $"unknown-{i}"), Ct)).Caller.ShouldBeNull();
        }

        keysFetched.ShouldBeLessThanOrEqualTo(2, "unknown keys do not make us ask the issuer each time");
    }

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        app = builder.Build();
        app.MapGet("/.well-known/openid-configuration", () => Results.Json(new { issuer = Issuer, jwks_uri = $"{Issuer}/keys" }));
        app.MapGet("/keys", () =>
        {
            Interlocked.Increment(ref keysFetched);
            var jwk = JsonWebKeyConverter.ConvertFromRSASecurityKey(new RsaSecurityKey(key.ExportParameters(false)));
            return Results.Json(new { keys = new[] { new { kty = "RSA", kid = "theirs", use = "sig", n = jwk.N, e = jwk.E } } });
        });
        await app.StartAsync(CancellationToken.None);
        Issuer = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
    }

    public async ValueTask DisposeAsync()
    {
        await app!.DisposeAsync();
        key.Dispose();
    }

    private AccessTokenValidator NewValidator()
    {
        var options = new AccessTokenOptions
        {
            Audience = GrainCluster.Audience,
            ExternalIssuer = Issuer,
            RoleClaim = "roles",
            ScopeClaim = "scp",
        };
        return new AccessTokenValidator(
            Options.Create(options),
            cluster.Silo(0).GetRequiredService<SigningKeyTable>(),
            cluster.Inside,
            cluster.Tickets,
            cluster.Time,
            NullLogger<AccessTokenValidator>.Instance);
    }

    private string Token(string client, string[] roles, RSA? with = null, string kid = "theirs")
    {
        var now = cluster.Time.GetUtcNow();
        var payload = new JsonObject
        {
            ["iss"] = Issuer,
            ["aud"] = GrainCluster.Audience,
            ["azp"] = client,
            ["roles"] = new JsonArray([.. roles]),
            ["scp"] = new JsonArray("system/Patient.rs", "system/Encounter.rs"),
            ["iat"] = now.ToUnixTimeSeconds(),
            ["exp"] = now.AddHours(1).ToUnixTimeSeconds(),
        };
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(
            payload.ToJsonString(),
            new SigningCredentials(new RsaSecurityKey(with ?? key) { KeyId = kid }, SecurityAlgorithms.RsaSha256),
            new Dictionary<string, object> { ["typ"] = "at+jwt" });
    }
}
