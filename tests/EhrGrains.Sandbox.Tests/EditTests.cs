using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace EhrGrains.Sandbox.Tests;

/// <summary>Charts that are edited while they are read, and what the hospital says it truly holds.</summary>
public sealed class EditTests(Hospitals hospitals) : IClassFixture<Hospitals>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private SandboxSite Site => hospitals.Oracle;

    [Fact]
    public async Task An_update_is_read_and_found_with_its_new_version_and_time()
    {
        var (token, patient) = (await hospitals.TokenAsync(Site, "Patient", "Observation"), Site.LongChartPatientId!);
        var (_, page) = await hospitals.ReadAsync(Site, $"Observation?patient={patient}&category=laboratory&_count=1", token);
        var id = Hospitals.Ids(page)[0];

        var (status, receipt) = await hospitals.EditAsync(Site, new
        {
            at = "2026-07-01T10:00:00.7Z",
            edits = new[] { new { kind = "update", type = "Observation", id, set = new { status = "amended", effectiveDateTime = (string?)null } } },
        });

        status.ShouldBe(200, receipt.ToJsonString());
        ((string?)receipt["at"]).ShouldBe("2026-07-01T10:00:00Z");
        var (_, read) = await hospitals.ReadAsync(Site, $"Observation/{id}", token);
        ((string?)read["status"]).ShouldBe("amended");
        read["effectiveDateTime"].ShouldBeNull();
        ((string?)read["meta"]!["versionId"]).ShouldBe("2");
        ((string?)read["meta"]!["lastUpdated"]).ShouldBe("2026-07-01T10:00:00Z");
        (await ChangedSinceAsync(patient, "2026-07-01T10:00:00Z", token)).ShouldBe([id]);
        (await ChangedSinceAsync(patient, "2026-07-01T10:00:01Z", token)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Two_updates_in_the_same_second_carry_the_same_time_and_other_versions()
    {
        var token = await hospitals.TokenAsync(Site, "Patient");
        var patient = (string)(await hospitals.PatientsAsync(Site))[1]!["id"]!;
        var edit = new { at = "2026-07-02T10:00:00Z", edits = new[] { new { kind = "update", type = "Patient", id = patient, set = new { active = false } } } };
        await hospitals.EditAsync(Site, edit);
        var (_, first) = await hospitals.ReadAsync(Site, $"Patient/{patient}", token);
        await hospitals.EditAsync(Site, edit);
        var (_, second) = await hospitals.ReadAsync(Site, $"Patient/{patient}", token);

        first["meta"]!["lastUpdated"]!.ToString().ShouldBe(second["meta"]!["lastUpdated"]!.ToString());
        first["meta"]!["versionId"]!.ToString().ShouldNotBe(second["meta"]!["versionId"]!.ToString());
    }

    [Fact]
    public async Task What_is_deleted_is_gone_from_searches_reads_and_the_truth()
    {
        var patient = (string)(await hospitals.PatientsAsync(hospitals.Epic))[2]!["id"]!;
        var condition = (string)Of(await hospitals.TruthAsync(hospitals.Epic, patient), "Condition")[0]["id"]!;
        var token = await hospitals.TokenAsync(hospitals.Epic, "Condition");

        await hospitals.EditAsync(hospitals.Epic, new { edits = new[] { new { kind = "delete", type = "Condition", id = condition } } });

        using var read = await hospitals.GetAsync(hospitals.Epic, $"Condition/{condition}", token);
        ((int)read.StatusCode).ShouldBe(410);
        var pages = await hospitals.PagesAsync(hospitals.Epic, $"Condition?patient={patient}", token);
        pages.SelectMany(Hospitals.Ids).ShouldNotContain(condition);
        Of(await hospitals.TruthAsync(hospitals.Epic, patient), "Condition").ShouldNotContain(one => (string)one["id"]! == condition);
    }

    [Fact]
    public async Task A_merge_moves_the_chart_and_leaves_the_record_behind()
    {
        var people = await hospitals.PatientsAsync(Site);
        var (from, into) = ((string)people[3]!["id"]!, (string)people[4]!["id"]!);
        var moved = Of(await hospitals.TruthAsync(Site, from), "Encounter").Select(one => (string)one["id"]!).ToArray();
        var token = await hospitals.TokenAsync(Site, "Patient", "Encounter");

        await hospitals.EditAsync(Site, new { edits = new[] { new { kind = "merge", id = from, into } } });

        var pages = await hospitals.PagesAsync(Site, $"Encounter?patient={into}", token);
        pages.SelectMany(Hospitals.Ids).Intersect(moved).Count().ShouldBe(moved.Length);
        pages.SelectMany(Hospitals.Matches).ShouldAllBe(encounter => (string)encounter["subject"]!["reference"]! == $"Patient/{into}");
        Hospitals.Matches((await hospitals.ReadAsync(Site, $"Encounter?patient={from}", token)).Body).ShouldBeEmpty();
        Hospitals.Matches((await hospitals.ReadAsync(Site, $"Patient?_id={from}", token)).Body).ShouldBeEmpty();
        var (_, away) = await hospitals.ReadAsync(Site, $"Patient/{from}", token);
        ((bool)away["active"]!).ShouldBeFalse();
        var truth = await hospitals.TruthAsync(Site, from);
        ((string?)truth["mergedInto"]).ShouldBe(into);
        Of(truth, "Encounter").ShouldBeEmpty();
    }

    [Fact]
    public async Task The_truth_is_what_is_served_and_says_what_no_search_finds()
    {
        foreach (var site in hospitals.All)
        {
            var truth = await hospitals.TruthAsync(site, site.LongChartPatientId!);
            var token = await hospitals.TokenAsync(site, "Observation", "Practitioner");
            foreach (var resource in truth["resources"]!.AsArray().Where(one => (string?)one!["type"] is "Observation" or "Practitioner").Take(20))
            {
                using var read = await hospitals.GetAsync(site, $"{resource!["type"]}/{resource["id"]}", token);
                Convert.ToHexStringLower(SHA256.HashData(await read.Content.ReadAsByteArrayAsync(Cancel))).ShouldBe((string)resource["sha256"]!);
                JsonNode.DeepEquals(await read.Content.ReadFromJsonAsync<JsonNode>(Cancel), resource["resource"]).ShouldBeTrue();
            }

            var practice = site.Vendor == "athenahealth" ? "&" + Hospitals.Practice(site) : "";
            var searched = await hospitals.PagesAsync(site, $"Observation?patient={site.LongChartPatientId}&category=laboratory&_count=100{practice}", token);
            searched.SelectMany(Hospitals.Ids).Except(Of(truth, "Observation").Where(one => (bool)one["found"]!).Select(one => (string)one["id"]!))
                .ShouldBeEmpty();
        }
    }

    [Fact]
    public async Task Some_results_at_Epic_are_reached_by_their_report_alone()
    {
        var hidden = 0;
        foreach (var person in (await hospitals.PatientsAsync(hospitals.Epic)).Where(person => !(bool)person!["confidential"]!))
        {
            var truth = await hospitals.TruthAsync(hospitals.Epic, (string)person!["id"]!);
            foreach (var observation in Of(truth, "Observation").Where(one => !(bool)one["found"]!))
            {
                hidden++;
                Of(truth, "DiagnosticReport").ShouldContain(
                    report => report["resource"]!.ToJsonString().Contains((string)observation["id"]!, StringComparison.Ordinal));
            }
        }

        hidden.ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task Wrong_edits_are_refused_all_at_once_and_none_is_made()
    {
        var patient = (string)(await hospitals.PatientsAsync(Site))[5]!["id"]!;
        var (status, problem) = await hospitals.EditAsync(Site, new
        {
            edits = new object[]
            {
                new { kind = "delete", type = "Patient", id = patient },
                new { kind = "update", type = "Patient", id = patient, set = new { id = "other" } },
                new { kind = "merge", id = patient },
            },
        });

        status.ShouldBe(400);
        ((string)problem["detail"]!).ShouldContain("edits[1].set");
        ((string)problem["detail"]!).ShouldContain("edits[2].id and into");
        (await hospitals.TruthAsync(Site, patient))["resources"]!.AsArray().ShouldNotBeEmpty();
        (await hospitals.EditAsync(Site, new { edits = new[] { new { kind = "delete", type = "Patient", id = "nobody" } } })).Status.ShouldBe(400);
    }

    [Fact]
    public async Task A_hospital_whose_clock_is_wrong_stamps_and_dates_by_it()
    {
        await using var own = await Hospitals.StartAsync(new SandboxOptions { Patients = 3, Vendors = ["oracle-health"] });
        var token = await own.TokenAsync(own.Oracle, "Patient");
        using var set = await own.Http.PutAsJsonAsync(own.Oracle.AdminUrl + "/clock", new { skewSeconds = -86_400 }, Cancel);
        set.EnsureSuccessStatusCode();
        var patient = (string)(await own.PatientsAsync(own.Oracle))[0]!["id"]!;
        await own.EditAsync(own.Oracle, new { edits = new[] { new { kind = "update", type = "Patient", id = patient, set = new { active = true } } } });

        using var response = await own.GetAsync(own.Oracle, $"Patient/{patient}", token);
        var read = (await response.Content.ReadFromJsonAsync<JsonNode>(Cancel))!;
        var yesterday = DateTimeOffset.UtcNow.AddDays(-1);
        response.Headers.Date!.Value.ShouldBe(yesterday, TimeSpan.FromMinutes(1));
        ((DateTimeOffset)read["meta"]!["lastUpdated"]!).ShouldBe(yesterday, TimeSpan.FromMinutes(1));
    }

    private async Task<IReadOnlyList<string>> ChangedSinceAsync(string patient, string instant, string token) =>
        Hospitals.Ids((await hospitals.ReadAsync(Site, $"Observation?patient={patient}&_lastUpdated=ge{instant}&_lastUpdated=lt2026-07-02T00:00:00Z", token)).Body);

    private static IReadOnlyList<JsonNode> Of(JsonNode truth, string type) =>
        [.. truth["resources"]!.AsArray().Where(one => (string?)one!["type"] == type).Select(one => one!)];
}
