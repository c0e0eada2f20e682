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

    private static BudgetDemand Demand(long sequence) => new()
    {
        Holder = "silo",
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
