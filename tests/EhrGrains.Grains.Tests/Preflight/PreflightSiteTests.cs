using System.Net;
using System.Net.Sockets;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Tests.Feeds;

namespace EhrGrains.Grains.Tests.Preflight;

/// <summary>Preflights of what is stated, of statements, tokens and feeds, at a hospital that is made to be wrong.</summary>
public sealed partial class PreflightSiteTests(SqliteGrainCluster cluster) : IClassFixture<SqliteGrainCluster>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nothing_is_sent_to_a_hospital_whose_tenant_is_not_open()
    {
        await using var hospital = await Hospital.RegisterAsync(cluster);

        var report = await RunAsync(hospital.Tenant, new PreflightRequest { Patient = "someone-to-try" });

        (report.Requests, hospital.TokenRequests).ShouldBe((0, 0));
        Of(report, "config.lifecycle").State.ShouldBe(PreflightState.Failed);
        Of(report, "credential.active").State.ShouldBe(PreflightState.Failed);
        string[] tried = ["config.", "budget.", "credential.", "bulk.group", "feed."];
        report.Checks.Where(check => !tried.Any(part => check.Name.StartsWith(part, StringComparison.Ordinal)))
            .ShouldAllBe(check => check.State == PreflightState.Skipped);
    }

    [Fact]
    public async Task A_statement_that_does_not_fit_is_told_point_by_point()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.Statement = """
            {"resourceType":"CapabilityStatement","fhirVersion":"3.0.2","format":["xml"],"software":{"name":"Epic","version":"May 2026"},
            "rest":[{"mode":"server","resource":[{"type":"Condition","searchParam":[{"name":"code"}]}]}]}
            """;

        var report = await RunAsync(hospital.Tenant, new PreflightRequest());

        string[] wrong =
        [
            "statement.fhir-version", "statement.format", "statement.vendor", "statement.resources", "statement.search-parameters", "statement.security", "statement.quirks",
        ];
        Bad(report).Intersect(wrong).ShouldBe(wrong);
        Of(report, "statement.vendor").Change.ShouldNotBeNull().ShouldContain("epic");
        Of(report, "statement.fhir-version").State.ShouldBe(PreflightState.Failed);
    }

    [Fact]
    public async Task What_the_operator_stated_and_what_a_token_is_worth_are_looked_at()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.ExpiresIn = 30;
        hospital.Scope = "system/Patient.rs system/Observation.cud";
        var stated = hospital.Spec.Connection with { AuthMethod = ClientAuthMethod.PrivateKeyJwtRs384, Profile = "limits: { requests: 1, windowSeconds: 60 }" };
        using (cluster.EnterAdmin())
        {
            await hospital.Grain.RegisterAsync(hospital.Spec with { TimeZone = "Etc/UTC", Sync = new() { Types = ["Patient", "Condition"] }, Connection = stated }, dryRun: false, Ct);
        }

        var report = await RunAsync(hospital.Tenant, new PreflightRequest());

        string[] wrong =
        [
            "config.time-zone", "config.grants", "budget.published-limit", "credential.method", "token.lifetime", "token.scopes", "token.excess", "token.refresh",
        ];
        Bad(report).Intersect(wrong).ShouldBe(wrong);
        Of(report, "token.scopes").Seen.ShouldBe("Not granted: system/Condition.r system/Condition.s.");
        Of(report, "credential.published").State.ShouldBe(PreflightState.Passed);
    }

    [Fact]
    public async Task Feeds_are_connected_to_and_sent_to_when_that_is_wanted()
    {
        await using var site = await FeedSite.OpenAsync(cluster);

        var looked = await RunAsync(site.Tenant, new PreflightRequest());
        site.Receiver.Peek().ShouldBeNull();
        var sent = await RunAsync(site.Tenant, new PreflightRequest { Send = true });

        Of(looked, "feed.connects").State.ShouldBe(PreflightState.Passed);
        Of(looked, "feed.echo").State.ShouldBe(PreflightState.Skipped);
        Of(looked, "feed.seen").State.ShouldBe(PreflightState.Warning);
        Of(sent, "feed.echo").Seen.ShouldBe("Acknowledged with AA.");
        (await site.Receiver.NextAsync(Ct)).ShouldContain("NMD^N02");
    }

    [Fact]
    public async Task A_receiver_that_does_not_acknowledge_and_feeds_that_do_not_run_are_told()
    {
        await using var site = await FeedSite.OpenAsync(cluster, outbound: to => to with { AcknowledgementTimeoutSeconds = 5 });
        site.Receiver.Answer = _ => null;
        using (cluster.EnterAdmin())
        {
            await site.Feed.PauseAsync("to be seen", Ct);
        }

        var report = await RunAsync(site.Tenant, new PreflightRequest { Send = true });

        Of(report, "feed.echo").Seen.ShouldBe("No acknowledgement came in time.");
        report.Checks.Where(check => check.Name == "feed.state").Select(check => (check.Target, check.State))
            .ShouldBe([("adt", PreflightState.Warning), ("out", PreflightState.Passed)], ignoreOrder: true);
    }

    [Fact]
    public async Task A_receiver_that_is_not_there_is_told()
    {
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0)); // and nobody listens
        await using var site = await FeedSite.OpenAsync(cluster, outbound: to => to with { Port = ((IPEndPoint)taken.LocalEndPoint!).Port });

        var report = await RunAsync(site.Tenant, new PreflightRequest { Send = true });

        Of(report, "feed.connects").State.ShouldBe(PreflightState.Failed);
        Of(report, "feed.echo").State.ShouldBe(PreflightState.Skipped);
    }

    [Fact]
    public async Task A_second_run_is_refused_while_one_is_under_way_and_what_it_finds_is_shown_meanwhile()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.Hold = new TaskCompletionSource();
        using var admin = cluster.EnterAdmin();
        var preflight = cluster.Inside.GetGrain<IPreflightGrain>(GrainKeys.Tenant(hospital.Tenant));
        var first = preflight.RunAsync(new PreflightRequest(), Ct);

        var found = await FollowToTokenAsync(preflight, first);

        var refusal = await Should.ThrowAsync<ProblemException>(() => preflight.RunAsync(new PreflightRequest(), Ct));
        refusal.Problems.ShouldHaveSingleItem().Code.ShouldBe("EHR-PRE-001");
        hospital.Hold.SetResult();
        found.ShouldBeSubsetOf((await PassAsync(first)).Checks);
        (await preflight.ProgressAsync(0, Ct)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_run_whose_time_is_over_tells_what_it_found_until_then()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.Hold = new TaskCompletionSource();

        var report = await RunAsync(hospital.Tenant, new PreflightRequest { Seconds = 5 });

        report.Duration.ShouldBeLessThan(TimeSpan.FromSeconds(10));
        report.Checks.Select(check => check.Code).Distinct().Count().ShouldBe(85);
        Of(report, "smart.present").State.ShouldBe(PreflightState.Passed);
        Of(report, "token.request").ShouldSatisfyAllConditions(
            check => check.State.ShouldBe(PreflightState.Skipped), check => check.Seen.ShouldBe("The time of the run was over."));
        Of(report, "feed.state").State.ShouldBe(PreflightState.Skipped);
    }

    [Fact]
    public async Task A_run_that_nobody_waits_for_any_longer_is_stopped()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.Hold = new TaskCompletionSource();
        using var admin = cluster.EnterAdmin();
        using var caller = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var preflight = cluster.Inside.GetGrain<IPreflightGrain>(GrainKeys.Tenant(hospital.Tenant));
        var first = preflight.RunAsync(new PreflightRequest(), caller.Token);
        await FollowToTokenAsync(preflight, first);

        await caller.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(first);
        while ((await preflight.ProgressAsync(0, Ct)).Length > 0)
        {
            Ct.ThrowIfCancellationRequested();
        }

        hospital.Hold.SetResult();
        (await PassAsync(preflight.RunAsync(new PreflightRequest(), Ct))).Checks.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task A_request_with_mistakes_is_refused_with_all_of_them()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        using var admin = cluster.EnterAdmin();

        var refusal = await Should.ThrowAsync<ProblemException>(() => cluster.Inside.GetGrain<IPreflightGrain>(GrainKeys.Tenant(hospital.Tenant))
            .PlanAsync(new PreflightRequest { Patient = "no id", Types = ["Nonsense"], RequestsMax = 1, Seconds = 1, Searches = [new PreflightSearch("Nothing", [])] }, Ct));

        refusal.Problems.Select(problem => problem.Path).ShouldBe(["patient", "types", "searches", "requestsMax", "seconds"]);
    }

    private static PreflightCheck Of(PreflightReport report, string name) => report.Checks.Single(check => check.Name == name);

    private static IEnumerable<string> Bad(PreflightReport report) => report.Checks.Where(check => check.Change is not null).Select(check => check.Name);

    // To the token endpoint, which does not answer.
    private async Task<List<PreflightCheck>> FollowToTokenAsync(IPreflightGrain preflight, Task<PreflightReport> running)
    {
        var found = new List<PreflightCheck>();
        while (!found.Exists(check => check.Name == "credential.published"))
        {
            running.IsCompleted.ShouldBeFalse();
            found.AddRange(await PassAsync(preflight.ProgressAsync(found.Count, Ct)));
        }

        return found;
    }

    private async Task<PreflightReport> RunAsync(TenantId tenant, PreflightRequest request)
    {
        using var admin = cluster.EnterAdmin();
        return await PassAsync(cluster.Inside.GetGrain<IPreflightGrain>(GrainKeys.Tenant(tenant)).RunAsync(request, Ct));
    }

    // The site budget deals its permits by the clock.
    private async Task<T> PassAsync<T>(Task<T> running)
    {
        await cluster.Time.PassUntilAsync(running, TimeSpan.FromMilliseconds(100), Ct);
        return await running;
    }
}
