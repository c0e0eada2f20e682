using System.Diagnostics;
using System.Net;
using EhrGrains.Contracts.Audit;
using EhrGrains.Contracts.Credentials;
using EhrGrains.EndToEnd.Tests.Harness;
using Npgsql;

namespace EhrGrains.EndToEnd.Tests;

/// <summary>A silo dies, or sleeps and wakes: the other goes on, and nothing is written twice or out of date.</summary>
public sealed class SiloFailureTests
{
    [Fact]
    public async Task Queries_go_on_within_five_seconds_when_a_silo_is_killed_and_no_row_is_there_twice()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var cluster = await Cluster.StartAsync(2, ClusterFixture.Hospitals, cancellationToken);
        var site = cluster.Site("oracle-health");
        var path = $"/fhir/{site.Tenant}/{site.SharedPatientSearch}";
        for (var i = 0; i < 20; i++)
        {
            using var warm = await cluster.GetAsync(i % 2, path, cancellationToken);
            warm.StatusCode.ShouldBe(HttpStatusCode.OK);
        }

        cluster.Silos[1].Kill();
        await cluster.Silos[1].WaitForExitAsync(cancellationToken);
        var outage = await LongestOutageAsync(cluster, path, TimeSpan.FromSeconds(12), cancellationToken);

        outage.ShouldBeLessThan(TimeSpan.FromSeconds(5));
        await NoRowTwiceAsync(cluster, cancellationToken);
        foreach (var tenant in cluster.Sites.Select(each => each.Tenant))
        {
            var verification = await cluster.Grains.GetGrain<IAuditGrain>(tenant).VerifyAsync(cancellationToken);
            verification.Intact.ShouldBeTrue(verification.Finding);
            verification.Rows.ShouldBeGreaterThan(0);
        }
    }

    [Fact]
    public async Task A_silo_that_slept_and_wakes_changes_nothing()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var cluster = await Cluster.StartAsync(2, ClusterFixture.Hospitals, cancellationToken);
        var site = cluster.Site("oracle-health");
        var path = $"/fhir/{site.Tenant}/{site.SharedPatientSearch}";
        foreach (var silo in new[] { 0, 1 })
        {
            using var warm = await cluster.GetAsync(silo, path, cancellationToken);
            warm.StatusCode.ShouldBe(HttpStatusCode.OK);
        }

        cluster.Silos[1].Stop();
        (await LongestOutageAsync(cluster, path, TimeSpan.FromSeconds(20), cancellationToken)).ShouldBeLessThan(TimeSpan.FromSeconds(15));
        var tenant = cluster.TenantGrain(site.Tenant);
        var receipt = await tenant.RotateCredentialAsync(new NewCredential { Method = ClientAuthMethod.PrivateKeyJwtEs384 }, cancellationToken);
        receipt.Succeeded.ShouldBeTrue();
        var before = await tenant.DescribeAsync(cancellationToken);

        cluster.Silos[1].Continue();
        await LongestOutageAsync(cluster, path, TimeSpan.FromSeconds(6), cancellationToken);

        var after = await tenant.DescribeAsync(cancellationToken);
        after.Version.ShouldBe(before.Version);
        after.Credentials.Select(credential => (credential.Version, credential.State))
            .ShouldBe(before.Credentials.Select(credential => (credential.Version, credential.State)));
        (await cluster.Site("epic").CountersAsync(cancellationToken)).RequestsInAnySecondMax.ShouldBeLessThanOrEqualTo(20);
        await NoRowTwiceAsync(cluster, cancellationToken);
        (await cluster.Grains.GetGrain<IAuditGrain>(site.Tenant).VerifyAsync(cancellationToken)).Intact.ShouldBeTrue();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_silo_that_comes_back_after_full_load_waits_for_the_contracts_window_and_not_for_its_old_lease(bool killed)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var cluster = await Cluster.StartAsync(1, ClusterFixture.Hospitals, cancellationToken);
        var site = cluster.Site("epic");
        var path = $"/fhir/{site.Tenant}/{site.SharedPatientSearch}";
        var load = Enumerable.Range(0, 3 * site.RequestsPerSecond).Select(_ => cluster.GetAsync(0, path, cancellationToken));
        (await Task.WhenAll(load)).ShouldAllBe(answer => answer.StatusCode == HttpStatusCode.OK);

        if (killed)
        {
            cluster.Silos[0].Kill();
        }
        else
        {
            cluster.Silos[0].Terminate();
        }

        await cluster.RestartAsync(0, cancellationToken);
        var clock = Stopwatch.StartNew();
        using var first = await cluster.GetAsync(0, path, cancellationToken);

        first.StatusCode.ShouldBe(HttpStatusCode.OK);
        clock.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(5), "one window of a second, and what a first query costs");
        (await site.CountersAsync(cancellationToken)).RequestsInAnySecondMax.ShouldBeLessThanOrEqualTo(site.RequestsPerSecond);
    }

    // Asks silo 0 ten times a second and says for how long, at the longest, no query succeeded.
    private static async Task<TimeSpan> LongestOutageAsync(Cluster cluster, string path, TimeSpan length, CancellationToken cancellationToken)
    {
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        var clock = Stopwatch.StartNew();
        var gate = new Lock();
        var successes = new List<TimeSpan> { TimeSpan.Zero };
        var asked = new List<Task>();
        while (clock.Elapsed < length)
        {
            await pace.WaitForNextTickAsync(cancellationToken);
            asked.Add(AskAsync());
        }

        await Task.WhenAll(asked);
        successes.Sort();
        return successes.Zip(successes.Skip(1), (earlier, later) => later - earlier).Append(length - successes[^1]).Max();

        async Task AskAsync()
        {
            try
            {
                using var answer = await cluster.GetAsync(0, path, cancellationToken);
                if (answer.StatusCode == HttpStatusCode.OK)
                {
                    lock (gate)
                    {
                        successes.Add(clock.Elapsed);
                    }
                }
            }
            catch (HttpRequestException)
            {
                // Not a success: what counts is how long there was none.
            }
        }
    }

    private static async Task NoRowTwiceAsync(Cluster cluster, CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(cluster.Database.AdminConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(
            """
            SELECT (SELECT count(*) FROM (SELECT 1 FROM orleans_storage GROUP BY service_id, grain_type, key_n0, key_n1, key_text HAVING count(*) > 1) twice)
                 + (SELECT count(*) FROM (SELECT 1 FROM audit_entry GROUP BY tenant_id, seq HAVING count(*) > 1) twice)
            """,
            connection);
        (await command.ExecuteScalarAsync(cancellationToken)).ShouldBe(0L);
    }
}
