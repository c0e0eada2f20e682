using System.Buffers;
using System.Data.Common;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Journal;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace EhrGrains.Storage.Tests.Journal;

public sealed class PostgreSqlJournalAvailabilityTests(PostgreSqlFixture fixture)
    : JournalAvailabilityTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteJournalAvailabilityTests(SqliteFixture fixture)
    : JournalAvailabilityTests(fixture), IClassFixture<SqliteFixture>;

/// <summary>The database cannot take messages: callers know in time, and nothing wrong is written afterwards.</summary>
public abstract class JournalAvailabilityTests(DatabaseFixture fixture)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task While_the_table_is_locked_appending_fails_in_time_then_at_once_and_works_when_it_is_free()
    {
        var test = await fixture.GetAsync();
        await using var silo = await JournalSilo.StartAsync(test);
        var feed = new FeedKey("locked", "adt");
        await silo.AppendAsync(feed, "one");
        await using (await LockAsync(test))
        {
            var append = silo.AppendAsync(feed, "two");
            silo.Time.Advance(TimeSpan.FromSeconds(2));
            await Should.ThrowAsync<JournalUnavailableException>(() => append);
            silo.Writer.IsAvailable.ShouldBeFalse();

            // The clock stands still: this one fails without waiting.
            (await Should.ThrowAsync<JournalUnavailableException>(() => silo.AppendAsync(feed, "three"))).Message.ShouldContain("away");
        }

        silo.Time.Advance(TimeSpan.FromSeconds(1));
        while (!silo.Writer.IsAvailable)
        {
            // The probe that was under way while the lock was held may have failed; the next one is due half a second later.
            silo.Time.Advance(TimeSpan.FromSeconds(0.5));
            await Task.Yield();
        }

        (await silo.AppendAsync(feed, "two")).Disposition.ShouldBe(JournalDisposition.Appended);
        (await silo.ReadAsync(feed)).Select(e => e.Position).ShouldBe([1, 2]);
    }

    [Fact]
    public async Task What_waits_behind_a_commit_that_fails_is_refused_with_it_and_so_overtakes_nothing()
    {
        var test = await fixture.GetAsync();
        await using var silo = await JournalSilo.StartAsync(test);
        var feed = new FeedKey("overtaking", "adt");
        await silo.AppendAsync(feed, "one");
        Task<JournalReceipt>[] appends;
        await using (await LockAsync(test))
        {
            // More than one commit takes.
            appends = [.. Enumerable.Range(0, 300).Select(i => silo.AppendAsync(feed, $"id{i}"))];
            silo.Time.Advance(TimeSpan.FromSeconds(1.6));
            await Should.ThrowAsync<JournalUnavailableException>(() => appends[0]);
        }

        foreach (var append in appends)
        {
            await Should.ThrowAsync<JournalUnavailableException>(() => append);
        }

        (await silo.ReadAsync(feed)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_journal_that_can_be_written_again_is_noticed_without_traffic()
    {
        var test = await fixture.GetAsync();
        await using var silo = await JournalSilo.StartAsync(test, TimeProvider.System);
        await using (await LockAsync(test))
        {
            await Should.ThrowAsync<JournalUnavailableException>(() => silo.AppendAsync(new FeedKey("noticed", "adt"), "one"));
        }

        await silo.Writer.Probing.WaitAsync(Cancelled);

        silo.Writer.IsAvailable.ShouldBeTrue();
    }

    [Fact]
    public async Task What_nobody_waits_for_any_more_is_not_written_for_its_buffer_may_be_used_again()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var feed = new FeedKey("abandoned", "adt");
        var rows = new[] { "one", "two", "three" }.Select((id, i) => new JournalRow(
            JournalSilo.Message(feed, id), [.. Enumerable.Repeat((byte)i, 16)], [.. Enumerable.Repeat((byte)i, 16)])).ToArray();

        // Its caller gave up when it was in a batch already; the buffer has gone back to its pool.
        rows[1].Abandon();
        await new JournalAppender(silo.Database, silo.Keys).WriteAsync(rows, Cancelled);

        (await rows[2].Done.Task).Position.ShouldBe(2);
        await Should.ThrowAsync<OperationCanceledException>(() => rows[1].Done.Task);
        (await silo.ReadAsync(feed)).Select(e => Convert.ToHexString(e.Message.Span))
            .ShouldBe(new[] { "one", "three" }.Select(id => Convert.ToHexString(JournalSilo.Bytes(id).Span)));
    }

    [Fact]
    public async Task What_is_queued_at_shutdown_is_written_and_then_nothing_more()
    {
        var test = await fixture.GetAsync();
        var feed = new FeedKey("stopping", "adt");
        var silo = await JournalSilo.StartAsync(test);
        var appends = Enumerable.Range(0, 50).Select(i => silo.AppendAsync(feed, $"id{i}")).ToArray();

        await silo.Writer.StopAsync(Cancelled);

        (await Task.WhenAll(appends)).Select(r => r.Position).Order().ShouldBe(Enumerable.Range(1, 50).Select(i => (long)i));
        await Should.ThrowAsync<JournalUnavailableException>(() => silo.AppendAsync(feed, "late"));
        await silo.DisposeAsync();
    }

    [Fact]
    public async Task A_message_of_eight_megabytes_is_kept_whole_and_an_empty_or_too_long_one_is_refused()
    {
        await using var silo = await JournalSilo.StartAsync(await fixture.GetAsync());
        var feed = new FeedKey("long", "lab");
        var bytes = new byte[8 * 1024 * 1024];
        new Random(1).NextBytes(bytes);

        await silo.Writer.AppendAsync(JournalSilo.Message(feed, "long") with { Message = bytes }, Cancelled);

        (await silo.ReadAsync(feed)).Single().Message.Span.SequenceEqual(bytes).ShouldBeTrue();
        await Should.ThrowAsync<ArgumentOutOfRangeException>(
            () => silo.Writer.AppendAsync(JournalSilo.Message(feed, "empty") with { Message = default }, Cancelled));
        using var huge = MemoryPool<byte>.Shared.Rent(JournalWriter.MessageBytesMax + 1);
        await Should.ThrowAsync<ArgumentOutOfRangeException>(
            () => silo.Writer.AppendAsync(JournalSilo.Message(feed, "huge") with { Message = huge.Memory }, Cancelled));
    }

    /// <summary>Holds a lock that hinders every writer, until disposed.</summary>
    private static async Task<DbConnection> LockAsync(TestDatabase test)
    {
        DbConnection connection = test.Kind == DatabaseKind.Sqlite
            ? new SqliteConnection($"Data Source={test.SqliteFile};Pooling=False")
            : new NpgsqlConnection(test.Postgres.AdminConnectionString);
        await connection.OpenAsync(Cancelled);
        await using var command = connection.CreateCommand();
        command.CommandText = test.Kind == DatabaseKind.Sqlite
            ? "BEGIN IMMEDIATE"
            : "BEGIN; LOCK TABLE journal_head IN ACCESS EXCLUSIVE MODE";
        await command.ExecuteNonQueryAsync(Cancelled);
        return connection;
    }
}
