using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace EhrGrains.Sandbox.Tests;

/// <summary>What MEDITECH's, Veradigm's and ModMed's servers do, each as documented.</summary>
public sealed class NewerVendorTests(NewerVendorTests.Fixture fixture) : IClassFixture<NewerVendorTests.Fixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private Hospitals Hospitals => fixture.Hospitals;

    private SandboxSite Meditech => Hospitals.Site("meditech");

    private SandboxSite Veradigm => Hospitals.Site("veradigm");

    private SandboxSite ModMed => Hospitals.Site("modmed");

    private SandboxSite Ema => Hospitals.Site("modmed-ema");

    [Fact]
    public async Task Every_hospital_has_the_shared_person_and_pages_a_long_chart_to_its_end()
    {
        foreach (var site in Hospitals.All)
        {
            var type = site.Vendor == "modmed-ema" ? "Encounter" : "Observation";
            var token = await Hospitals.TokenAsync(site, "Patient", type);
            var practice = site.Vendor == "athenahealth" ? "&" + Sandbox.Tests.Hospitals.Practice(site) : "";
            var (status, found) = await Hospitals.ReadAsync(site, site.SharedPatientSearch! + practice, token);
            status.ShouldBe(200, site.Vendor);
            Hospitals.Ids(found).ShouldNotBeEmpty(site.Vendor);

            var category = type == "Observation" ? "&category=laboratory" : "";
            var pages = await Hospitals.PagesAsync(site, $"{type}?patient={site.LongChartPatientId}{category}{practice}", token);
            pages.Count.ShouldBeGreaterThan(1, site.Vendor);
            var truth = await Hospitals.TruthAsync(site, site.LongChartPatientId!);
            var held = truth["resources"]!.AsArray().Where(one => (string?)one!["type"] == type
                && (category.Length == 0 || one["resource"]!["category"]?.ToJsonString().Contains("laboratory", StringComparison.Ordinal) == true));
            pages.SelectMany(Hospitals.Ids).Distinct().Order(StringComparer.Ordinal)
                .ShouldBe(held.Select(one => (string)one!["id"]!).Order(StringComparer.Ordinal), site.Vendor);
        }
    }

    [Fact]
    public async Task Meditech_knows_no_last_updated_and_decides_on_the_page_of_documents_itself()
    {
        var token = await Hospitals.TokenAsync(Meditech, "Patient", "Observation", "AllergyIntolerance", "DocumentReference", "Group");
        var search = $"Observation?patient={Meditech.LongChartPatientId}&category=laboratory&_count=100";
        var (_, all) = await Hospitals.ReadAsync(Meditech, search, token);
        var (_, since) = await Hospitals.ReadAsync(Meditech, search + "&_lastUpdated=gt2100-01-01", token);
        Hospitals.Ids(since).ShouldBe(Hospitals.Ids(all));
        Hospitals.Link(all, "next")!.ShouldContain("continue=");
        Hospitals.Matches(all).ShouldAllBe(observation => observation["meta"] == null);

        var (_, documents) = await Hospitals.ReadAsync(Meditech, $"DocumentReference?patient={Meditech.LongChartPatientId}&_count=1", token);
        var (_, same) = await Hospitals.ReadAsync(Meditech, $"DocumentReference?patient={Meditech.LongChartPatientId}", token);
        Hospitals.Ids(documents).ShouldBe(Hospitals.Ids(same));
        (await Hospitals.ReadAsync(Meditech, $"Observation?patient={Meditech.LongChartPatientId}", token)).Status.ShouldBe(400);
        Hospitals.Ids((await Hospitals.ReadAsync(Meditech, "Group?type=person", token)).Body).ShouldBe([Meditech.GroupId]);
    }

    [Fact]
    public async Task Veradigm_names_its_methods_otherwise_and_declares_combinations()
    {
        var smart = (await Hospitals.Http.GetFromJsonAsync<JsonNode>(Veradigm.FhirBaseUrl + "/.well-known/smart-configuration", Cancel))!;
        smart["token_endpoint_auth_methods_supported"].ShouldBeNull();
        smart["token_endpoint_auth_methods"]!.AsArray().ShouldNotBeEmpty();
        new Uri((string)smart["issuer"]!).Host.ShouldNotBe(new Uri(Veradigm.TokenUrl).Host);

        var capabilities = (await Hospitals.Http.GetFromJsonAsync<JsonNode>(Veradigm.FhirBaseUrl + "/metadata", Cancel))!;
        var condition = capabilities["rest"]![0]!["resource"]!.AsArray().Single(one => (string?)one!["type"] == "Condition")!;
        condition["extension"]![0]!["extension"]!.AsArray().Select(part => (string?)part!["valueString"]).ShouldBe(["patient", "category"]);
    }

    [Fact]
    public async Task Veradigm_refuses_what_is_too_large_until_it_is_narrowed()
    {
        await using var own = await Hospitals.StartAsync(new SandboxOptions
        {
            Vendors = ["veradigm"],
            Patients = 10,
            Sites = new Dictionary<string, SiteOptions> { ["veradigm"] = new() { MatchesMax = 100, RequestsPerSecond = 0 } },
        });
        var site = own.Site("veradigm");
        var token = await own.TokenAsync(site, "Observation");
        var search = $"Observation?patient={site.LongChartPatientId}&category=laboratory";

        (await own.ReadAsync(site, search, token)).Status.ShouldBe(413);
        (await own.ReadAsync(site, search + "&date=ge2025-12-01", token)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task ModMed_takes_the_secret_in_the_body_and_leaves_the_page_size_to_itself()
    {
        using var byKey = await Hospitals.AskTokenAsync(ModMed, "system/Patient.rs");
        ((int)byKey.StatusCode).ShouldBe(401);
        using var versionOne = await Hospitals.AskTokenBySecretAsync(ModMed, "system/Patient.read");
        ((int)versionOne.StatusCode).ShouldBe(400);

        var token = await Hospitals.TokenAsync(ModMed, "Observation", "MedicationRequest", "Medication");
        var (_, page) = await Hospitals.ReadAsync(ModMed, $"Observation?patient={ModMed.LongChartPatientId}&_count=3", token);
        Hospitals.Ids(page).Count.ShouldBe(50);
        (await Hospitals.ReadAsync(ModMed, "Medication?_id=1", token)).Status.ShouldBe(404);
    }

    [Fact]
    public async Task Ema_wants_its_key_and_counts_the_page_and_ends_with_an_empty_one()
    {
        var token = await Hospitals.TokenAsync(Ema, "Encounter", "MedicationStatement");
        using (var keyless = new HttpRequestMessage(HttpMethod.Get, $"{Ema.FhirBaseUrl}/Encounter?patient={Ema.LongChartPatientId}"))
        {
            keyless.Headers.Authorization = new("Bearer", token);
            ((int)(await Hospitals.Http.SendAsync(keyless, Cancel)).StatusCode).ShouldBe(403);
        }

        var pages = await Hospitals.PagesAsync(Ema, $"Encounter?patient={Ema.LongChartPatientId}&_count=2", token);
        pages.ShouldAllBe(page => (int)page["total"]! == Hospitals.Matches(page).Count);
        Hospitals.Matches(pages[^1]).ShouldBeEmpty();
        Hospitals.Matches(pages[^2]).ShouldNotBeEmpty();
    }

    public sealed class Fixture : IAsyncLifetime
    {
        public Hospitals Hospitals { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Hospitals = await Hospitals.StartAsync(new SandboxOptions { Vendors = SandboxOptions.Products, Patients = 15 });

        public ValueTask DisposeAsync() => Hospitals.DisposeAsync();
    }
}
