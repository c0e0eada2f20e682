using System.Net;
using System.Text.Json;
using EhrGrains.Contracts.Credentials;
using EhrGrains.EndToEnd.Tests.Harness;

namespace EhrGrains.EndToEnd.Tests;

/// <summary>What two silos in two processes promise together, as the hospital counts it.</summary>
[Collection(nameof(ClusterCollection))]
public sealed class ClusterTests(ClusterFixture fixture)
{
    [Fact]
    public async Task Two_hundred_queries_at_once_over_both_silos_need_one_token()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var cluster = fixture.Cluster;
        var site = cluster.Site("athenahealth");
        var path = $"/fhir/{site.Tenant}/{site.SharedPatientSearch}";
        (await StatusAsync(cluster, 0, path, cancellationToken)).ShouldBe(HttpStatusCode.OK);
        await site.ResetAsync(cancellationToken);
        await site.RevokeTokensAsync(cancellationToken);

        var statuses = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => StatusAsync(cluster, i, path, cancellationToken)));

        statuses.ShouldAllBe(status => status == HttpStatusCode.OK);
        (await site.CountersAsync(cancellationToken)).TokensIssued.ShouldBe(1);
    }

    [Fact]
    public async Task The_site_budget_is_never_exceeded_by_both_silos_together()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var cluster = fixture.Cluster;
        var site = cluster.Site("epic");
        await site.ResetAsync(cancellationToken);

        var statuses = await Task.WhenAll(Enumerable.Range(0, 160).Select(async i =>
        {
            using var answer = await cluster.GetAsync(i % 2, $"/fhir/{site.Tenant}/{site.SharedPatientSearch}", cancellationToken);
            return answer.StatusCode;
        }));

        var counted = await site.CountersAsync(cancellationToken);
        statuses.ShouldAllBe(status => status == HttpStatusCode.OK);
        counted.RequestsInAnySecondMax.ShouldBeLessThanOrEqualTo(20);
        counted.Throttled.ShouldBe(0);
        counted.Searches.ShouldBeGreaterThanOrEqualTo(160);
    }

    [Fact]
    public async Task Two_hundred_rotations_under_load_fail_no_query()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var cluster = fixture.Cluster;
        var site = cluster.Site("oracle-health");
        using var rotated = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        var queries = Task.Run(
            async () =>
            {
                var answers = new List<Task<HttpStatusCode>>();
                while (!rotated.IsCancellationRequested)
                {
                    await pace.WaitForNextTickAsync(cancellationToken);
                    answers.Add(StatusAsync(cluster, answers.Count, $"/fhir/{site.Tenant}/{site.SharedPatientSearch}", cancellationToken));
                }

                return await Task.WhenAll(answers);
            },
            cancellationToken);

        var tenant = cluster.TenantGrain(site.Tenant);
        for (var i = 0; i < 200; i++)
        {
            var receipt = await tenant.RotateCredentialAsync(new NewCredential { Method = ClientAuthMethod.PrivateKeyJwtEs384 }, cancellationToken);
            receipt.Succeeded.ShouldBeTrue(string.Join("; ", receipt.Steps.Select(step => step.What)));
        }

        await rotated.CancelAsync();
        var statuses = await queries;
        statuses.Length.ShouldBeGreaterThan(20);
        statuses.ShouldAllBe(status => status == HttpStatusCode.OK);
        var states = (await tenant.DescribeAsync(cancellationToken)).Credentials.GroupBy(credential => credential.State).ToDictionary(g => g.Key, g => g.Count());
        states[CredentialState.Active].ShouldBe(1);
        states.GetValueOrDefault(CredentialState.Retiring).ShouldBeLessThanOrEqualTo(2);
    }

    [Fact]
    public async Task A_federated_search_finds_the_person_at_all_three_hospitals_over_HTTP_and_Orleans_alike()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var cluster = fixture.Cluster;
        var search = cluster.Site("epic").SharedPatientSearch!;
        using var answer = await cluster.GetAsync(1, $"/fhir/{search}", cancellationToken);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        var bundle = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync(cancellationToken)).RootElement;
        var tenants = bundle.GetProperty("entry").EnumerateArray()
            .Where(entry => entry.GetProperty("search").GetProperty("mode").GetString() == "match")
            .Select(entry => entry.GetProperty("resource").GetProperty("meta").GetProperty("tag")[0].GetProperty("code").GetString())
            .ToHashSet();
        tenants.ShouldBe(cluster.Sites.Select(site => site.Tenant), ignoreOrder: true);
    }

    private static async Task<HttpStatusCode> StatusAsync(Cluster cluster, int i, string path, CancellationToken cancellationToken)
    {
        using var answer = await cluster.GetAsync(i % 2, path, cancellationToken);
        return answer.StatusCode;
    }
}
