using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Preflight;
using EhrGrains.Grains.Tests.Feeds;
using Microsoft.AspNetCore.Http;

namespace EhrGrains.Grains.Tests.Preflight;

/// <summary>What was stated long ago, or fits no more: settings, credentials, budgets, cohorts and feeds.</summary>
public sealed partial class PreflightSiteTests
{
    [Fact]
    public void A_setting_that_the_vendor_has_come_to_need_is_told()
    {
        var run = Offline(new ConnectionSpec { Vendor = "athenahealth", BaseUrl = "https://ehr.example/r4", ClientId = "our-client" });

        ConfigurationChecks.JudgeStated(run);

        run.Checks.Single(check => check.Name == "config.settings").ShouldSatisfyAllConditions(
            check => check.State.ShouldBe(PreflightState.Failed), check => check.Seen.ShouldContain("connection.settings.practice"));
    }

    [Theory]
    [InlineData(364, PreflightState.Passed)]
    [InlineData(366, PreflightState.Warning)]
    public void A_credential_that_is_older_than_a_year_is_told(int days, PreflightState state)
    {
        var run = Offline(new ConnectionSpec { Vendor = "us-core", BaseUrl = "https://ehr.example/r4", ClientId = "our-client" });
        var active = new CredentialSummary
        {
            Version = 1,
            Method = run.Site.Connection.AuthMethod,
            State = CredentialState.Active,
            CreatedAt = cluster.Time.GetUtcNow().AddDays(-days),
        };

        CredentialChecks.JudgeActive(run, active);

        run.Checks.Single(check => check.Name == "credential.age").State.ShouldBe(state);
    }

    [Fact]
    public async Task A_site_that_speaks_HTTP_1_0_is_told()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        using var old = new TcpListener(IPAddress.Loopback, 0);
        old.Start();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var serving = ServeAsync(old, end.Token);
        var there = hospital.Spec.Connection with { BaseUrl = $"http://127.0.0.1:{((IPEndPoint)old.LocalEndpoint).Port}/r4", TokenEndpoint = $"{hospital.Url}/token" };
        using (cluster.EnterAdmin())
        {
            await hospital.Grain.RegisterAsync(hospital.Spec with { Connection = there }, dryRun: false, Ct);
        }

        var report = await RunAsync(hospital.Tenant, new PreflightRequest { Types = ["Patient"] });

        Of(report, "http.version").ShouldSatisfyAllConditions(
            check => check.State.ShouldBe(PreflightState.Warning), check => check.Seen.ShouldBe("HTTP 1.0."));
        await end.CancelAsync();
        await serving;
    }

    [Fact]
    public async Task Reads_without_the_version_that_updates_need_are_told()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.Scope = "system/*.rs";
        hospital.Fhir = (path, request) => Untagged(hospital, path);
        using (cluster.EnterAdmin())
        {
            await hospital.Grain.RegisterAsync(hospital.Spec with { Connection = hospital.Spec.Connection with { Profile = "writes: { ifMatch: true }" } }, dryRun: false, Ct);
        }

        var report = await RunAsync(hospital.Tenant, new PreflightRequest { Patient = "someone-to-try", Types = ["Condition"] });

        report.Checks.Single(check => check is { Name: "read.answers", Target: "Condition" }).State.ShouldBe(PreflightState.Passed);
        Of(report, "read.etag").State.ShouldBe(PreflightState.Warning);
    }

    [Fact]
    public async Task A_budget_too_small_for_who_is_enrolled_is_told()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        var sync = new SyncSpec { Types = ["Patient", "Condition"], FreshnessSeconds = 60 };
        using (cluster.EnterAdmin())
        {
            var budget = hospital.Spec.Budget with { Requests = 1, WindowSeconds = 60 };
            await hospital.Grain.RegisterAsync(hospital.Spec with { Sync = sync, Budget = budget }, dryRun: false, Ct);
            var copies = cluster.Inside.GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(hospital.Tenant));
            await copies.PauseAsync(Ct);
            await copies.EnrolAsync([PatientId.Parse("someone", null), PatientId.Parse("another", null)], Ct);
        }

        var report = await RunAsync(hospital.Tenant, new PreflightRequest { Seconds = 5 });

        Of(report, "budget.fits-copies").State.ShouldBe(PreflightState.Warning);
    }

    [Fact]
    public async Task A_budget_that_is_held_off_is_told()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.Fhir = (_, request) =>
        {
            request.HttpContext.Response.Headers.RetryAfter = "3600";
            return Results.StatusCode(StatusCodes.Status429TooManyRequests);
        };

        var first = await RunAsync(hospital.Tenant, new PreflightRequest());
        var second = await RunAsync(hospital.Tenant, new PreflightRequest { Seconds = 5 });

        Of(first, "budget.hold-off").State.ShouldBe(PreflightState.Passed);
        Of(second, "budget.hold-off").ShouldSatisfyAllConditions(
            check => check.State.ShouldBe(PreflightState.Warning), check => check.Seen.ShouldStartWith("Nothing is sent for "));
    }

    [Fact]
    public async Task A_cohort_without_a_Group_where_groups_are_exported_is_told()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        using (cluster.EnterAdmin())
        {
            var cohort = cluster.Inside.GetGrain<IPopulationSyncGrain>(GrainKeys.Cohort(hospital.Tenant, CohortId.Parse("by-hand", null)));
            await cohort.SetAsync(new CohortSpec(), Ct);
        }

        var report = await RunAsync(hospital.Tenant, new PreflightRequest());

        Of(report, "bulk.group").ShouldSatisfyAllConditions(
            check => check.State.ShouldBe(PreflightState.Warning), check => check.Seen.ShouldBe("Without a Group: by-hand."));
    }

    [Fact]
    public async Task Alarms_of_a_feed_are_told()
    {
        using var alarms = new Alarms(cluster);
        await using var site = await FeedSite.OpenAsync(cluster);
        await site.ReceiveAsync(site.Poison("P1"));
        await alarms.RaisedAsync("quarantine");

        var report = await RunAsync(site.Tenant, new PreflightRequest());

        report.Checks.Single(check => check is { Name: "feed.alarms", Target: "adt" }).ShouldSatisfyAllConditions(
            check => check.State.ShouldBe(PreflightState.Warning), check => check.Seen.ShouldStartWith("Quarantine: "));
    }

    [Fact]
    public async Task A_feed_that_anybody_could_send_to_in_plain_is_told()
    {
        await using var hospital = await Hospital.RegisterAsync(cluster);
        using (cluster.EnterAdmin())
        {
            var feed = new FeedSpec { Feed = "adt", DisplayName = "Admissions", Inbound = new InboundFeedSpec { Match = new FeedMatch { SendingApplication = hospital.Tenant.Value } } };
            var outside = hospital.Spec.Connection with { BaseUrl = "https://ehr.example/r4", PrivateNetworks = [] };
            await hospital.Grain.RegisterAsync(hospital.Spec with { Connection = outside, Feeds = [feed] }, dryRun: false, Ct);
        }

        var report = await RunAsync(hospital.Tenant, new PreflightRequest());

        Of(report, "feed.route").State.ShouldBe(PreflightState.Warning);
    }

    [Theory]
    [InlineData(60 * 24, PreflightState.Passed)]
    [InlineData(20 * 24, PreflightState.Warning)]
    [InlineData(1, PreflightState.Failed)]
    public async Task A_client_certificate_of_ours_that_ends_is_told(int hours, PreflightState state)
    {
        await using var site = await FeedSite.OpenAsync(cluster, outbound: to => to with { Tls = true });
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var now = cluster.Time.GetUtcNow();
        using var ours = new CertificateRequest("CN=us", key, HashAlgorithmName.SHA256).CreateSelfSigned(now.AddDays(-400), now.AddHours(hours));
        var pem = ours.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem();
        await site.AskSenderAsync(sender => sender.SetClientCertificateAsync(new SecretText(pem), Ct));
        cluster.Time.Advance(TimeSpan.FromHours(2));

        var report = await RunAsync(site.Tenant, new PreflightRequest());

        Of(report, "feed.certificate").State.ShouldBe(state);
    }

    private static IResult Untagged(Hospital hospital, string path)
    {
        const string Condition = """{"resourceType":"Condition","id":"c-1","subject":{"reference":"Patient/someone-to-try"}}""";
        return path switch
        {
            "Condition/c-1" => Results.Text(Condition, "application/fhir+json"),
            "Condition" or "Condition/_search" => Results.Text(
                $$"""{"resourceType":"Bundle","type":"searchset","entry":[{"fullUrl":"{{hospital.Url}}/r4/Condition/c-1","resource":{{Condition}}}]}""", "application/fhir+json"),
            _ => Results.NotFound(),
        };
    }

    private static async Task ServeAsync(TcpListener listener, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                using var client = await listener.AcceptTcpClientAsync(cancellationToken);
                var stream = client.GetStream();
                using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
                while (await reader.ReadLineAsync(cancellationToken) is { Length: > 0 })
                {
                }

                await stream.WriteAsync("HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"u8.ToArray(), cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Nobody asks any more.
        }
    }
}
