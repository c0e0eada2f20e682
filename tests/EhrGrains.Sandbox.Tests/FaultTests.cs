using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Sandbox.Tests;

/// <summary>Every way to misbehave, seen from outside.</summary>
public sealed class FaultTests(Hospitals hospitals) : IClassFixture<Hospitals>, IAsyncLifetime
{
    private string token = "";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private SandboxSite Site => hospitals.Oracle;

    private string Read => "Patient/" + Site.LongChartPatientId;

    private string Search => $"Observation?patient={Site.LongChartPatientId}&category=laboratory&_count=100";

    public async ValueTask InitializeAsync() => token = await hospitals.TokenAsync(Site, "Patient", "Observation");

    public async ValueTask DisposeAsync() => await hospitals.SetFaultsAsync(Site);

    [Theory]
    [InlineData("7", "7")]
    [InlineData("1000000000", "1000000000")]
    [InlineData("-5", "-5")]
    [InlineData(null, null)]
    public async Task Throttling_says_when_to_come_back_or_nonsense_or_nothing(string? retryAfter, string? header)
    {
        foreach (var (kind, status) in ((string, int)[])[("too-many-requests", 429), ("unavailable", 503)])
        {
            await hospitals.SetFaultsAsync(Site, new { kind, retryAfter });
            using var response = await hospitals.GetAsync(Site, Read, token);
            ((int)response.StatusCode).ShouldBe(status);
            (response.Headers.TryGetValues("Retry-After", out var values) ? values.Single() : null).ShouldBe(header);
        }
    }

    [Fact]
    public async Task Throttling_can_name_a_date()
    {
        var now = new DateTimeOffset(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);
        await using var own = await Hospitals.StartAsync(new SandboxOptions { Patients = 1, Time = new FakeTimeProvider(now) });
        await own.SetFaultsAsync(own.Epic, new { kind = "too-many-requests", retryAfter = "date:30" });

        using var response = await own.GetAsync(own.Epic, "Patient/any", token: null);

        response.Headers.RetryAfter!.Date.ShouldBe(now.AddSeconds(30));
    }

    [Fact]
    public async Task A_fault_can_be_for_some_requests_only()
    {
        await hospitals.SetFaultsAsync(
            Site,
            new { kind = "unavailable", times = 2, path = "/Patient" },
            new { kind = "unauthorized", operation = "search", times = 1 });

        (await StatusAsync(Search)).ShouldBe(401);
        (await StatusAsync(Search)).ShouldBe(200);
        (await StatusAsync(Read)).ShouldBe(503);
        (await FaultsAsync()).ShouldHaveSingleItem()!["times"]!.GetValue<int>().ShouldBe(1);
        (await StatusAsync(Read)).ShouldBe(503);
        (await StatusAsync(Read)).ShouldBe(200);
        (await FaultsAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Faults_are_one_hospitals_own_and_end_when_they_are_deleted()
    {
        await hospitals.SetFaultsAsync(Site, new { kind = "html" });
        (await hospitals.GetAsync(hospitals.Epic, "Patient/any", token)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        using var deleted = await hospitals.Http.DeleteAsync(new Uri(Site.AdminUrl + "/faults"), Cancel);

        deleted.StatusCode.ShouldBe(HttpStatusCode.NoContent);
        (await hospitals.ReadAsync(Site, Read, token)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task Answers_can_be_late_and_bodies_slow()
    {
        await hospitals.SetFaultsAsync(Site, new { kind = "delay", milliseconds = 300, times = 1 });
        var watch = Stopwatch.StartNew();
        (await StatusAsync(Read)).ShouldBe(200);
        watch.Elapsed.ShouldBeGreaterThanOrEqualTo(TimeSpan.FromMilliseconds(290));

        var whole = await (await hospitals.GetAsync(Site, Read, token)).Content.ReadAsByteArrayAsync(Cancel);
        await hospitals.SetFaultsAsync(Site, new { kind = "slow-body", bytesPerSecond = whole.Length * 2, times = 1 });
        watch.Restart();
        using var slow = await hospitals.GetAsync(Site, Read, token);
        (await slow.Content.ReadAsByteArrayAsync(Cancel)).ShouldBe(whole);
        watch.Elapsed.ShouldBeGreaterThan(TimeSpan.FromMilliseconds(400));
    }

    [Fact]
    public async Task A_body_can_end_half_way_as_if_it_were_whole()
    {
        var whole = await BodyAsync(Search);
        await hospitals.SetFaultsAsync(Site, new { kind = "truncated-body" });
        using var response = await hospitals.GetAsync(Site, Search, token);
        var text = await response.Content.ReadAsByteArrayAsync(Cancel);

        text.Length.ShouldBeInRange(1, whole.Length * 2 / 3);
        Should.Throw<JsonException>(() => JsonDocument.Parse(text));
    }

    [Fact]
    public async Task A_connection_can_be_reset_in_the_middle_of_a_body()
    {
        await hospitals.SetFaultsAsync(Site, new { kind = "reset-body", times = 1 });

        await Should.ThrowAsync<HttpRequestException>(() => BodyAsync(Search));
        (await StatusAsync(Search)).ShouldBe(200);
    }

    [Fact]
    public async Task A_body_can_be_far_too_large()
    {
        await hospitals.SetFaultsAsync(Site, new { kind = "oversized-body", bytes = 3_000_000 });

        (await BodyAsync(Read)).Length.ShouldBeGreaterThan(3_000_000);
    }

    [Fact]
    public async Task An_answer_can_be_something_else_than_it_says()
    {
        await hospitals.SetFaultsAsync(Site, new { kind = "invalid-json" });
        var garbage = await BodyAsync(Read);
        Should.Throw<JsonException>(() => JsonDocument.Parse(garbage));

        await hospitals.SetFaultsAsync(Site, new { kind = "wrong-content-type" });
        (await hospitals.GetAsync(Site, Read, token)).Content.Headers.ContentType!.MediaType.ShouldBe("text/plain");

        await hospitals.SetFaultsAsync(Site, new { kind = "html" });
        using var html = await hospitals.GetAsync(Site, Read, token);
        html.StatusCode.ShouldBe(HttpStatusCode.OK);
        html.Content.Headers.ContentType!.MediaType.ShouldBe("text/html");
    }

    [Fact]
    public async Task A_redirect_leads_to_another_host()
    {
        await hospitals.SetFaultsAsync(Site, new { kind = "redirect", url = "https://elsewhere.example/" });
        using var response = await hospitals.GetAsync(Site, Read, token);

        response.StatusCode.ShouldBe(HttpStatusCode.TemporaryRedirect);
        response.Headers.Location!.ToString().ShouldBe($"https://elsewhere.example{new Uri(Site.FhirBaseUrl).AbsolutePath}/{Read}");
    }

    [Fact]
    public async Task Next_can_point_to_another_host_to_itself_or_for_ever_on()
    {
        await hospitals.SetFaultsAsync(Site, new { kind = "foreign-next" });
        var (_, foreign) = await hospitals.ReadAsync(Site, Search, token);
        new Uri(Hospitals.Link(foreign, "next")!).Host.ShouldBe("collector.example");

        await hospitals.SetFaultsAsync(Site, new { kind = "self-next" });
        var (_, self) = await hospitals.ReadAsync(Site, Search, token);
        Hospitals.Link(self, "next").ShouldBe($"{Site.FhirBaseUrl}/{Search}");

        await hospitals.SetFaultsAsync(Site, new { kind = "endless-paging" });
        var pages = await hospitals.PagesAsync(Site, Search, token, pagesMax: 7);
        pages.Count.ShouldBe(7);
        pages.ShouldAllBe(page => Hospitals.Link(page, "next") != null);
        pages.Select(page => Hospitals.Link(page, "next")).Distinct().Count().ShouldBe(7);
    }

    [Fact]
    public async Task A_search_session_can_end_early_with_each_vendors_answer()
    {
        foreach (var site in hospitals.All)
        {
            var own = await hospitals.TokenAsync(site, "Observation");
            var practice = site.Vendor == "athenahealth" ? "&" + Hospitals.Practice(site) : "";
            var (_, first) = await hospitals.ReadAsync(
                site, $"Observation?patient={site.LongChartPatientId}&category=laboratory{practice}", own);
            await hospitals.SetFaultsAsync(site, new { kind = "session-expired", times = 1 });

            var (status, outcome) = await hospitals.ReadAsync(site, Hospitals.Link(first, "next")! + practice, own);

            status.ShouldBe(400);
            Hospitals.Codes(outcome).ShouldBe([site.Vendor == "epic" ? "4113" : "value"]);
        }
    }

    [Fact]
    public async Task A_partial_answer_says_so_inside()
    {
        var own = await hospitals.TokenAsync(hospitals.Epic, "Patient");
        await hospitals.SetFaultsAsync(hospitals.Epic, new { kind = "partial", times = 1 });

        var (status, bundle) = await hospitals.ReadAsync(hospitals.Epic, "Patient?_id=" + hospitals.Epic.LongChartPatientId, own);

        status.ShouldBe(200);
        Hospitals.Codes(bundle).ShouldBe(["4119"]);
        Hospitals.Ids(bundle).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Another_patients_data_can_come_along_or_instead()
    {
        await hospitals.SetFaultsAsync(Site, new { kind = "other-patient" });

        var (_, bundle) = await hospitals.ReadAsync(Site, Search, token);
        Hospitals.Matches(bundle).Select(observation => (string)observation["subject"]!["reference"]!).Distinct().Count().ShouldBe(2);
        var (_, patient) = await hospitals.ReadAsync(Site, Read, token);
        ((string)patient["id"]!).ShouldNotBe(Site.LongChartPatientId);
    }

    [Fact]
    public async Task Tokens_can_be_revoked_and_new_ones_work()
    {
        var other = await hospitals.TokenAsync(hospitals.Epic, "Patient");
        await hospitals.SetFaultsAsync(Site, new { kind = "token-revoked" });

        (await StatusAsync(Read)).ShouldBe(401);
        (await hospitals.ReadAsync(Site, Read, await hospitals.TokenAsync(Site, "Patient"))).Status.ShouldBe(200);
        (await hospitals.ReadAsync(hospitals.Epic, "Patient/" + hospitals.Epic.LongChartPatientId, other)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task The_token_endpoint_can_be_down_late_or_know_nobody()
    {
        await hospitals.SetFaultsAsync(Site, new { kind = "invalid-client" });
        (await AskAsync()).ShouldBe(401);
        (await StatusAsync(Read)).ShouldBe(200);

        await hospitals.SetFaultsAsync(Site, new { kind = "unavailable", operation = "token" });
        (await AskAsync()).ShouldBe(503);

        await hospitals.SetFaultsAsync(Site, new { kind = "delay", operation = "token", milliseconds = 200 });
        var watch = Stopwatch.StartNew();
        (await AskAsync()).ShouldBe(200);
        watch.Elapsed.ShouldBeGreaterThanOrEqualTo(TimeSpan.FromMilliseconds(190));

        async Task<int> AskAsync()
        {
            using var response = await hospitals.AskTokenAsync(Site, "system/Patient.rs");
            return (int)response.StatusCode;
        }
    }

    [Theory]
    [InlineData("""{ "faults": [ { "kind": "sunspots" } ] }""", "kind")]
    [InlineData("""{ "faults": [ { "kind": "html", "tiems": 3 } ] }""", "faults[0]")]
    [InlineData("""{ "faults": [ { "kind": "html", "times": 0 } ] }""", "faults[0].times: 1 or more")]
    [InlineData("""{ "faults": [ { "kind": "html", "times": 0, "milliseconds": -1 } ] }""", "leave it out. faults[0].milliseconds")]
    [InlineData("""{ "kind": "html" }""", "$")]
    [InlineData("html", "$")]
    public async Task A_fault_that_is_not_understood_is_refused_and_changes_nothing(string body, string named)
    {
        using var content = new StringContent(body);
        using var response = await hospitals.Http.PutAsync(new Uri(Site.AdminUrl + "/faults"), content, Cancel);

        response.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        ((string)(await response.Content.ReadFromJsonAsync<JsonNode>(Cancel))!["detail"]!).ShouldContain(named);
        (await FaultsAsync()).ShouldBeEmpty();
    }

    private async Task<JsonArray> FaultsAsync() =>
        (await hospitals.Http.GetFromJsonAsync<JsonNode>(Site.AdminUrl + "/faults", Cancel))!["faults"]!.AsArray();

    private async Task<int> StatusAsync(string path)
    {
        using var response = await hospitals.GetAsync(Site, path, token);
        return (int)response.StatusCode;
    }

    private async Task<byte[]> BodyAsync(string path)
    {
        using var response = await hospitals.GetAsync(Site, path, token);
        return await response.Content.ReadAsByteArrayAsync(Cancel);
    }
}
