using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Contracts.Tests.Feeds;

public sealed class FeedSpecRulesTests
{
    private static readonly InboundFeedSpec GoodInbound = new() { Match = new FeedMatch { SendingFacility = "NORTH" }, ForwardTo = ["lab"] };
    private static readonly OutboundFeedSpec GoodOutbound = new() { Host = "lab.north.example", Port = 2575 };
    private static readonly FeedSpec Inbound = new() { Feed = "adt", DisplayName = "Admissions", Inbound = GoodInbound };
    private static readonly FeedSpec Outbound = new() { Feed = "lab", DisplayName = "To the laboratory", Outbound = GoodOutbound };

    [Fact]
    public void Feeds_as_an_operator_writes_them_are_right() => Problems(Inbound, Outbound).ShouldBeEmpty();

    [Fact]
    public void Everything_that_is_wrong_with_a_feed_itself_is_named() => Problems(
        Inbound with { Feed = "A feed" },
        Outbound,
        Outbound,
        Inbound with { Feed = "neither", Inbound = null },
        Inbound with { Feed = "both", Outbound = GoodOutbound },
        Inbound with { Feed = "unnamed", DisplayName = " " }).ShouldBe(
        [
            ("EHR-FED-002", "feeds[0].feed"),
            ("EHR-FED-003", "feeds[2].feed"),
            ("EHR-FED-005", "feeds[3]"),
            ("EHR-FED-005", "feeds[4]"),
            ("EHR-FED-004", "feeds[5].displayName"),
        ]);

    [Fact]
    public void Everything_that_is_wrong_with_how_an_inbound_feed_is_known_is_named()
    {
        var digits = new string('a', 64);
        Problems(
            In("one", new FeedMatch()),
            In("two", new FeedMatch { SendingApplication = "", ReceivingFacility = "a\nb" }),
            In("three", new FeedMatch { Listener = (FeedListener)9, CertificateSha256 = ["AA:BB", digits, digits[2..]] }),
            In("four", new FeedMatch { Listener = FeedListener.Plain, CertificateSha256 = [digits] }),
            In("five", new FeedMatch { CertificateSha256 = [.. Enumerable.Repeat(digits, 17)] })).ShouldBe(
        [
            ("EHR-FED-010", "feeds[0].inbound.match"),
            ("EHR-FED-011", "feeds[1].inbound.match.sendingApplication"),
            ("EHR-FED-011", "feeds[1].inbound.match.receivingFacility"),
            ("EHR-FED-012", "feeds[2].inbound.match.listener"),
            ("EHR-FED-015", "feeds[2].inbound.match.certificateSha256[0]"),
            ("EHR-FED-015", "feeds[2].inbound.match.certificateSha256[2]"),
            ("EHR-FED-014", "feeds[3].inbound.match.listener"),
            ("EHR-FED-013", "feeds[4].inbound.match.certificateSha256"),
        ]);

        static FeedSpec In(string feed, FeedMatch match) =>
            new() { Feed = feed, DisplayName = feed, Inbound = new InboundFeedSpec { Match = match } };
    }

    [Fact]
    public void A_feed_is_forwarded_to_other_outbound_feeds_of_its_tenant_once_each() => Problems(
        Inbound with { Inbound = GoodInbound with { ForwardTo = ["lab", "nowhere", "lab", "adt"] } }, Outbound).ShouldBe(
        [
            ("EHR-FED-021", "feeds[0].inbound.forwardTo[1]"),
            ("EHR-FED-022", "feeds[0].inbound.forwardTo[2]"),
            ("EHR-FED-021", "feeds[0].inbound.forwardTo[3]"),
        ]);

    [Theory]
    [InlineData(0, 1, 1, 1, 1, "inbound.triesMax")]
    [InlineData(21, 1, 1, 1, 1, "inbound.triesMax")]
    [InlineData(1, 10_081, 1, 1, 1, "inbound.silenceAlarmMinutes")]
    [InlineData(1, 1, 0, 1, 1, "inbound.retentionDays")]
    [InlineData(1, 1, 1, 65_536, 1, "outbound.port")]
    [InlineData(1, 1, 1, 1, 65, "outbound.outstandingMax")]
    public void What_is_out_of_range_is_named(int tries, int silence, int retention, int port, int outstanding, string path)
    {
        var problems = Problems(
            Inbound with { Inbound = GoodInbound with { TriesMax = tries, SilenceAlarmMinutes = silence, RetentionDays = retention } },
            Outbound with { Outbound = GoodOutbound with { Port = port, OutstandingMax = outstanding } });
        problems.ShouldHaveSingleItem().Code.ShouldBe("EHR-FED-040");
        problems[0].Path.ShouldEndWith(path);
    }

    [Fact]
    public void A_receiver_that_is_no_host_or_trusted_without_tls_is_refused() => Problems(
        Outbound with { Outbound = GoodOutbound with { Host = "lab north", Tls = false, TrustedCertificates = "not PEM", Refused = (RefusedPolicy)7 } })
        .Select(problem => problem.Path).ShouldBe(
        ["feeds[0].outbound.host", "feeds[0].outbound.refused", "feeds[0].outbound.trustedCertificates", "feeds[0].outbound.trustedCertificates"]);

    [Fact]
    public void More_feeds_than_a_tenant_can_have_are_one_problem() =>
        Problems([.. Enumerable.Range(0, 101).Select(i => Outbound with { Feed = $"lab-{i}" })]).ShouldBe([("EHR-FED-001", "feeds")]);

    [Fact]
    public void What_differs_between_two_lists_of_feeds_is_named_by_feed()
    {
        var after = Spec(Inbound with { Inbound = GoodInbound with { TriesMax = 9 } });
        TenantSpecRules.Differences(Spec(Inbound, Outbound), after).Select(difference => difference.Path)
            .ShouldContain(path => path.EndsWith("inbound.triesMax", StringComparison.Ordinal));
        TenantSpecRules.Differences(Spec(Inbound, Outbound), after).ShouldContain(difference => difference.Before == "lab.north.example" && difference.After == null);
    }

    private static (string Code, string Path)[] Problems(params FeedSpec[] feeds) =>
        [.. TenantSpecRules.Validate(Spec(feeds)).Select(problem => (problem.Code, problem.Path))];

    private static TenantSpec Spec(params FeedSpec[] feeds) => new()
    {
        Tenant = "north",
        DisplayName = "North General",
        TimeZone = "America/Chicago",
        Connection = new ConnectionSpec
        {
            Vendor = "epic",
            BaseUrl = "https://fhir.north.example/R4",
            ClientId = "c",
            AuthMethod = ClientAuthMethod.PrivateKeyJwtEs384,
        },
        Feeds = feeds,
    };
}
