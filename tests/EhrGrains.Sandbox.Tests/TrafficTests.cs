using System.Net;
using CsCheck;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Sandbox.Tests;

/// <summary>Contracts and counters: exact in every second, by arrival.</summary>
public sealed class TrafficTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_contract_allows_so_many_in_any_second_and_not_one_more()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var hospitals = await StartAsync(time, requestsPerSecond: 3);

        (await AskAsync(hospitals)).ShouldBe(401);
        time.Advance(TimeSpan.FromMilliseconds(400));
        (await AskAsync(hospitals)).ShouldBe(401);
        (await AskAsync(hospitals)).ShouldBe(401);
        (await AskAsync(hospitals)).ShouldBe(429);

        // The first one leaves the window a second after it came; the refused one never was in it.
        time.Advance(TimeSpan.FromMilliseconds(599));
        (await AskAsync(hospitals)).ShouldBe(429);
        time.Advance(TimeSpan.FromMilliseconds(1));
        (await AskAsync(hospitals)).ShouldBe(401);
        (await AskAsync(hospitals)).ShouldBe(429);
    }

    [Fact]
    public async Task Refused_requests_are_told_to_wait_a_second()
    {
        await using var hospitals = await StartAsync(new FakeTimeProvider(), requestsPerSecond: 1);
        await AskAsync(hospitals);

        using var response = await hospitals.GetAsync(hospitals.Epic, "Patient/1", token: null);

        response.StatusCode.ShouldBe(HttpStatusCode.TooManyRequests);
        response.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Every_vendor_has_a_contract_of_its_own_by_default()
    {
        await using var hospitals = await Hospitals.StartAsync(new SandboxOptions
        {
            Patients = 1,
            Sites = new Dictionary<string, SiteOptions> { ["athenahealth"] = new() { RequestsPerSecond = 0 } },
        });

        hospitals.All.Select(site => site.RequestsPerSecond).ShouldBe([20, 25, 0]);
    }

    [Fact]
    public async Task The_most_in_any_second_is_what_counting_every_second_would_find()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var hospitals = await StartAsync(time, requestsPerSecond: 4);
        await Gen.Int[0, 700].Array[1, 30].SampleAsync(
            async gaps =>
            {
                time.Advance(TimeSpan.FromSeconds(1));
                using var reset = await hospitals.Http.DeleteAsync(new Uri(hospitals.Epic.AdminUrl + "/counters"), Cancel);
                var arrivals = new List<int>();
                var at = 0;
                foreach (var gap in gaps)
                {
                    time.Advance(TimeSpan.FromMilliseconds(gap));
                    arrivals.Add(at += gap);
                    await AskAsync(hospitals);
                }

                var most = arrivals.Max(end => arrivals.Count(arrival => arrival > end - 1000 && arrival <= end));
                var counters = await hospitals.CountersAsync(hospitals.Epic);
                ((int)counters["requestsInAnySecondMax"]!).ShouldBe(most);
                ((int)counters["reads"]!).ShouldBe(gaps.Length);
            },
            iter: 40,
            threads: 1);
    }

    [Fact]
    public async Task Counters_tell_what_came_and_how_it_was_answered_and_can_be_reset()
    {
        await using var hospitals = await Hospitals.StartAsync(new SandboxOptions { Patients = 10 });
        var site = hospitals.Oracle;
        var token = await hospitals.TokenAsync(site, "Patient", "Observation");
        await hospitals.PagesAsync(site, $"Observation?patient={site.LongChartPatientId}&category=laboratory&_count=50", token);
        await hospitals.GetAsync(site, "Patient/" + site.LongChartPatientId, "made-up");
        await hospitals.SetFaultsAsync(site, new { kind = "too-many-requests", times = 1 });
        await hospitals.GetAsync(site, "Patient/" + site.LongChartPatientId, token);
        using var discovery = await hospitals.Http.GetAsync(new Uri(site.FhirBaseUrl + "/metadata"), Cancel);

        var counters = await hospitals.CountersAsync(site);
        Count("tokenRequests").ShouldBe(1);
        Count("tokensIssued").ShouldBe(1);
        Count("searches").ShouldBe(1);
        Count("pages").ShouldBe(2);
        Count("reads").ShouldBe(2);
        Count("discoveries").ShouldBe(1);
        Count("unauthorized").ShouldBe(1);
        Count("throttled").ShouldBe(1);
        Count("concurrentMax").ShouldBe(1);

        using var reset = await hospitals.Http.DeleteAsync(new Uri(site.AdminUrl + "/counters"), Cancel);
        reset.EnsureSuccessStatusCode();
        counters = await hospitals.CountersAsync(site);
        counters.AsObject().ShouldAllBe(counter => (int)counter.Value! == 0);

        int Count(string name) => (int)counters[name]!;
    }

    [Fact]
    public async Task Requests_under_way_at_one_time_are_counted()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var hospitals = await StartAsync(time, requestsPerSecond: 0);
        await hospitals.SetFaultsAsync(hospitals.Epic, new { kind = "delay", milliseconds = 1000 });
        var under = Enumerable.Range(0, 5).Select(_ => AskAsync(hospitals)).ToArray();

        // Each turn of the loop asks the hospital, so it ends as soon as all five have arrived; then time is let go.
        while ((int)(await hospitals.CountersAsync(hospitals.Epic))["reads"]! < 5)
        {
            Cancel.ThrowIfCancellationRequested();
        }

        while (!Task.WhenAll(under).IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await hospitals.CountersAsync(hospitals.Epic);
        }

        (await Task.WhenAll(under)).ShouldAllBe(status => status == 401);
        ((int)(await hospitals.CountersAsync(hospitals.Epic))["concurrentMax"]!).ShouldBe(5);
    }

    private static Task<Hospitals> StartAsync(FakeTimeProvider time, int requestsPerSecond) => Hospitals.StartAsync(new SandboxOptions
    {
        Patients = 1,
        Time = time,
        Sites = new Dictionary<string, SiteOptions> { ["epic"] = new() { RequestsPerSecond = requestsPerSecond } },
    });

    // Without a token: the contract is asked first, and an answer of 401 means that it admitted the request.
    private static async Task<int> AskAsync(Hospitals hospitals)
    {
        using var response = await hospitals.GetAsync(hospitals.Epic, "Patient/1", token: null);
        return (int)response.StatusCode;
    }
}
