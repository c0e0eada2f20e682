using System.Net;
using System.Text.Json.Nodes;

namespace EhrGrains.Sandbox.Tests;

/// <summary>athenahealth's documented search rules, errors and paging.</summary>
public sealed class AthenaTests(Hospitals hospitals) : IClassFixture<Hospitals>, IAsyncLifetime
{
    // Fifty tokens a minute: one for all tests of an instance is plenty.
    private string token = "";

    private SandboxSite Site => hospitals.Athena;

    private string LongChart => Site.LongChartPatientId!;

    public async ValueTask InitializeAsync() => token = await hospitals.TokenAsync(
        Site, "Patient", "Encounter", "Observation", "MedicationRequest", "Coverage", "Condition", "Provenance");

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory]
    [InlineData("Patient?family=Vexmoor")]
    [InlineData("Patient?birthdate=1960-01-01")]
    [InlineData("Patient?_lastUpdated=ge2020-01-01")]
    [InlineData("Patient")]
    [InlineData("Encounter?status=finished")]
    [InlineData("MedicationRequest?patient={patient}")]
    [InlineData("Coverage?_lastUpdated=ge2020-01-01")]
    public async Task A_search_without_a_required_combination_is_forbidden(string search)
    {
        var (status, outcome) = await SearchAsync(search);

        status.ShouldBe(403);
        Hospitals.Codes(outcome).ShouldBe(["forbidden"]);
        ((string)outcome["issue"]![0]!["severity"]!).ShouldBe("fatal");
        ((string)outcome["issue"]![0]!["details"]!["text"]!).ShouldContain("required combinations");
    }

    [Theory]
    [InlineData("Patient?family=Vexmoor&gender=female")]
    [InlineData("Patient?name=Vexmoorb")]
    [InlineData("Patient?family=Vexmoor&gender=female&_lastUpdated=ge2020-01-01")]
    [InlineData("MedicationRequest?patient={patient}&intent=order")]
    [InlineData("Observation?patient={patient}&something-else=1")]
    public async Task A_search_with_one_is_answered(string search) => (await SearchAsync(search)).Status.ShouldBe(200);

    [Fact]
    public async Task Without_the_practice_nothing_is_searched()
    {
        foreach (var practice in (string[])["", "&ah-practice=Organization/a-1.Practice-1"])
        {
            var (status, outcome) = await hospitals.ReadAsync(Site, $"Encounter?patient={LongChart}{practice}", token);
            status.ShouldBe(400);
            ((string)outcome["issue"]![0]!["details"]!["text"]!).ShouldBe("Could not determine what practice");
        }

        (await hospitals.ReadAsync(Site, $"Encounter?patient={LongChart}&ah-practice=a-1.Practice-195900", token)).Status.ShouldBe(200);
        (await hospitals.ReadAsync(Site, "Patient/" + LongChart, token)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task The_practice_is_needed_on_every_page_and_next_does_not_bring_it()
    {
        var (_, first) = await SearchAsync("Observation?patient={patient}&category=laboratory");
        var next = Hospitals.Link(first, "next")!;

        next.ShouldContain("cursor=");
        next.ShouldNotContain("ah-practice");
        (await hospitals.ReadAsync(Site, next, token)).Status.ShouldBe(400);
        (await hospitals.ReadAsync(Site, $"{next}&{Hospitals.Practice(Site)}", token)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task Paging_to_the_end_shows_every_resource_once()
    {
        var pages = await hospitals.PagesAsync(
            Site, $"Observation?patient={LongChart}&category=laboratory&{Hospitals.Practice(Site)}", token);
        var whole = await hospitals.PagesAsync(
            Site, $"Observation?patient={LongChart}&category=laboratory&_count=100&{Hospitals.Practice(Site)}", token);

        Hospitals.Ids(pages[0]).Count.ShouldBe(10);
        pages.SelectMany(Hospitals.Ids).ShouldBe(whole.SelectMany(Hospitals.Ids));
        pages.SelectMany(Hospitals.Ids).Distinct().Count().ShouldBe((int)pages[0]["total"]!);
    }

    [Fact]
    public async Task A_search_that_is_too_broad_is_a_fatal_entry_inside_a_200()
    {
        await using var many = await Hospitals.StartAsync(new SandboxOptions { Patients = 201 });
        var own = await many.TokenAsync(many.Athena, "Patient");

        var (status, bundle) = await many.ReadAsync(many.Athena, $"Patient?name=Vexmoor&{Hospitals.Practice(many.Athena)}", own);

        status.ShouldBe(200);
        ((string)bundle["resourceType"]!).ShouldBe("Bundle");
        Hospitals.Codes(bundle).ShouldBe(["too-costly"]);
        ((string)bundle["entry"]![0]!["resource"]!["issue"]![0]!["severity"]!).ShouldBe("fatal");
        Hospitals.Ids(bundle).ShouldBeEmpty();
    }

    [Fact]
    public async Task Last_updated_is_a_date_without_a_time()
    {
        (await SearchAsync("Condition?patient={patient}&_lastUpdated=ge2020-01-01")).Status.ShouldBe(200);
        (await SearchAsync("Condition?patient={patient}&_lastUpdated=ge2020-01-01T00:00:00Z")).Status.ShouldBe(400);
    }

    [Fact]
    public async Task Reading_rights_alone_do_not_permit_a_search()
    {
        using var answer = await hospitals.AskTokenAsync(Site, "system/Patient.r");
        var reader = (string)JsonNode.Parse(
            await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["access_token"]!;

        (await hospitals.ReadAsync(Site, "Patient/" + LongChart, reader)).Status.ShouldBe(200);
        (await hospitals.ReadAsync(Site, $"Patient?_id={LongChart}&{Hospitals.Practice(Site)}", reader)).Status.ShouldBe(403);
    }

    [Fact]
    public async Task Xml_is_not_acceptable()
    {
        using var response = await hospitals.GetAsync(Site, "Patient/" + LongChart, token, "application/fhir+xml");

        response.StatusCode.ShouldBe(HttpStatusCode.NotAcceptable);
    }

    private Task<(int Status, JsonNode Body)> SearchAsync(string search)
    {
        var path = search.Replace("{patient}", LongChart, StringComparison.Ordinal);
        return hospitals.ReadAsync(
            Site, path + (path.Contains('?', StringComparison.Ordinal) ? "&" : "?") + Hospitals.Practice(Site), token);
    }
}
