using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Feeds;
using EhrGrains.Storage.Feeds;

namespace EhrGrains.Grains.Tenants;

/// <summary>The tenant's part in feeds: it lists them for the listeners of all silos.</summary>
internal sealed partial class HospitalTenantGrain
{
    /// <summary>
    /// Refuses feeds that one message could belong to as well as to another feed, of whatever tenant. Two tenants that are stated at
    /// the same moment can both pass; their messages are then refused by every listener until one of them is changed.
    /// </summary>
    private async Task CheckFeedsAsync(TenantSpec spec, CancellationToken cancellationToken)
    {
        var own = Routes(Tenant, spec.Feeds).ToArray();
        if (own.Length == 0)
        {
            return;
        }

        var others = (await feeds.ListAllAsync(cancellationToken)).Where(other => other.Tenant != Tenant)
            .SelectMany(other => Routes(other.Tenant, other.Specs.Values.Select(json => FeedRow.Read(json).Spec)));
        var problems = FeedRoutes.From([.. others, .. own]).Conflicts
            .Where(conflict => conflict.Second.Tenant == Tenant)
            .Select(conflict => new Problem(
                "EHR-FED-050",
                $"feeds[{Array.FindIndex(spec.Feeds, feed => feed.Feed == conflict.Second.Feed.Value)}].inbound.match",
                $"One message could be meant for this feed and for {conflict.First.Tenant}/{conflict.First.Feed} equally: state more of how its messages are known."))
            .ToArray();
        if (problems.Length > 0)
        {
            throw new ProblemException(ProblemKind.Invalid, problems);
        }
    }

    private static IEnumerable<FeedRoute> Routes(TenantId tenant, IEnumerable<FeedSpec> specs) => specs
        .Where(feed => feed.Inbound is not null)
        .Select(feed => new FeedRoute(tenant, FeedId.Parse(feed.Feed, null), feed.Inbound!));

    /// <summary>Lists the feeds after a commit; on activation too, for one that ended between the two.</summary>
    private Task ListFeedsAsync(TenantState state) => feeds.SaveAsync(new TenantFeeds(Tenant, state.Version, FeedRows(state)), CancellationToken.None);

    private static Dictionary<FeedId, string> FeedRows(TenantState state) =>
        state.Spec is null || state.Lifecycle == Lifecycle.Offboarded
            ? []
            : state.Spec.Feeds.ToDictionary(
                feed => FeedId.Parse(feed.Feed, null), feed => new FeedRow(feed, state.Lifecycle != Lifecycle.Suspended).Write());
}
