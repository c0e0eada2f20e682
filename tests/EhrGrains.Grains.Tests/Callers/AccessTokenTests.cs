using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Grains.Callers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Grains.Tests.Callers;

public sealed class AccessTokenTests(SqliteGrainCluster cluster) : IClassFixture<SqliteGrainCluster>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private AccessTokenValidator Validator => cluster.Silo(0).GetRequiredService<AccessTokenValidator>();

    [Fact]
    public async Task A_token_of_our_own_names_its_caller()
    {
        var tokens = await TestTokens.CreateAsync(cluster);
        await tokens.RegisterAsync("good-operator", AppRole.Operator);

        var caller = (await Validator.ValidateAsync(tokens.Mint("good-operator", "operator"), Ct)).Caller!;

        caller.App.Value.ShouldBe("good-operator");
        caller.Role.ShouldBe(AppRole.Operator);
        caller.Scopes.ShouldBe(["system/*.rs"]);
    }

    [Theory]
    [MemberData(nameof(Attacks))]
    public async Task A_forged_or_misused_token_is_refused(string attack)
    {
        var tokens = await TestTokens.CreateAsync(cluster);
        await tokens.RegisterAsync("victim", AppRole.Admin);
        (await Validator.ValidateAsync(tokens.Mint("victim", "admin"), Ct)).Caller.ShouldNotBeNull();

        var verdict = await Validator.ValidateAsync(Forge(tokens, attack), Ct);

        verdict.Caller.ShouldBeNull();
        verdict.Refusal!.Code.ShouldBe("EHR-AUT-002");
    }

    public static TheoryData<string> Attacks =>
    [
        "none", "none, capital", "no signature", "HS256 with the public key", "HS384 with the public key as PEM",
        "another key, our kid", "another key, its own kid", "no kid", "kid of a path", "long kid", "embedded jwk", "jku", "x5u", "x5c",
        "crit", "empty crit", "typ JWT", "no typ", "typ id token", "foreign issuer", "no issuer", "wrong audience",
        "audience with a slash", "no audience", "expired", "no exp", "not yet", "issued in the future", "no iat", "lives a day",
        "year 9999", "duplicate header", "duplicate claim", "duplicate role", "changed payload", "changed signature", "no client",
        "client that is none", "unregistered client", "number as client", "array as payload", "not JSON", "not base64", "two parts",
        "five parts", "empty", "huge", "JSON serialization",
    ];

    [Fact]
    public async Task A_disabled_app_is_refused_within_60_seconds()
    {
        var tokens = await TestTokens.CreateAsync(cluster);
        await tokens.RegisterAsync("short-lived", AppRole.Application);
        var token = tokens.Mint("short-lived", "application");
        (await Validator.ValidateAsync(token, Ct)).Caller.ShouldNotBeNull();
        using (cluster.EnterAdmin())
        {
            await cluster.Inside.GetGrain<IAppGrain>(GrainKeys.App(AppId.Parse("short-lived", null))).DisableAsync(Ct);
        }

        cluster.Time.Advance(TimeSpan.FromSeconds(61));
        (await Validator.ValidateAsync(token, Ct)).Caller.ShouldBeNull();
    }

    [Fact]
    public async Task A_token_gives_no_more_than_the_registration()
    {
        var tokens = await TestTokens.CreateAsync(cluster);
        await tokens.RegisterAsync("modest", AppRole.Application);
        (await Validator.ValidateAsync(tokens.Mint("modest", "admin"), Ct)).Caller!.Role.ShouldBe(AppRole.Application);
    }

    [Fact]
    public async Task A_token_that_was_taken_ends_when_it_says()
    {
        var tokens = await TestTokens.CreateAsync(cluster);
        await tokens.RegisterAsync("ending", AppRole.Application);
        var payload = tokens.Payload("ending", "application");
        payload["exp"] = (long)payload["iat"]! + 20;
        var token = tokens.Sign(tokens.Header.ToJsonString(), payload.ToJsonString());
        (await Validator.ValidateAsync(token, Ct)).Caller.ShouldNotBeNull();

        // Within the time that a verdict is kept.
        cluster.Time.Advance(TimeSpan.FromSeconds(51));
        (await Validator.ValidateAsync(token, Ct)).Caller.ShouldBeNull();
    }

    private static string Forge(TestTokens tokens, string attack)
    {
        var header = tokens.Header;
        var payload = tokens.Payload("victim", "admin");
        var now = (long)payload["iat"]!;
        using var other = ECDsa.Create(tokens.Key.ExportParameters(false).Curve);
        var signWith = attack.StartsWith("another key", StringComparison.Ordinal) || attack is "embedded jwk" or "jku" or "x5u" or "x5c"
            ? other
            : tokens.Key;
        var jwk = JsonWebKeyConverter.ConvertFromECDsaSecurityKey(new ECDsaSecurityKey(ECDsa.Create(other.ExportParameters(false))));
        switch (attack)
        {
            case "none": header["alg"] = "none"; break;
            case "none, capital": header["alg"] = "NoNe"; break;
            case "HS256 with the public key" or "HS384 with the public key as PEM":
                return Hmac(tokens, header, payload, attack);
            case "another key, its own kid": header["kid"] = "theirs"; break;
            case "no kid": header.Remove("kid"); break;
            case "kid of a path": header["kid"] = "../../../dev/null"; break;
            case "long kid": header["kid"] = new string('a', 65); break;
            case "embedded jwk":
                header["jwk"] = JsonNode.Parse($$"""{"kty":"EC","crv":"{{jwk.Crv}}","x":"{{jwk.X}}","y":"{{jwk.Y}}"}""");
                break;
            case "jku": header["jku"] = "https://evil.example/jwks.json"; break;
            case "x5u": header["x5u"] = "https://evil.example/cert.pem"; break;
            case "x5c": header["x5c"] = new JsonArray("MIIB"); break;
            case "crit": header["crit"] = new JsonArray("exp"); break;
            case "empty crit": header["crit"] = new JsonArray(); break;
            case "typ JWT": header["typ"] = "JWT"; break;
            case "no typ": header.Remove("typ"); break;
            case "typ id token": header["typ"] = "id_token+jwt"; break;
            case "foreign issuer": payload["iss"] = "https://evil.example"; break;
            case "no issuer": payload.Remove("iss"); break;
            case "wrong audience": payload["aud"] = "https://other.test/fhir"; break;
            case "audience with a slash": payload["aud"] = GrainCluster.Audience + "/"; break;
            case "no audience": payload.Remove("aud"); break;
            case "expired": (payload["iat"], payload["exp"]) = (now - 400, now - 31); break;
            case "no exp": payload.Remove("exp"); break;
            case "not yet": payload["nbf"] = now + 60; break;
            case "issued in the future": payload["iat"] = now + 60; break;
            case "no iat": payload.Remove("iat"); break;
            case "lives a day": payload["exp"] = now + 86_400; break;
            case "year 9999": payload["exp"] = 253_402_300_799; break;
            case "no client": payload.Remove("client_id"); break;
            case "client that is none": payload["client_id"] = "../victim"; break;
            case "unregistered client": payload["client_id"] = "nobody"; break;
            case "number as client": payload["client_id"] = 7; break;
        }

        var head = header.ToJsonString();
        var body = payload.ToJsonString();
        return attack switch
        {
            "none" or "none, capital" or "no signature" => $"{TestTokens.Encode(head)}.{TestTokens.Encode(body)}.",
            "duplicate header" => tokens.Sign(head.Replace("{", "{\"alg\":\"none\",", StringComparison.Ordinal), body),
            "duplicate claim" => tokens.Sign(head, body.Replace("}", ",\"exp\":9999999999}", StringComparison.Ordinal)),
            "duplicate role" => tokens.Sign(head, body.Replace("{", "{\"role\":\"application\",", StringComparison.Ordinal)),
            "changed payload" =>
                Swap(tokens.Sign(head, body), 1, TestTokens.Encode(body.Replace("victim", "wictim", StringComparison.Ordinal))),
            "changed signature" => Swap(tokens.Sign(head, body), 2, tokens.Sign(head, "{}").Split('.')[2]),
            "array as payload" => tokens.Sign(head, "[1]"),
            "not JSON" => tokens.Sign("alg=ES384", body),
            "not base64" => "****.****.****",
            "two parts" => tokens.Sign(head, body)[..tokens.Sign(head, body).LastIndexOf('.')],
            "five parts" => tokens.Sign(head, body) + ".a.b",
            "empty" => "",
            "huge" => tokens.Sign(head, new JsonObject { ["pad"] = new string('x', 20_000) }.ToJsonString()),
            "JSON serialization" =>
                new JsonObject { ["payload"] = TestTokens.Encode(body), ["protected"] = TestTokens.Encode(head) }.ToJsonString(),
            _ => tokens.Sign(head, body, signWith),
        };
    }

    private static string Hmac(TestTokens tokens, JsonObject header, JsonObject payload, string attack)
    {
        header["alg"] = attack[..5];
        var content = $"{TestTokens.Encode(header.ToJsonString())}.{TestTokens.Encode(payload.ToJsonString())}";
        var publicKey = attack.EndsWith("PEM", StringComparison.Ordinal)
            ? Encoding.ASCII.GetBytes(tokens.Key.ExportSubjectPublicKeyInfoPem())
            : tokens.Key.ExportSubjectPublicKeyInfo();
        var mac = attack.StartsWith("HS256", StringComparison.Ordinal)
            ? HMACSHA256.HashData(publicKey, Encoding.ASCII.GetBytes(content))
            : HMACSHA384.HashData(publicKey, Encoding.ASCII.GetBytes(content));
        return $"{content}.{System.Buffers.Text.Base64Url.EncodeToString(mac)}";
    }

    private static string Swap(string token, int part, string with)
    {
        var parts = token.Split('.');
        parts[part] = with;
        return string.Join('.', parts);
    }
}
