using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Time.Testing;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Sandbox.Tests;

/// <summary>The three token endpoints: who gets a token, for what, and who does not.</summary>
public sealed class TokenTests(Hospitals hospitals) : IClassFixture<Hospitals>
{
    public static readonly TheoryData<string, string> Vendors = new()
    {
        { "epic", "ES384" }, { "epic", "RS384" }, { "oracle-health", "ES384" }, { "oracle-health", "RS384" }, { "athenahealth", "ES384" },
        { "athenahealth", "RS384" },
    };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Vendors))]
    public async Task A_signed_assertion_gives_a_token_for_the_scopes_asked(string vendor, string algorithm)
    {
        var site = hospitals.Site(vendor);

        using var response = await hospitals.AskTokenAsync(site, "system/Patient.rs system/Observation.s", Es(algorithm));

        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        response.Headers.CacheControl!.NoStore.ShouldBeTrue();
        var answer = await BodyAsync(response);
        ((string)answer["scope"]!).ShouldBe("system/Patient.rs system/Observation.s");
        ((int)answer["expires_in"]!).ShouldBe(vendor == "oracle-health" ? 570 : 3600);
        (await hospitals.GetAsync(site, Patient(site), (string)answer["access_token"]!)).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    public static readonly TheoryData<string, Assertion> Forgeries = new()
    {
        { "aud of another endpoint", new Assertion { Audience = "https://elsewhere.example/token" } },
        { "expired", new Assertion { LifetimeSeconds = -1 } },
        { "valid for six minutes", new Assertion { LifetimeSeconds = 360 } },
        { "sub of another", new Assertion { Subject = "somebody" } },
        { "a client that is not known", new Assertion { Client = "nobody" } },
        { "a key that is not published", new Assertion { KeyId = "unknown" } },
        { "ES384 under the id of an RSA key", new Assertion { KeyId = "rs" } },
        { "signed with another algorithm", new Assertion { Key = "rs", Algorithm = "RS256" } },
        { "a jti of 152 characters", new Assertion { Jti = new string('j', 152) } },
    };

    [Theory]
    [MemberData(nameof(Forgeries))]
    public async Task An_assertion_that_is_no_proof_is_refused(string what, Assertion assertion)
    {
        using var response = await hospitals.AskTokenAsync(hospitals.Epic, "system/Patient.rs", assertion);

        response.StatusCode.ShouldBe(HttpStatusCode.BadRequest, what);
        ((string)(await BodyAsync(response))["error"]!).ShouldBe("invalid_client", what);
    }

    [Fact]
    public async Task An_assertion_is_good_once()
    {
        var assertion = new Assertion { Jti = "only-once" };
        using var first = await hospitals.AskTokenAsync(hospitals.Epic, "system/Patient.rs", assertion);
        using var second = await hospitals.AskTokenAsync(hospitals.Epic, "system/Patient.rs", assertion);

        first.StatusCode.ShouldBe(HttpStatusCode.OK);
        ((string)(await BodyAsync(second))["error_description"]!).ShouldContain("jti");
    }

    [Fact]
    public async Task The_other_vendors_refuse_with_401()
    {
        foreach (var site in (SandboxSite[])[hospitals.Oracle, hospitals.Athena])
        {
            using var response = await hospitals.AskTokenAsync(site, "system/Patient.rs", new Assertion { Subject = "somebody" });
            response.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
            ((string)(await BodyAsync(response))["error"]!).ShouldBe("invalid_client");
        }
    }

    [Fact]
    public async Task Secrets_are_taken_as_each_vendor_takes_them()
    {
        (await BasicAsync(hospitals.Oracle, hospitals.Oracle.ClientSecret!)).ShouldBe(200);
        (await BasicAsync(hospitals.Athena, hospitals.Athena.ClientSecret!)).ShouldBe(200);
        (await BasicAsync(hospitals.Oracle, "wrong")).ShouldBe(401);
        (await PostAsync(hospitals.Athena, hospitals.Athena.ClientSecret!)).ShouldBe(200);
        (await PostAsync(hospitals.Oracle, hospitals.Oracle.ClientSecret!)).ShouldBe(401);

        // Epic takes no secret, not even one that is registered.
        hospitals.Epic.ClientSecret.ShouldBeNull();
        using var registered = await hospitals.Http.PutAsJsonAsync(
            hospitals.Epic.AdminUrl + "/client", new { clientId = "secretive", clientSecret = "s" }, Cancel);
        registered.EnsureSuccessStatusCode();
        (await BasicAsync(hospitals.Epic, "s", "secretive")).ShouldBe(400);
        (await PostAsync(hospitals.Epic, "s", "secretive")).ShouldBe(400);
    }

    [Fact]
    public async Task Scopes_follow_each_vendors_rules()
    {
        // Epic: what the registration has, whatever was asked; version 1 strings mean nothing here.
        (await ScopeAsync(hospitals.Epic, "")).Item2!.ShouldContain("system/Patient.rs");
        (await ScopeAsync(hospitals.Epic, "system/*.rs")).Item2!.ShouldContain("system/Observation.rs");
        (await ScopeAsync(hospitals.Epic, "system/Patient.read")).ShouldBe((400, null));
        (await ScopeAsync(hospitals.Epic, "system/Patient.rs system/Starship.rs")).ShouldBe((200, "system/Patient.rs"));

        // Oracle: both versions, no wildcards, what it does not have left out.
        (await ScopeAsync(hospitals.Oracle, "system/Patient.read")).ShouldBe((200, "system/Patient.read"));
        (await ScopeAsync(hospitals.Oracle, "system/Patient.rs system/Medication.rs")).ShouldBe((200, "system/Patient.rs"));
        (await ScopeAsync(hospitals.Oracle, "system/*.rs")).ShouldBe((400, null));
        (await ScopeAsync(hospitals.Oracle, "")).ShouldBe((400, null));

        // athenahealth: named one by one, all of them configured.
        (await ScopeAsync(hospitals.Athena, "system/Patient.rs system/Starship.rs")).ShouldBe((400, null));
        (await ScopeAsync(hospitals.Athena, "")).ShouldBe((400, null));
        (await ScopeAsync(hospitals.Athena, "system/Patient.cruds")).ShouldBe((200, "system/Patient.rs"));
        (await ScopeAsync(hospitals.Athena, "system/Patient.sr")).ShouldBe((400, null));
    }

    [Fact]
    public async Task A_registration_can_be_smaller_than_what_is_asked_and_the_grant_says_so()
    {
        using var put = await hospitals.Http.PutAsJsonAsync(
            hospitals.Epic.AdminUrl + "/client",
            new { clientId = "small", jwksUrl = hospitals.Keys.Url + "/tenants/small/jwks.json", scopes = (string[])["system/Patient.r"] },
            Cancel);
        put.StatusCode.ShouldBe(HttpStatusCode.NoContent);

        using var response = await hospitals.AskTokenAsync(
            hospitals.Epic, "system/Patient.rs system/Observation.rs", new Assertion { Client = "small" });

        ((string)(await BodyAsync(response))["scope"]!).ShouldBe("system/Patient.r");
    }

    [Fact]
    public async Task A_new_key_is_found_within_a_second_and_a_known_one_is_not_fetched_again()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var own = await Hospitals.StartAsync(new SandboxOptions { Patients = 1, Time = time });
        (await AskAsync("es")).ShouldBe(200);
        (await AskAsync("es")).ShouldBe(200);
        own.Keys.Fetches.ShouldBe(1);

        // Unknown, but less than a second after the last look.
        own.Keys.Add("new", new ECDsaSecurityKey(ECDsa.Create(ECCurve.NamedCurves.nistP384)));
        (await AskAsync("new")).ShouldBe(400);
        own.Keys.Fetches.ShouldBe(1);

        time.Advance(TimeSpan.FromSeconds(1));
        (await AskAsync("new")).ShouldBe(200);
        own.Keys.Fetches.ShouldBe(2);

        // Cache-Control said 300 seconds.
        time.Advance(TimeSpan.FromSeconds(300));
        (await AskAsync("new")).ShouldBe(200);
        own.Keys.Fetches.ShouldBe(3);

        async Task<int> AskAsync(string key)
        {
            using var response = await own.AskTokenAsync(
                own.Epic, "system/Patient.rs", new Assertion { Key = key, Now = time.GetUtcNow() });
            return (int)response.StatusCode;
        }
    }

    [Fact]
    public async Task A_token_expires_when_it_said_it_would()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var own = await Hospitals.StartAsync(new SandboxOptions
        {
            Patients = 1,
            Time = time,
            Sites = new Dictionary<string, SiteOptions> { ["oracle-health"] = new() { TokenLifetimeSeconds = 30 } },
        });
        using var response = await own.AskTokenAsync(own.Oracle, "system/Patient.rs", new Assertion { Now = time.GetUtcNow() });
        var answer = await BodyAsync(response);
        ((int)answer["expires_in"]!).ShouldBe(30);
        var token = (string)answer["access_token"]!;

        time.Advance(TimeSpan.FromSeconds(29.9));
        (await own.GetAsync(own.Oracle, Patient(own.Oracle), token)).StatusCode.ShouldBe(HttpStatusCode.OK);
        time.Advance(TimeSpan.FromSeconds(0.1));
        using var late = await own.GetAsync(own.Oracle, Patient(own.Oracle), token);
        late.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        late.Headers.WwwAuthenticate.Single().Parameter!.ShouldContain("invalid_token");
    }

    [Fact]
    public async Task Athena_gives_fifty_tokens_in_a_minute_of_the_clock()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 6, 1, 12, 0, 20, TimeSpan.Zero));
        await using var own = await Hospitals.StartAsync(new SandboxOptions { Patients = 1, Time = time });
        for (var i = 0; i < 50; i++)
        {
            (await AskAsync()).StatusCode.ShouldBe(HttpStatusCode.OK);
        }

        using var over = await AskAsync();
        over.StatusCode.ShouldBe(HttpStatusCode.TooManyRequests);
        over.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(40));
        time.Advance(TimeSpan.FromSeconds(40));
        (await AskAsync()).StatusCode.ShouldBe(HttpStatusCode.OK);

        Task<HttpResponseMessage> AskAsync() =>
            own.AskTokenAsync(own.Athena, "system/Patient.rs", new Assertion { Now = time.GetUtcNow() });
    }

    [Fact]
    public async Task Discovery_names_the_endpoint_and_athenas_issuer_is_another_host()
    {
        foreach (var site in hospitals.All)
        {
            var smart = (await hospitals.Http.GetFromJsonAsync<JsonNode>(site.FhirBaseUrl + "/.well-known/smart-configuration", Cancel))!;
            ((string)smart["token_endpoint"]!).ShouldBe(site.TokenUrl);
            var statement = (await hospitals.Http.GetFromJsonAsync<JsonNode>(site.FhirBaseUrl + "/metadata", Cancel))!;
            ((string)statement["rest"]![0]!["security"]!["extension"]![0]!["extension"]![0]!["valueUri"]!).ShouldBe(site.TokenUrl);
            statement["rest"]![0]!["resource"]!.AsArray().ShouldContain(resource => (string?)resource!["type"] == "Patient");
        }

        var athena = (await hospitals.Http.GetFromJsonAsync<JsonNode>(
            hospitals.Athena.FhirBaseUrl + "/.well-known/smart-configuration", Cancel))!;
        new Uri((string)athena["issuer"]!).Host.ShouldNotBe(new Uri(hospitals.Athena.TokenUrl).Host);
        new Uri(hospitals.Oracle.TokenUrl).AbsolutePath.ShouldStartWith("/tenants/");
    }

    private static Assertion Es(string algorithm) => new() { Key = algorithm == "RS384" ? "rs" : "es", Algorithm = algorithm };

    // A read that every hospital answers.
    private static string Patient(SandboxSite site) => "Patient/" + (site.LongChartPatientId ?? "12700000");

    private static async Task<JsonNode> BodyAsync(HttpResponseMessage response) =>
        (await response.Content.ReadFromJsonAsync<JsonNode>(Cancel))!;

    private async Task<(int, string?)> ScopeAsync(SandboxSite site, string scope)
    {
        using var response = await hospitals.AskTokenAsync(site, scope);
        return ((int)response.StatusCode, (string?)(await BodyAsync(response))["scope"]);
    }

    private async Task<int> BasicAsync(SandboxSite site, string secret, string client = "ehrgrains")
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, site.TokenUrl) { Content = Form(new()) };
        request.Headers.Authorization = new AuthenticationHeaderValue(
            "Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{client}:{secret}")));
        using var response = await hospitals.Http.SendAsync(request, Cancel);
        return (int)response.StatusCode;
    }

    private async Task<int> PostAsync(SandboxSite site, string secret, string client = "ehrgrains")
    {
        using var form = Form(new() { ["client_id"] = client, ["client_secret"] = secret });
        using var response = await hospitals.Http.PostAsync(new Uri(site.TokenUrl), form, Cancel);
        return (int)response.StatusCode;
    }

    private static FormUrlEncodedContent Form(Dictionary<string, string> more) =>
        new(more.Append(new("grant_type", "client_credentials")).Append(new("scope", "system/Patient.rs")));
}
