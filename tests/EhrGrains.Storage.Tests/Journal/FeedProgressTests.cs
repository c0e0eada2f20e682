using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Feeds;
using EhrGrains.Storage.Journal;
using EhrGrains.Storage.Outbound;

namespace EhrGrains.Storage.Tests.Journal;

public sealed class PostgreSqlFeedProgressTests(PostgreSqlFixture fixture) : FeedProgressTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteFeedProgressTests(SqliteFixture fixture) : FeedProgressTests(fixture), IClassFixture<SqliteFixture>;

/// <summary>Processing a feed: fenced by epoch, all or nothing.</summary>
public abstract class FeedProgressTests(DatabaseFixture fixture)
{
    private static readonly FeedId Feed = FeedId.Parse("adt");
    private static readonly FeedId Target = FeedId.Parse("to-lab");

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Who_was_overtaken_changes_nothing_any_more()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var tenant = TenantId.Parse("overtaken");
        var key = new FeedKey("overtaken", "adt");
        for (var i = 0; i < 3; i++)
        {
            await silo.AppendAsync(key, $"id{i}");
        }

        var old = await silo.Progress.TakeEpochAsync(tenant, Feed, Cancelled);
        old.ShouldBe(new FeedTurn(1, 0, 0, 0));
        (await silo.Progress.CommitAsync(Commit(tenant, old.Epoch, 1), Cancelled)).ShouldBeTrue();
        (await silo.Progress.CountTryAsync(tenant, Feed, old.Epoch, Cancelled)).ShouldBe(1);
        (await silo.Progress.CountTryAsync(tenant, Feed, old.Epoch, Cancelled)).ShouldBe(2);

        var now = await silo.Progress.TakeEpochAsync(tenant, Feed, Cancelled);

        now.ShouldBe(new FeedTurn(2, 1, 1, 2));
        var late = Commit(tenant, old.Epoch, 3) with
        {
            Quarantined = [new QuarantinedMessage(2, DateTimeOffset.UtcNow, 5, "X", "x")],
            Forwards = [new Forward(Target, "late", JournalSilo.Bytes("late"))],
        };
        (await silo.Progress.CommitAsync(late, Cancelled)).ShouldBeFalse();
        (await silo.Progress.CountTryAsync(tenant, Feed, old.Epoch, Cancelled)).ShouldBeNull();
        (await silo.Progress.ListQuarantineAsync(tenant, Feed, 0, 10, Cancelled)).ShouldBeEmpty();
        (await silo.Outbound.ReadAsync(tenant, Target, 0, 10, int.MaxValue, Cancelled)).ShouldBeEmpty();
        var standing = await silo.Progress.ReadAsync(tenant, Feed, Cancelled);
        (standing.Epoch, standing.Position, standing.Last).ShouldBe((2, 1, 3));
        standing.OldestWaitingAt.ShouldBe((await silo.ReadAsync(key, after: 1))[0].ReceivedAt);

        (await silo.Progress.CommitAsync(Commit(tenant, now.Epoch, 3), Cancelled)).ShouldBeTrue();
        (await silo.Progress.TakeEpochAsync(tenant, Feed, Cancelled)).ShouldBe(new FeedTurn(3, 3, 3, 0));
    }

    [Fact]
    public async Task Position_quarantine_and_forwards_are_one_commit_and_a_replay_forwards_nothing_twice()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var tenant = TenantId.Parse("forwarding");
        for (var i = 1; i <= 3; i++)
        {
            await silo.AppendAsync(new FeedKey("forwarding", "adt"), $"id{i}");
        }

        var turn = await silo.Progress.TakeEpochAsync(tenant, Feed, Cancelled);
        var aside = new QuarantinedMessage(2, new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero), 5, "EHR-FED-100", "It cannot be read.");
        var commit = Commit(tenant, turn.Epoch, 3) with
        {
            Quarantined = [aside],
            Forwards = [Forward(1), Forward(3), new Forward(FeedId.Parse("to-other"), "adt/1", JournalSilo.Bytes("id1"))],
        };
        (await silo.Progress.CommitAsync(commit, Cancelled)).ShouldBeTrue();

        (await silo.Progress.ListQuarantineAsync(tenant, Feed, 0, 10, Cancelled)).ShouldBe([aside]);
        (await silo.Progress.ListQuarantineAsync(tenant, Feed, 2, 10, Cancelled)).ShouldBeEmpty();
        (await silo.Progress.ReadAsync(tenant, Feed, Cancelled)).Quarantined.ShouldBe(1);
        (await silo.Outbound.ReadAsync(tenant, FeedId.Parse("to-other"), 0, 10, int.MaxValue, Cancelled)).Count.ShouldBe(1);

        // Replayed from the start, and this time the second one can be processed.
        (await silo.Progress.CommitAsync(Commit(tenant, turn.Epoch, 0), Cancelled)).ShouldBeTrue();
        (await silo.Progress.ReadAsync(tenant, Feed, Cancelled)).ShouldSatisfyAllConditions(s => s.Position.ShouldBe(0), s => s.Reached.ShouldBe(3));
        var again = Commit(tenant, turn.Epoch, 3) with { Settled = [2], Forwards = [Forward(1), Forward(2), Forward(3)] };
        (await silo.Progress.CommitAsync(again, Cancelled)).ShouldBeTrue();

        (await silo.Progress.ListQuarantineAsync(tenant, Feed, 0, 10, Cancelled)).ShouldBeEmpty();
        (await silo.Progress.ReadQuarantinedAsync(tenant, Feed, 2, Cancelled)).ShouldBeNull();
        var queued = await silo.Outbound.ReadAsync(tenant, Target, 0, 10, int.MaxValue, Cancelled);
        queued.Select(e => Convert.ToHexString(e.Message.Span))
            .ShouldBe(new[] { 1, 3, 2 }.Select(i => Convert.ToHexString(JournalSilo.Bytes($"id{i}").Span)));
    }

    [Fact]
    public async Task A_feed_that_nobody_knows_stands_at_nothing()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());

        (await silo.Progress.ReadAsync(TenantId.Parse("nobody"), Feed, Cancelled))
            .ShouldBe(new FeedStanding(0, 0, 0, 0, null, null, 0, 0, 0));
    }

    [Fact]
    public async Task Feeds_of_all_tenants_are_listed_and_an_older_version_never_overwrites()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var tenant = TenantId.Parse("table");
        var specs = new Dictionary<FeedId, string> { [Feed] = """{"a":"b"}""", [Target] = "{}" };
        await silo.Feeds.SaveAsync(new TenantFeeds(tenant, 5, specs), Cancelled);
        await silo.Feeds.SaveAsync(new TenantFeeds(TenantId.Parse("table-too"), 1, new Dictionary<FeedId, string>()), Cancelled);

        await silo.Feeds.SaveAsync(new TenantFeeds(tenant, 4, new Dictionary<FeedId, string>()), Cancelled);

        var all = (await silo.Feeds.ListAllAsync(Cancelled)).Where(f => f.Tenant.Value.StartsWith("table", StringComparison.Ordinal)).ToArray();
        all.Select(f => (f.Tenant.Value, f.Version, f.Specs.Count)).ShouldBe([("table", 5, 2), ("table-too", 1, 0)]);
        all[0].Specs[Feed].ShouldBe("""{"a":"b"}""");
    }

    private static FeedCommit Commit(TenantId tenant, long epoch, long position) =>
        new() { Tenant = tenant, Feed = Feed, Epoch = epoch, Position = position };

    private static Forward Forward(int position) => new(Target, $"adt/{position}", JournalSilo.Bytes($"id{position}"));
}
