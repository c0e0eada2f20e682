using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Tests.Peers;
using EhrGrains.Contracts.Tenants;
using Microsoft.Extensions.Time.Testing;
using Polly.CircuitBreaker;

namespace EhrGrains.Connect.Tests.Ehr;

public sealed class EhrCircuitTests
{
    private static readonly TenantId Other = TenantId.Parse("other", null);

    [Fact]
    public async Task Ten_failures_open_it_one_probe_after_the_break_closes_it_and_no_other_tenant_notices()
    {
        var time = new FakeTimeProvider();
        var well = false;
        await using var peer = await Peer.StartAsync(context => well ? Peer.Says(Peer.EmptySearchset)(context) : Peer.Says(503)(context));
        using var rig = new Rig(time, static o => o.RetriesMax = 0);
        var access = new Access(Rig.To(peer));
        for (var i = 0; i < 10; i++)
        {
            rig.Ehr.Circuit(Rig.Tenant).ShouldBe(CircuitState.Closed);
            (await rig.SendAsync(Rig.To(peer), access: access)).Failure.ShouldBe(EhrFailure.Unavailable);
        }

        rig.Ehr.Circuit(Rig.Tenant).ShouldBe(CircuitState.Open);
        using var refused = await rig.SendAsync(Rig.To(peer), access: access);
        refused.Failure.ShouldBe(EhrFailure.CircuitOpen);
        refused.RetryAfter.ShouldNotBeNull().ShouldBeInRange(TimeSpan.FromSeconds(1), rig.Options.CircuitBreak);
        peer.Requests.Count.ShouldBe(10);
        access.Permits.ShouldBe(10, "an open circuit spends no permit");
        rig.Logged.ShouldContain("circuit of tenant st-mary opened");

        using var other = await rig.Ehr.SendAsync(
            Other, Rig.To(peer), Rig.Search(Rig.To(peer)), access.Hands, TestContext.Current.CancellationToken);
        other.Failure.ShouldBe(EhrFailure.Unavailable);
        rig.Ehr.Circuit(Other).ShouldBe(CircuitState.Closed);

        // The probe fails: open for another break.
        time.Advance(rig.Options.CircuitBreak);
        (await rig.SendAsync(Rig.To(peer), access: access)).Failure.ShouldBe(EhrFailure.Unavailable);
        (await rig.SendAsync(Rig.To(peer), access: access)).Failure.ShouldBe(EhrFailure.CircuitOpen);
        peer.Requests.Count.ShouldBe(12);

        well = true;
        time.Advance(rig.Options.CircuitBreak);
        (await rig.SendAsync(Rig.To(peer), access: access)).Failure.ShouldBe(EhrFailure.None);
        rig.Ehr.Circuit(Rig.Tenant).ShouldBe(CircuitState.Closed);
        (await rig.SendAsync(Rig.To(peer), access: access)).Failure.ShouldBe(EhrFailure.None);
    }

    [Theory]
    [InlineData(400)]
    [InlineData(404)]
    [InlineData(429)]
    [InlineData(500)]
    public async Task What_is_about_the_request_or_the_budget_leaves_it_closed(int status)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(status));
        using var rig = new Rig(configure: static o => o.RetriesMax = 0);
        for (var i = 0; i < 15; i++)
        {
            (await rig.SendAsync(Rig.To(peer))).Dispose();
        }

        rig.Ehr.Circuit(Rig.Tenant).ShouldBe(CircuitState.Closed);
        peer.Requests.Count.ShouldBe(15);
    }

    [Fact]
    public async Task Circuits_are_bounded_the_longest_unused_is_forgotten()
    {
        var time = new FakeTimeProvider();
        await using var peer = await Peer.StartAsync(Peer.Says(503));
        using var rig = new Rig(time, static o =>
        {
            o.RetriesMax = 0;
            o.CircuitRequestsMin = 2;
            o.CircuitsMax = 1;
        });
        var access = new Access(Rig.To(peer));
        for (var i = 0; i < 2; i++)
        {
            (await rig.SendAsync(Rig.To(peer), access: access)).Dispose();
        }

        rig.Ehr.Circuit(Rig.Tenant).ShouldBe(CircuitState.Open);
        time.Advance(TimeSpan.FromSeconds(1));
        using var other = await rig.Ehr.SendAsync(
            Other, Rig.To(peer), Rig.Search(Rig.To(peer)), access.Hands, TestContext.Current.CancellationToken);
        rig.Ehr.Circuit(Rig.Tenant).ShouldBe(CircuitState.Closed);
    }
}
