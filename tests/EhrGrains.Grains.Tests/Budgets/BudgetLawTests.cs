using CsCheck;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Grains.Tests.Budgets;

/// <summary>The laws of the site budget, on a simulated cluster in any weather (docs/decisions/0004-site-budget.md).</summary>
public sealed class BudgetLawTests
{
    private static readonly Gen<Weather> AnyWeather =
        Gen.Select(Gen.Int[0, 3], Gen.Int[0, 2], Gen.Int[0, 4], Gen.Int[0, 3], Gen.Int[0, 3], Gen.Int[0, 7]).Select((crashes, leaves, pauses, moves, partitions, bits) => new Weather
        {
            Crashes = crashes,
            Leaves = leaves,
            Pauses = pauses,
            GrainMoves = moves,
            Partitions = partitions,
            SlowMessages = (bits & 1) != 0,
            LostAnswers = (bits & 2) != 0,
            SlowConnections = (bits & 4) != 0,
        });

    private static readonly Gen<(int Seed, BudgetSpec Spec, int Silos, Weather Weather, int Latency)> AnyRun = Gen.Select(
        Gen.Int, Gen.Int[1, 30], Gen.Int[1, 3], Gen.Int[1, 30], Gen.Int[1, 4], AnyWeather, Gen.OneOf(Gen.Const(1), Gen.Const(20), Gen.Const(50), Gen.Const(200), Gen.Const(700), Gen.Const(3_000)),
        (seed, requests, window, concurrency, silos, weather, latency) => (
            seed,
            new BudgetSpec { Requests = requests, WindowSeconds = window, Concurrency = concurrency },
            silos,
            weather,
            latency));

    [Fact]
    public void No_window_holds_more_than_the_contract_whatever_happens() => AnyRun.Sample(
        run =>
        {
            var world = World(run.Seed, run.Spec, run.Silos, run.Weather, run.Latency);
            world.Run(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(30), Flood(run.Seed, run.Spec));
            world.BusiestWindow(TimeSpan.FromSeconds(run.Spec.WindowSeconds)).ShouldBeLessThanOrEqualTo(run.Spec.Requests);
        },
        iter: 400);

    [Fact]
    public void Requests_under_way_stay_within_the_contract_while_every_silo_runs() => AnyRun.Sample(
        run =>
        {
            var world = World(run.Seed, run.Spec, run.Silos, run.Weather with { Pauses = 0, Crashes = 0, Leaves = 0, Partitions = 0, LostAnswers = false }, run.Latency);
            world.Run(TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30), Flood(run.Seed, run.Spec));
            world.UnderWayMax.ShouldBeLessThanOrEqualTo(run.Spec.Concurrency);
        },
        iter: 150);

    [Fact]
    public void A_day_holds_no_more_than_its_quota() => AnyRun.Sample(
        run =>
        {
            // Midnight comes after thirty seconds. What is under way then belongs to either day.
            var quota = 20 + (run.Seed & 0x7f);
            var world = World(run.Seed, run.Spec with { DailyQuota = quota }, run.Silos, run.Weather, run.Latency);
            world.Run(TimeSpan.FromSeconds(90), TimeSpan.FromSeconds(30), Flood(run.Seed, run.Spec));
            var today = world.Arrivals.Count(at => at < BudgetSimulation.Midnight);
            today.ShouldBeLessThanOrEqualTo(quota);
            (world.Arrivals.Count - today).ShouldBeLessThanOrEqualTo(quota + run.Spec.Concurrency);
        },
        iter: 200);

    [Fact]
    public void Everyone_who_waits_is_served_in_the_end() => AnyRun.Sample(
        run =>
        {
            // As much in a minute as the contract allows in about twenty seconds: after the weather there is time for all of it.
            var world = World(run.Seed, run.Spec, run.Silos, run.Weather, Math.Min(run.Latency, 200));
            var perSilo = TimeSpan.FromSeconds(3.0 * run.Spec.WindowSeconds * run.Silos / Math.Min(run.Spec.Requests, 5 * run.Spec.Concurrency));
            world.Run(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(300), (_, _) => (Lane.Backfill, perSilo));
            world.WaitingNow.ShouldBe(0);
        },
        iter: 150);

    [Fact]
    public void One_permit_moves_between_silos_that_all_want_it() => Gen.Int.Sample(
        seed =>
        {
            var spec = new BudgetSpec { Requests = 1, WindowSeconds = 1, Concurrency = 1 };
            var world = World(seed, spec, 3, new Weather(), 50);
            world.Run(TimeSpan.FromSeconds(60), TimeSpan.Zero, (_, silo) => (Lane.Interactive, TimeSpan.FromSeconds(1)));
            world.Served.Count.ShouldBeGreaterThan(40);
            world.Served.Max(s => s.Wait).ShouldBeLessThan(TimeSpan.FromSeconds(60));
            world.ServedBySilo.Count(count => count > 8).ShouldBe(3);
        },
        iter: 50);

    [Fact]
    public void Four_fifths_of_the_budget_are_used_when_there_is_demand() => Gen.Select(Gen.Int, Gen.Int[5, 60], Gen.Int[1, 4]).Sample(
        (seed, requests, silos) =>
        {
            var spec = new BudgetSpec { Requests = requests, WindowSeconds = 1, Concurrency = 100 };
            var world = World(seed, spec, silos, new Weather(), 50);
            world.Run(TimeSpan.FromSeconds(60), TimeSpan.Zero, Flood(seed, spec));
            var used = world.Arrivals.Count(at => at >= TimeSpan.FromSeconds(10)) / (50.0 * requests);
            used.ShouldBeGreaterThan(0.8);
        },
        iter: 100);

    [Fact]
    public void Interactive_work_waits_a_bounded_time_while_backfill_floods() => Gen.Select(Gen.Int, Gen.Int[2, 40], Gen.Int[2, 4]).Sample(
        (seed, requests, silos) =>
        {
            var spec = new BudgetSpec { Requests = requests, WindowSeconds = 1, Concurrency = 100 };
            var world = World(seed, spec, silos, new Weather(), 50);
            world.Run(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(5), (at, silo) => silo == 0
                ? (at.Milliseconds == 0 && at.Seconds % 5 == 0 ? Lane.Interactive : Lane.Backfill, TimeSpan.FromMilliseconds(10))
                : (Lane.Backfill, TimeSpan.FromMilliseconds(10)));
            var waits = world.Served.Where(s => s.Lane == Lane.Interactive).Select(s => s.Wait).ToArray();
            waits.Length.ShouldBeGreaterThanOrEqualTo(10);
            waits.Max().ShouldBeLessThan(TimeSpan.FromSeconds(3.5));
        },
        iter: 50);

    private static BudgetSimulation World(int seed, BudgetSpec spec, int silos, Weather weather, int latency) =>
        new(seed, spec, silos, weather, TimeSpan.FromMilliseconds(latency));

    private static Func<TimeSpan, int, (Lane Lane, TimeSpan Next)?> Flood(int seed, BudgetSpec spec)
    {
        var random = new Random(seed);
        var gap = spec.WindowSeconds * 1_000.0 / spec.Requests;
        return (_, _) => ((Lane)random.Next(3), TimeSpan.FromMilliseconds(gap * random.NextDouble() * 1.5));
    }
}
