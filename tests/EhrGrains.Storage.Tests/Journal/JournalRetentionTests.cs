using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Feeds;
using EhrGrains.Storage.Journal;
using Npgsql;

namespace EhrGrains.Storage.Tests.Journal;

public sealed class PostgreSqlJournalRetentionTests() : JournalRetentionTests(DatabaseKind.PostgreSql)
{
    [Fact]
    public async Task A_segment_is_not_dropped_before_its_day_whoever_asks()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.PostgreSql, Cancelled);
        await using var silo = await JournalSilo.StartAsync(test);
        await silo.AppendAsync(new FeedKey("early", "adt"), "one");
        var segment = (await test.LookAsync("SELECT segment FROM journal_entry"))[0];

        var refused = await Should.ThrowAsync<PostgresException>(() => test.Database.ExecuteAsync(
            TenantScope.None, [new Statement($"SELECT journal_drop_segment({segment})")], Cancelled));

        refused.MessageText.ShouldContain("still to be kept");
    }

    [Theory]
    [InlineData("DELETE FROM journal_entry")]
    [InlineData("UPDATE journal_entry SET message = ''")]
    [InlineData("TRUNCATE journal_entry")]
    [InlineData("DROP TABLE journal_entry")]
    public async Task A_silos_role_can_neither_change_nor_remove_what_was_journalled(string sql)
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.PostgreSql, Cancelled);

        var refused = await Should.ThrowAsync<PostgresException>(
            () => test.Database.ExecuteAsync(TenantScope.Of(TenantId.Parse("a")), [new Statement(sql)], Cancelled));

        refused.SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege);
    }
}

public sealed class SqliteJournalRetentionTests() : JournalRetentionTests(DatabaseKind.Sqlite);

/// <summary>How long messages are kept. Each test has a database of its own, for segments are dropped for all feeds.</summary>
public abstract class JournalRetentionTests(DatabaseKind kind)
{
    protected static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(20_000, 1, 20_002)]
    [InlineData(20_000, 30, 20_031)]
    [InlineData(20_000, 60, 20_061)]
    [InlineData(20_000, 61, 20_062)]
    [InlineData(20_000, 365, 20_370)]
    [InlineData(20_000, 3650, 23_670)]
    public void A_message_is_kept_for_its_whole_days_and_a_tenth_more_at_most(long day, int retentionDays, long segment)
    {
        Segments.Of(day, retentionDays).ShouldBe(segment);
        (segment - day - 1).ShouldBeInRange(retentionDays, retentionDays + Math.Max(0, retentionDays / 10));
    }

    [Fact]
    public async Task Each_message_goes_when_its_own_feeds_retention_is_over()
    {
        await using var test = await TestDatabase.CreateAsync(kind, Cancelled);

        // The database does not drop before its own clock says so: the messages are appended in the past.
        await using var silo = await JournalSilo.StartAsync(test);
        var (brief, lasting) = (new FeedKey("kept", "brief"), new FeedKey("kept", "lasting"));
        silo.Time.AdjustTime(DateTimeOffset.UtcNow.AddDays(-10));
        await AppendAsync(silo, brief, "one", retentionDays: 8);
        await AppendAsync(silo, lasting, "one", retentionDays: 30);
        silo.Time.AdjustTime(DateTimeOffset.UtcNow.AddDays(-5));
        await AppendAsync(silo, brief, "two", retentionDays: 8);
        silo.Time.AdjustTime(DateTimeOffset.UtcNow);

        await silo.Retention.RunAsync(Cancelled);

        (await silo.ReadAsync(brief)).Select(e => e.Position).ShouldBe([2]);
        (await silo.ReadAsync(lasting)).Select(e => e.Position).ShouldBe([1]);
        (await AppendAsync(silo, brief, "three", retentionDays: 8)).Position.ShouldBe(3);
    }

    [Fact]
    public async Task What_a_registered_feed_has_not_processed_is_kept_until_it_has()
    {
        await using var test = await TestDatabase.CreateAsync(kind, Cancelled);
        await using var silo = await JournalSilo.StartAsync(test);
        var (tenant, feed) = (TenantId.Parse("slow"), FeedId.Parse("adt"));
        var key = new FeedKey("slow", "adt");
        silo.Time.AdjustTime(DateTimeOffset.UtcNow.AddDays(-10));
        await AppendAsync(silo, key, "one", retentionDays: 1);
        await AppendAsync(silo, key, "two", retentionDays: 1);
        silo.Time.AdjustTime(DateTimeOffset.UtcNow);
        await silo.Feeds.SaveAsync(new TenantFeeds(tenant, 1, new Dictionary<FeedId, string> { [feed] = "{}" }), Cancelled);
        var turn = await silo.Progress.TakeEpochAsync(tenant, feed, Cancelled);
        await silo.Progress.CommitAsync(new FeedCommit { Tenant = tenant, Feed = feed, Epoch = turn.Epoch, Position = 1 }, Cancelled);

        await silo.Retention.RunAsync(Cancelled);
        (await silo.ReadAsync(key)).Select(e => e.Position).ShouldBe([1, 2]);

        await silo.Progress.CommitAsync(new FeedCommit { Tenant = tenant, Feed = feed, Epoch = turn.Epoch, Position = 2 }, Cancelled);
        await silo.Retention.RunAsync(Cancelled);
        (await silo.ReadAsync(key)).ShouldBeEmpty();
    }

    [Fact]
    public async Task What_is_in_quarantine_outlives_the_journal()
    {
        await using var test = await TestDatabase.CreateAsync(kind, Cancelled);
        await using var silo = await JournalSilo.StartAsync(test);
        var (tenant, feed) = (TenantId.Parse("aside"), FeedId.Parse("adt"));
        silo.Time.AdjustTime(DateTimeOffset.UtcNow.AddDays(-10));
        await AppendAsync(silo, new FeedKey("aside", "adt"), "one", retentionDays: 1);
        silo.Time.AdjustTime(DateTimeOffset.UtcNow);
        var turn = await silo.Progress.TakeEpochAsync(tenant, feed, Cancelled);
        var aside = new QuarantinedMessage(1, DateTimeOffset.UtcNow, 5, "EHR-FED-100", "It cannot be read.");
        await silo.Progress.CommitAsync(
            new FeedCommit { Tenant = tenant, Feed = feed, Epoch = turn.Epoch, Position = 1, Quarantined = [aside] }, Cancelled);

        await silo.Retention.RunAsync(Cancelled);

        (await silo.ReadAsync(new FeedKey("aside", "adt"))).ShouldBeEmpty();
        (await silo.Progress.ReadQuarantinedAsync(tenant, feed, 1, Cancelled))!.Message.Span
            .SequenceEqual(JournalSilo.Bytes("one").Span).ShouldBeTrue();
    }

    private static Task<JournalReceipt> AppendAsync(JournalSilo silo, FeedKey feed, string controlId, int retentionDays) =>
        silo.Writer.AppendAsync(JournalSilo.Message(feed, controlId) with { RetentionDays = retentionDays }, Cancelled);
}
