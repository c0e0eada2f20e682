using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;

namespace EhrGrains.Sandbox.Tests;

/// <summary>Bulk export as each product has it (FHIR Bulk Data Access 2.0.0).</summary>
public sealed class BulkTests(BulkTests.Fixture fixture) : IClassFixture<BulkTests.Fixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private Hospitals Hospitals => fixture.Hospitals;

    [Fact]
    public async Task An_export_of_a_group_is_all_that_searches_find()
    {
        foreach (var vendor in (string[])["epic", "meditech", "veradigm", "athenahealth", "modmed"])
        {
            var site = Hospitals.Site(vendor);
            await ForgetAsync(site);
            var token = await Hospitals.TokenAsync(site, "Patient", "Observation", "Condition");
            var (status, manifest) = await ExportAsync(site, $"Group/{site.GroupId}/$export?_type=Patient,Observation,Condition", token);
            manifest.ShouldNotBeNull($"{vendor}: {status}");

            var lines = await LinesAsync(site, manifest, "output", token);
            var exported = lines.Select(line => $"{line["resourceType"]}/{line["id"]}").ToHashSet(StringComparer.Ordinal);
            exported.Count.ShouldBe(lines.Count, vendor);
            var expected = new HashSet<string>(StringComparer.Ordinal);
            foreach (var person in await Hospitals.PatientsAsync(site))
            {
                var truth = await Hospitals.TruthAsync(site, (string)person["id"]!);
                expected.UnionWith(truth["resources"]!.AsArray()
                    .Where(one => (bool)one!["found"]! && (string)one["type"]! is "Patient" or "Observation" or "Condition")
                    .Where(one => (string)one!["type"]! == "Patient" || !(bool)person["confidential"]!)
                    .Select(one => $"{one!["type"]}/{one["id"]}"));
            }

            exported.ShouldBe(expected, ignoreOrder: true, vendor);
        }
    }

    [Fact]
    public async Task An_export_is_prepared_while_it_is_asked_about_and_ends_when_it_is_deleted()
    {
        var site = Hospitals.Site("modmed");
        var token = await Hospitals.TokenAsync(site, "Patient");
        using var begun = await KickOffAsync(site, "$export", token);
        ((int)begun.StatusCode).ShouldBe(202);
        var status = begun.Content.Headers.ContentLocation!;

        using var first = await Hospitals.GetAsync(site, status.AbsoluteUri, token);
        ((int)first.StatusCode).ShouldBe(202);
        first.Headers.GetValues("X-Progress").Single().ShouldBe("33% complete");
        first.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(1));
        using var second = await Hospitals.GetAsync(site, status.AbsoluteUri, token);
        using var third = await Hospitals.GetAsync(site, status.AbsoluteUri, token);
        ((int)second.StatusCode, (int)third.StatusCode).ShouldBe((202, 200));
        var manifest = (await third.Content.ReadFromJsonAsync<JsonNode>(Cancel))!;
        ((bool)manifest["requiresAccessToken"]!).ShouldBeFalse();
        using var file = await Hospitals.GetAsync(site, (string)manifest["output"]![0]!["url"]!, token: null);
        ((int)file.StatusCode).ShouldBe(200);

        using var end = new HttpRequestMessage(HttpMethod.Delete, status);
        end.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        ((int)(await Hospitals.Http.SendAsync(end, Cancel)).StatusCode).ShouldBe(202);
        using var gone = await Hospitals.GetAsync(site, status.AbsoluteUri, token);
        ((int)gone.StatusCode).ShouldBe(404);
        using var noFile = await Hospitals.GetAsync(site, (string)manifest["output"]![0]!["url"]!, token);
        ((int)noFile.StatusCode).ShouldBe(404);
    }

    [Fact]
    public async Task A_file_goes_on_from_any_octet()
    {
        var site = Hospitals.Site("meditech");
        var token = await Hospitals.TokenAsync(site, "Condition");
        var (_, manifest) = await ExportAsync(site, "Patient/$export?_type=Condition", token);
        var url = (string)manifest!["output"]![0]!["url"]!;
        var whole = await (await Hospitals.GetAsync(site, url, token)).Content.ReadAsByteArrayAsync(Cancel);

        foreach (var from in (int[])[1, 100, whole.Length / 2, whole.Length - 1, whole.Length])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, url);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            request.Headers.Range = new RangeHeaderValue(from, null);
            using var response = await Hospitals.Http.SendAsync(request, Cancel);
            ((int)response.StatusCode).ShouldBe(from == whole.Length ? 416 : 206);
            if (from < whole.Length)
            {
                (await response.Content.ReadAsByteArrayAsync(Cancel)).ShouldBe(whole[from..]);
                response.Content.Headers.ContentRange!.From.ShouldBe(from);
            }
        }
    }

    [Fact]
    public async Task Since_tells_what_was_changed_and_what_was_deleted()
    {
        var site = Hospitals.Site("modmed");
        var token = await Hospitals.TokenAsync(site, "Patient", "Condition");
        var (_, before) = await ExportAsync(site, "$export?_type=Patient,Condition", token);
        var since = (string)before!["transactionTime"]!;
        var lines = await LinesAsync(site, before, "output", token);
        var (changed, gone) = ((string)lines.First(line => (string?)line["resourceType"] == "Patient")["id"]!,
            (string)lines.First(line => (string?)line["resourceType"] == "Condition")["id"]!);
        await Hospitals.EditAsync(site, new
        {
            at = DateTimeOffset.UtcNow.AddSeconds(5),
            edits = new object[]
            {
                new { kind = "update", type = "Patient", id = changed, set = new { active = false } },
                new { kind = "delete", type = "Condition", id = gone },
            },
        });

        var (_, after) = await ExportAsync(site, $"$export?_type=Patient,Condition&_since={since}", token);

        (await LinesAsync(site, after!, "output", token)).Select(line => (string)line["id"]!).ShouldBe([changed]);
        (await LinesAsync(site, after!, "deleted", token)).SelectMany(line => line["entry"]!.AsArray())
            .Select(entry => (string)entry!["request"]!["url"]!).ShouldBe([$"Condition/{gone}"]);
    }

    [Fact]
    public async Task Epic_exports_a_group_once_a_day_without_since_and_says_what_it_left_out()
    {
        var site = Hospitals.Epic;
        await ForgetAsync(site);
        var token = await Hospitals.TokenAsync(site, "Patient", "Condition", "Observation");
        using var since = await KickOffAsync(site, $"Group/{site.GroupId}/$export?_since=2026-01-01T00:00:00Z", token);
        ((int)since.StatusCode).ShouldBe(400);
        using var patients = await KickOffAsync(site, "Patient/$export", token);
        ((int)patients.StatusCode).ShouldBe(404);

        var (_, manifest) = await ExportAsync(site, $"Group/{site.GroupId}/$export?_type=Condition", token);
        (await LinesAsync(site, manifest!, "error", token)).ShouldContain(line => Sandbox.Tests.Hospitals.Codes(line).Contains("4130"));
        using var again = await KickOffAsync(site, $"Group/{site.GroupId}/$export?_type=Condition", token);
        ((int)again.StatusCode).ShouldBe(429);
        again.Headers.RetryAfter!.Delta!.Value.ShouldBeInRange(TimeSpan.FromHours(23), TimeSpan.FromHours(24));

        await ForgetAsync(site);
        var (_, filtered) = await ExportAsync(
            site, $"Group/{site.GroupId}/$export?_type=Observation&_typeFilter={Uri.EscapeDataString("Observation?category=vital-signs")}", token);
        var lines = await LinesAsync(site, filtered!, "output", token);
        lines.ShouldNotBeEmpty();
        lines.ShouldAllBe(line => line["category"]!.ToJsonString().Contains("vital-signs", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Oracle_leads_to_an_object_storage_elsewhere_that_refuses_a_token()
    {
        var site = Hospitals.Oracle;
        var token = await Hospitals.TokenAsync(site, "Patient");
        using (var first = await KickOffAsync(site, $"Group/{site.GroupId}/$export?_type=Patient", token))
        {
            using var second = await KickOffAsync(site, $"Group/{site.GroupId}/$export?_type=Patient", token);
            ((int)first.StatusCode, (int)second.StatusCode).ShouldBe((202, 429));
        }

        await ForgetAsync(site);
        var listed = (string)(await Hospitals.PatientsAsync(site))[2]["id"]!;
        var (_, manifest) = await ExportAsync(site, "Patient/$export", token, new JsonObject
        {
            ["resourceType"] = "Parameters",
            ["parameter"] = new JsonArray(
                new JsonObject { ["name"] = "_type", ["valueString"] = "Patient" },
                new JsonObject { ["name"] = "patient", ["valueReference"] = new JsonObject { ["reference"] = "Patient/" + listed } }),
        });
        using var file = await Hospitals.GetAsync(site, (string)manifest!["output"]!.AsArray().Single()!["url"]!, token);
        ((int)file.StatusCode).ShouldBe(307);
        file.Headers.Location!.Authority.ShouldNotBe(new Uri(site.FhirBaseUrl).Authority);

        using var stray = await Hospitals.GetAsync(site, file.Headers.Location.AbsoluteUri, token);
        ((int)stray.StatusCode).ShouldBe(400);
        ((int)(await Hospitals.CountersAsync(site))["tokensStrayed"]!).ShouldBe(1);
        using var plain = await Hospitals.GetAsync(site, file.Headers.Location.AbsoluteUri, token: null);
        ((string?)JsonNode.Parse((await plain.Content.ReadAsStringAsync(Cancel)).TrimEnd())!["id"]).ShouldBe(listed);
    }

    [Fact]
    public async Task A_kick_off_that_is_wrong_begins_nothing()
    {
        var site = Hospitals.Site("meditech");
        var token = await Hospitals.TokenAsync(site, "Patient");
        foreach (var (path, status) in ((string, int)[])
            [("Group/none/$export", 404), ("$export", 404), ("Patient/$export?_outputFormat=csv", 400), ("Patient/$export?_type=Nothing", 400),
            ("Patient/$export?_type=Observation", 403), ("Patient/$export?_elements=id", 400), ("Patient/$export?_since=yesterday", 400)])
        {
            using var response = await KickOffAsync(site, path, token);
            ((int)response.StatusCode).ShouldBe(status, path);
        }

        using var now = await Hospitals.GetAsync(site, "Patient/$export", token);
        ((int)now.StatusCode).ShouldBe(400);
        using var nobody = await KickOffAsync(site, "Patient/$export", "wrong");
        ((int)nobody.StatusCode).ShouldBe(401);
    }

    private async Task<HttpResponseMessage> KickOffAsync(SandboxSite site, string path, string token, JsonNode? body = null)
    {
        var practice = site.Vendor == "athenahealth" ? (path.Contains('?', StringComparison.Ordinal) ? "&" : "?") + Sandbox.Tests.Hospitals.Practice(site) : "";
        using var request = new HttpRequestMessage(body is null ? HttpMethod.Get : HttpMethod.Post, $"{site.FhirBaseUrl}/{path}{practice}");
        request.Headers.TryAddWithoutValidation("Accept", "application/fhir+json");
        request.Headers.Add("Prefer", "respond-async");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        request.Content = body is null ? null : new StringContent(body.ToJsonString(), Encoding.UTF8, "application/fhir+json");
        return await Hospitals.Http.SendAsync(request, Cancel);
    }

    /// <summary>From kick-off to manifest; without one, the status that refused it.</summary>
    private async Task<(int Status, JsonNode? Manifest)> ExportAsync(SandboxSite site, string path, string token, JsonNode? body = null)
    {
        using var begun = await KickOffAsync(site, path, token, body);
        for (var status = begun.Content.Headers.ContentLocation; status is not null;)
        {
            using var answer = await Hospitals.GetAsync(site, status.AbsoluteUri, token);
            if ((int)answer.StatusCode != 202)
            {
                return (200, await answer.Content.ReadFromJsonAsync<JsonNode>(Cancel));
            }
        }

        return ((int)begun.StatusCode, null);
    }

    private async Task<IReadOnlyList<JsonNode>> LinesAsync(SandboxSite site, JsonNode manifest, string kind, string token)
    {
        var lines = new List<JsonNode>();
        foreach (var file in manifest[kind]!.AsArray())
        {
            using var response = await Hospitals.GetAsync(site, (string)file!["url"]!, token, "application/fhir+ndjson");
            response.EnsureSuccessStatusCode();
            var text = (await response.Content.ReadAsStringAsync(Cancel)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            text.Length.ShouldBe((int)file["count"]!);
            lines.AddRange(text.Select(line => JsonNode.Parse(line)!));
        }

        return lines;
    }

    private async Task ForgetAsync(SandboxSite site)
    {
        using var forgotten = await Hospitals.Http.DeleteAsync(new Uri(site.AdminUrl + "/exports"), Cancel);
        forgotten.EnsureSuccessStatusCode();
    }

    public sealed class Fixture : IAsyncLifetime
    {
        public Hospitals Hospitals { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Hospitals = await Hospitals.StartAsync(new SandboxOptions { Vendors = SandboxOptions.Products, Patients = 30 });

        public ValueTask DisposeAsync() => Hospitals.DisposeAsync();
    }
}
