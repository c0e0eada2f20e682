using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Silo.Tests;

/// <summary>Our token endpoint: RFC 6749 §4.4, RFC 7523, SMART App Launch 2.2 backend services.</summary>
public sealed class TokenEndpointTests(RunningSilo silo)
{
    private const string AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_assertion_gets_an_access_token_that_says_what_it_is()
    {
        using var client = await AppAsync("token-good");

        var (status, headers, body) = await RequestAsync(Form(client.Assertion(), "system/Patient.rs"));

        status.ShouldBe(HttpStatusCode.OK, body.ToString());
        headers.CacheControl!.NoStore.ShouldBeTrue();
        headers.GetValues("Pragma").ShouldContain("no-cache");
        body.GetProperty("token_type").GetString().ShouldBe("Bearer");
        body.GetProperty("expires_in").GetInt32().ShouldBeInRange(290, 300);
        var token = new JsonWebToken(body.GetProperty("access_token").GetString());
        token.Typ.ShouldBe("at+jwt");
        token.Alg.ShouldBe("ES256");
        token.Subject.ShouldBe("token-good");
        token.Audiences.ShouldBe(["ehrgrains"]);
        token.Issuer.ShouldBe(silo.Http.BaseAddress!.ToString());
        token.GetPayloadValue<string>("client_id").ShouldBe("token-good");
        token.GetPayloadValue<string>("scope").ShouldBe("system/Patient.rs");
        token.GetPayloadValue<string>("role").ShouldBe("application");
        token.Id.ShouldNotBeNullOrEmpty();
        (token.ValidTo - token.IssuedAt).ShouldBe(TimeSpan.FromSeconds(300));
        var jwks = new JsonWebKeySet(await silo.Http.GetStringAsync("/.well-known/jwks.json", Cancel));
        jwks.Keys.ShouldContain(key => key.Kid == token.Kid);
        jwks.Keys.ShouldAllBe(key => key.D == null);
    }

    public static TheoryData<string> BadAssertions =>
    [
        "alg none", "alg none without signature", "HS384 with the public key", "ES256", "signature of another key", "tampered payload",
        "no kid", "unknown kid", "embedded jwk", "crit", "typ at+jwt", "wrong aud", "aud of another path", "no aud", "expired", "not yet valid",
        "no exp", "exp in an hour", "no jti", "long jti", "iss is another app", "sub is another app", "unknown app", "not an app id",
        "iss missing", "not a jwt", "empty", "huge",
    ];

    [Theory]
    [MemberData(nameof(BadAssertions))]
    public async Task A_bad_assertion_is_refused_as_invalid_client(string fault)
    {
        using var client = await AppAsync("token-bad-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(fault)).AsSpan(0, 6)));
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        (await RequestAsync(Form(client.Assertion(), null))).Status.ShouldBe(HttpStatusCode.OK, "the control: unchanged, it is taken");

        var (status, headers, body) = await RequestAsync(Form(client.AssertionWith(fault, other), null));

        ((int)status).ShouldBeOneOf(400, 401);
        body.GetProperty("error").GetString().ShouldBeOneOf("invalid_client", fault is "empty" ? "invalid_request" : "invalid_client");
        body.TryGetProperty("access_token", out _).ShouldBeFalse();
        headers.CacheControl!.NoStore.ShouldBeTrue();
    }

    [Fact]
    public async Task An_assertion_is_good_once()
    {
        using var client = await AppAsync("token-replay");
        var assertion = client.Assertion();

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => RequestAsync(Form(assertion, null))));

        answers.Count(answer => answer.Status == HttpStatusCode.OK).ShouldBe(1);
        answers.Count(answer => answer.Body.TryGetProperty("error", out var error) && error.GetString() == "invalid_client").ShouldBe(7);
    }

    [Fact]
    public async Task An_assertion_that_came_too_early_is_not_used_up_by_the_refusal()
    {
        using var client = await AppAsync("token-order");
        var jti = Guid.CreateVersion7().ToString("N");

        (await RequestAsync(Form(client.Assertion(payload: p => (p["jti"], p["aud"]) = (jti, "https://elsewhere.example/token")), null)))
            .Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await RequestAsync(Form(client.Assertion(payload: p => p["jti"] = jti), null))).Status.ShouldBe(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("issuer")]
    [InlineData("issuer without slash")]
    [InlineData("typ client-authentication+jwt")]
    public async Task What_smart_clients_and_newer_ones_send_is_taken(string form)
    {
        using var client = await AppAsync("token-" + form.Replace(' ', '-').Replace('+', '-'));
        var issuer = silo.Http.BaseAddress!.ToString();
        var assertion = client.Assertion(
            header: h => h["typ"] = form.StartsWith("typ", StringComparison.Ordinal) ? "client-authentication+jwt" : "JWT",
            payload: p => p["aud"] = form == "issuer without slash" ? issuer.TrimEnd('/') : issuer);

        (await RequestAsync(Form(assertion, null))).Status.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_client_secret_is_taken_in_the_header_and_in_the_form()
    {
        var secret = await silo.RegisterSecretAsync("token-secret", Cancel);

        (await RequestAsync(new() { ["grant_type"] = "client_credentials" }, Basic("token-secret", secret))).Status.ShouldBe(HttpStatusCode.OK);
        (await RequestAsync(SecretForm("token-secret", secret))).Status.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_wrong_secret_an_unknown_client_and_the_wrong_method_answer_alike()
    {
        var secret = await silo.RegisterSecretAsync("token-wrong", Cancel);
        using var withKey = await AppAsync("token-key-only");

        var wrong = await RequestAsync(SecretForm("token-wrong", secret + "x"));
        var unknown = await RequestAsync(SecretForm("token-nobody", secret));
        var otherMethod = await RequestAsync(SecretForm("token-key-only", secret));
        var othersSecret = await RequestAsync(SecretForm("operator", secret));

        foreach (var answer in new[] { wrong, unknown, otherMethod, othersSecret })
        {
            answer.Status.ShouldBe(HttpStatusCode.Unauthorized);
            answer.Body.ToString().ShouldBe(wrong.Body.ToString());
        }

        wrong.Body.GetProperty("error").GetString().ShouldBe("invalid_client");
    }

    [Fact]
    public async Task A_disabled_app_gets_no_token()
    {
        using var client = await AppAsync("token-disabled");
        (await silo.SendAsAdminAsync(HttpMethod.Delete, "/admin/v1/apps/token-disabled", null, Cancel)).StatusCode.ShouldBe(HttpStatusCode.NoContent);

        (await RequestAsync(Form(client.Assertion(), null))).Status.ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Theory]
    [InlineData("application", "system/Patient.rs ehrgrains/administer", "system/Patient.rs")]
    [InlineData("application", "system/*.read system/Observation.s user/*.rs launch", "system/*.read system/Observation.s")]
    [InlineData("application", null, "system/*.rs")]
    [InlineData("operator", "ehrgrains/operate ehrgrains/administer", "ehrgrains/operate")]
    [InlineData("admin", null, "ehrgrains/operate ehrgrains/administer")]
    public async Task Scopes_are_narrowed_to_what_the_role_can_use(string role, string? asked, string given)
    {
        using var client = await AppAsync($"scope-{role}-{asked?.Length ?? 0}", role);

        var (status, _, body) = await RequestAsync(Form(client.Assertion(), asked));

        status.ShouldBe(HttpStatusCode.OK, body.ToString());
        new JsonWebToken(body.GetProperty("access_token").GetString()).GetPayloadValue<string>("scope").ShouldBe(given);
    }

    [Theory]
    [InlineData("application", "ehrgrains/administer")]
    [InlineData("application", "system/Patient.sr")]
    [InlineData("operator", "system/Patient.rs")]
    public async Task No_usable_scope_is_invalid_scope(string role, string asked)
    {
        using var client = await AppAsync($"no-scope-{role}-{asked.Length}", role);

        var (status, _, body) = await RequestAsync(Form(client.Assertion(), asked));

        status.ShouldBe(HttpStatusCode.BadRequest);
        body.GetProperty("error").GetString().ShouldBe("invalid_scope");
    }

    [Theory]
    [InlineData("authorization_code", "unsupported_grant_type")]
    [InlineData("password", "unsupported_grant_type")]
    [InlineData("refresh_token", "unsupported_grant_type")]
    [InlineData("", "invalid_request")]
    public async Task Other_grants_are_refused(string grant, string error)
    {
        using var client = await AppAsync("token-grant-" + grant.Replace('_', '-').PadLeft(1, 'x'));
        var form = Form(client.Assertion(), null);
        form["grant_type"] = grant;

        var (status, _, body) = await RequestAsync(form);

        status.ShouldBe(HttpStatusCode.BadRequest);
        body.GetProperty("error").GetString().ShouldBe(error);
    }

    [Fact]
    public async Task Both_a_secret_and_an_assertion_are_refused()
    {
        using var client = await AppAsync("token-both");
        var form = Form(client.Assertion(), null);
        form["client_secret"] = "something";

        (await RequestAsync(form)).Status.ShouldBe(HttpStatusCode.BadRequest);
    }

    private async Task<TestApp> AppAsync(string app, string role = "application")
    {
        var client = new TestApp(app, silo.TokenEndpoint.ToString());
        using var answer = await silo.SendAsAdminAsync(
            HttpMethod.Put, $"/admin/v1/apps/{app}", new { displayName = app, role, jwks = client.Jwks }, Cancel);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync(Cancel));
        return client;
    }

    private async Task<(HttpStatusCode Status, HttpResponseHeaders Headers, JsonElement Body)> RequestAsync(
        Dictionary<string, string> form, AuthenticationHeaderValue? authorization = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/oauth/token") { Content = new FormUrlEncodedContent(form) };
        request.Headers.Authorization = authorization;
        using var answer = await silo.Http.SendAsync(request, Cancel);
        return (answer.StatusCode, answer.Headers, await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel));
    }

    private static Dictionary<string, string> Form(string assertion, string? scope)
    {
        var form = new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["client_assertion_type"] = AssertionType,
            ["client_assertion"] = assertion,
        };
        if (scope is not null)
        {
            form["scope"] = scope;
        }

        return form;
    }

    private static Dictionary<string, string> SecretForm(string client, string secret) =>
        new() { ["grant_type"] = "client_credentials", ["client_id"] = client, ["client_secret"] = secret };

    private static AuthenticationHeaderValue Basic(string client, string secret) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{client}:{secret}")));
}

/// <summary>An app that signs whatever it is told to.</summary>
internal sealed class TestApp : IDisposable
{
    private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP384);
    private readonly string app;
    private readonly string tokenEndpoint;

    internal TestApp(string app, string tokenEndpoint)
    {
        (this.app, this.tokenEndpoint) = (app, tokenEndpoint);
        var jwk = JsonWebKeyConverter.ConvertFromECDsaSecurityKey(new ECDsaSecurityKey(ECDsa.Create(key.ExportParameters(false))));
        Jwk = new JsonObject { ["kty"] = "EC", ["crv"] = "P-384", ["x"] = jwk.X, ["y"] = jwk.Y, ["kid"] = "key-1", ["alg"] = "ES384", ["use"] = "sig" };
    }

    internal JsonObject Jwk { get; }

    internal JsonObject Jwks => new() { ["keys"] = new JsonArray(Jwk.DeepClone()) };

    internal string Assertion(Action<JsonObject>? header = null, Action<JsonObject>? payload = null, ECDsa? signer = null)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var head = new JsonObject { ["alg"] = "ES384", ["typ"] = "JWT", ["kid"] = "key-1" };
        var body = new JsonObject
        {
            ["iss"] = app,
            ["sub"] = app,
            ["aud"] = tokenEndpoint,
            ["iat"] = now,
            ["exp"] = now + 120,
            ["jti"] = Guid.CreateVersion7().ToString("N"),
        };
        header?.Invoke(head);
        payload?.Invoke(body);
        var input = $"{Encode(head)}.{Encode(body)}";
        return $"{input}.{Base64UrlEncoder.Encode((signer ?? key).SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA384))}";
    }

    internal string AssertionWith(string fault, ECDsa other)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var origin = new Uri(tokenEndpoint);
        return fault switch
        {
            "alg none" => Assertion(h => h["alg"] = "none"),
            "alg none without signature" => Assertion(h => h["alg"] = "none")[..^128].Split('.') is [var h, var p, ..] ? $"{h}.{p}." : "",
            "HS384 with the public key" => Hs384(),
            "ES256" => Assertion(h => h["alg"] = "ES256"),
            "signature of another key" => Assertion(signer: other),
            "tampered payload" => Tampered(),
            "no kid" => Assertion(h => h.Remove("kid")),
            "unknown kid" => Assertion(h => h["kid"] = "key-2"),
            "embedded jwk" => Assertion(h => h["jwk"] = Jwk.DeepClone()),
            "crit" => Assertion(h => (h["crit"], h["b64"]) = (new JsonArray("b64"), false)),
            "typ at+jwt" => Assertion(h => h["typ"] = "at+jwt"),
            "wrong aud" => Assertion(payload: p => p["aud"] = "https://elsewhere.example/oauth/token"),
            "aud of another path" => Assertion(payload: p => p["aud"] = new Uri(origin, "/oauth/token2").ToString()),
            "no aud" => Assertion(payload: p => p.Remove("aud")),
            "expired" => Assertion(payload: p => (p["iat"], p["exp"]) = (now - 300, now - 60)),
            "not yet valid" => Assertion(payload: p => p["nbf"] = now + 120),
            "no exp" => Assertion(payload: p => p.Remove("exp")),
            "exp in an hour" => Assertion(payload: p => p["exp"] = now + 3600),
            "no jti" => Assertion(payload: p => p.Remove("jti")),
            "long jti" => Assertion(payload: p => p["jti"] = new string('j', 257)),
            "iss is another app" => Assertion(payload: p => p["iss"] = "operator"),
            "sub is another app" => Assertion(payload: p => p["sub"] = "operator"),
            "unknown app" => Assertion(payload: p => (p["iss"], p["sub"]) = ("nobody-here", "nobody-here")),
            "not an app id" => Assertion(payload: p => (p["iss"], p["sub"]) = ("../operator", "../operator")),
            "iss missing" => Assertion(payload: p => p.Remove("iss")),
            "not a jwt" => "abc.def",
            "huge" => Assertion(payload: p => p["pad"] = new string('p', 20_000)),
            _ => "",
        };
    }

    public void Dispose() => key.Dispose();

    private string Tampered()
    {
        var parts = Assertion().Split('.');
        var payload = Base64UrlEncoder.Decode(parts[1]).Replace("\"iat\"", "\"iax\"", StringComparison.Ordinal);
        return $"{parts[0]}.{Base64UrlEncoder.Encode(payload)}.{parts[2]}";
    }

    // Algorithm confusion: the public key, which everybody has, as the secret of an HMAC.
    private string Hs384()
    {
        var parts = Assertion(h => h["alg"] = "HS384").Split('.');
        var input = $"{parts[0]}.{parts[1]}";
        return $"{input}.{Base64UrlEncoder.Encode(HMACSHA384.HashData(key.ExportSubjectPublicKeyInfo(), Encoding.ASCII.GetBytes(input)))}";
    }

    private static string Encode(JsonObject json) => Base64UrlEncoder.Encode(json.ToJsonString());
}
