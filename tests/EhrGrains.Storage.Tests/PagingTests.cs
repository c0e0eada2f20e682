using System.Security.Cryptography;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;
using EhrGrains.Storage.Paging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Storage.Tests;

public sealed class PostgreSqlPagingTests(PostgreSqlFixture fixture) : PagingTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqlitePagingTests(SqliteFixture fixture) : PagingTests(fixture), IClassFixture<SqliteFixture>;

public abstract class PagingTests(DatabaseFixture fixture)
{
    private static readonly byte[] Bound = [1, 2, 3];

    private static readonly Dictionary<string, string> Position = new() { ["paging"] = "https://ehr.example/r4?session=1" };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_position_is_found_again_by_every_silo_in_its_own_scope_and_with_its_own_binding_only()
    {
        var test = await fixture.GetAsync();
        using var keys = test.NewKeyRing();
        using var table = new PagingTable(test.Database, keys, TimeProvider.System, NullLogger<PagingTable>.Instance);
        var expiry = DateTimeOffset.UtcNow.AddMinutes(5);

        var id = await table.SaveAsync("paging", Bound, Position, expiry, Cancelled);
        var federated = await table.SaveAsync(KeyRing.ClusterScope, Bound, Position, expiry, Cancelled);

        using var otherKeys = test.NewKeyRing();
        using var other = new PagingTable(test.Database, otherKeys, TimeProvider.System, NullLogger<PagingTable>.Instance);
        (await other.FindAsync("paging", Bound, id, Cancelled)).ShouldBe(Position);
        (await other.FindAsync(KeyRing.ClusterScope, Bound, federated, Cancelled)).ShouldBe(Position);
        (await other.FindAsync("elsewhere", Bound, id, Cancelled)).ShouldBeNull();
        (await other.FindAsync("paging", Bound, federated, Cancelled)).ShouldBeNull();
        await Should.ThrowAsync<CryptographicException>(async () => await other.FindAsync("paging", new byte[] { 9 }, id, Cancelled));
    }

    [Fact]
    public async Task Positions_that_are_saved_at_the_same_time_are_all_found()
    {
        var test = await fixture.GetAsync();
        using var keys = test.NewKeyRing();
        using var table = new PagingTable(test.Database, keys, TimeProvider.System, NullLogger<PagingTable>.Instance);
        var expiry = DateTimeOffset.UtcNow.AddMinutes(5);

        // Of several tenants, and more than one transaction takes.
        var saved = await Task.WhenAll(Enumerable.Range(0, 600).Select(async i =>
        {
            var position = new Dictionary<string, string> { ["paging"] = $"https://ehr.example/r4?page={i}" };
            return (Scope: $"paging-{i % 3}", Position: position, Id: await table.SaveAsync($"paging-{i % 3}", Bound, position, expiry, Cancelled));
        }));

        foreach (var written in new[] { false, true })
        {
            foreach (var (scope, position, id) in saved)
            {
                (await table.FindAsync(scope, Bound, id, Cancelled)).ShouldBe(position);
                (await table.FindAsync("elsewhere", Bound, id, Cancelled)).ShouldBeNull();
            }

            await table.StopAsync(Cancelled);
            (await test.LookAsync("SELECT COUNT(*) FROM paging_position WHERE tenant_id LIKE 'paging-_'")).ShouldBe(["600"]);
        }
    }

    [Fact]
    public async Task A_position_that_cannot_be_written_fails_its_own_caller_and_the_next_one_is_written()
    {
        await using var test = await TestDatabase.CreateAsync((await fixture.GetAsync()).Kind, Cancelled);
        using var keys = test.NewKeyRing();
        using var table = new PagingTable(test.Database, keys, TimeProvider.System, NullLogger<PagingTable>.Instance);
        var expiry = DateTimeOffset.UtcNow.AddMinutes(5);
        await table.SaveAsync("paging", Bound, Position, expiry, Cancelled);
        await test.TamperAsync("ALTER TABLE paging_position RENAME TO away");
        if (test.Kind == DatabaseKind.PostgreSql)
        {
            await Should.ThrowAsync<System.Data.Common.DbException>(async () => await table.SaveAsync("paging", Bound, Position, expiry, Cancelled));
        }
        else
        {
            // Nobody waits for the file; who comes back later than it was lost has to start again.
            var lost = await table.SaveAsync("paging", Bound, Position, expiry, Cancelled);
            await table.StopAsync(Cancelled);
            await Should.ThrowAsync<System.Data.Common.DbException>(async () => await table.FindAsync("paging", Bound, lost, Cancelled));
        }

        await test.TamperAsync("ALTER TABLE away RENAME TO paging_position");
        (await table.FindAsync("paging", Bound, await table.SaveAsync("paging", Bound, Position, expiry, Cancelled), Cancelled)).ShouldBe(Position);
    }

    [Fact]
    public async Task What_has_expired_is_not_found_and_is_swept_away_whosever_it_was()
    {
        await using var test = await TestDatabase.CreateAsync((await fixture.GetAsync()).Kind, Cancelled);
        using var keys = test.NewKeyRing();

        // In the past, for the database does not let what has not expired by its own clock be swept.
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow.AddHours(-1));
        using var table = new PagingTable(test.Database, keys, time, NullLogger<PagingTable>.Instance);
        var id = await table.SaveAsync("paging-a", Bound, Position, time.GetUtcNow().AddMinutes(15), Cancelled);
        (await table.FindAsync("paging-a", Bound, id, Cancelled)).ShouldNotBeNull();
        await table.StopAsync(Cancelled);

        time.Advance(TimeSpan.FromMinutes(16));
        (await table.FindAsync("paging-a", Bound, id, Cancelled)).ShouldBeNull();
        await table.SaveAsync("paging-b", Bound, Position, time.GetUtcNow().AddMinutes(15), Cancelled);
        await table.StopAsync(Cancelled);
        (await test.LookAsync("SELECT tenant_id FROM paging_position")).ShouldBe(["paging-b"]);
    }

    [Fact]
    public async Task A_position_that_was_moved_to_another_row_does_not_open()
    {
        var test = await fixture.GetAsync();
        using var keys = test.NewKeyRing();
        using var table = new PagingTable(test.Database, keys, TimeProvider.System, NullLogger<PagingTable>.Instance);
        var expiry = DateTimeOffset.UtcNow.AddMinutes(5);
        var one = await table.SaveAsync("paging-moved", Bound, Position, expiry, Cancelled);
        var two = await table.SaveAsync("paging-moved", Bound, Position, expiry, Cancelled);
        await table.StopAsync(Cancelled);
        var literal = test.Kind == DatabaseKind.Sqlite ? "x'{0}'" : "'\\x{0}'";
        await test.TamperAsync(
            $"UPDATE paging_position SET position = (SELECT position FROM paging_position WHERE id = {Literal(two)}) WHERE id = {Literal(one)}");

        string Literal(byte[] id) => string.Format(System.Globalization.CultureInfo.InvariantCulture, literal, Convert.ToHexString(id));
        await Should.ThrowAsync<CryptographicException>(async () => await table.FindAsync("paging-moved", Bound, one, Cancelled));
    }
}
