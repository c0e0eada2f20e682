using System.Text;
using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Connect.Tests.Mllp;

/// <summary>Which feed a message belongs to, over all tenants.</summary>
public sealed class FeedRoutesTests
{
    private const string Digest = "AB00000000000000000000000000000000000000000000000000000000000001";
    private const string OtherDigest = "AB00000000000000000000000000000000000000000000000000000000000002";

    [Fact]
    public void What_a_feed_states_must_all_hold()
    {
        var routes = Of(("a", new FeedMatch { SendingApplication = "EPIC", SendingFacility = "STMARY", Listener = FeedListener.Tls }));
        Find(routes, FeedListener.Tls).ShouldBe("a");
        Find(routes, FeedListener.Plain).ShouldBeNull();
        Find(routes, FeedListener.Tls, application: "LAB").ShouldBeNull();
    }

    [Fact]
    public void The_feed_that_states_more_wins()
    {
        var routes = Of(
            ("all", new FeedMatch { Listener = FeedListener.Plain }),
            ("receiver", new FeedMatch { ReceivingApplication = "EHRGRAINS", ReceivingFacility = "OPS" }),
            ("sender", new FeedMatch { SendingApplication = "EPIC" }),
            ("certificate", new FeedMatch { CertificateSha256 = [Digest] }));
        Find(routes, FeedListener.Plain, Digest).ShouldBe("certificate");
        Find(routes, FeedListener.Plain).ShouldBe("sender");
        Find(routes, FeedListener.Tls, application: "LAB").ShouldBe("receiver");
    }

    [Fact]
    public void A_certificate_that_a_feed_names_opens_no_other_feed()
    {
        var routes = Of(
            ("bound", new FeedMatch { CertificateSha256 = [Digest], SendingApplication = "EPIC" }),
            ("other", new FeedMatch { SendingApplication = "LAB" }));
        Find(routes, FeedListener.Tls, Digest).ShouldBe("bound");
        Find(routes, FeedListener.Tls, Digest, "LAB").ShouldBeNull();
        Find(routes, FeedListener.Tls, OtherDigest, "LAB").ShouldBe("other");
        Find(routes, FeedListener.Tls, OtherDigest).ShouldBeNull();
        Find(routes, FeedListener.Tls).ShouldBeNull();
    }

    [Fact]
    public void A_digest_may_be_written_with_colons_and_small_letters()
    {
        var written = string.Join(':', Digest.ToLowerInvariant().Chunk(2).Select(pair => new string(pair)));
        Find(Of(("a", new FeedMatch { CertificateSha256 = [written, OtherDigest] })), FeedListener.Tls, Digest).ShouldBe("a");
    }

    [Fact]
    public void Only_the_first_component_of_a_party_is_compared() =>
        Find(Of(("a", new FeedMatch { SendingApplication = "EPIC" })), FeedListener.Plain, application: "EPIC^1.2.3^ISO").ShouldBe("a");

    [Fact]
    public void Two_feeds_that_match_equally_are_a_conflict_and_their_messages_belong_to_nobody()
    {
        var routes = Of(
            ("a", new FeedMatch { CertificateSha256 = [Digest, OtherDigest] }),
            ("b", new FeedMatch { CertificateSha256 = [OtherDigest] }),
            ("c", new FeedMatch { SendingApplication = "LAB" }));
        routes.Conflicts.ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            conflict => conflict.First.Feed.Value.ShouldBe("a"), conflict => conflict.Second.Feed.Value.ShouldBe("b"));
        Find(routes, FeedListener.Tls, OtherDigest).ShouldBeNull();
        Find(routes, FeedListener.Tls, Digest).ShouldBe("a");
        Find(routes, FeedListener.Tls, application: "LAB").ShouldBe("c");
    }

    private static FeedRoutes Of(params (string Feed, FeedMatch Match)[] feeds) =>
        FeedRoutes.From(feeds.Select(feed => MllpRig.Route(feed.Match, feed: feed.Feed)));

    private static string? Find(FeedRoutes routes, FeedListener listener, string? certificate = null, string application = "EPIC")
    {
        using var message = Hl7Message.Parse(
            Encoding.UTF8.GetBytes(Messages.Header("1").Replace("|EPIC|", $"|{application}|", StringComparison.Ordinal)));
        return routes.Find(listener, certificate, message.Segment(0))?.Feed.Value;
    }
}
