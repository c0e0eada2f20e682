using System.Diagnostics.Metrics;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Budgets;
using EhrGrains.Grains.Query;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Grains.Tests.Budgets;

/// <summary>One tenant's budget in one silo, with a budget grain and a clock of the test's own.</summary>
public sealed class SiteLeaseTests
{
    private readonly FakeTimeProvider time = new();
    private readonly List<BudgetDemand> demands = [];
    private readonly SiteLease lease;
    private Func<BudgetDemand, Task<BudgetLease>> grain = _ => Task.FromResult(Lease(permits: 10));
    private bool ended;

    public SiteLeaseTests()
    {
        var meters = new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<IMeterFactory>();
        lease = new SiteLease(
            "10.0.0.1:11111@7", TenantId.Parse("site", null), demand => Asked(demand), (_, _) => ended = true, time, new QueryMetrics(meters), NullLogger.Instance);
    }

    [Fact]
    public async Task With_a_lease_in_hand_a_permit_is_there_at_once_and_nobody_is_asked()
    {
        (await AcquireAsync()).Dispose();
        for (var i = 0; i < 9; i++)
        {
            lease.TryAcquire(Lane.Interactive, CancellationToken.None, out var permit).ShouldBeTrue();
            permit.IsCompletedSuccessfully.ShouldBeTrue();
        }

        demands.Count.ShouldBe(1);
        lease.TryAcquire(Lane.Interactive, CancellationToken.None, out var eleventh);
        eleventh.IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public async Task While_somebody_asks_a_quarter_is_his_and_events_may_have_half_of_what_is_left_of_it()
    {
        grain = _ => Task.FromResult(Lease(permits: 16));
        (await AcquireAsync()).Dispose();
        (Taken(Lane.Backfill), Taken(Lane.Event), Taken(Lane.Interactive)).ShouldBe((12, 2, 1));
    }

    [Fact]
    public async Task Who_has_had_his_quarter_still_finds_a_tenth()
    {
        grain = _ => Task.FromResult(Lease(permits: 20));
        for (var i = 0; i < 6; i++)
        {
            (await AcquireAsync()).Dispose();
        }

        (Taken(Lane.Backfill), Taken(Lane.Interactive)).ShouldBe((12, 2));
    }

    [Fact]
    public async Task While_nobody_asks_a_tenth_is_left_to_who_does_first()
    {
        grain = _ => Task.FromResult(Lease(permits: 20));
        (await AcquireAsync(Lane.Backfill)).Dispose();
        (Taken(Lane.Backfill), Taken(Lane.Interactive)).ShouldBe((17, 2));
    }

    [Fact]
    public async Task Of_what_may_be_under_way_at_one_time_a_part_is_left_too()
    {
        grain = _ => Task.FromResult(Lease(permits: 100) with { Slots = 8, TargetSlots = 8 });
        using var asked = await AcquireAsync();
        (Taken(Lane.Backfill), Taken(Lane.Interactive)).ShouldBe((6, 1));
    }

    [Fact]
    public async Task Interactive_work_is_served_first_and_each_lane_in_order()
    {
        grain = _ => Task.FromResult(Lease(permits: 1));
        var first = await AcquireAsync();
        first.Arrived();
        first.Dispose();
        var order = new List<string>();
        var all = new[] { (Lane.Backfill, "backfill 1"), (Lane.Event, "event"), (Lane.Interactive, "interactive 1"), (Lane.Backfill, "backfill 2"), (Lane.Interactive, "interactive 2") }
            .Select(async next =>
            {
                lease.TryAcquire(next.Item1, CancellationToken.None, out var permit);
                using var mine = await permit;
                mine.Arrived();
                order.Add(next.Item2);
            })
            .ToArray();
        foreach (var _ in all)
        {
            var done = order.Count;
            var waiting = all.Where(task => !task.IsCompleted).ToArray();
            time.Advance(TimeSpan.FromSeconds(1.01));
            await Task.WhenAny(waiting);
            order.Count.ShouldBe(done + 1);
        }

        order.ShouldBe(["interactive 1", "interactive 2", "event", "backfill 1", "backfill 2"]);
    }

    [Fact]
    public async Task Who_gives_up_waiting_takes_no_permit_with_him()
    {
        grain = _ => Task.FromResult(Lease(permits: 1));
        using var first = await AcquireAsync();
        first.Arrived();
        using var impatient = new CancellationTokenSource();
        lease.TryAcquire(Lane.Interactive, impatient.Token, out var cancelled);
        lease.TryAcquire(Lane.Interactive, CancellationToken.None, out var next);
        await impatient.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(async () => await cancelled);
        first.Dispose();
        time.Advance(TimeSpan.FromSeconds(1.01));
        (await next).Dispose();
    }

    [Fact]
    public async Task One_more_than_may_wait_is_refused_at_once()
    {
        grain = _ => Task.FromResult(Lease(permits: 1));
        await AcquireAsync();
        for (var i = 0; i < WaitingLanes.WaitersMax; i++)
        {
            lease.TryAcquire(Lane.Interactive, CancellationToken.None, out var waiting);
            waiting.IsCompleted.ShouldBeFalse();
        }

        lease.TryAcquire(Lane.Interactive, CancellationToken.None, out var refused);
        await Should.ThrowAsync<BudgetRefusedException>(async () => await refused);
    }

    [Fact]
    public async Task Nobody_waits_longer_than_his_lane_allows()
    {
        grain = _ => Task.FromResult(Lease(permits: 0));
        lease.TryAcquire(Lane.Interactive, CancellationToken.None, out var interactive);
        lease.TryAcquire(Lane.Event, CancellationToken.None, out var later);
        time.Advance(WaitingLanes.WaitMax(Lane.Interactive));
        await Should.ThrowAsync<BudgetRefusedException>(async () => await interactive);
        later.IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public async Task A_pause_longer_than_a_lane_waits_is_said_at_once()
    {
        (await AcquireAsync()).Dispose();
        lease.HoldOff(TimeSpan.FromMinutes(1), 429);
        lease.TryAcquire(Lane.Interactive, CancellationToken.None, out var interactive);
        var refusal = await Should.ThrowAsync<BudgetRefusedException>(async () => await interactive);
        refusal.RetryAfter.ShouldBe(TimeSpan.FromMinutes(1));
        lease.TryAcquire(Lane.Event, CancellationToken.None, out var patient);
        patient.IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public async Task A_lease_that_has_ended_gives_no_permit_and_sends_no_request()
    {
        using var permit = await AcquireAsync();
        grain = _ => Task.FromException<BudgetLease>(new TimeoutException("The grain's silo is away."));
        time.Advance(BudgetTiming.Term);
        lease.TryAcquire(Lane.Interactive, CancellationToken.None, out var late);
        late.IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public async Task A_tenant_that_does_not_exist_is_said_to_those_who_wait()
    {
        grain = _ => Task.FromException<BudgetLease>(new ProblemException(ProblemKind.NotFound, "EHR-BUD-003", "", "No such tenant."));
        await Should.ThrowAsync<BudgetRefusedException>(() => AcquireAsync());
    }

    [Fact]
    public async Task A_silo_that_stops_gives_back_what_is_free()
    {
        (await AcquireAsync()).Dispose();
        await lease.GiveUpAsync();
        demands[^1].HeldPermits.ShouldBe(1);
        demands[^1].HeldSlots.ShouldBe(0);
        demands[^1].Leaving.ShouldBeTrue();
        ended.ShouldBeTrue();
        lease.TryAcquire(Lane.Interactive, CancellationToken.None, out _).ShouldBeFalse();
    }

    [Fact]
    public async Task A_silo_that_stops_with_a_request_under_way_keeps_its_lease_until_that_ends()
    {
        using var permit = await AcquireAsync();
        await lease.GiveUpAsync();
        demands[^1].Leaving.ShouldBeFalse();
        demands[^1].HeldSlots.ShouldBe(1);
    }

    [Fact]
    public async Task Who_has_nothing_to_do_gives_everything_back_and_ends()
    {
        grain = demand => Task.FromResult(
            demand.WantedPermits.Sum() > 0 ? Lease(10) : Lease(demand.HeldPermits) with { Slots = demand.HeldSlots, TargetSlots = demand.HeldSlots });
        var started = time.GetTimestamp();
        (await AcquireAsync()).Dispose();
        for (var i = 0; i < 60 && !ended; i++)
        {
            time.Advance(TimeSpan.FromMilliseconds(500));
        }

        ended.ShouldBeTrue();
        (demands[^1].HeldPermits, demands[^1].HeldSlots).ShouldBe((0, 0));
        time.GetElapsedTime(started).ShouldBeGreaterThanOrEqualTo(BudgetTiming.KeepIdle);
    }

    private Task<BudgetLease> Asked(BudgetDemand demand)
    {
        demands.Add(demand);
        return grain(demand);
    }

    /// <summary>How many permits a lane gets at once.</summary>
    private int Taken(Lane lane)
    {
        var taken = 0;
        while (lease.TryAcquire(lane, CancellationToken.None, out var permit) && permit.IsCompletedSuccessfully)
        {
            taken++;
        }

        return taken;
    }

    private async Task<Connect.Ehr.BudgetPermit> AcquireAsync(Lane lane = Lane.Interactive)
    {
        lease.TryAcquire(lane, TestContext.Current.CancellationToken, out var permit).ShouldBeTrue();
        time.Advance(TimeSpan.Zero);
        return await permit;
    }

    private static BudgetLease Lease(int permits) => new()
    {
        Permits = permits,
        Slots = 100,
        TargetPermits = permits,
        TargetSlots = 100,
        Term = BudgetTiming.Term,
        HoldOff = TimeSpan.Zero,
        Window = TimeSpan.FromSeconds(1),
    };
}
