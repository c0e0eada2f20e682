using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace EhrGrains.Sandbox.Tests;

/// <summary>Oracle Health's documented search rules, formats, errors and paging.</summary>
public sealed class OracleTests(Hospitals hospitals) : IClassFixture<Hospitals>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private SandboxSite Site => hospitals.Oracle;

    private string LongChart => Site.LongChartPatientId!;

    [Theory]
    [InlineData("Patient")]
    [InlineData("Patient?gender=female")]
    [InlineData("Patient?family=Vexmoorby&family=Vexmoorson")]
    [InlineData("Patient?family=Vexmoorby,Vexmoorson")]
    [InlineData("Patient?family=Vexmoorby&active=true")]
    [InlineData("Patient?_id={patient}&family=Vexmoorby")]
    [InlineData("Patient?family=Vexmoorby&_lastUpdated=gt2020-01-01")]
    [InlineData("Observation?category=laboratory")]
    [InlineData("Observation?patient={patient}&date=gt2020-01-01&_lastUpdated=gt2020-01-01T00:00:00Z")]
    [InlineData("Observation?patient={patient}&date=sa2020-01-01")]
    [InlineData("Encounter?patient={patient}&date=2020-01-01")]
    [InlineData("DiagnosticReport?patient={patient}&date=gt2020-01-01")]
    [InlineData("DocumentReference?patient={patient}&date=gt2020-01-01&period=ge2020-01-01&period=lt2021-01-01")]
    [InlineData("DocumentReference?patient={patient}&period=ge2020-01-01")]
    [InlineData("MedicationRequest?patient={patient}&_lastUpdated=ge2020-01-01")]
    [InlineData("MedicationRequest?patient={patient}&_lastUpdated=gt2020-01-01T00:00:00Z")]
    [InlineData("Encounter?patient={patient}&_count=0")]
    [InlineData("Encounter?patient={patient}&_count=many")]
    [InlineData("Encounter?pageContext=never-given")]
    public async Task A_search_that_breaks_a_rule_is_refused(string search)
    {
        var (status, outcome) = await SearchAsync(search);

        status.ShouldBe(400);
        outcome["issue"]![0]!["details"]!["coding"].ShouldBeNull();
    }

    [Theory]
    [InlineData("Patient?_id={patient}&_revinclude=Provenance:target")]
    [InlineData("Patient?name:exact=Nobody")]
    [InlineData("Encounter?patient={patient}&date=ge2020-01-01")]
    [InlineData("DiagnosticReport?patient={patient}&date=ge2020-01-01T00:00:00Z")]
    [InlineData("DocumentReference?patient={patient}&period=ge2020-01-01&period=lt2030-01-01")]
    [InlineData("MedicationRequest?patient={patient}&_lastUpdated=ge2020-01-01T00:00:00Z")]
    public async Task A_search_that_keeps_them_is_answered(string search) => (await SearchAsync(search)).Status.ShouldBe(200);

    [Fact]
    public async Task Names_match_from_their_start_and_exactly_when_asked()
    {
        var person = (await hospitals.PatientsAsync(Site))[0];
        var family = Uri.EscapeDataString((string)person["family"]!);

        Hospitals.Ids((await SearchAsync("Patient?family=vexmoor&_count=100")).Body).Count.ShouldBe(60);
        Hospitals.Ids((await SearchAsync($"Patient?family:exact={family}")).Body).ShouldContain((string)person["id"]!);
        Hospitals.Ids((await SearchAsync("Patient?family:exact=Vexmoor")).Body).ShouldBeEmpty();
    }

    [Fact]
    public async Task More_than_a_thousand_patients_are_422()
    {
        await using var many = await Hospitals.StartAsync(new SandboxOptions { Patients = 1001 });
        var token = await many.TokenAsync(many.Oracle, "Patient");

        var (status, outcome) = await many.ReadAsync(many.Oracle, "Patient?family=Vexmoor", token);

        status.ShouldBe(422);
        Hospitals.Codes(outcome).ShouldBe(["too-costly"]);
    }

    [Fact]
    public async Task Pages_repeat_the_last_resource_of_the_one_before_and_leave_none_out()
    {
        var token = await TokenAsync();
        var search = $"Observation?patient={LongChart}&category=laboratory";
        var pages = await hospitals.PagesAsync(Site, search + "&_count=20", token);
        var whole = await hospitals.PagesAsync(Site, search + "&_count=200", token);

        for (var i = 1; i < pages.Count; i++)
        {
            Hospitals.Ids(pages[i])[0].ShouldBe(Hospitals.Ids(pages[i - 1])[^1]);
        }

        pages.SelectMany(Hospitals.Ids).Distinct().ShouldBe(Hospitals.Ids(whole[0]));
        pages.ShouldAllBe(page => page["total"] == null);
    }

    [Fact]
    public async Task Page_sizes_are_those_of_the_type()
    {
        var token = await TokenAsync();
        Hospitals.Ids((await hospitals.ReadAsync(Site, "Patient?family=Vexmoor", token)).Body).Count.ShouldBe(20);
        Hospitals.Ids((await hospitals.ReadAsync(Site, $"Observation?patient={LongChart}&category=laboratory", token)).Body)
            .Count.ShouldBe(50);
        Hospitals.Ids(
            (await hospitals.ReadAsync(Site, $"Observation?patient={LongChart}&category=laboratory&_count=1000000000", token)).Body)
            .Count.ShouldBeInRange(120, 200);
    }

    [Fact]
    public async Task The_first_page_of_observations_carries_all_social_history()
    {
        var token = await TokenAsync();
        foreach (var patient in await hospitals.PatientsAsync(Site))
        {
            var id = (string)patient["id"]!;
            var (_, social) = await hospitals.ReadAsync(Site, $"Observation?patient={id}&category=social-history", token);
            var (_, first) = await hospitals.ReadAsync(Site, $"Observation?patient={id}&_count=1", token);
            if (Hospitals.Ids(social) is [var smoking] && Hospitals.Link(first, "next") is not null)
            {
                Hospitals.Ids(first).Count.ShouldBe(2);
                Hospitals.Ids(first)[0].ShouldBe(smoking);
                return;
            }
        }

        Assert.Fail("No patient has social history and more.");
    }

    [Fact]
    public async Task Encounters_come_oldest_first_and_observations_newest_first()
    {
        var (_, encounters) = await SearchAsync("Encounter?patient={patient}");
        var (_, observations) = await SearchAsync("Observation?patient={patient}&category=laboratory");

        Hospitals.Matches(encounters).Select(encounter => (string)encounter["period"]!["start"]!).ShouldBeInOrder();
        Hospitals.Matches(observations).Select(observation => (string)observation["effectiveDateTime"]!).Where(text => text.Length > 10)
            .ShouldBeInOrder(SortDirection.Descending);
    }

    [Fact]
    public async Task What_changed_since_is_found()
    {
        var (_, all) = await SearchAsync("Condition?patient={patient}");
        var times = Hospitals.Matches(all).Select(condition => (string)condition["meta"]!["lastUpdated"]!)
            .Order(StringComparer.Ordinal).ToArray();

        var (_, since) = await SearchAsync("Condition?patient={patient}&_lastUpdated=ge" + times[^1]);

        var newest = times[^1];
        Hospitals.Matches(since).ShouldAllBe(condition => string.CompareOrdinal((string?)condition["meta"]!["lastUpdated"], newest) >= 0);
        Hospitals.Matches(since).ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Xml_is_not_acceptable_and_every_answer_has_a_number()
    {
        var token = await TokenAsync();
        using var xml = await hospitals.GetAsync(Site, "Patient/" + LongChart, token, "application/fhir+xml");
        using var any = await hospitals.GetAsync(Site, "Patient/" + LongChart, token, "*/*");

        xml.StatusCode.ShouldBe(HttpStatusCode.NotAcceptable);
        (await xml.Content.ReadAsStringAsync(Cancel)).ShouldBeEmpty();
        any.StatusCode.ShouldBe(HttpStatusCode.OK);
        any.Headers.ETag!.Tag.ShouldBe("\"1\"");
        any.Headers.GetValues("X-Request-Id").ShouldHaveSingleItem();
        any.Headers.GetValues("opc-request-id").ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Another_tenant_in_the_path_is_forbidden()
    {
        using var response = await hospitals.GetAsync(
            Site, new Uri(new Uri(Site.FhirBaseUrl), "/r4/00000000-0000-0000-0000-000000000000/Patient/1").ToString(), await TokenAsync());

        response.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await response.Content.ReadAsStringAsync(Cancel)).ShouldContain("Tenant not valid or accessible");
    }

    [Fact]
    public async Task Provenance_needs_a_scope_of_its_own()
    {
        var without = await hospitals.TokenAsync(Site, "Condition");

        (await hospitals.ReadAsync(Site, $"Condition?patient={LongChart}&_revinclude=Provenance:target", without)).Status.ShouldBe(403);
        (await SearchAsync("Condition?patient={patient}&_revinclude=Provenance:target")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_posted_search_answers_like_a_get()
    {
        var token = await TokenAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, $"{Site.FhirBaseUrl}/Patient/_search")
        {
            Content = new FormUrlEncodedContent(new Dictionary<string, string> { ["family"] = "Vexmoor", ["_count"] = "3" }),
        };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var response = await hospitals.Http.SendAsync(request, Cancel);
        var posted = (await response.Content.ReadFromJsonAsync<JsonNode>(Cancel))!;

        Hospitals.Ids(posted).ShouldBe(Hospitals.Ids((await SearchAsync("Patient?family=Vexmoor&_count=3")).Body));
        // What was posted, because it is personal, is not in the link in clear.
        Hospitals.Link(posted, "next")!.ShouldNotContain("Vexmoor");
        (await hospitals.PagesAsync(Site, Hospitals.Link(posted, "next")!, token))
            .SelectMany(Hospitals.Ids).Distinct().Count().ShouldBe(58);
    }

    private Task<string> TokenAsync() => hospitals.TokenAsync(
        Site,
        ["Patient", "Encounter", "Observation", "DiagnosticReport", "DocumentReference", "MedicationRequest", "Condition", "Provenance"]);

    private async Task<(int Status, JsonNode Body)> SearchAsync(string search) =>
        await hospitals.ReadAsync(Site, search.Replace("{patient}", LongChart, StringComparison.Ordinal), await TokenAsync());
}
