using System.Text.Json;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Audit;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Tests.Sync;
using EhrGrains.Sandbox;

namespace EhrGrains.Grains.Tests.Preflight;

/// <summary>Preflights of the simulated hospitals: of all products as they are, and of one that misbehaves in every way that turns a check red.</summary>
public sealed class PreflightTests(SyncHospitals hospitals) : IClassFixture<SyncHospitals>
{
    private const string Faulty = "athenahealth";

    // What the simulated hospital leaves out whether it behaves or not, and that it allows fewer requests than this tenant's budget.
    // And how long answers take when the machine that runs the tests is late itself.
    private static readonly string[] AsItIs = ["config.grants", "statement.quirks", "bulk.offered", "limit.throttled", "tcp.connects", "latency"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static TheoryData<string> Vendors => [.. SandboxOptions.Products];

    /// <summary>What the hospital does, which checks it turns red or yellow, and the types that are tried.</summary>
    public static TheoryData<string, string> Faults => new()
    {
        { """{"kind":"tooManyRequests","retryAfter":"1","times":1,"operation":"search"}""", "limit.throttled" },
        { """{"kind":"tooManyRequests","times":1,"operation":"search"}""", "limit.throttled limit.retry-after" },
        { """{"kind":"unavailable","operation":"search","path":"/Condition","times":1,"retryAfter":"1"}""", "search.answers limit.throttled" },
        { """{"kind":"unauthorized"}""", "token.accepted" },
        { """{"kind":"invalidClient"}""", "token.request" },
        { """{"kind":"delay","milliseconds":3100,"operation":"search","times":1}""", "latency" },
        { """{"kind":"wrongContentType","operation":"search"}""", "search.media-type" },
        { """{"kind":"invalidJson","operation":"search"}""", "search.json search.answers" },
        { """{"kind":"html","operation":"search"}""", "search.answers search.json search.media-type" },
        { """{"kind":"duplicateKeys","operation":"search"}""", "search.answers search.json" },
        { """{"kind":"deepJson","operation":"search"}""", "search.answers search.json" },
        { """{"kind":"truncatedBody","operation":"search"}""", "search.answers search.json" },
        { """{"kind":"resetBody","operation":"search"}""", "search.answers" },
        { """{"kind":"headerFlood","operation":"search"}""", "search.answers" },
        { """{"kind":"redirect","operation":"search"}""", "search.answers" },
        { """{"kind":"status","status":403,"operation":"search"}""", "search.answers" },
        { """{"kind":"status","status":204,"operation":"search"}""", "search.answers" },
        { """{"kind":"gzipBomb","bytes":100000,"operation":"search"}""", "http.compression search.answers search.json search.media-type" },
        { """{"kind":"clockBack","operation":"search"}""", "http.clock" },
        { """{"kind":"wrongType","operation":"search"}""", "search.answers search.bundle" },
        { """{"kind":"otherPatient","operation":"search"}""", "search.patient page.size page.total parameter.last-updated" },
        { """{"kind":"partial","operation":"search"}""", "search.outcomes" },
        { """{"kind":"foreignNext"}""", "page.origin" },
        { """{"kind":"selfNext"}""", "page.end" },
        { """{"kind":"endlessPaging"}""", "page.end page.repeats" },
        { """{"kind":"repeatedPage"}""", "page.repeats page.total page.complete" },
        { """{"kind":"shrinkingTotal"}""", "page.total" },
        { """{"kind":"status","status":500,"operation":"page"}""", "page.end" },
        { """{"kind":"status","status":500,"operation":"read"}""", "read.answers read.unknown error.outcome" },
        { """{"kind":"wrongType","operation":"read"}""", "read.answers error.outcome" },
        { """{"kind":"status","status":500,"operation":"discovery"}""", "smart.present statement.present" },
        { """{"kind":"html","operation":"discovery"}""", "smart.present statement.present" },
        { """{"kind":"wrongContentType","operation":"discovery"}""", "smart.present" },
    };

    [Theory]
    [MemberData(nameof(Vendors))]
    public async Task A_hospital_that_behaves_fails_no_check(string vendor)
    {
        var tenant = await hospitals.OpenAsync(vendor);
        var patient = (await hospitals.PatientsAsync(vendor))[0];

        var report = await RunAsync(tenant, new PreflightRequest { Patient = patient });

        report.Checks.Where(check => check.State == PreflightState.Failed).ShouldBeEmpty();
        report.Checks.Select(check => check.Code).Distinct().Count().ShouldBe(85);
        report.Checks.ShouldAllBe(check => (check.Change != null) == (check.State == PreflightState.Warning || check.State == PreflightState.Failed));
        report.Checks.Count(check => check.State == PreflightState.Passed).ShouldBeGreaterThan(45);
        report.Requests.ShouldBeLessThan(60);
        if (patient.Length > 6)
        {
            JsonSerializer.Serialize(report).ShouldNotContain(patient);
        }
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task What_is_wrong_with_a_hospital_turns_its_checks_red(string fault, string checks)
    {
        var tenant = await hospitals.OpenAsync(Faulty);
        var patient = (await hospitals.PatientsAsync(Faulty))[0];
        var request = new PreflightRequest { Patient = patient, Types = ["Patient", "Condition"] };
        try
        {
            await hospitals.MisbehaveAsync(Faulty, JsonNode.Parse(fault)!);

            var report = await RunAsync(tenant, request);

            report.Checks.Where(check => check.Change is not null).Select(check => check.Name).Distinct().Except(AsItIs.Except(checks.Split(' ')))
                .ShouldBe(checks.Split(' '), ignoreOrder: true, fault);
        }
        finally
        {
            await hospitals.MisbehaveAsync(Faulty);
        }
    }

    [Fact]
    public async Task Without_a_patient_what_needs_one_is_skipped_and_a_bound_of_requests_is_kept()
    {
        var tenant = await hospitals.OpenAsync(Faulty);
        var patient = (await hospitals.PatientsAsync(Faulty))[0];

        var without = await RunAsync(tenant, new PreflightRequest());
        var bounded = await RunAsync(tenant, new PreflightRequest { Patient = patient, RequestsMax = 10 });

        without.Requests.ShouldBe(3);
        without.Checks.Single(check => check.Name == "search.answers").State.ShouldBe(PreflightState.Skipped);
        bounded.Requests.ShouldBe(10);
        bounded.Checks.Where(check => check.Name == "search.answers").Last().Seen.ShouldBe("The bound of 10 requests was reached.");
    }

    [Fact]
    public async Task The_searches_of_a_contract_are_tried_in_place_of_those_of_copies_and_each_is_audited_before()
    {
        var tenant = await hospitals.OpenAsync(Faulty);
        var patient = (await hospitals.PatientsAsync(Faulty))[1];
        var request = new PreflightRequest
        {
            Patient = patient,
            Searches =
            [
                new PreflightSearch("Observation", [new SearchParameter("category", "laboratory")]),
                new PreflightSearch("Observation", [new SearchParameter("category", "laboratory"), new SearchParameter("date", "")]),
                new PreflightSearch("Practitioner", []),
                new PreflightSearch("ImagingStudy", [], IsMust: false),
                new PreflightSearch("Media", []),
            ],
        };

        var report = await RunAsync(tenant, request);

        report.Checks.Where(check => check.Name == "search.answers").Select(check => (check.Target, check.State))
            .ShouldBe(
            [
                ("Observation?category=laboratory", PreflightState.Passed), ("Observation?category=laboratory&date=", PreflightState.Skipped),
                ("Practitioner", PreflightState.Skipped), ("ImagingStudy", PreflightState.Warning), ("Media", PreflightState.Failed),
            ]);
        using var admin = hospitals.Cluster.EnterAdmin();
        var trail = await hospitals.Cluster.Grains().GetGrain<IAuditGrain>(GrainKeys.Tenant(tenant)).WhoAsync(patient, null, 100, Ct);
        trail.Where(entry => entry.Outcome == "intent").Select(entry => entry.Action).Distinct().ShouldBe(["preflight", "preflight.run"], ignoreOrder: true);
        trail.Count(entry => entry is { Outcome: "intent", Action: "preflight" }).ShouldBe(report.Requests - 2);
    }

    private async Task<PreflightReport> RunAsync(TenantId tenant, PreflightRequest request)
    {
        using var admin = hospitals.Cluster.EnterAdmin();
        return await hospitals.Cluster.Grains().GetGrain<IPreflightGrain>(GrainKeys.Tenant(tenant)).RunAsync(request, Ct);
    }
}
