using EhrGrains.Connect.Ehr;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Tokens;
using EhrGrains.Grains.Budgets;
using EhrGrains.Grains.Tests.Query;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Budgets;

/// <summary>Site budgets on real silos, sockets and clocks, counted by the hospital.</summary>
public sealed class SiteBudgetTests(QueryCluster cluster) : IClassFixture<QueryCluster>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_silos_keep_to_twenty_a_second_and_use_them()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster, new BudgetSpec { Requests = 20, Concurrency = 50 });
        using var app = cluster.EnterApp();
        await FloodAsync(hospital, [0, 1], TimeSpan.FromSeconds(5));
        hospital.BusiestWindow(TimeSpan.FromSeconds(1)).ShouldBeInRange(1, 20);
        hospital.Requests.ShouldBeGreaterThan(60);
    }

    [Fact]
    public async Task A_silo_that_dies_does_not_let_more_through_and_the_other_goes_on()
    {
        var own = new QueryCluster();
        await own.InitializeAsync();
        try
        {
            await using var hospital = await FhirHospital.OpenAsync(own, new BudgetSpec { Requests = 20, Concurrency = 50 });
            using var app = own.EnterApp();
            var survivor = FloodAsync(hospital, [0], TimeSpan.FromSeconds(8));
            var dying = FloodAsync(hospital, [1], TimeSpan.FromSeconds(2));
            await dying;
            var before = hospital.Requests;
            await KillAsync(own);
            await survivor;
            hospital.BusiestWindow(TimeSpan.FromSeconds(1)).ShouldBeInRange(1, 20);
            hospital.Requests.ShouldBeGreaterThan(before + 20);
        }
        finally
        {
            await own.DisposeAsync();
        }
    }

    [Fact]
    public async Task With_a_lease_and_a_token_in_hand_a_query_costs_no_grain_call()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        using var app = cluster.EnterApp();
        await hospital.Queries().ReadAsync(hospital.Read("p1"), Ct);
        var key = hospital.Tenant.Value;
        var tokens = cluster.Calls("ITokenSessionGrain.GetTokenAsync", key);
        var leases = cluster.Calls("ISiteBudgetGrain.LeaseAsync", key);
        var started = TimeProvider.System.GetTimestamp();
        for (var i = 0; i < 300; i++)
        {
            (await hospital.Queries().ReadAsync(hospital.Read("p1"), Ct)).Status.ShouldBe(200);
        }

        // The renewals, one a second in each of the two silos, and a few more while the lease grows to the demand.
        var seconds = (int)TimeProvider.System.GetElapsedTime(started).TotalSeconds + 1;
        (cluster.Calls("ISiteBudgetGrain.LeaseAsync", key) - leases).ShouldBeLessThanOrEqualTo((2 * seconds) + 4);
        (cluster.Calls("ITokenSessionGrain.GetTokenAsync", key) - tokens).ShouldBeLessThanOrEqualTo(1);
    }

    [Fact]
    public async Task A_429_is_waited_out_and_the_caller_does_not_see_it()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        hospital.Instead = (context, number) =>
        {
            if (number == 1)
            {
                context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
                context.Response.Headers.RetryAfter = "2";
            }

            return Task.FromResult(number == 1);
        };
        using var app = cluster.EnterApp();
        (await hospital.Queries().ReadAsync(hospital.Read("p1"), Ct)).Status.ShouldBe(200);
        var arrivals = hospital.Arrivals;
        arrivals.Length.ShouldBe(2);
        TimeProvider.System.GetElapsedTime(arrivals[0], arrivals[1]).ShouldBeGreaterThan(TimeSpan.FromSeconds(1.95));
    }

    [Fact]
    public async Task What_one_silo_was_told_holds_for_the_other()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        using var app = cluster.EnterApp();
        var told = TimeProvider.System.GetTimestamp();
        await cluster.Silo(0).GetRequiredService<BudgetLeases>().ThrottledAsync(hospital.Tenant, TimeSpan.FromSeconds(2), 503);
        var reads = new[] { 0, 1 }.Select(silo => hospital.Queries(silo).ReadAsync(hospital.Read("p1"), Ct));
        (await Task.WhenAll(reads)).ShouldAllBe(response => response.Status == 200);
        TimeProvider.System.GetElapsedTime(told, hospital.Arrivals.Min()).ShouldBeGreaterThan(TimeSpan.FromSeconds(1.95));
    }

    [Fact]
    public async Task Requests_under_way_keep_to_the_contract()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster, new BudgetSpec { Requests = 1_000, Concurrency = 3 });
        var (underWay, most) = (0, 0);
        hospital.Instead = async (_, _) =>
        {
            most = Math.Max(most, Interlocked.Increment(ref underWay));
            await Task.Delay(20, Ct);
            Interlocked.Decrement(ref underWay);
            return false;
        };
        using var app = cluster.EnterApp();
        var reads = Enumerable.Range(0, 60).Select(i => hospital.Queries(i % 2).ReadAsync(hospital.Read("p1"), Ct));
        (await Task.WhenAll(reads)).ShouldAllBe(response => response.Status == 200);
        most.ShouldBeInRange(1, 3);
    }

    [Fact]
    public async Task A_used_up_day_is_refused_with_the_time_to_come_back()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster, new BudgetSpec { Requests = 100, DailyQuota = 5 });
        using var app = cluster.EnterApp();
        var statuses = new List<int>();
        for (var i = 0; i < 7; i++)
        {
            var response = await hospital.Queries().ReadAsync(hospital.Read("p1"), Ct);
            statuses.Add(response.Status);
            if (response.Status == 429)
            {
                response.RetryAfterSeconds.ShouldNotBeNull();
                FhirHospital.Codes(response).ShouldBe(["EHR-QRY-005"]);
            }
        }

        statuses.ShouldBe([200, 200, 200, 200, 200, 429, 429]);
        hospital.Requests.ShouldBe(5);
    }

    [Fact]
    public async Task A_permit_that_lapsed_before_the_request_was_written_sends_nothing()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        var asked = 0;
        var access = new EhrAccess(
            _ => ValueTask.FromResult(new BudgetPermit(() => { }, trySend: () => Interlocked.Increment(ref asked) > 2)),
            (_, _) => ValueTask.FromResult(new TokenResult
            {
                Token = new AccessToken("t", 1, DateTimeOffset.MaxValue, DateTimeOffset.MaxValue, "", hospital.Url),
            }),
            (_, _) => ValueTask.CompletedTask);
        var connection = new ConnectionSpec { Vendor = "us-core", BaseUrl = $"{hospital.Url}/r4", ClientId = "c", PrivateNetworks = ["127.0.0.1/32"] };
        var request = new EhrRequest { Method = HttpMethod.Get, Url = $"{hospital.Url}/r4/Patient/p1", Op = "read", ResourceType = "Patient" };
        using var answer = await cluster.Silo(0).GetRequiredService<EhrClient>().SendAsync(hospital.Tenant, connection, request, access, Ct);

        // Two tries were refused at the last moment, the third one was sent: the hospital saw one request.
        answer.Failure.ShouldBe(EhrFailure.None);
        asked.ShouldBe(3);
        hospital.Requests.ShouldBe(1);
    }

    [Fact]
    public async Task An_operator_sees_how_the_budget_is_spent()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster, new BudgetSpec { Requests = 40 });
        using (cluster.EnterApp())
        {
            await hospital.Queries().ReadAsync(hospital.Read("p1"), Ct);
        }

        using var admin = cluster.EnterAdmin();
        var description = await cluster.Grains().GetGrain<ISiteBudgetGrain>(GrainKeys.Tenant(hospital.Tenant)).DescribeAsync(Ct);
        description.Spec.Requests.ShouldBe(40);
        description.Leases.Values.Sum().ShouldBeInRange(1, 40);
    }

    // Its services are given no time to stop, and some of them say so.
    private static async Task KillAsync(QueryCluster own)
    {
        try
        {
            await own.Cluster.KillSiloAsync(own.Cluster.Silos[1], Ct);
        }
        catch (OperationCanceledException) when (!Ct.IsCancellationRequested)
        {
        }
        catch (AggregateException e) when (e.InnerExceptions.All(inner => inner is OperationCanceledException) && !Ct.IsCancellationRequested)
        {
        }
    }

    // As many callers as keep the budget busy, until the time is over.
    private static async Task FloodAsync(FhirHospital hospital, int[] silos, TimeSpan time)
    {
        var started = TimeProvider.System.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, 30).Select(async i =>
        {
            var queries = hospital.Queries(silos[i % silos.Length]);
            while (TimeProvider.System.GetElapsedTime(started) < time)
            {
                (await queries.ReadAsync(hospital.Read("p1"), Ct)).Status.ShouldBe(200);
            }
        }));
    }
}
