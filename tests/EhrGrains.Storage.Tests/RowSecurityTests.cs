using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EhrGrains.Storage.Tests;

/// <summary>Row-level security backs the tenant checks (I4), for the role that a silo runs as and for the owner of the tables.</summary>
public sealed class RowSecurityTests(PostgreSqlFixture fixture) : IClassFixture<PostgreSqlFixture>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_table_with_a_tenant_has_row_level_security_that_binds_its_owner_too()
    {
        var test = await fixture.GetAsync();

        var tables = await test.LookAsync(
            """
            SELECT c.relname || ' ' || c.relrowsecurity || ' ' || c.relforcerowsecurity || ' ' ||
              (SELECT count(*) > 0 FROM pg_policy p WHERE p.polrelid = c.oid)
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
            WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
            """);

        tables.Count.ShouldBeGreaterThanOrEqualTo(7);
        tables.ShouldAllBe(t => t!.EndsWith(" true true true", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_its_tenant_a_transaction_sees_nothing_and_writes_nothing()
    {
        var test = await fixture.GetAsync();
        using var keys = test.NewKeyRing();
        await keys.SealAsync("seen", Keys.KeyClass.Id, new byte[1], default, Cancelled);
        var count = new Statement("SELECT count(*) FROM tenant_key");

        (await CountAsync(test, TenantScope.Of(TenantId.Parse("seen")), count)).ShouldBe(1);
        (await CountAsync(test, TenantScope.Of(TenantId.Parse("other")), count)).ShouldBe(0);
        (await CountAsync(test, TenantScope.None, count)).ShouldBe(0);
        (await CountAsync(test, TenantScope.Directory, count)).ShouldBe(0);

        var insert = new Statement("INSERT INTO tenant_key (tenant_id, version, created_at_us) VALUES ('seen', 2, 0)");
        foreach (var scope in (TenantScope[])[TenantScope.Of(TenantId.Parse("other")), TenantScope.None, TenantScope.Directory, TenantScope.Expired])
        {
            var refused = await Should.ThrowAsync<PostgresException>(() => test.Database.ExecuteAsync(scope, [insert], Cancelled));
            refused.SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege);
        }
    }

    [Fact]
    public async Task The_tenant_of_one_transaction_does_not_leak_into_the_next_on_the_same_connection()
    {
        var test = await fixture.GetAsync();
        var one = new NpgsqlConnectionStringBuilder(test.Postgres.AppConnectionString) { MaxPoolSize = 1 };
        await using var database = Database.Open(
            DatabaseKind.PostgreSql, one.ConnectionString, TimeProvider.System, NullLoggerFactory.Instance);
        using var keys = new Keys.KeyRing(
            database, test.Root, TimeProvider.System, NullLogger<Keys.KeyRing>.Instance);
        await keys.SealAsync("leaky", Keys.KeyClass.Id, new byte[1], default, Cancelled);

        var rows = await database.ReadAsync(
            TenantScope.None, new Statement("SELECT count(*) FROM tenant_key"), r => r.GetInt64(0), Cancelled);

        rows.ShouldBe([0]);
    }

    [Theory]
    [InlineData("UPDATE audit_entry SET app = 'x'")]
    [InlineData("DELETE FROM audit_entry")]
    [InlineData("TRUNCATE audit_entry")]
    [InlineData("UPDATE audit_patient SET seq = 1")]
    [InlineData("DELETE FROM audit_patient")]
    [InlineData("DELETE FROM audit_head")]
    [InlineData("TRUNCATE audit_head")]
    public async Task Audit_rows_can_only_be_added_by_the_silos_role_and_by_the_owner(string sql)
    {
        var test = await fixture.GetAsync();
        await using var owner = test.OpenAsOwner();

        foreach (var database in (Database[])[test.Database, owner])
        {
            var refused = await Should.ThrowAsync<PostgresException>(
                () => database.ExecuteAsync(TenantScope.Of(TenantId.Parse("a")), [new Statement(sql)], Cancelled));
            refused.SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege);
        }
    }

    private static async Task<long> CountAsync(TestDatabase test, TenantScope scope, Statement statement) =>
        (await test.Database.ReadAsync(scope, statement, r => r.GetInt64(0), Cancelled))[0];
}
