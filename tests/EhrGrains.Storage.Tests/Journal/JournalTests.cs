using System.Security.Cryptography;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Journal;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Storage.Tests.Journal;

public sealed class PostgreSqlJournalTests(PostgreSqlFixture fixture) : JournalTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteJournalTests(SqliteFixture fixture) : JournalTests(fixture), IClassFixture<SqliteFixture>;

/// <summary>What is in the journal and in which order; the same on both databases.</summary>
public abstract class JournalTests(DatabaseFixture fixture)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Messages_come_back_as_they_were_in_the_order_of_their_receipts()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var feed = new FeedKey("in-order", "adt");
        for (var i = 1; i <= 5; i++)
        {
            (await silo.AppendAsync(feed, $"id{i}")).ShouldBe(new JournalReceipt(i, JournalDisposition.Appended, null));
        }

        var entries = await silo.ReadAsync(feed);

        entries.Select(e => e.Position).ShouldBe([1, 2, 3, 4, 5]);
        entries.Select(e => Convert.ToHexString(e.Message.Span))
            .ShouldBe(Enumerable.Range(1, 5).Select(i => Convert.ToHexString(JournalSilo.Bytes($"id{i}").Span)));
        entries.ShouldAllBe(e => !e.ControlIdReused && e.Resends == 0);
        entries.Select(e => e.ReceivedAt).ShouldBeInOrder();
        (DateTimeOffset.UtcNow - entries[0].ReceivedAt).ShouldBeLessThan(TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task Two_silos_share_commits_and_each_feed_gets_every_position_once()
    {
        var test = await fixture.GetAsync();
        await using var here = await JournalSilo.StartAsync(test);
        await using var there = await JournalSilo.StartAsync(test);
        FeedKey[] feeds = [new("shared-a", "adt"), new("shared-a", "lab"), new("shared-b", "adt")];

        var receipts = await Task.WhenAll(Enumerable.Range(0, 600).Select(async i =>
            (Feed: feeds[i % 3], Id: $"id{i}", Receipt: await (i % 2 == 0 ? here : there).AppendAsync(feeds[i % 3], $"id{i}"))));

        foreach (var feed in feeds)
        {
            var entries = await here.ReadAsync(feed);
            entries.Select(e => e.Position).ShouldBe(Enumerable.Range(1, 200).Select(i => (long)i));
            foreach (var (_, id, receipt) in receipts.Where(r => r.Feed == feed))
            {
                entries[(int)receipt.Position - 1].Message.Span.SequenceEqual(JournalSilo.Bytes(id).Span).ShouldBeTrue();
            }
        }
    }

    [Fact]
    public async Task A_repetition_is_marked_and_not_appended_and_a_control_id_with_other_content_is_kept_and_flagged()
    {
        var test = await fixture.GetAsync();
        await using var silo = await JournalSilo.StartAsync(test);
        var feed = new FeedKey("repeated", "adt");
        await silo.AppendAsync(feed, "one");
        await silo.AppendAsync(feed, "two");

        (await silo.AppendAsync(feed, "one")).ShouldBe(new JournalReceipt(1, JournalDisposition.Duplicate, null));
        (await silo.AppendAsync(feed, "one", "other")).ShouldBe(new JournalReceipt(3, JournalDisposition.ControlIdReused, null));
        (await silo.AppendAsync(feed, "one", "other")).ShouldBe(new JournalReceipt(3, JournalDisposition.Duplicate, null));
        await using var there = await JournalSilo.StartAsync(test);
        (await there.AppendAsync(feed, "one")).ShouldBe(new JournalReceipt(1, JournalDisposition.Duplicate, null));

        (await silo.ReadAsync(feed)).Select(e => (e.Position, e.ControlIdReused, e.Resends))
            .ShouldBe([(1, false, 2), (2, false, 0), (3, true, 1)]);
        var standing = await silo.Progress.ReadAsync(TenantId.Parse(feed.Tenant), FeedId.Parse(feed.Feed), Cancelled);
        (standing.Last, standing.Resends, standing.ControlIdsReused).ShouldBe((3, 3, 1));
    }

    [Fact]
    public async Task The_same_message_of_another_sender_feed_or_tenant_is_another_message()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var feed = new FeedKey("distinct", "adt");
        await silo.AppendAsync(feed, "one");

        (await silo.AppendAsync(feed with { Feed = "lab" }, "one")).Disposition.ShouldBe(JournalDisposition.Appended);
        (await silo.AppendAsync(feed with { Tenant = "distinct-too" }, "one")).Disposition.ShouldBe(JournalDisposition.Appended);
        var other = JournalSilo.Message(feed, "one") with { Sender = "LAB^1.2.3^ISO|NORT", ControlId = "Hone" };
        (await silo.Writer.AppendAsync(other, Cancelled)).Disposition.ShouldBe(JournalDisposition.Appended);
    }

    [Fact]
    public async Task Repetitions_within_one_commit_are_found_too()
    {
        var test = await fixture.GetAsync();
        await using var silo = await JournalSilo.StartAsync(test);
        var feed = new FeedKey("burst", "adt");
        await silo.AppendAsync(feed, "first");

        var receipts = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => silo.AppendAsync(feed, $"id{i % 10}", i < 50 ? "a" : "b")));

        receipts.Count(r => r.Disposition == JournalDisposition.Appended).ShouldBe(10);
        receipts.Count(r => r.Disposition == JournalDisposition.ControlIdReused).ShouldBe(10);
        receipts.Count(r => r.Disposition == JournalDisposition.Duplicate).ShouldBe(80);
        (await silo.ReadAsync(feed)).Sum(e => e.Resends).ShouldBe(80);
    }

    [Fact]
    public async Task A_days_old_repetition_is_found_in_the_segment_of_its_day()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var feed = new FeedKey("days-old", "adt");
        await silo.AppendAsync(feed, "one");

        silo.Time.Advance(TimeSpan.FromDays(Segments.DuplicateDays));
        (await silo.AppendAsync(feed, "two")).Position.ShouldBe(2);

        (await silo.AppendAsync(feed, "one")).ShouldBe(new JournalReceipt(1, JournalDisposition.Duplicate, null));
        (await silo.ReadAsync(feed)).Select(e => e.Resends).ShouldBe([1, 0]);
    }

    [Fact]
    public async Task Reading_keeps_to_its_bounds_but_makes_progress()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var feed = new FeedKey("bounded", "adt");
        for (var i = 1; i <= 6; i++)
        {
            await silo.AppendAsync(feed, $"id{i}", i == 4 ? new string('x', 20_000) : null);
        }

        var length = JournalSilo.Bytes("id1").Length;
        (await silo.ReadAsync(feed, after: 0, countMax: 2)).Select(e => e.Position).ShouldBe([1, 2]);
        (await silo.ReadAsync(feed, after: 0, bytesMax: 1)).Select(e => e.Position).ShouldBe([1]);
        (await silo.ReadAsync(feed, after: 0, bytesMax: length + 1)).Select(e => e.Position).ShouldBe([1, 2]);
        (await silo.ReadAsync(feed, after: 3, bytesMax: length)).Select(e => e.Position).ShouldBe([4]);
        (await silo.ReadAsync(feed, after: 6)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_position_is_found_by_time()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var feed = new FeedKey("by-time", "adt");
        for (var i = 0; i < 40; i++)
        {
            await silo.AppendAsync(feed, $"id{i}");
        }

        var entries = await silo.ReadAsync(feed);

        foreach (var entry in entries)
        {
            (await FindAsync(entry.ReceivedAt)).ShouldBe(entries.First(e => e.ReceivedAt >= entry.ReceivedAt).Position);
        }

        (await FindAsync(DateTimeOffset.UnixEpoch)).ShouldBe(1);
        (await FindAsync(entries[^1].ReceivedAt.AddSeconds(1))).ShouldBeNull();
        (await silo.Reader.FindAsync(TenantId.Parse("by-time"), FeedId.Parse("none"), DateTimeOffset.UnixEpoch, Cancelled)).ShouldBeNull();

        Task<long?> FindAsync(DateTimeOffset at) =>
            silo.Reader.FindAsync(TenantId.Parse(feed.Tenant), FeedId.Parse(feed.Feed), at, Cancelled);
    }

    [Fact]
    public async Task What_is_stored_is_sealed_for_its_place_and_holds_neither_sender_nor_control_id()
    {
        var test = await fixture.GetAsync();
        await using var silo = await JournalSilo.StartAsync(test);
        var feed = new FeedKey("sealed", "adt");
        await silo.AppendAsync(feed, "CTRL-MARK-1");
        await silo.AppendAsync(feed, "CTRL-MARK-2");

        var rows = await test.LookAsync(
            $"SELECT tenant_id || feed || {test.Hex("identity")} || {test.Hex("content")} || {test.Hex("message")} " +
            "FROM journal_entry WHERE tenant_id = 'sealed'");
        rows.Count.ShouldBe(2);
        foreach (var mark in (string[])["CTRL-MARK", "Müller", "NORTH"])
        {
            rows.ShouldAllBe(r => !r!.Contains(Convert.ToHexString(System.Text.Encoding.UTF8.GetBytes(mark)), StringComparison.OrdinalIgnoreCase));
        }

        var segment = (await test.LookAsync("SELECT segment FROM journal_entry WHERE tenant_id = 'sealed'"))[0];
        await test.TamperAsync(
            $"UPDATE journal_{segment} SET message = (SELECT message FROM journal_{segment} WHERE tenant_id = 'sealed' AND position = 2) " +
            "WHERE tenant_id = 'sealed' AND position = 1");
        await Should.ThrowAsync<CryptographicException>(() => silo.ReadAsync(feed));
    }

    [Fact]
    public async Task A_tenant_whose_keys_are_destroyed_is_refused_and_does_not_stop_others_in_its_commit()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var (gone, other) = (new FeedKey("gone", "adt"), new FeedKey("not-gone", "adt"));
        await silo.AppendAsync(gone, "one");
        await silo.Keys.DestroyAsync("gone", Cancelled);

        var refused = Enumerable.Range(0, 3).Select(i => silo.AppendAsync(gone, $"id{i}")).ToArray();
        var receipts = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => silo.AppendAsync(other, $"id{i}")));

        foreach (var append in refused)
        {
            (await Should.ThrowAsync<JournalUnavailableException>(() => append)).InnerException.ShouldBeOfType<TenantKeyDestroyedException>();
        }

        receipts.Select(r => r.Position).Order().ShouldBe(Enumerable.Range(1, 20).Select(i => (long)i));
        silo.Writer.IsAvailable.ShouldBeTrue();
        await Should.ThrowAsync<TenantKeyDestroyedException>(() => silo.ReadAsync(gone));
    }

    [Fact]
    public async Task A_feed_whose_end_was_changed_is_stopped_and_the_others_are_not()
    {
        var test = await fixture.GetAsync();
        await using var silo = await JournalSilo.StartAsync(test);
        var (lowered, removed, healthy) = (new FeedKey("end", "lowered"), new FeedKey("end", "removed"), new FeedKey("end", "healthy"));
        foreach (var feed in (FeedKey[])[lowered, removed, healthy])
        {
            await silo.AppendAsync(feed, "one");
        }

        await test.TamperAsync("UPDATE journal_head SET position = 0 WHERE feed = 'lowered'; DELETE FROM journal_head WHERE feed = 'removed'");
        var appends = new[] { lowered, removed, healthy }.Select(f => silo.AppendAsync(f, "two")).ToArray();

        await Should.ThrowAsync<JournalUnavailableException>(() => appends[0]);
        await Should.ThrowAsync<JournalUnavailableException>(() => appends[1]);
        (await appends[2]).Position.ShouldBe(2);
        await Should.ThrowAsync<JournalUnavailableException>(() => silo.AppendAsync(removed, "three"));
        (await silo.AppendAsync(healthy, "three")).Position.ShouldBe(3);
        silo.Writer.IsAvailable.ShouldBeTrue();
    }
}
