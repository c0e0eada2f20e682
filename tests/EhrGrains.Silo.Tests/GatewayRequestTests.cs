using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using EhrGrains.Contracts.Query;
using EhrGrains.Silo.Gateway;
using EhrGrains.Testing;
using Microsoft.AspNetCore.Http;

namespace EhrGrains.Silo.Tests;

/// <summary>Bad input at the FHIR surface: a clear OperationOutcome each time, and nothing echoed.</summary>
public sealed class GatewayRequestTests(RunningSilo silo)
{
    private const string Canary = "Zzyzxcanary";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/fhir/st-mary/Patient")]
    [InlineData("/fhir/st-mary/Patient/1")]
    [InlineData("/fhir/Patient")]
    public async Task Without_a_token_the_answer_is_401_and_names_the_scheme(string path)
    {
        using var answer = await silo.Http.GetAsync(path, Cancel);

        answer.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        answer.Headers.WwwAuthenticate.ToString().ShouldBe("Bearer");
        (await OutcomeAsync(answer)).ShouldBe(("login", "EHR-GTW-401"));
    }

    [Theory]
    [InlineData("abc")]
    [InlineData("eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcGVyYXRvciJ9.")]
    public async Task With_a_bad_token_the_answer_is_401_invalid_token(string token)
    {
        using var answer = await SendAsync(HttpMethod.Get, "/fhir/st-mary/Patient", token);

        answer.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        answer.Headers.WwwAuthenticate.ToString().ShouldBe("Bearer error=\"invalid_token\"");
        (await OutcomeAsync(answer)).Code.ShouldBe("login");
    }

    [Fact]
    public async Task A_token_signed_by_somebody_else_is_refused()
    {
        using var stranger = new TestApp("operator", silo.TokenEndpoint.ToString());

        using var answer = await SendAsync(HttpMethod.Get, "/fhir/st-mary/Patient", stranger.Assertion(h => (h["typ"], h["alg"]) = ("at+jwt", "ES256")));

        answer.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Theory]
    [InlineData("/fhir/st-mary/Patient?access_token=abc")]
    [InlineData("/fhir/Patient?access_token=abc")]
    [InlineData("/admin/v1/tenants?access_token=abc")]
    public async Task A_token_in_the_url_is_refused(string path)
    {
        using var answer = await silo.Http.GetAsync(path, Cancel);

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldContain("EHR-GTW-001");
    }

    [Fact]
    public async Task A_token_in_the_form_is_refused()
    {
        using var app = await AppAsync("form-token");
        using var answer = await PostAsync("/fhir/st-mary/Patient/_search", "family=x&access_token=abc", "application/x-www-form-urlencoded", app);

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await OutcomeAsync(answer)).Detail.ShouldBe("EHR-GTW-001");
    }

    [Theory]
    [InlineData("/fhir/no-such-tenant/Patient")]
    [InlineData("/fhir/no-such-tenant/Patient/1")]
    public async Task An_unknown_tenant_and_one_without_a_grant_answer_alike(string path)
    {
        using var app = await AppAsync("no-grant");
        await RegisterTenantAsync("with-no-grant");

        using var unknown = await GetAsync(path, app);
        using var noGrant = await GetAsync(path.Replace("no-such-tenant", "with-no-grant", StringComparison.Ordinal), app);

        unknown.StatusCode.ShouldBeOneOf(HttpStatusCode.Forbidden, HttpStatusCode.NotFound);
        noGrant.StatusCode.ShouldBe(unknown.StatusCode);
        (await noGrant.Content.ReadAsStringAsync(Cancel)).ShouldBe(await unknown.Content.ReadAsStringAsync(Cancel));
    }

    [Theory]
    [InlineData("/fhir")]
    [InlineData("/fhir/st-mary")]
    [InlineData("/fhir/st-mary/Patient/1/_history")]
    [InlineData("/fhir/St_Mary/Patient")]
    [InlineData("/fhir/st-mary/patient")]
    [InlineData("/fhir/patient")]
    [InlineData("/fhir/St-Mary/Patient")]
    [InlineData("/fhir/no-such-tenant/metadata")]
    [InlineData("/fhir/st-mary/$export")]
    public async Task An_unknown_route_is_a_404_outcome(string path)
    {
        using var app = await AppAsync("unknown-route");

        using var answer = await GetAsync(path, app);

        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await OutcomeAsync(answer)).Code.ShouldBe("not-found");
    }

    [Theory]
    [InlineData(null, "application/fhir+json", "\"fhirVersion\":\"4.0.1\"")]
    [InlineData("application/fhir+xml", "application/fhir+xml", "<fhirVersion value=\"4.0.1\"")]
    public async Task The_capability_statement_of_a_tenant_is_anonymous_in_both_formats(string? accept, string contentType, string holds)
    {
        await RegisterTenantAsync("capable");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/fhir/capable/metadata?_summary=true");
        request.Headers.TryAddWithoutValidation("Accept", accept ?? "*/*");

        using var answer = await silo.Http.SendAsync(request, Cancel);

        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        answer.Content.Headers.ContentType!.MediaType.ShouldBe(contentType);
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldContain(holds);
    }

    [Fact]
    public async Task The_capability_statement_names_the_same_token_endpoint_as_the_SMART_configuration()
    {
        await RegisterTenantAsync("told-twice");

        var statement = await silo.Http.GetFromJsonAsync<JsonElement>("/fhir/told-twice/metadata", Cancel);
        var smart = await silo.Http.GetFromJsonAsync<JsonElement>("/fhir/told-twice/.well-known/smart-configuration", Cancel);

        var uris = statement.GetProperty("rest")[0].GetProperty("security").GetProperty("extension")[0].GetProperty("extension")[0];
        uris.GetProperty("valueUri").GetString().ShouldBe(smart.GetProperty("token_endpoint").GetString());
    }

    [Theory]
    [InlineData("PUT", "/fhir/st-mary/Patient")]
    [InlineData("POST", "/fhir/st-mary/Patient/1")]
    [InlineData("DELETE", "/fhir/st-mary/Patient/1")]
    [InlineData("PATCH", "/fhir/st-mary/Patient/1")]
    public async Task Other_methods_are_a_405_outcome(string method, string path)
    {
        using var app = await AppAsync("other-methods");
        using var request = new HttpRequestMessage(new HttpMethod(method), path);

        using var answer = await silo.SendAsync(request, app, Cancel);

        answer.StatusCode.ShouldBe(HttpStatusCode.MethodNotAllowed);
        (await OutcomeAsync(answer)).ShouldBe(("not-supported", "EHR-GTW-405"));
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("text/plain")]
    public async Task A_search_body_that_is_no_form_is_415(string contentType)
    {
        using var app = await AppAsync("no-form");

        using var answer = await PostAsync("/fhir/st-mary/Patient/_search", "{}", contentType, app);

        answer.StatusCode.ShouldBe(HttpStatusCode.UnsupportedMediaType);
        (await OutcomeAsync(answer)).Detail.ShouldBe("EHR-GTW-415");
    }

    [Fact]
    public async Task A_body_beyond_the_bound_is_413()
    {
        using var app = await AppAsync("large-body");

        using var answer = await PostAsync(
            "/fhir/st-mary/Patient/_search", "family=" + new string('x', 1_100_000), "application/x-www-form-urlencoded", app);

        answer.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        (await OutcomeAsync(answer)).ShouldBe(("too-long", "EHR-GTW-413"));
    }

    [Fact]
    public async Task More_parameters_than_the_bound_are_refused()
    {
        using var app = await AppAsync("many-parameters");

        using var answer = await GetAsync("/fhir/st-mary/Patient?" + string.Join('&', Enumerable.Range(0, 65).Select(i => $"p{i}={Canary}")), app);

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await OutcomeAsync(answer)).Detail.ShouldBe("EHR-GTW-002");
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldNotContain(Canary);
    }

    [Theory]
    [InlineData("", Freshness.Policy, null)]
    [InlineData("no-cache", Freshness.Ehr, null)]
    [InlineData("only-if-cached", Freshness.Record, null)]
    [InlineData("only-if-cached, max-age=60", Freshness.Record, 60)]
    [InlineData("max-age=3600", Freshness.Policy, 3600)]
    [InlineData("max-age=0", Freshness.Policy, 0)]
    [InlineData("no-cache, join-record", Freshness.Both, null)]
    [InlineData("nonsense", Freshness.Policy, null)]
    public void Cache_control_says_where_the_answer_comes_from(string header, Freshness freshness, int? ageMax)
    {
        var context = new DefaultHttpContext();
        context.Request.Headers.CacheControl = header;

        FhirRequests.FreshnessOf(context.Request).ShouldBe((freshness, ageMax));
    }

    [Theory]
    [InlineData("text/turtle", null)]
    [InlineData("image/png", null)]
    [InlineData("application/fhir+json; fhirVersion=3.0", null)]
    [InlineData("application/fhir+json;q=0", null)]
    [InlineData("*/*", "ttl")]
    public async Task A_format_that_we_do_not_write_is_406(string accept, string? format)
    {
        using var app = await AppAsync("not-acceptable");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/fhir/st-mary/Patient" + (format is null ? "" : $"?_format={format}"));
        request.Headers.TryAddWithoutValidation("Accept", accept);

        using var answer = await silo.SendAsync(request, app, Cancel);

        answer.StatusCode.ShouldBe(HttpStatusCode.NotAcceptable);
        (await OutcomeAsync(answer)).ShouldBe(("not-supported", "EHR-GTW-003"));
    }

    [Theory]
    [InlineData("application/fhir+xml", null)]
    [InlineData("application/xml;q=0.9, application/json;q=0.1", null)]
    [InlineData("application/json", "xml")]
    [InlineData("*/*", "application/fhir+xml")]
    public async Task Errors_are_xml_for_clients_that_ask_for_xml(string accept, string? format)
    {
        using var app = await AppAsync("wants-xml");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/fhir/no-such-tenant/Patient" + (format is null ? "" : $"?_format={format}"));
        request.Headers.TryAddWithoutValidation("Accept", accept);

        using var answer = await silo.SendAsync(request, app, Cancel);

        answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/fhir+xml");
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldContain("<OperationOutcome xmlns=\"http://hl7.org/fhir\">");
    }

    [Theory]
    [InlineData("/health/live", HttpStatusCode.OK)]
    [InlineData("/.well-known/jwks.json", HttpStatusCode.OK)]
    [InlineData("/fhir/.well-known/smart-configuration", HttpStatusCode.OK)]
    [InlineData("/openapi/v1.json", HttpStatusCode.OK)]
    [InlineData("/nothing-here", HttpStatusCode.NotFound)]
    [InlineData("/fhir/a/b/c/d/e", HttpStatusCode.NotFound)]
    [InlineData("/fhir/st-mary/Patient", HttpStatusCode.Unauthorized)]
    [InlineData("/admin/v1/tenants", HttpStatusCode.Unauthorized)]
    [InlineData("/fhir/Patient?access_token=a", HttpStatusCode.BadRequest)]
    [InlineData("/oauth/token", HttpStatusCode.BadRequest)]
    public async Task Every_answer_has_the_security_headers(string path, HttpStatusCode status)
    {
        using var answer = await silo.Http.GetAsync(path, Cancel);

        answer.StatusCode.ShouldBe(status);
        Header("X-Content-Type-Options").ShouldBe("nosniff");
        Header("X-Frame-Options").ShouldBe("DENY");
        Header("Content-Security-Policy").ShouldContain("default-src 'none'");
        Header("Referrer-Policy").ShouldBe("no-referrer");
        Header("Vary").ShouldContain("Authorization");
        Header("X-Request-Id").Length.ShouldBeInRange(1, 64);
        answer.Headers.CacheControl!.NoStore.ShouldBeTrue();
        answer.Headers.Server.ShouldBeEmpty();

        string Header(string name) => string.Join(", ", answer.Headers.GetValues(name));
    }

    [Theory]
    [InlineData("abc-123", true)]
    [InlineData("a\tb", false)]
    [InlineData("<script>", false)]
    [InlineData("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", false)]
    public async Task A_harmless_request_id_is_echoed_and_no_other(string id, bool echoed)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/health/live");
        request.Headers.TryAddWithoutValidation("X-Request-Id", id);

        using var answer = await silo.Http.SendAsync(request, Cancel);

        (answer.Headers.GetValues("X-Request-Id").Single() == id).ShouldBe(echoed);
    }

    [Fact]
    public async Task The_smart_configuration_is_the_same_for_all_and_says_what_is_true()
    {
        using var answer = await silo.Http.GetAsync("/fhir/any-tenant/.well-known/smart-configuration", Cancel);

        answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/json");
        var document = await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
        document.GetProperty("token_endpoint").GetString().ShouldBe(silo.TokenEndpoint.ToString());
        document.GetProperty("grant_types_supported").EnumerateArray().Single().GetString().ShouldBe("client_credentials");
        document.GetProperty("code_challenge_methods_supported").ToString().ShouldBe("[\"S256\"]");
        document.GetProperty("capabilities").ToString().ShouldContain("client-confidential-asymmetric");
        document.TryGetProperty("issuer", out _).ShouldBeFalse("issuer is for sso-openid-connect alone");
    }

    private async Task<Identity> AppAsync(string app) => await silo.RegisterAsync(app, "application", "system/*.rs", Cancel);

    private async Task RegisterTenantAsync(string tenant)
    {
        using var answer = await silo.SendAsAdminAsync(HttpMethod.Put, $"/admin/v1/tenants/{tenant}", Samples.Tenant(tenant), Cancel);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync(Cancel));
    }

    private async Task<HttpResponseMessage> GetAsync(string path, Identity app)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        return await silo.SendAsync(request, app, Cancel);
    }

    private async Task<HttpResponseMessage> PostAsync(string path, string body, string contentType, Identity app)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, contentType) };
        return await silo.SendAsync(request, app, Cancel);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string token)
    {
        using var request = new HttpRequestMessage(method, path) { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", token) } };
        return await silo.Http.SendAsync(request, Cancel);
    }

    private static async Task<(string Code, string Detail)> OutcomeAsync(HttpResponseMessage answer)
    {
        answer.Content.Headers.ContentType!.ToString().ShouldBe("application/fhir+json; charset=utf-8");
        answer.Content.Headers.ContentLength.ShouldNotBeNull();
        var outcome = await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
        outcome.GetProperty("resourceType").GetString().ShouldBe("OperationOutcome");
        var issue = outcome.GetProperty("issue")[0];
        return (issue.GetProperty("code").GetString()!, issue.GetProperty("details").GetProperty("coding")[0].GetProperty("code").GetString()!);
    }
}
