using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Connect.Mllp;

/// <summary>An inbound feed and whose it is.</summary>
/// <param name="Tenant">The tenant.</param>
/// <param name="Feed">The feed, within the tenant.</param>
/// <param name="Spec">How its messages are known and treated.</param>
public sealed record FeedRoute(TenantId Tenant, FeedId Feed, InboundFeedSpec Spec);

/// <summary>Two feeds that one message could belong to equally.</summary>
/// <param name="First">The one that was there first.</param>
/// <param name="Second">The other.</param>
public sealed record FeedConflict(FeedRoute First, FeedRoute Second);

/// <summary>
/// Finds the feed that a message belongs to, over all tenants. Immutable, safe for use by several threads. The feed that states
/// most wins, in this order: certificate, MSH-3, MSH-4, MSH-5, MSH-6, listener. A certificate that any feed names opens the feeds
/// that name it and no others, so that a sender cannot write into another tenant's feed by what it puts into MSH-3.
/// </summary>
public sealed class FeedRoutes
{
    private readonly Dictionary<RouteKey, FeedRoute?> routes = [];
    private readonly HashSet<string> certificates = new(StringComparer.Ordinal);
    private readonly List<FeedConflict> conflicts = [];
    private readonly Criteria[] order;

    private FeedRoutes(IEnumerable<FeedRoute> feeds)
    {
        var used = new SortedSet<Criteria>();
        foreach (var feed in feeds)
        {
            var match = feed.Spec.Match;
            var digests = match.CertificateSha256.Select(static digest => (string?)Normal(digest)).Distinct();
            foreach (var digest in digests.DefaultIfEmpty())
            {
                var key = new RouteKey(
                    match.Listener,
                    digest,
                    match.SendingApplication,
                    match.SendingFacility,
                    match.ReceivingApplication,
                    match.ReceivingFacility);
                used.Add(key.Stated);
                Add(key, feed);
            }
        }

        order = [.. used.Reverse()];
    }

    /// <summary>No feeds: every message is refused.</summary>
    public static FeedRoutes None { get; } = new([]);

    /// <summary>
    /// Feeds that one message could belong to equally. Such messages are refused: which tenant they are of cannot be known.
    /// </summary>
    public IReadOnlyList<FeedConflict> Conflicts => conflicts;

    /// <summary>The routes of these feeds.</summary>
    public static FeedRoutes From(IEnumerable<FeedRoute> feeds) => new(feeds);

    /// <summary>The feed of a message; null when it belongs to none, or to several equally.</summary>
    /// <param name="listener">Where it came in.</param>
    /// <param name="certificateSha256">
    /// SHA-256 of the sender's client certificate in capital hexadecimal digits; null: none was shown.
    /// </param>
    /// <param name="header">Its MSH segment.</param>
    public FeedRoute? Find(FeedListener listener, string? certificateSha256, Hl7Segment header)
    {
        var bound = certificateSha256 is not null && certificates.Contains(certificateSha256);
        var whole = new RouteKey(listener, certificateSha256, Party(header, 3), Party(header, 4), Party(header, 5), Party(header, 6));
        foreach (var criteria in order)
        {
            if (bound == criteria.HasFlag(Criteria.Certificate) && routes.TryGetValue(whole.Only(criteria), out var route))
            {
                return route;
            }
        }

        return null;
    }

    private void Add(RouteKey key, FeedRoute feed)
    {
        if (key.Certificate is not null)
        {
            certificates.Add(key.Certificate);
        }

        if (routes.TryAdd(key, feed))
        {
            return;
        }

        if (routes[key] is { } first)
        {
            conflicts.Add(new FeedConflict(first, feed));
            routes[key] = null;
        }
    }

    private static string Party(Hl7Segment header, int field) => header[field].Component(1).GetString();

    private static string Normal(string digest) => digest.Replace(":", "", StringComparison.Ordinal).ToUpperInvariant();

    // The order of the values is the order of preference.
    [Flags]
    private enum Criteria
    {
        None = 0,
        Listener = 1,
        ReceivingFacility = 2,
        ReceivingApplication = 4,
        SendingFacility = 8,
        SendingApplication = 16,
        Certificate = 32,
    }

    private readonly record struct RouteKey(
        FeedListener? Listener,
        string? Certificate,
        string? SendingApplication,
        string? SendingFacility,
        string? ReceivingApplication,
        string? ReceivingFacility)
    {
        internal Criteria Stated =>
            (Listener is null ? Criteria.None : Criteria.Listener)
            | (Certificate is null ? Criteria.None : Criteria.Certificate)
            | (SendingApplication is null ? Criteria.None : Criteria.SendingApplication)
            | (SendingFacility is null ? Criteria.None : Criteria.SendingFacility)
            | (ReceivingApplication is null ? Criteria.None : Criteria.ReceivingApplication)
            | (ReceivingFacility is null ? Criteria.None : Criteria.ReceivingFacility);

        internal RouteKey Only(Criteria criteria) => new(
            criteria.HasFlag(Criteria.Listener) ? Listener : null,
            criteria.HasFlag(Criteria.Certificate) ? Certificate : null,
            criteria.HasFlag(Criteria.SendingApplication) ? SendingApplication : null,
            criteria.HasFlag(Criteria.SendingFacility) ? SendingFacility : null,
            criteria.HasFlag(Criteria.ReceivingApplication) ? ReceivingApplication : null,
            criteria.HasFlag(Criteria.ReceivingFacility) ? ReceivingFacility : null);
    }
}
