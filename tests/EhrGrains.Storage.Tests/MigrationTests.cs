using EhrGrains.Contracts;
using EhrGrains.Storage.Databases;

namespace EhrGrains.Storage.Tests;

public sealed class PostgreSqlMigrationTests() : MigrationTests(DatabaseKind.PostgreSql);

public sealed class SqliteMigrationTests() : MigrationTests(DatabaseKind.Sqlite);

public abstract class MigrationTests(DatabaseKind kind)
{
    // Of both databases the same: a change is made to both.
    private static readonly string[] Scripts =
    [
        "0001_orleans", "0002_tables", "0003_feeds", "0004_paging", "0005_records", "0006_webhooks", "0007_record_ids", "0008_sync", "0009_populations", "0010_writes", "0011_group_members",
    ];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Migrations_are_applied_once_and_in_order()
    {
        await using var test = await TestDatabase.CreateEmptyAsync(kind, Cancelled);
        await using var owner = test.OpenAsOwner();
        (await owner.PendingMigrationsAsync(Cancelled)).ShouldBe(Scripts);

        (await owner.MigrateAsync(Cancelled)).ShouldBe(Scripts);

        (await owner.PendingMigrationsAsync(Cancelled)).ShouldBeEmpty();
        (await owner.MigrateAsync(Cancelled)).ShouldBeEmpty();
        await test.Database.CheckAsync(Cancelled);
    }

    [Fact]
    public async Task Silos_that_migrate_at_once_apply_each_script_once()
    {
        await using var test = await TestDatabase.CreateEmptyAsync(kind, Cancelled);
        await using var first = test.OpenAsOwner();
        await using var second = test.OpenAsOwner();

        var applied = await Task.WhenAll(first.MigrateAsync(Cancelled), second.MigrateAsync(Cancelled));

        applied.SelectMany(a => a).Order().ShouldBe(Scripts);
    }

    [Fact]
    public async Task A_script_that_was_edited_after_it_was_applied_is_refused_by_name()
    {
        await using var test = await TestDatabase.CreateAsync(kind, Cancelled);
        await test.TamperAsync("UPDATE schema_migration SET sha256 = 'other' WHERE name = '0002_tables'");
        await using var owner = test.OpenAsOwner();

        (await Should.ThrowAsync<ProblemException>(() => owner.MigrateAsync(Cancelled))).Message.ShouldContain("0002_tables");
        (await Should.ThrowAsync<ProblemException>(() => test.Database.CheckAsync(Cancelled))).Message.ShouldContain("EHR-STO-002");
    }

    [Fact]
    public async Task The_role_that_silos_run_as_may_ask_for_migrations_when_there_are_none()
    {
        await using var test = await TestDatabase.CreateAsync(kind, Cancelled);

        (await test.Database.MigrateAsync(Cancelled)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_schema_that_is_behind_is_refused_and_says_what_to_run()
    {
        await using var test = await TestDatabase.CreateEmptyAsync(kind, Cancelled);

        var refusal = await Should.ThrowAsync<ProblemException>(() => test.Database.CheckAsync(Cancelled));

        refusal.Kind.ShouldBe(ProblemKind.CheckFailed);
        refusal.Problems.ShouldHaveSingleItem().Message.ShouldContain("ehrgrains db migrate");
    }
}
