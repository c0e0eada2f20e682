using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox;
using EhrGrains.Testing;

namespace EhrGrains.Silo.Tests;

/// <summary>Writing back over HTTP as FHIR has it, to a simulated hospital that tells versions.</summary>
public sealed class WriteGatewayTests(RunningSilo silo)
{
    private const string Scopes = "system/Observation.crus system/Patient.rs";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_resource_is_checked_created_shown_updated_and_asked_about_as_fhir_has_it()
    {
        await using var sandbox = SandboxHost.Build(new SandboxOptions { BasePort = 0, Patients = 2, Vendors = ["oracle-health"], JwksBase = silo.Http.BaseAddress!.AbsoluteUri });
        await sandbox.StartAsync(Cancel);
        var site = SandboxHost.Sites(sandbox).Single();
        using var app = await OnboardAsync(site);
        var patient = (string)(await silo.Http.GetFromJsonAsync<JsonArray>($"{site.AdminUrl}/patients", Cancel))![0]!["id"]!;
        var fhir = $"/fhir/{site.Tenant}/Observation";

        // A dry run says everything; nothing is written.
        using var refused = await SendAsync(app, HttpMethod.Post, $"{fhir}/$validate", Observation("nobody-at-all", 70m));
        refused.StatusCode.ShouldBe(HttpStatusCode.OK);
        Codes(await JsonAsync(refused)).ShouldBe(["EHR-WRT-031"]);
        using var fine = await SendAsync(app, HttpMethod.Post, $"{fhir}/$validate", Observation(patient, 70m));
        Codes(await JsonAsync(fine)).ShouldBe(["EHR-WRT-060"]);

        using var created = await SendAsync(app, HttpMethod.Post, fhir, Observation(patient, 70m), ("Prefer", "return=representation"), ("Idempotency-Key", "gateway-1"));
        created.StatusCode.ShouldBe(HttpStatusCode.Created, await created.Content.ReadAsStringAsync(Cancel));
        var shown = await JsonAsync(created);
        created.Headers.Location!.AbsolutePath.ShouldBe($"{fhir}/{shown["id"]}");
        created.Headers.ETag!.ToString().ShouldBe("W/\"1\"");
        ((string?)shown["resourceType"], (decimal)shown["valueQuantity"]!["value"]!).ShouldBe(("Observation", 70m));
        using var again = await SendAsync(app, HttpMethod.Post, fhir, Observation(patient, 70m), ("Idempotency-Key", "gateway-1"), ("Prefer", "return=minimal"));
        (again.StatusCode, again.Headers.Location, (await again.Content.ReadAsByteArrayAsync(Cancel)).Length).ShouldBe((HttpStatusCode.Created, created.Headers.Location, 0));
        using var other = await SendAsync(app, HttpMethod.Post, fhir, Observation(patient, 71m), ("Idempotency-Key", "gateway-1"));
        other.StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
        Codes(await JsonAsync(other)).ShouldBe(["EHR-WRT-023"]);

        var id = (string)shown["id"]!;
        using var versionless = await SendAsync(app, HttpMethod.Put, $"{fhir}/{id}", Observation(patient, 72m, id));
        (versionless.StatusCode, Codes(await JsonAsync(versionless)).Single()).ShouldBe((HttpStatusCode.BadRequest, "EHR-WRT-027"));
        using var updated = await SendAsync(app, HttpMethod.Put, $"{fhir}/{id}", Observation(patient, 72m, id), ("If-Match", "W/\"1\""));
        (updated.StatusCode, updated.Headers.ETag!.ToString()).ShouldBe((HttpStatusCode.OK, "W/\"2\""));
        using var stale = await SendAsync(app, HttpMethod.Put, $"{fhir}/{id}", Observation(patient, 73m, id), ("If-Match", "W/\"1\""));
        (stale.StatusCode, Codes(await JsonAsync(stale)).Last()).ShouldBe((HttpStatusCode.PreconditionFailed, "EHR-WRT-043"));

        using var unwaited = await SendAsync(app, HttpMethod.Post, fhir, Observation(patient, 74m), ("Prefer", "respond-async"));
        unwaited.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        var bundle = await PollAsync(app, unwaited.Content.Headers.ContentLocation!.PathAndQuery);
        ((string?)bundle["type"], (string?)bundle["entry"]![0]!["response"]!["status"]).ShouldBe(("batch-response", "201 Created"));

        using var unknown = await SendAsync(app, HttpMethod.Get, $"/fhir/{site.Tenant}/$write/999999", null);
        unknown.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        var counters = (await silo.Http.GetFromJsonAsync<JsonObject>($"{site.AdminUrl}/counters", Cancel))!;
        ((long)counters["written"]!).ShouldBe(3);
    }

    private async Task<Identity> OnboardAsync(SandboxSite site)
    {
        await AdminAsync(HttpMethod.Put, $"/admin/v1/tenants/{site.Tenant}", new
        {
            tenant = site.Tenant,
            displayName = site.DisplayName,
            environment = "sandbox",
            timeZone = site.TimeZone,
            connection = new
            {
                vendor = site.Vendor,
                baseUrl = site.FhirBaseUrl,
                clientId = site.ClientId,
                authMethod = "clientSecretBasic",
                scopes = Scopes.Split(' '),
                settings = site.Settings,
                privateNetworks = (string[])["127.0.0.1/32"],
            },
            budget = new { requests = 500, windowSeconds = 1, concurrency = 20 },
        });
        await AdminAsync(HttpMethod.Post, $"/admin/v1/tenants/{site.Tenant}/credentials:rotate", new { method = "clientSecretBasic", secret = site.ClientSecret });
        await AdminAsync(HttpMethod.Put, $"/admin/v1/tenants/{site.Tenant}/lifecycle", new { lifecycle = "sandbox", reason = "test" });
        var app = await silo.RegisterAsync("writes-app", "application", Scopes, Cancel);
        await AdminAsync(HttpMethod.Put, $"/admin/v1/tenants/{site.Tenant}/grants/writes-app", new { scopes = Scopes.Split(' ') });
        return app;
    }

    private async Task AdminAsync(HttpMethod method, string path, object body)
    {
        using var answer = await silo.SendAsAdminAsync(method, path, body, Cancel);
        answer.IsSuccessStatusCode.ShouldBeTrue(await answer.Content.ReadAsStringAsync(Cancel));
    }

    private async Task<HttpResponseMessage> SendAsync(Identity app, HttpMethod method, string path, JsonObject? body, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, new MediaTypeHeaderValue("application/fhir+json"));
        }

        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        return await silo.SendAsync(request, app, Cancel);
    }

    // As an application does that did not want to wait.
    private async Task<JsonNode> PollAsync(Identity app, string path)
    {
        while (true)
        {
            using var answer = await SendAsync(app, HttpMethod.Get, path, null);
            if (answer.StatusCode != HttpStatusCode.Accepted)
            {
                answer.StatusCode.ShouldBe(HttpStatusCode.OK);
                return await JsonAsync(answer);
            }

            answer.Headers.GetValues("X-Progress").ShouldHaveSingleItem();
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Cancel);
        }
    }

    private static async Task<JsonNode> JsonAsync(HttpResponseMessage answer) => JsonNode.Parse(await answer.Content.ReadAsStringAsync(Cancel))!;

    private static string[] Codes(JsonNode outcome) =>
        [.. outcome["issue"]!.AsArray().Select(issue => (string?)issue!["details"]?["coding"]?[0]?["code"] ?? "")];

    private static JsonObject Observation(string patient, decimal kilograms, string? id = null)
    {
        var resource = JsonNode.Parse(
            """
            {
              "resourceType": "Observation", "status": "final", "effectiveDateTime": "2026-05-04T08:30:00Z",
              "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs" }] }],
              "code": { "coding": [{ "system": "http://loinc.org", "code": "29463-7" }] }
            }
            """)!.AsObject();
        resource["subject"] = new JsonObject { ["reference"] = $"Patient/{patient}" };
        resource["valueQuantity"] = new JsonObject { ["value"] = kilograms, ["unit"] = "kg" };
        if (id is not null)
        {
            resource["id"] = id;
        }

        return resource;
    }
}
