using System.Text.Json.Nodes;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Query;

namespace EhrGrains.Grains.Tests.Query;

public sealed class FederationTests(QueryCluster cluster) : IClassFixture<QueryCluster>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private IFederatedQueryGrain Everywhere => cluster.Grains().GetGrain<IFederatedQueryGrain>(Federation.Key);

    [Fact]
    public async Task A_grant_that_was_given_a_moment_ago_holds()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        using (cluster.EnterApp())
        {
            (await hospital.Queries().ReadAsync(hospital.Read("p1"), TestContext.Current.CancellationToken)).Status.ShouldBe(200, "now the silo knows the tenant");
        }

        await cluster.RegisterAppAsync("late");
        await hospital.GrantAsync("late", QueryCluster.ReadAndSearchAll);
        using var late = cluster.EnterApp("late");
        var response = await Everywhere.SearchAsync(
            hospital.Search() with { GatewayBase = "https://gateway.test/fhir" }, TestContext.Current.CancellationToken);

        response.Status.ShouldBe(200, System.Text.Encoding.UTF8.GetString(response.Body));
        FhirHospital.Codes(response).ShouldBeEmpty();
    }

    [Fact]
    public async Task Every_hospital_that_the_app_may_see_answers_and_paging_goes_on_at_all_of_them()
    {
        await cluster.RegisterAppAsync("everywhere");
        await using var first = await OpenAsync("everywhere");
        await using var second = await OpenAsync("everywhere", h => h.Patients = 12);
        await using var notMine = await FhirHospital.OpenAsync(cluster);
        using var app = cluster.EnterApp("everywhere");

        var urls = new List<string>();
        string? cursor = null;
        do
        {
            var response = await Everywhere.SearchAsync(Search(cursor), Ct);
            response.Status.ShouldBe(200);
            urls.AddRange(JsonNode.Parse(response.Body)!["entry"]!.AsArray().Select(entry => (string)entry!["fullUrl"]!));
            cursor = FhirHospital.NextCursor(response);
        }
        while (cursor is not null);

        urls.Distinct().Count().ShouldBe(45 + 12);
        urls.ShouldContain($"https://gateway.test/fhir/{first.Tenant}/Patient/p44");
        urls.ShouldContain($"https://gateway.test/fhir/{second.Tenant}/Patient/p11");
        notMine.Requests.ShouldBe(0);
    }

    [Fact]
    public async Task A_hospital_that_fails_or_is_slow_is_named_and_the_others_answer()
    {
        await cluster.RegisterAppAsync("partial");
        await using var well = await OpenAsync("partial", h => h.Patients = 3);
        await using var broken = await OpenAsync("partial");
        await using var slow = await OpenAsync("partial");
        await using var closed = await OpenAsync("partial", grant: "system/Observation.rs");
        broken.Instead = (context, _) =>
        {
            context.Response.StatusCode = 500;
            return Task.FromResult(true);
        };
        slow.Latency = TimeSpan.FromMinutes(5);
        using var app = cluster.EnterApp("partial");
        var started = TimeProvider.System.GetTimestamp();
        var response = await Everywhere.SearchAsync(Search(), Ct);
        TimeProvider.System.GetElapsedTime(started).ShouldBeLessThan(TimeSpan.FromSeconds(15));
        response.Status.ShouldBe(200);
        FhirHospital.Ids(response).Length.ShouldBe(3);
        FhirHospital.Codes(response).Order().ShouldBe(["EHR-CON-014", "EHR-QRY-003", "EHR-QRY-016"]);
        var said = JsonNode.Parse(response.Body)!["entry"]!.AsArray()[^1]!["resource"]!["issue"]!.AsArray().Select(i => (string)i!["diagnostics"]!).ToArray();
        foreach (var hospital in new[] { broken, slow, closed })
        {
            said.ShouldContain(text => text.StartsWith($"{hospital.Tenant}: ", StringComparison.Ordinal));
        }

        JsonNode.Parse(response.Body)!["total"].ShouldBeNull();
    }

    [Fact]
    public async Task An_app_without_any_grant_is_refused()
    {
        using var app = cluster.Enter("nobody", AppRole.Application, QueryCluster.ReadAndSearchAll);
        var response = await Everywhere.SearchAsync(Search(), Ct);
        response.Status.ShouldBe(403);
        FhirHospital.Codes(response).ShouldBe(["EHR-QRY-015"]);
    }

    private static FhirSearch Search(string? cursor = null) => new()
    {
        Type = "Patient",
        Parameters = [new SearchParameter("name", "a")],
        GatewayBase = "https://gateway.test/fhir",
        Cursor = cursor,
    };

    private async Task<FhirHospital> OpenAsync(string app, Action<FhirHospital>? setUp = null, string grant = "system/*.rs")
    {
        var hospital = await FhirHospital.OpenAsync(cluster, setUp: setUp);
        await hospital.GrantAsync(app, grant);
        return hospital;
    }
}
