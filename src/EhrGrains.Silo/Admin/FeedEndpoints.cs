using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Silo.Admin;

/// <summary>How a feed is stated and how it stands; one of the two standings, as it is inbound or outbound.</summary>
internal sealed record FeedResponse(FeedSpec Spec, FeedStatus? Inbound, OutboundStatus? Outbound);

/// <summary>Why something is done; for the record, so without patient data.</summary>
internal sealed record FeedReason(string Reason);

/// <summary>From where on to process again: one of the two.</summary>
internal sealed record ReplayRequest(long? Position, DateTimeOffset? From);

/// <summary>From which position on is processed again.</summary>
internal sealed record ReplayResponse(long Position);

/// <summary>Feeds over HTTP, the same grain commands as the command line. What a feed is, is part of its tenant.</summary>
internal static class FeedEndpoints
{
    private const int QuarantinePage = 100;

    internal static void MapFeeds(this RouteGroupBuilder feeds)
    {
        feeds.MapGet("", ListAsync)
            .WithName("ListFeeds").WithSummary("The tenant's feeds, how each stands, and the alarms that hold.");
        feeds.MapGet("/{feed}", async (TenantId tenant, FeedId feed, IGrainFactory grains, CancellationToken ct) =>
                await DescribeAsync(grains, tenant, await FindAsync(grains, tenant, feed, ct), ct))
            .WithName("DescribeFeed").WithSummary("One feed: what it is, how it stands, its alarms, what came hour by hour.");
        feeds.MapPost("/{feed}:pause", (TenantId tenant, FeedId feed, FeedReason why, IGrainFactory grains, CancellationToken ct) => RunAsync(
                grains, tenant, feed, inbound => inbound.PauseAsync(why.Reason, ct), outbound => outbound.PauseAsync(why.Reason, ct), ct))
            .WithName("PauseFeed").WithSummary("Stops processing or sending. An inbound feed goes on taking messages into its journal.");
        feeds.MapPost("/{feed}:resume", (TenantId tenant, FeedId feed, IGrainFactory grains, CancellationToken ct) => RunAsync(
                grains, tenant, feed, inbound => inbound.ResumeAsync(ct), outbound => outbound.ResumeAsync(ct), ct))
            .WithName("ResumeFeed").WithSummary("Goes on where it stopped.");
        feeds.MapPost("/{feed}:replay", async (TenantId tenant, FeedId feed, ReplayRequest from, IGrainFactory grains, CancellationToken ct) =>
                new ReplayResponse(await Inbound(grains, tenant, feed).ReplayAsync(from.Position, from.From, ct)))
            .WithName("ReplayFeed").WithSummary("Processes an inbound feed's journal again from a position or a time on.");
        feeds.MapGet("/{feed}/quarantine", async (TenantId tenant, FeedId feed, long? after, IGrainFactory grains, CancellationToken ct) =>
                (await FindAsync(grains, tenant, feed, ct)).Direction == FeedDirection.Inbound
                    ? await Inbound(grains, tenant, feed).QuarantineAsync(after ?? 0, QuarantinePage, ct)
                    : await Outbound(grains, tenant, feed).QuarantineAsync(after ?? 0, QuarantinePage, ct))
            .WithName("ListQuarantine").WithSummary("Up to 100 messages that were put aside, after the position given; not their content.");
        feeds.MapPost("/{feed}/quarantine/{position:long}:retry", (TenantId tenant, FeedId feed, long position, IGrainFactory grains, CancellationToken ct) =>
                RunAsync(grains, tenant, feed, inbound => inbound.RetryAsync(position, ct), outbound => outbound.RetryAsync(position, ct), ct))
            .WithName("RetryMessage").WithSummary("Tries a message that was put aside once more.");
        feeds.MapPost(
                "/{feed}/quarantine/{position:long}:skip",
                (TenantId tenant, FeedId feed, long position, FeedReason why, IGrainFactory grains, CancellationToken ct) => RunAsync(
                    grains, tenant, feed, inbound => inbound.SkipAsync(position, why.Reason, ct), outbound => outbound.SkipAsync(position, why.Reason, ct), ct))
            .WithName("SkipMessage").WithSummary("Gives a message that was put aside up.");
    }

    private static async Task<FeedResponse[]> ListAsync(TenantId tenant, IGrainFactory grains, CancellationToken ct)
    {
        var specs = (await grains.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(tenant)).DescribeAsync(ct)).Spec.Feeds;
        return await Task.WhenAll(specs.Select(spec => DescribeAsync(grains, tenant, spec, ct)));
    }

    private static async Task<FeedResponse> DescribeAsync(IGrainFactory grains, TenantId tenant, FeedSpec spec, CancellationToken ct)
    {
        var feed = FeedId.Parse(spec.Feed, null);
        return spec.Direction == FeedDirection.Inbound
            ? new FeedResponse(spec, await Inbound(grains, tenant, feed).StatusAsync(ct), null)
            : new FeedResponse(spec, null, await Outbound(grains, tenant, feed).StatusAsync(ct));
    }

    private static async Task<IResult> RunAsync(
        IGrainFactory grains, TenantId tenant, FeedId feed, Func<IMllpConnectionGrain, Task> inbound, Func<IMllpSenderGrain, Task> outbound, CancellationToken ct)
    {
        var spec = await FindAsync(grains, tenant, feed, ct);
        await (spec.Direction == FeedDirection.Inbound ? inbound(Inbound(grains, tenant, feed)) : outbound(Outbound(grains, tenant, feed)));
        return Results.NoContent();
    }

    private static async Task<FeedSpec> FindAsync(IGrainFactory grains, TenantId tenant, FeedId feed, CancellationToken ct) =>
        (await grains.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(tenant)).DescribeAsync(ct)).Spec.Feeds.FirstOrDefault(spec => spec.Feed == feed.Value)
        ?? throw new ProblemException(ProblemKind.NotFound, "EHR-GTW-010", "feed", "The tenant has no feed of this id.");

    private static IMllpConnectionGrain Inbound(IGrainFactory grains, TenantId tenant, FeedId feed) =>
        grains.GetGrain<IMllpConnectionGrain>(GrainKeys.Feed(tenant, feed));

    private static IMllpSenderGrain Outbound(IGrainFactory grains, TenantId tenant, FeedId feed) =>
        grains.GetGrain<IMllpSenderGrain>(GrainKeys.Feed(tenant, feed));
}
