using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Budgets;

namespace EhrGrains.Grains.Tests.Budgets;

/// <summary>Single steps of the ledger and the pool that a simulated run meets only now and then.</summary>
public sealed class BudgetCoreTests
{
    private static readonly DateTimeOffset BeforeMidnight = new(2026, 3, 1, 23, 59, 59, TimeSpan.Zero);
    private static readonly BudgetSpec Spec = new() { Requests = 10, Concurrency = 10, DailyQuota = 100 };

    private readonly BudgetLedger ledger = new(new BudgetState(), TimeSpan.Zero, BeforeMidnight);

    [Fact]
    public void A_permit_that_was_dealt_to_others_meanwhile_sends_nothing()
    {
        var pool = new PermitPool("silo");
        pool.Ask([1, 0, 0], TimeSpan.Zero);
        pool.Apply(Lease(permits: 2), TimeSpan.Zero, TimeSpan.Zero);
        var slow = pool.TryTake(Lane.Interactive, TimeSpan.FromSeconds(1)).ShouldNotBeNull();
        var slower = pool.TryTake(Lane.Interactive, TimeSpan.FromSeconds(1)).ShouldNotBeNull();

        // Their connections take longer than the lease; the next lease has one permit for the two of them.
        var later = BudgetTiming.Term + TimeSpan.FromSeconds(5);
        pool.TrySend(slow, later).ShouldBeFalse();
        pool.Ask([1, 0, 0], later);
        pool.Apply(Lease(permits: 1), later, later);
        pool.TrySend(slow, later).ShouldBeFalse();
        pool.End(slow, later);
        pool.TrySend(slower, later + TimeSpan.FromSeconds(1.3)).ShouldBeTrue();
    }

    [Fact]
    public void What_was_sent_after_midnight_counts_for_the_new_day()
    {
        var dealt = ledger.Lease(Spec, Demand(1), TimeSpan.Zero, BeforeMidnight);
        dealt.Quota!.Value.ShouldBeGreaterThan(1);
        ledger.Lease(Spec, Demand(2) with { HeldPermits = 2, Sent = 2, HeldQuota = dealt.Quota.Value - 2 }, TimeSpan.FromSeconds(2), BeforeMidnight.AddSeconds(2));
        ledger.Describe(Spec, TimeSpan.FromSeconds(2)).SpentToday.ShouldBeGreaterThanOrEqualTo(dealt.Quota.Value);
    }

    [Fact]
    public void A_demand_that_was_overtaken_says_nothing_any_more()
    {
        ledger.Lease(Spec, Demand(2), TimeSpan.Zero, BeforeMidnight);
        Should.Throw<ProblemException>(() => ledger.Lease(Spec, Demand(1), TimeSpan.Zero, BeforeMidnight)).Kind.ShouldBe(ProblemKind.Conflict);
        Should.Throw<ProblemException>(() => ledger.Lease(Spec, Demand(2), TimeSpan.Zero, BeforeMidnight));
    }

    [Fact]
    public void Back_off_doubles_for_each_that_did_not_help_and_ends_at_five_minutes()
    {
        var now = TimeSpan.Zero;
        var waits = new List<double>();
        for (var i = 0; i < 12; i++)
        {
            var wait = ledger.Throttle(null, now, BeforeMidnight);
            ledger.Throttle(null, now, BeforeMidnight).ShouldBe(wait, "several answers to one burst are one event");
            waits.Add(wait.TotalSeconds);
            now += wait;
        }

        waits.ShouldBe([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        ledger.Throttle(null, now + TimeSpan.FromHours(1), BeforeMidnight).ShouldBe(TimeSpan.FromSeconds(1));
    }

    [Theory]
    [InlineData(30, 30)]
    [InlineData(86_400 * 365, 3_600)]
    [InlineData(0, 1)]
    [InlineData(-5, 1)]
    public void Retry_after_is_believed_within_reason(int said, int believed) =>
        ledger.Throttle(TimeSpan.FromSeconds(said), TimeSpan.Zero, BeforeMidnight).ShouldBe(TimeSpan.FromSeconds(believed));

    [Fact]
    public void A_pause_outlives_the_activation()
    {
        ledger.Throttle(TimeSpan.FromMinutes(10), TimeSpan.Zero, BeforeMidnight);
        var next = new BudgetLedger(ledger.State, TimeSpan.Zero, BeforeMidnight.AddMinutes(4));
        next.Lease(Spec, Demand(1), TimeSpan.Zero, BeforeMidnight.AddMinutes(4)).HoldOff.ShouldBe(TimeSpan.FromMinutes(6));
    }

    [Fact]
    public void What_a_silo_leaves_behind_is_free_one_window_later_also_after_a_restart()
    {
        var dealt = ledger.Lease(Spec, Demand(1), TimeSpan.Zero, BeforeMidnight);
        ledger.Written(TimeSpan.Zero);
        var left = TimeSpan.FromSeconds(1);
        ledger.Lease(Spec, Demand(2) with { WantedPermits = [0, 0, 0], WantedSlots = [0, 0, 0], HeldPermits = dealt.Permits, Leaving = true }, left, BeforeMidnight);
        ledger.MustWrite(left).ShouldBeTrue("a restart must find it");

        foreach (var (next, from) in new[] { (new BudgetLedger(ledger.State, TimeSpan.Zero, BeforeMidnight), TimeSpan.Zero), (ledger, left) })
        {
            var other = Demand(1) with { Holder = "10.0.0.2:11111@9/x", WantedPermits = [50, 0, 0] };
            var free = from + BudgetTiming.Transit + TimeSpan.FromSeconds(1);
            next.Lease(Spec, other, free - TimeSpan.FromMilliseconds(1), BeforeMidnight).Permits.ShouldBe(Spec.Requests - dealt.Permits);
            next.Lease(Spec, other with { Sequence = 2, HeldPermits = Spec.Requests }, free, BeforeMidnight).Permits.ShouldBe(Spec.Requests);
        }
    }

    [Fact]
    public void A_silo_that_has_left_gets_nothing_any_more()
    {
        ledger.Lease(Spec, Demand(1) with { Leaving = true }, TimeSpan.Zero, BeforeMidnight).Permits.ShouldBe(0);
        Should.Throw<ProblemException>(() => ledger.Lease(Spec, Demand(2), TimeSpan.Zero, BeforeMidnight)).Kind.ShouldBe(ProblemKind.Conflict);
    }

    [Theory]
    [InlineData("10.0.0.1:11111@8/b", 1.25)]
    [InlineData("10.0.0.1:11112@8/b", 17.5 + 1.25)]
    [InlineData("10.0.0.1:11111@6/b", 17.5 + 1.25)]
    public void After_a_kill_the_same_silo_waits_a_window_and_another_the_lease(string restarted, double seconds)
    {
        var dealt = ledger.Lease(Spec, Demand(1) with { WantedPermits = [50, 0, 0] }, TimeSpan.Zero, BeforeMidnight);
        dealt.Permits.ShouldBe(Spec.Requests);

        // A new activation, as after the loss of the only silo: the old leases may have been renewed until 5 s after it began.
        var next = new BudgetLedger(ledger.State, TimeSpan.Zero, BeforeMidnight);
        var demand = Demand(1) with { Holder = restarted };
        next.Lease(Spec, demand, TimeSpan.Zero, BeforeMidnight).Permits.ShouldBe(0);
        var free = TimeSpan.FromSeconds(seconds);
        next.Lease(Spec, demand with { Sequence = 2 }, free - TimeSpan.FromMilliseconds(1), BeforeMidnight).Permits.ShouldBe(0);
        next.Lease(Spec, demand with { Sequence = 3 }, free, BeforeMidnight).Permits.ShouldBePositive();
    }

    [Fact]
    public void Giving_everything_back_is_written()
    {
        ledger.Lease(Spec, Demand(1), TimeSpan.Zero, BeforeMidnight);
        ledger.Written(TimeSpan.Zero);
        ledger.Lease(Spec, Demand(2) with { WantedPermits = [0, 0, 0], WantedSlots = [0, 0, 0] }, TimeSpan.FromSeconds(1), BeforeMidnight);
        ledger.MustWrite(TimeSpan.FromSeconds(1)).ShouldBeTrue();
    }

    private static BudgetDemand Demand(long sequence) => new()
    {
        Holder = "10.0.0.1:11111@7/a",
        Sequence = sequence,
        WantedPermits = [5, 0, 0],
        WantedSlots = [5, 0, 0],
        HeldPermits = 0,
        HeldSlots = 0,
        HeldQuota = 0,
        Sent = 0,
    };

    private static BudgetLease Lease(int permits) => new()
    {
        Permits = permits,
        Slots = 10,
        TargetPermits = permits,
        TargetSlots = 10,
        Term = BudgetTiming.Term,
        HoldOff = TimeSpan.Zero,
        Window = TimeSpan.FromSeconds(1),
    };
}
