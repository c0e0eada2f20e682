using EhrGrains.Storage.Journal;
using static EhrGrains.Storage.Journal.JournalDisposition;

namespace EhrGrains.Storage.Tests.Journal;

public sealed class PostgreSqlJournalSequenceTests(PostgreSqlFixture fixture)
    : JournalSequenceTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteJournalSequenceTests(SqliteFixture fixture) : JournalSequenceTests(fixture), IClassFixture<SqliteFixture>;

/// <summary>The sequence number protocol of HL7 v2.5.1 §2.10.1.</summary>
public abstract class JournalSequenceTests(DatabaseFixture fixture)
{
    [Fact]
    public async Task A_link_starts_goes_on_refuses_what_is_out_of_order_and_is_synchronized_anew()
    {
        var test = await fixture.GetAsync();
        await using var silo = await JournalSilo.StartAsync(test);
        await using var there = await JournalSilo.StartAsync(test);
        var feed = new FeedKey("sequence", "adt");

        // b.2: nothing was ever accepted, so that any number will do.
        (await silo.AppendAsync(feed, "start", sequence: 0)).ShouldBe(new JournalReceipt(0, SequenceAnswered, -1));
        (await silo.AppendAsync(feed, "a", sequence: 7)).ShouldBe(new JournalReceipt(1, Appended, 7));

        // c: its number is echoed, whichever silo takes it.
        (await there.AppendAsync(feed, "b", sequence: 8)).ShouldBe(new JournalReceipt(2, Appended, 8));

        // b.2 again, now with an expectation.
        (await silo.AppendAsync(feed, "restart", sequence: 0)).ShouldBe(new JournalReceipt(0, SequenceAnswered, 9));

        // d.1: the acknowledgement was lost.
        (await silo.AppendAsync(feed, "b", sequence: 8)).ShouldBe(new JournalReceipt(2, Duplicate, 9));

        // d.2 and d.3.
        (await silo.AppendAsync(feed, "c", sequence: 8)).ShouldBe(new JournalReceipt(0, OutOfSequence, 9));
        (await silo.AppendAsync(feed, "d", sequence: 10)).ShouldBe(new JournalReceipt(0, OutOfSequence, 9));
        (await silo.AppendAsync(feed, "e", sequence: -2)).ShouldBe(new JournalReceipt(0, OutOfSequence, 9));
        (await silo.AppendAsync(feed, "f", sequence: 9)).ShouldBe(new JournalReceipt(3, Appended, 9));

        // e: the next number, whatever it is, is the new beginning.
        (await silo.AppendAsync(feed, "sync", sequence: -1)).ShouldBe(new JournalReceipt(0, SequenceAnswered, -1));
        (await there.AppendAsync(feed, "again", sequence: 0)).ShouldBe(new JournalReceipt(0, SequenceAnswered, -1));
        (await silo.AppendAsync(feed, "g", sequence: 100)).ShouldBe(new JournalReceipt(4, Appended, 100));
        (await silo.AppendAsync(feed, "h", sequence: 9)).ShouldBe(new JournalReceipt(0, OutOfSequence, 101));

        (await silo.ReadAsync(feed)).Select(e => e.Position).ShouldBe([1, 2, 3, 4]);
    }

    [Fact]
    public async Task Of_two_messages_with_the_same_number_in_one_commit_the_first_is_taken()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var feed = new FeedKey("sequence-race", "adt");
        await silo.AppendAsync(feed, "a", sequence: 1);

        var receipts = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => silo.AppendAsync(feed, $"id{i}", sequence: 2)));

        receipts.Count(r => r.Disposition == Appended).ShouldBe(1);
        receipts.Count(r => r == new JournalReceipt(0, OutOfSequence, 3)).ShouldBe(9);
    }
}
