using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Sandbox.Tests;

/// <summary>Epic's documented search rules, formats, codes and sessions.</summary>
public sealed class EpicTests(Hospitals hospitals) : IClassFixture<Hospitals>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private SandboxSite Site => hospitals.Epic;

    private string LongChart => Site.LongChartPatientId!;

    [Theory]
    [InlineData("Patient", "4110")]
    [InlineData("Patient?family=Vexmoorby", "4111")]
    [InlineData("Patient?name=Vexmoorby&birthdate=1960-01-01", "4111")]
    [InlineData("Encounter?status=finished", "4111")]
    [InlineData("Observation?patient={patient}", "4111")]
    [InlineData("CarePlan?patient={patient}", "4111")]
    [InlineData("Encounter?patient={patient}&subject=somebody", "4112")]
    [InlineData("AllergyIntolerance?patient={patient}&clinical-status=inactive", "59111")]
    [InlineData("Encounter?patient={patient}&date=sa2020-01-01", "59111")]
    [InlineData("Encounter?patient={patient}&date=yesterday", "59111")]
    [InlineData("Encounter?patient={patient}&_count=0", "59111")]
    [InlineData("Encounter?patient={patient}&_count=-1", "59111")]
    [InlineData("Encounter?sessionID=never-given", "4113")]
    public async Task A_search_that_breaks_a_rule_is_refused_with_a_code(string search, string code)
    {
        var (status, outcome) = await SearchAsync(search);

        status.ShouldBe(400);
        Hospitals.Codes(outcome).ShouldBe([code]);
        ((string)outcome["issue"]![0]!["details"]!["coding"]![0]!["system"]!).ShouldEndWith(".1.7.2.657369");
    }

    [Fact]
    public async Task Unknown_parameters_and_those_beside_an_id_are_ignored_with_4122()
    {
        var (status, unknown) = await SearchAsync("Encounter?patient={patient}&_lastUpdated=gt2020-01-01&_sort=date");
        status.ShouldBe(200);
        Hospitals.Codes(unknown).ShouldBe(["4122", "4122"]);
        Hospitals.Ids(unknown).ShouldNotBeEmpty();

        var (_, beside) = await SearchAsync("Patient?_id={patient}&family=Nobody");
        Hospitals.Codes(beside).ShouldBe(["4122"]);
        Hospitals.Ids(beside).ShouldBe([LongChart]);
    }

    [Fact]
    public async Task Nothing_found_is_said_with_4101()
    {
        var (status, bundle) = await SearchAsync("Patient?_id=nobody");

        status.ShouldBe(200);
        Hospitals.Codes(bundle).ShouldBe(["4101"]);
        ((int)bundle["total"]!).ShouldBe(0);
    }

    [Fact]
    public async Task More_than_a_hundred_patients_are_too_many()
    {
        await using var many = await Hospitals.StartAsync(new SandboxOptions { Patients = 101 });
        var ids = (await many.PatientsAsync(many.Epic)).Select(patient => (string)patient["id"]!).ToArray();
        var token = await many.TokenAsync(many.Epic, "Patient");

        var (status, outcome) = await many.ReadAsync(many.Epic, "Patient?_id=" + string.Join(',', ids), token);
        status.ShouldBe(400);
        Hospitals.Codes(outcome).ShouldBe(["4127"]);

        var (_, fewer) = await many.ReadAsync(many.Epic, "Patient?_count=100&_id=" + string.Join(',', ids.Take(100)), token);
        Hospitals.Ids(fewer).Count.ShouldBe(100);
    }

    [Fact]
    public async Task Identifiers_are_found_by_system_or_by_type()
    {
        var (_, patient) = await SearchAsync("Patient?_id={patient}");
        var epi = Hospitals.Matches(patient)[0]["identifier"]![0]!;

        var (_, byType) = await SearchAsync($"Patient?identifier=EPI|{(string)epi["value"]!}");
        var (_, bySystem) = await SearchAsync($"Patient?identifier={(string)epi["system"]!}|{(string)epi["value"]!}");
        var (_, byOther) = await SearchAsync($"Patient?identifier=CEID|{(string)epi["value"]!}");

        Hospitals.Ids(byType).ShouldBe([LongChart]);
        Hospitals.Ids(bySystem).ShouldBe([LongChart]);
        Hospitals.Ids(byOther).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_filter_on_dates_comes_after_the_page_is_cut_so_that_pages_are_empty_with_a_next()
    {
        var token = await TokenAsync();
        var all = await hospitals.PagesAsync(Site, $"Observation?patient={LongChart}&category=laboratory&_count=10", token);
        var dates = all.SelectMany(Hospitals.Matches).Select(observation => (string)observation["effectiveDateTime"]!)
            .Order(StringComparer.Ordinal).ToArray();

        // Newest first: the oldest are on the last pages.
        var pages = await hospitals.PagesAsync(
            Site, $"Observation?patient={LongChart}&category=laboratory&date=lt{dates[5][..10]}&_count=10", token);

        pages.Count.ShouldBe(all.Count);
        Hospitals.Matches(pages[0]).ShouldBeEmpty();
        Hospitals.Link(pages[0], "next").ShouldNotBeNull();
        pages[0]["total"].ShouldBeNull();
        pages.SelectMany(Hospitals.Matches).ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Paging_to_the_end_shows_every_resource_once()
    {
        var token = await TokenAsync();
        var pages = await hospitals.PagesAsync(Site, $"Observation?patient={LongChart}&category=laboratory&_count=7", token);
        var whole = await hospitals.PagesAsync(Site, $"Observation?patient={LongChart}&category=laboratory&_count=1000", token);

        whole.Count.ShouldBe(1);
        pages.SelectMany(Hospitals.Ids).ShouldBe(Hospitals.Ids(whole[0]));
        Hospitals.Ids(whole[0]).Count.ShouldBeGreaterThan(100);
    }

    [Fact]
    public async Task A_search_session_ends()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var own = await Hospitals.StartAsync(new SandboxOptions { Patients = 10, Time = time });
        using var answer = await own.AskTokenAsync(own.Epic, "system/Observation.rs", new Assertion { Now = time.GetUtcNow() });
        var token = (string)(await answer.Content.ReadFromJsonAsync<JsonNode>(Cancel))!["access_token"]!;
        var (_, page) = await own.ReadAsync(
            own.Epic, $"Observation?patient={own.Epic.LongChartPatientId}&category=laboratory&_count=5", token);
        var next = Hospitals.Link(page, "next")!;

        time.Advance(TimeSpan.FromSeconds(599));
        (await own.ReadAsync(own.Epic, next, token)).Status.ShouldBe(200);
        time.Advance(TimeSpan.FromSeconds(1));
        var (status, outcome) = await own.ReadAsync(own.Epic, next, token);

        status.ShouldBe(400);
        Hospitals.Codes(outcome).ShouldBe(["4113"]);
    }

    [Theory]
    [InlineData("application/fhir+json", "", HttpStatusCode.OK)]
    [InlineData("application/json", "", HttpStatusCode.OK)]
    [InlineData("application/xml", "&_format=json", HttpStatusCode.OK)]
    [InlineData("application/fhir+json", "&_format=xml", HttpStatusCode.NotAcceptable)]
    [InlineData("*/*", "", HttpStatusCode.NotAcceptable)]
    [InlineData("", "", HttpStatusCode.NotAcceptable)]
    public async Task Without_asking_for_json_the_format_is_xml(string accept, string format, HttpStatusCode status)
    {
        using var response = await hospitals.GetAsync(Site, $"Patient?_id={LongChart}{format}", await TokenAsync(), accept);

        response.StatusCode.ShouldBe(status);
        response.Content.Headers.ContentType!.MediaType
            .ShouldBe(status == HttpStatusCode.OK ? "application/fhir+json" : "application/fhir+xml");
    }

    [Fact]
    public async Task A_posted_search_takes_its_parameters_from_the_body_alone()
    {
        var token = await TokenAsync();

        var (_, inBody) = await PostAsync("Patient/_search", new() { ["_id"] = LongChart }, token);
        var (status, inQuery) = await PostAsync($"Patient/_search?_id={LongChart}", [], token);

        Hospitals.Ids(inBody).ShouldBe([LongChart]);
        status.ShouldBe(400);
        Hospitals.Codes(inQuery).ShouldBe(["4110"]);
    }

    [Fact]
    public async Task A_confidential_chart_is_behind_break_the_glass()
    {
        var patient = (await hospitals.PatientsAsync(Site)).First(line => (bool)line["confidential"]!);

        var (status, outcome) = await SearchAsync($"Encounter?patient={(string)patient["id"]!}");
        (await SearchAsync($"Patient?_id={(string)patient["id"]!}")).Status.ShouldBe(200);

        status.ShouldBe(403);
        Hospitals.Codes(outcome).ShouldBe(["4130"]);
    }

    [Fact]
    public async Task A_merged_patient_redirects_to_the_one_that_is_left()
    {
        var survivor = (await hospitals.PatientsAsync(Site)).First(line => line["mergedId"] is not null);

        using var response = await hospitals.GetAsync(Site, "Patient/" + (string)survivor["mergedId"]!, await TokenAsync());

        response.StatusCode.ShouldBe(HttpStatusCode.Found);
        response.Headers.Location!.ToString().ShouldBe($"{Site.FhirBaseUrl}/Patient/{(string)survivor["id"]!}");
        Hospitals.Codes((await response.Content.ReadFromJsonAsync<JsonNode>(Cancel))!).ShouldBe(["4107"]);
    }

    [Fact]
    public async Task Scopes_are_enforced_for_each_interaction()
    {
        using var answer = await hospitals.AskTokenAsync(Site, "system/Patient.r system/Encounter.s");
        var token = (string)(await answer.Content.ReadFromJsonAsync<JsonNode>(Cancel))!["access_token"]!;

        (await hospitals.ReadAsync(Site, "Patient/" + LongChart, token)).Status.ShouldBe(200);
        (await hospitals.ReadAsync(Site, $"Encounter?patient={LongChart}", token)).Status.ShouldBe(200);
        var (status, outcome) = await hospitals.ReadAsync(Site, "Patient?_id=" + LongChart, token);
        status.ShouldBe(403);
        Hospitals.Codes(outcome).ShouldBe(["4118"]);
        (await hospitals.ReadAsync(Site, "Encounter/any", token)).Status.ShouldBe(403);
        (await hospitals.GetAsync(Site, "Patient/" + LongChart, token: null)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        (await hospitals.GetAsync(Site, "Patient/" + LongChart, "made-up")).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        (await hospitals.GetAsync(Site, "Starship/1", token)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await hospitals.GetAsync(hospitals.Oracle, "Patient/12707000", token)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task Provenance_comes_along_when_asked()
    {
        var (_, bundle) = await SearchAsync("Condition?patient={patient}&_revinclude=Provenance:target");

        var included = bundle["entry"]!.AsArray().Where(entry => (string?)entry!["search"]!["mode"] == "include").ToArray();
        included.Length.ShouldBe(Hospitals.Ids(bundle).Count);
        included.ShouldAllBe(entry => (string?)entry!["resource"]!["resourceType"] == "Provenance");
    }

    [Fact]
    public async Task A_date_without_an_offset_is_the_hospitals_own()
    {
        var token = await TokenAsync();
        var all = await hospitals.PagesAsync(Site, $"Observation?patient={LongChart}&category=laboratory&_count=1000", token);
        var instant = DateTimeOffset.Parse(
            all.SelectMany(Hospitals.Matches).Select(observation => (string)observation["effectiveDateTime"]!)
                .First(text => text.Length > 10),
            System.Globalization.CultureInfo.InvariantCulture);
        var local = TimeZoneInfo.ConvertTime(instant, TimeZoneInfo.FindSystemTimeZoneById(Site.TimeZone));

        var here = await hospitals.PagesAsync(
            Site, $"Observation?patient={LongChart}&category=laboratory&_count=1000&date={local:yyyy-MM-ddTHH:mm:ss}", token);
        var inUtc = await hospitals.PagesAsync(
            Site, $"Observation?patient={LongChart}&category=laboratory&_count=1000&date={instant:yyyy-MM-ddTHH:mm:ss}", token);

        here.SelectMany(Hospitals.Matches).ShouldNotBeEmpty();
        inUtc.SelectMany(Hospitals.Matches).ShouldBeEmpty();
    }

    private Task<string> TokenAsync() =>
        hospitals.TokenAsync(Site, "Patient", "Encounter", "Observation", "AllergyIntolerance", "Condition", "CarePlan", "Provenance");

    private async Task<(int Status, JsonNode Body)> SearchAsync(string search) =>
        await hospitals.ReadAsync(Site, search.Replace("{patient}", LongChart, StringComparison.Ordinal), await TokenAsync());

    private async Task<(int Status, JsonNode Body)> PostAsync(string path, Dictionary<string, string> form, string token)
    {
        using var request = new HttpRequestMessage(
            HttpMethod.Post, $"{Site.FhirBaseUrl}/{path}")
        { Content = new FormUrlEncodedContent(form) };
        request.Headers.Accept.ParseAdd("application/fhir+json");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var response = await hospitals.Http.SendAsync(request, Cancel);
        return ((int)response.StatusCode, (await response.Content.ReadFromJsonAsync<JsonNode>(Cancel))!);
    }
}
