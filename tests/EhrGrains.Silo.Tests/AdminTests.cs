using System.Net;
using System.Net.Http.Json;
using System.Text.Json;

namespace EhrGrains.Silo.Tests;

/// <summary>Administration over HTTP: the grain commands, and who may give them.</summary>
public sealed class AdminTests(RunningSilo silo)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_tenant_is_registered_described_listed_and_registering_again_changes_nothing()
    {
        using var dryRun = await silo.SendAsAdminAsync(HttpMethod.Put, "/admin/v1/tenants/admin-one?dryRun=true", Samples.Tenant("admin-one"), Cancel);
        (await JsonAsync(dryRun)).GetProperty("created").GetBoolean().ShouldBeTrue();
        (await silo.SendAsAdminAsync(HttpMethod.Get, "/admin/v1/tenants/admin-one", null, Cancel)).StatusCode.ShouldBe(HttpStatusCode.NotFound);

        using var first = await silo.SendAsAdminAsync(HttpMethod.Put, "/admin/v1/tenants/admin-one", Samples.Tenant("admin-one"), Cancel);
        using var second = await silo.SendAsAdminAsync(HttpMethod.Put, "/admin/v1/tenants/admin-one", Samples.Tenant("admin-one"), Cancel);
        using var described = await silo.SendAsAdminAsync(HttpMethod.Get, "/admin/v1/tenants/admin-one", null, Cancel);
        using var listed = await silo.SendAsAdminAsync(HttpMethod.Get, "/admin/v1/tenants?after=admin-ond", null, Cancel);

        (await JsonAsync(first)).GetProperty("created").GetBoolean().ShouldBeTrue();
        (await JsonAsync(second)).GetProperty("differences").GetArrayLength().ShouldBe(0);
        (await JsonAsync(described)).GetProperty("lifecycle").GetString().ShouldBe("draft");
        (await JsonAsync(listed)).EnumerateArray().ShouldContain(tenant => tenant.GetProperty("tenant").GetString() == "admin-one");
    }

    [Fact]
    public async Task A_staged_key_is_published_at_once_and_its_private_half_is_nowhere()
    {
        (await silo.SendAsAdminAsync(HttpMethod.Put, "/admin/v1/tenants/admin-keys", Samples.Tenant("admin-keys"), Cancel)).EnsureSuccessStatusCode();

        using var added = await silo.SendAsAdminAsync(
            HttpMethod.Post, "/admin/v1/tenants/admin-keys/credentials", new { method = "privateKeyJwtEs384" }, Cancel);
        using var published = await silo.Http.GetAsync("/tenants/admin-keys/jwks.json", Cancel);

        var keyId = (await JsonAsync(added)).GetProperty("keyId").GetString();
        published.Headers.CacheControl!.ToString().ShouldBe("public, max-age=60");
        var key = (await JsonAsync(published)).GetProperty("keys").EnumerateArray().Single(k => k.GetProperty("kid").GetString() == keyId);
        key.TryGetProperty("d", out _).ShouldBeFalse();
        key.GetProperty("crv").GetString().ShouldBe("P-384");
    }

    [Fact]
    public async Task All_errors_of_a_tenant_are_answered_at_once_by_path()
    {
        using var answer = await silo.SendAsAdminAsync(
            HttpMethod.Put, "/admin/v1/tenants/admin-bad",
            new { tenant = "admin-bad", displayName = "", timeZone = "Mars/Base", connection = new { vendor = "nobody", baseUrl = "http://plain.example", clientId = "" } },
            Cancel);

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        var paths = (await JsonAsync(answer)).GetProperty("problems").EnumerateArray().Select(p => p.GetProperty("path").GetString()).ToArray();
        paths.Length.ShouldBeGreaterThanOrEqualTo(4, string.Join(", ", paths));
    }

    [Theory]
    [InlineData("{\"tenant\":\"admin-x\"")]
    [InlineData("{\"tenant\":\"admin-x\",\"surprise\":1}")]
    [InlineData("{\"tenant\":\"admin-x\",\"tenant\":\"admin-y\"}")]
    [InlineData("[]")]
    [InlineData("")]
    public async Task A_body_that_is_not_what_is_asked_for_is_400_and_not_echoed(string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, "/admin/v1/tenants/admin-x")
        {
            Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json"),
        };
        using var answer = await silo.SendAsync(request, silo.Admin, Cancel);

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldNotContain("surprise");
    }

    [Fact]
    public async Task The_tenant_in_the_body_must_be_the_one_in_the_url()
    {
        using var answer = await silo.SendAsAdminAsync(HttpMethod.Put, "/admin/v1/tenants/admin-a", Samples.Tenant("admin-b"), Cancel);

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Theory]
    [InlineData("application", "GET", "/admin/v1/tenants", HttpStatusCode.Forbidden)]
    [InlineData("application", "PUT", "/admin/v1/apps/mine", HttpStatusCode.Forbidden)]
    [InlineData("operator", "GET", "/admin/v1/tenants", HttpStatusCode.OK)]
    [InlineData("operator", "PUT", "/admin/v1/apps/mine", HttpStatusCode.Forbidden)]
    [InlineData("operator", "POST", "/admin/v1/tenants/role-test/credentials", HttpStatusCode.Forbidden)]
    [InlineData("operator", "POST", "/admin/v1/tenants/role-test/credentials:rotate", HttpStatusCode.Forbidden)]
    public async Task Each_command_asks_for_its_role(string role, string method, string path, HttpStatusCode expected)
    {
        var scope = role == "application" ? "system/*.rs" : "ehrgrains/operate";
        using var app = await silo.RegisterAsync($"role-{role}", role, scope, Cancel);
        object body = path.Contains("/apps/") ? new { displayName = "Mine", role = "admin" } : new { method = "privateKeyJwtEs384" };
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = method == "GET" ? null : JsonContent.Create(body) };

        using var answer = await silo.SendAsync(request, app, Cancel);

        answer.StatusCode.ShouldBe(expected, await answer.Content.ReadAsStringAsync(Cancel));
    }

    [Fact]
    public async Task The_audit_trail_is_verified_and_asked()
    {
        (await silo.SendAsAdminAsync(HttpMethod.Put, "/admin/v1/tenants/admin-audit", Samples.Tenant("admin-audit"), Cancel)).EnsureSuccessStatusCode();

        using var verified = await silo.SendAsAdminAsync(HttpMethod.Post, "/admin/v1/tenants/admin-audit/audit:verify", null, Cancel);
        using var who = await silo.SendAsAdminAsync(HttpMethod.Post, "/admin/v1/tenants/admin-audit/audit:who", new { patient = "p1" }, Cancel);

        (await JsonAsync(verified)).GetProperty("intact").GetBoolean().ShouldBeTrue();
        (await JsonAsync(who)).GetArrayLength().ShouldBe(0);
    }

    [Fact]
    public async Task The_openapi_document_names_every_command()
    {
        var document = await silo.Http.GetFromJsonAsync<JsonElement>("/openapi/v1.json", Cancel);

        var paths = document.GetProperty("paths").EnumerateObject().Select(path => path.Name).ToArray();
        foreach (var path in new[]
        {
            "/admin/v1/tenants", "/admin/v1/tenants/{tenant}", "/admin/v1/tenants/{tenant}/lifecycle", "/admin/v1/tenants/{tenant}/credentials:rotate",
            "/admin/v1/tenants/{tenant}/grants/{app}", "/admin/v1/apps/{app}", "/admin/v1/tenants/{tenant}/audit:verify", "/tenants/{tenant}/jwks.json",
        })
        {
            paths.ShouldContain(path);
        }

        paths.ShouldAllBe(path => !path.StartsWith("/fhir"));
    }

    private static async Task<JsonElement> JsonAsync(HttpResponseMessage answer)
    {
        answer.StatusCode.ShouldBeOneOf(HttpStatusCode.OK, HttpStatusCode.BadRequest);
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }
}
