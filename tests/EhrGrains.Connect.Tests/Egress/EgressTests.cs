using System.Diagnostics;
using System.Net;
using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Tests.Peers;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Connect.Tests.Egress;

public sealed class EgressTests
{
    [Fact]
    public async Task Nothing_arrives_but_what_was_meant_even_inside_a_trace_with_baggage()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset, headers: ("Set-Cookie", "a=b")));
        using var rig = new Rig();
        using var listener = new ActivityListener
        {
            ShouldListenTo = static _ => true,
            Sample = static (ref _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(listener);
        using var activity = new Activity("query").AddBaggage("patient", "MRN-778812").SetIdFormat(ActivityIdFormat.W3C).Start();
        activity.TraceStateString = "tenant=st-mary";

        for (var i = 0; i < 2; i++)
        {
            using var answer = await rig.SendAsync(Rig.To(peer));
            answer.Failure.ShouldBe(EhrFailure.None);
        }

        foreach (var request in peer.Requests)
        {
            request.Headers.Keys.Order(StringComparer.OrdinalIgnoreCase).ShouldBe(["Accept", "Authorization", "Host", "User-Agent"]);
            request.Headers["Accept"].ShouldBe("application/fhir+json");
        }
    }

    [Theory]
    [InlineData("http://127.0.0.1:{0}")]
    [InlineData("https://127.0.0.1:{0}")]
    [InlineData("https://localhost:{0}")]
    [InlineData("https://[::ffff:127.0.0.1]:{0}")]
    public async Task Loopback_is_shut_unless_it_is_named(string url)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig();
        using var refusals = new MetricCollector<long>(rig.Meters, "EhrGrains", "ehrgrains.egress.refused");
        var connection = Rig.Connection(string.Format(null, url, peer.Port));

        using var answer = await rig.SendAsync(connection);

        answer.Failure.ShouldBe(EhrFailure.EgressRefused);
        answer.Problem!.Message.ShouldContain("connection.privateNetworks");
        refusals.GetMeasurementSnapshot().ShouldHaveSingleItem();
        peer.Requests.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("http://localhost:{0}", "127.0.0.0/8")] // a name, which could lead elsewhere tomorrow
    [InlineData("http://127.0.0.1:{0}", "10.0.0.0/8")] // not the network that is named
    [InlineData("http://ehr.example:{0}", "0.0.0.0/0")]
    [InlineData("http://10.20.0.1:{0}", "10.20.0.0/16")] // private, but not this machine
    public async Task Plain_http_leaves_only_for_a_loopback_literal_that_is_named(string url, string named)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig();

        using var answer = await rig.SendAsync(Rig.Connection(string.Format(null, url, peer.Port), named));

        answer.Failure.ShouldBe(EhrFailure.EgressRefused);
        peer.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_name_is_judged_by_the_address_that_is_connected_to()
    {
        using var authority = new TestAuthority("Hospital");
        await using var peer = await Peer.StartAsync((c, _) => Peer.Says(Peer.EmptySearchset)(c), authority.Issue("ehr.example"));
        var addresses = new Queue<IPAddress[]>(
        [
            [IPAddress.Loopback], // by itself shut
            [IPAddress.Parse("169.254.169.254")], // shut although named
            [IPAddress.Parse("10.0.0.1"), IPAddress.Parse("169.254.169.254"), IPAddress.Loopback], // only the last one is open
        ]);
        using var rig = new Rig(resolve: (_, _) => Task.FromResult(addresses.Dequeue()));
        var shut = Rig.Connection($"https://ehr.example:{peer.Port}") with { TrustedCertificates = authority.Pem };
        var metadata = shut with { PrivateNetworks = ["169.254.0.0/16"] };
        var open = shut with { PrivateNetworks = ["127.0.0.0/8"] };

        using var first = await rig.SendAsync(shut);
        using var second = await rig.SendAsync(metadata);
        peer.Requests.ShouldBeEmpty();
        using var third = await rig.SendAsync(open);

        first.Failure.ShouldBe(EhrFailure.EgressRefused);
        second.Failure.ShouldBe(EhrFailure.EgressRefused);
        third.Failure.ShouldBe(EhrFailure.None);
        peer.Requests.ShouldHaveSingleItem();
    }

    [Fact]
    public async Task The_hospitals_own_authority_is_trusted_where_it_is_stated()
    {
        using var authority = new TestAuthority("Hospital");
        await using var peer = await Peer.StartAsync((c, _) => Peer.Says(Peer.EmptySearchset)(c), authority.Issue("localhost"));
        using var rig = new Rig();

        using var answer = await rig.SendAsync(Tls(peer, authority.Pem));

        answer.Failure.ShouldBe(EhrFailure.None);
    }

    public enum Fault
    {
        ForeignAuthority,
        NoAuthority,
        Expired,
        OtherHost,
    }

    [Theory]
    [InlineData(Fault.ForeignAuthority)]
    [InlineData(Fault.NoAuthority)]
    [InlineData(Fault.Expired)]
    [InlineData(Fault.OtherHost)]
    public async Task A_certificate_that_proves_nothing_is_refused(Fault fault)
    {
        using var authority = new TestAuthority("Hospital");
        using var foreign = new TestAuthority("Foreign");
        var certificate = fault switch
        {
            Fault.Expired => authority.Issue("localhost", notAfterDays: -1),
            Fault.OtherHost => authority.Issue("other.example"),
            _ => authority.Issue("localhost"),
        };
        await using var peer = await Peer.StartAsync((c, _) => Peer.Says(Peer.EmptySearchset)(c), certificate);
        using var rig = new Rig();
        var trusted = fault switch { Fault.ForeignAuthority => foreign.Pem, Fault.NoAuthority => null, _ => authority.Pem };

        using var answer = await rig.SendAsync(Tls(peer, trusted));

        answer.Failure.ShouldBe(EhrFailure.TlsFailed);
        answer.Problem!.Message.ShouldContain("connection.trustedCertificates");
        peer.Requests.ShouldBeEmpty();
    }

    [Fact]
    public void Trust_that_cannot_be_read_is_a_problem_with_its_path()
    {
        using var rig = new Rig();
        var connection = Rig.Connection("https://ehr.example") with { TrustedCertificates = "not PEM" };
        Should.Throw<ProblemException>(() => rig.Egress.For(Rig.Tenant, connection))
            .Problems.ShouldHaveSingleItem().Path.ShouldBe("connection.trustedCertificates");
    }

    [Fact]
    public void Tenants_never_share_connections_and_equal_rules_do_within_one()
    {
        using var rig = new Rig();
        var first = rig.Egress.For(Rig.Tenant, Rig.Connection("https://ehr.example", "10.0.0.0/8"));
        rig.Egress.For(Rig.Tenant, Rig.Connection("https://ehr.example", "10.0.0.0/8")).ShouldBeSameAs(first);
        rig.Egress.For(Rig.Tenant, Rig.Connection("https://ehr.example")).ShouldNotBeSameAs(first);
        rig.Egress.For(TenantId.Parse("other", null), Rig.Connection("https://ehr.example", "10.0.0.0/8")).ShouldNotBeSameAs(first);
    }

    [Fact]
    public void Pools_are_bounded_the_longest_unused_goes_first()
    {
        var time = new FakeTimeProvider();
        using var rig = new Rig(time, static o => o.PoolsMax = 2);
        using var retired = new MetricCollector<long>(rig.Meters, "EhrGrains", "ehrgrains.egress.pools.retired");
        var a = Rig.Connection("https://ehr.example", "10.1.0.0/16");
        var b = Rig.Connection("https://ehr.example", "10.2.0.0/16");
        var clientA = rig.Egress.For(Rig.Tenant, a);
        time.Advance(TimeSpan.FromSeconds(1));
        var clientB = rig.Egress.For(Rig.Tenant, b);
        time.Advance(TimeSpan.FromSeconds(1));
        rig.Egress.For(Rig.Tenant, a);
        rig.Egress.For(Rig.Tenant, Rig.Connection("https://ehr.example", "10.3.0.0/16"));

        rig.Egress.Count.ShouldBe(2);
        rig.Egress.For(Rig.Tenant, a).ShouldBeSameAs(clientA);
        retired.GetMeasurementSnapshot().Single().Tags["reason"].ShouldBe("full");
        rig.Egress.For(Rig.Tenant, b).ShouldNotBeSameAs(clientB);
    }

    [Fact]
    public async Task An_idle_pool_is_closed_but_not_under_a_request()
    {
        var time = new FakeTimeProvider();
        await using var peer = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig(time);
        var client = rig.Egress.For(Rig.Tenant, Rig.To(peer));
        time.Advance(rig.Options.PoolIdle);
        rig.Egress.Count.ShouldBe(0);

        // Dealt out before it was retired: still good for a request's longest life, and closed after it.
        using (await client.GetAsync(peer.Url, TestContext.Current.CancellationToken))
        {
            peer.Requests.ShouldHaveSingleItem();
        }

        time.Advance(rig.Options.TotalTimeout + rig.Options.BodyTimeout + TimeSpan.FromMinutes(1));
        await Should.ThrowAsync<ObjectDisposedException>(() => client.GetAsync(peer.Url, TestContext.Current.CancellationToken));
    }

    private static ConnectionSpec Tls(Peer peer, string? trusted) =>
        Rig.Connection(peer.Url, "127.0.0.0/8", "::1/128") with { TrustedCertificates = trusted };
}
