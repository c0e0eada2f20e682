using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Audit;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Tenants;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Storage.Journal;
using EhrGrains.Storage.Records;

namespace EhrGrains.Grains.Records;

/// <summary>
/// What operators ask about a tenant's mapping. Mapping again needs no fence of its own: the records know what they have, and a late
/// message replaces nothing.
/// </summary>
[GrainType("ehr.mapping")]
internal sealed class MappingGrain(
    MappingExceptions exceptions,
    FeedMapping mapping,
    SiteMappings sites,
    JournalReader journal,
    FeedProgress progress,
    TenantSnapshots tenants,
    CommandAudit audit,
    CallerTickets tickets) : Grain, IMappingGrain
{
    private const int ListMax = 1_000;
    private const int ShadowMax = 10_000;
    private const int ShadowPage = 500;
    private const int PageBytesMax = 8 * 1024 * 1024;
    private const int MessageBytesMax = JournalWriter.MessageBytesMax;

    private TenantId Tenant => TenantId.Parse(this.GetPrimaryKeyString(), null);

    public async Task<MappingExceptionCount[]> CountAsync(CancellationToken cancellationToken)
    {
        await SnapshotAsync(cancellationToken);
        return [.. await exceptions.CountAsync(Tenant, cancellationToken)];
    }

    public async Task<MappingExceptionEntry[]> ListAsync(string? kind, FeedId? feed, int countMax, CancellationToken cancellationToken)
    {
        CheckCount(countMax, ListMax);
        await SnapshotAsync(cancellationToken);
        return [.. await exceptions.ListAsync(Tenant, kind, feed, countMax, cancellationToken)];
    }

    public async Task<MappingReplay> ReplayAsync(string? kind, FeedId? feed, int countMax, CancellationToken cancellationToken)
    {
        CheckCount(countMax, ListMax);
        var snapshot = await SnapshotAsync(cancellationToken);
        return await audit.RunAsync(
            Tenant,
            "mapping.replay",
            async () =>
            {
                // The cluster's own work, like the feed's.
                using var system = tickets.EnterSystem();
                var total = new MappingReplay(0, 0, 0, 0);
                var listed = await exceptions.ListAsync(Tenant, kind, feed, countMax, cancellationToken);
                foreach (var ofFeed in listed.GroupBy(entry => entry.Feed))
                {
                    var standing = await progress.ReadAsync(Tenant, ofFeed.Key, cancellationToken);
                    var job = await mapping.PrepareAsync(Tenant, ofFeed.Key, sites.Of(Tenant, snapshot), standing.Reached, late: true, cancellationToken);
                    foreach (var position in ofFeed.Select(entry => entry.Position).Distinct().Order())
                    {
                        total = Add(total, await ReplayAsync(job, position, cancellationToken));
                    }
                }

                return total;
            },
            cancellationToken);
    }

    public async Task<MappingShadow> ShadowAsync(MappingSpec changed, string timeZone, int countMax, CancellationToken cancellationToken)
    {
        CheckCount(countMax, ShadowMax);
        var snapshot = await SnapshotAsync(cancellationToken);
        var (now, then) = (sites.Of(Tenant, snapshot), SiteMappings.Compile(timeZone, changed));
        return await audit.RunAsync(
            Tenant,
            "mapping.shadow",
            async () =>
            {
                var shadow = new ShadowRun(now, then);
                foreach (var feed in snapshot.Spec.Feeds.Where(feed => feed.Inbound is not null).Select(feed => FeedId.Parse(feed.Feed, null)))
                {
                    await RunAsync(shadow, feed, countMax, cancellationToken);
                }

                return shadow.Result();
            },
            cancellationToken);
    }

    private async Task<MappingReplay> ReplayAsync(MappingJob job, long position, CancellationToken cancellationToken)
    {
        var entries = await journal.ReadAsync(Tenant, job.Feed, position - 1, 1, MessageBytesMax, cancellationToken);
        if (entries.Count == 0 || entries[0].Position != position)
        {
            return new MappingReplay(0, 0, 0, 1);
        }

        var batch = await mapping.ApplyAsync(job, entries, cancellationToken);
        if (batch.Failure is { } failure)
        {
            throw new ProblemException(ProblemKind.CheckFailed, [failure with { Path = $"{job.Feed}/{position}" }]);
        }

        await exceptions.ReplaceAsync(Tenant, job.Feed, position, batch.Exceptions, cancellationToken);
        return new MappingReplay(1, batch.Written, batch.Exceptions.Count, 0);
    }

    private async Task RunAsync(ShadowRun shadow, FeedId feed, int countMax, CancellationToken cancellationToken)
    {
        var job = await mapping.PrepareAsync(Tenant, feed, shadow.Now, 0, late: false, cancellationToken);
        using var message = new Hl7Message();
        var standing = await progress.ReadAsync(Tenant, feed, cancellationToken);
        for (var after = Math.Max(0, standing.Last - countMax); after < standing.Last;)
        {
            var page = await journal.ReadAsync(Tenant, feed, after, ShadowPage, PageBytesMax, cancellationToken);
            if (page.Count == 0)
            {
                return;
            }

            foreach (var entry in page.Where(entry => message.Read(entry.Message).Ok))
            {
                shadow.Compare(message, job, entry);
            }

            after = page[^1].Position;

            // Other calls of the tenant's operators have their turn between two pages.
            await Task.Yield();
        }
    }

    private async Task<TenantSnapshot> SnapshotAsync(CancellationToken cancellationToken) =>
        await tenants.GetNowAsync(Tenant, cancellationToken)
        ?? throw new ProblemException(ProblemKind.NotFound, "EHR-TEN-001", "tenant", "There is no such tenant.");

    private static MappingReplay Add(MappingReplay one, MappingReplay other) => new(
        one.Messages + other.Messages, one.Written + other.Written, one.Exceptions + other.Exceptions, one.Gone + other.Gone);

    private static void CheckCount(int countMax, int most)
    {
        if (countMax < 1 || countMax > most)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-REC-009", "countMax", $"Ask for 1 to {most}.");
        }
    }
}
