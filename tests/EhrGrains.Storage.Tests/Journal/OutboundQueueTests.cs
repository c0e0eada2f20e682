using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Journal;
using EhrGrains.Storage.Outbound;

namespace EhrGrains.Storage.Tests.Journal;

public sealed class PostgreSqlOutboundQueueTests(PostgreSqlFixture fixture) : OutboundQueueTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteOutboundQueueTests(SqliteFixture fixture) : OutboundQueueTests(fixture), IClassFixture<SqliteFixture>;

/// <summary>What waits to be sent: in order, once, nothing dropped.</summary>
public abstract class OutboundQueueTests(DatabaseFixture fixture)
{
    private static readonly FeedId Feed = FeedId.Parse("to-lab");

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Messages_wait_in_order_once_each_until_they_are_delivered()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var tenant = TenantId.Parse("waiting");
        await silo.Outbound.EnqueueAsync(tenant, [Message("a"), Message("b")], Cancelled);
        await silo.Outbound.EnqueueAsync(tenant, [Message("b"), Message("c"), Message("c"), Message("d")], Cancelled);

        var waiting = await silo.Outbound.ReadAsync(tenant, Feed, 0, 10, int.MaxValue, Cancelled);

        waiting.Select(Content).ShouldBe(["a", "b", "c", "d"]);
        waiting.Select(e => e.Position).ShouldBeInOrder();
        (await silo.Outbound.ReadAsync(tenant, Feed, waiting[1].Position, 1, int.MaxValue, Cancelled)).Select(Content).ShouldBe(["c"]);
        (await silo.Outbound.ReadAsync(tenant, Feed, 0, 10, 1, Cancelled)).Select(Content).ShouldBe(["a"]);

        // Acknowledged out of order: what is left keeps its order, and a key stays known.
        var epoch = await silo.Outbound.TakeEpochAsync(tenant, Feed, Cancelled);
        (await silo.Outbound.CommitAsync(Commit(tenant, epoch) with { Delivered = [waiting[1].Position, waiting[2].Position] }, Cancelled)).ShouldBeTrue();
        await silo.Outbound.EnqueueAsync(tenant, [Message("b"), Message("e")], Cancelled);
        (await silo.Outbound.ReadAsync(tenant, Feed, 0, 10, int.MaxValue, Cancelled)).Select(Content).ShouldBe(["a", "d", "e"]);
        var standing = await silo.Outbound.StandingAsync(tenant, Feed, Cancelled);
        (standing.Epoch, standing.Waiting, standing.OldestQueuedAt, standing.Quarantined).ShouldBe((epoch, 3, waiting[0].QueuedAt, 0));
        (DateTimeOffset.UtcNow - standing.LastDeliveredAt!.Value).ShouldBeLessThan(TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task A_delivered_message_leaves_no_bytes_behind()
    {
        var test = await fixture.GetAsync();
        await using var silo = await JournalSilo.StartAsync(test);
        var tenant = TenantId.Parse("delivered");
        await silo.Outbound.EnqueueAsync(tenant, [Message("a"), Message("b")], Cancelled);
        var waiting = await silo.Outbound.ReadAsync(tenant, Feed, 0, 10, int.MaxValue, Cancelled);
        var epoch = await silo.Outbound.TakeEpochAsync(tenant, Feed, Cancelled);

        await silo.Outbound.CommitAsync(
            Commit(tenant, epoch) with { Delivered = [waiting[0].Position], Skipped = [waiting[1].Position] }, Cancelled);

        (await test.LookAsync("SELECT count(*) FROM outbound_message WHERE tenant_id = 'delivered' AND message IS NULL")).ShouldBe(["2"]);
    }

    [Fact]
    public async Task What_was_refused_is_put_aside_and_can_be_sent_again_at_its_old_place_or_given_up()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var tenant = TenantId.Parse("refused");
        await silo.Outbound.EnqueueAsync(tenant, [Message("a"), Message("b"), Message("c")], Cancelled);
        var waiting = await silo.Outbound.ReadAsync(tenant, Feed, 0, 10, int.MaxValue, Cancelled);
        var epoch = await silo.Outbound.TakeEpochAsync(tenant, Feed, Cancelled);
        var aside = new QuarantinedMessage(
            waiting[0].Position, new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero), 3, "EHR-FED-200", "The receiver answered AR.");
        await silo.Outbound.CommitAsync(Commit(tenant, epoch) with { Quarantined = [aside, aside with { Position = waiting[1].Position }] }, Cancelled);

        (await silo.Outbound.ReadAsync(tenant, Feed, 0, 10, int.MaxValue, Cancelled)).Select(Content).ShouldBe(["c"]);
        (await silo.Outbound.ListQuarantineAsync(tenant, Feed, 0, 1, Cancelled)).ShouldBe([aside]);

        await silo.Outbound.CommitAsync(
            Commit(tenant, epoch) with { Retried = [waiting[0].Position], Skipped = [waiting[1].Position] }, Cancelled);

        (await silo.Outbound.ReadAsync(tenant, Feed, 0, 10, int.MaxValue, Cancelled)).Select(Content).ShouldBe(["a", "c"]);
        (await silo.Outbound.ListQuarantineAsync(tenant, Feed, 0, 10, Cancelled)).ShouldBeEmpty();
        (await silo.Outbound.StandingAsync(tenant, Feed, Cancelled)).Waiting.ShouldBe(2);
    }

    [Fact]
    public async Task Who_was_overtaken_delivers_nothing_any_more()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var tenant = TenantId.Parse("late-sender");
        await silo.Outbound.EnqueueAsync(tenant, [Message("a")], Cancelled);
        var old = await silo.Outbound.TakeEpochAsync(tenant, Feed, Cancelled);
        (await silo.Outbound.TakeEpochAsync(tenant, Feed, Cancelled)).ShouldBe(old + 1);

        (await silo.Outbound.CommitAsync(Commit(tenant, old) with { Delivered = [1] }, Cancelled)).ShouldBeFalse();

        (await silo.Outbound.ReadAsync(tenant, Feed, 0, 10, int.MaxValue, Cancelled)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Keys_are_forgotten_a_month_after_their_message_was_settled_and_not_while_it_waits()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var tenant = TenantId.Parse("forgetting");
        await silo.Outbound.EnqueueAsync(tenant, [Message("a"), Message("b")], Cancelled);
        var epoch = await silo.Outbound.TakeEpochAsync(tenant, Feed, Cancelled);
        await silo.Outbound.CommitAsync(Commit(tenant, epoch) with { Delivered = [1] }, Cancelled);

        silo.Time.Advance(JournalRetention.KeepKeysFor + TimeSpan.FromHours(1));
        await silo.Retention.RunAsync(Cancelled);
        await silo.Outbound.EnqueueAsync(tenant, [Message("a"), Message("b")], Cancelled);

        (await silo.Outbound.ReadAsync(tenant, Feed, 0, 10, int.MaxValue, Cancelled)).Select(Content).ShouldBe(["b", "a"]);
    }

    private static string Content(OutboundEntry entry) => System.Text.Encoding.UTF8.GetString(entry.Message.Span).Split('|')[9][..1];

    private static Forward Message(string content) => new(Feed, $"key-{content}", JournalSilo.Bytes(content));

    private static OutboundCommit Commit(TenantId tenant, long epoch) => new() { Tenant = tenant, Feed = Feed, Epoch = epoch };
}
