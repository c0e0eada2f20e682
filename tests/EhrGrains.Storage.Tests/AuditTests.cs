using System.Data.Common;
using EhrGrains.Contracts.Audit;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Audit;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Npgsql;

namespace EhrGrains.Storage.Tests;

public sealed class PostgreSqlAuditTests(PostgreSqlFixture fixture) : AuditTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteAuditTests(SqliteFixture fixture) : AuditTests(fixture), IClassFixture<SqliteFixture>;

public abstract class AuditTests(DatabaseFixture fixture)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Rows_are_numbered_and_the_chain_verifies()
    {
        var test = await fixture.GetAsync();
        await using var silo = await AuditSilo.StartAsync(test);
        var tenant = TenantId.Parse("numbered");
        (await silo.Log.VerifyAsync(tenant, Cancelled)).ShouldBe(new AuditVerification { Intact = true, Rows = 0 });

        var intent = await silo.Log.AppendAsync(Intent(tenant), Cancelled);
        var outcome = await silo.Log.AppendAsync(Outcome(tenant, intent, "p1", "p2"), Cancelled);

        (intent, outcome).ShouldBe((1, 2));
        var verification = await silo.Log.VerifyAsync(tenant, Cancelled);
        verification.Intact.ShouldBeTrue(verification.Finding);
        verification.Rows.ShouldBe(2);
        verification.Head!.Length.ShouldBe(64);
    }

    [Fact]
    public async Task Appenders_on_two_silos_share_commits_and_get_every_number_once()
    {
        var test = await fixture.GetAsync();
        await using var here = await AuditSilo.StartAsync(test);
        await using var there = await AuditSilo.StartAsync(test);
        TenantId[] tenants = [TenantId.Parse("shared-a"), TenantId.Parse("shared-b"), TenantId.Parse("shared-c")];

        var appended = await Task.WhenAll(Enumerable.Range(0, 600).Select(async i =>
        {
            var tenant = tenants[i % 3];
            return (tenant, seq: await (i % 2 == 0 ? here : there).Log.AppendAsync(Outcome(tenant, i, $"p{i % 7}"), Cancelled));
        }));

        foreach (var tenant in tenants)
        {
            appended.Where(a => a.tenant == tenant).Select(a => a.seq).Order().ShouldBe(Enumerable.Range(1, 200).Select(i => (long)i));
            var verification = await here.Log.VerifyAsync(tenant, Cancelled);
            verification.Intact.ShouldBeTrue(verification.Finding);
        }
    }

    [Fact]
    public async Task Who_touched_a_patient_is_found_page_by_page_and_per_tenant()
    {
        var test = await fixture.GetAsync();
        await using var silo = await AuditSilo.StartAsync(test);
        var (tenant, other) = (TenantId.Parse("who"), TenantId.Parse("who-other"));
        for (var i = 1; i <= 5; i++)
        {
            await silo.Log.AppendAsync(Outcome(tenant, i, "p1", $"p{i}", "p1"), Cancelled);
        }

        await silo.Log.AppendAsync(Outcome(other, 1, "p1"), Cancelled);

        (await silo.Log.WhoAsync(tenant, "p1", null, 3, Cancelled)).Select(e => e.Sequence).ShouldBe([5, 4, 3]);
        (await silo.Log.WhoAsync(tenant, "p1", 3, 3, Cancelled)).Select(e => e.Sequence).ShouldBe([2, 1]);
        var entry = (await silo.Log.WhoAsync(tenant, "p4", null, 10, Cancelled)).ShouldHaveSingleItem();
        (entry.App, entry.Action, entry.ResourceType, entry.Outcome, entry.Intent, entry.TraceId)
            .ShouldBe(("chart", "search", "Patient", "200", 4, "trace-1"));
        (DateTimeOffset.UtcNow - entry.At).ShouldBeLessThan(TimeSpan.FromMinutes(1));
        (await silo.Log.WhoAsync(tenant, "p9", null, 10, Cancelled)).ShouldBeEmpty();
    }

    [Fact]
    public async Task The_trail_can_be_searched_and_verified_after_the_tenants_keys_are_destroyed()
    {
        var test = await fixture.GetAsync();
        await using var silo = await AuditSilo.StartAsync(test);
        var tenant = TenantId.Parse("outlives");
        await silo.Log.AppendAsync(Outcome(tenant, 1, "p1"), Cancelled);

        await silo.Keys.DestroyAsync(tenant.Value, Cancelled);

        await silo.Log.AppendAsync(Intent(tenant), Cancelled);
        (await silo.Log.WhoAsync(tenant, "p1", null, 10, Cancelled)).Length.ShouldBe(1);
        (await silo.Log.VerifyAsync(tenant, Cancelled)).Intact.ShouldBeTrue();
    }

    [Fact]
    public async Task While_the_table_is_locked_appending_fails_within_two_seconds_and_works_when_it_is_free()
    {
        var test = await fixture.GetAsync();
        await using var silo = await AuditSilo.StartAsync(test);
        var tenant = TenantId.Parse("locked");
        await silo.Log.AppendAsync(Intent(tenant), Cancelled);
        await using (await LockAsync(test))
        {
            var append = silo.Log.AppendAsync(Intent(tenant), Cancelled);
            silo.Time.Advance(TimeSpan.FromSeconds(2));

            await Should.ThrowAsync<AuditUnavailableException>(() => append);
            silo.Log.IsAvailable.ShouldBeFalse();
        }

        await silo.Log.AppendAsync(Outcome(tenant, 1, "p1"), Cancelled);
        silo.Log.IsAvailable.ShouldBeTrue();
        (await silo.Log.VerifyAsync(tenant, Cancelled)).Intact.ShouldBeTrue();
    }

    [Fact]
    public async Task A_trail_that_can_be_written_again_is_noticed_without_traffic()
    {
        var test = await fixture.GetAsync();
        await using var silo = await AuditSilo.StartAsync(test, TimeProvider.System);
        await using (await LockAsync(test))
        {
            await Should.ThrowAsync<AuditUnavailableException>(
                () => silo.Log.AppendAsync(Intent(TenantId.Parse("noticed")), Cancelled));
        }

        await silo.Log.Probing.WaitAsync(Cancelled);

        silo.Log.IsAvailable.ShouldBeTrue();
    }

    [Fact]
    public async Task A_tenant_whose_chain_end_was_changed_is_stopped_and_the_others_are_not()
    {
        var test = await fixture.GetAsync();
        await using var silo = await AuditSilo.StartAsync(test);
        var (tampered, removed, occupied, healthy) =
            (TenantId.Parse("end-changed"), TenantId.Parse("end-removed"), TenantId.Parse("end-occupied"), TenantId.Parse("end-healthy"));
        foreach (var tenant in (TenantId[])[tampered, removed, occupied, healthy])
        {
            await silo.Log.AppendAsync(Intent(tenant), Cancelled);
            await silo.Log.AppendAsync(Intent(tenant), Cancelled);
        }

        // The last row cut off, and the head made to fit as well as one can without the root key.
        await test.TamperAsync(
            "DELETE FROM audit_entry WHERE tenant_id = 'end-changed' AND seq = 2; UPDATE audit_head SET seq = 1, " +
            "hash = (SELECT hash FROM audit_entry WHERE tenant_id = 'end-changed' AND seq = 1) WHERE tenant_id = 'end-changed'");
        await test.TamperAsync("DELETE FROM audit_head WHERE tenant_id = 'end-removed'");
        await test.TamperAsync("UPDATE audit_entry SET seq = 3 WHERE tenant_id = 'end-occupied' AND seq = 2");

        var appends = new[] { tampered, removed, occupied, healthy }.ToDictionary(t => t, t => silo.Log.AppendAsync(Intent(t), Cancelled));

        foreach (var tenant in (TenantId[])[tampered, removed, occupied])
        {
            await Should.ThrowAsync<AuditUnavailableException>(() => appends[tenant], tenant.Value);
            (await silo.Log.VerifyAsync(tenant, Cancelled)).Intact.ShouldBeFalse();
        }

        (await appends[healthy]).ShouldBe(3);
    }

    [Fact]
    public async Task What_is_queued_at_shutdown_is_written_and_then_nothing_more()
    {
        var test = await fixture.GetAsync();
        var tenant = TenantId.Parse("stopping");
        var silo = await AuditSilo.StartAsync(test);
        var appends = Enumerable.Range(0, 50).Select(_ => silo.Log.AppendAsync(Intent(tenant), Cancelled)).ToArray();

        await silo.Log.StopAsync(Cancelled);

        (await Task.WhenAll(appends)).Order().ShouldBe(Enumerable.Range(1, 50).Select(i => (long)i));
        await Should.ThrowAsync<AuditUnavailableException>(() => silo.Log.AppendAsync(Intent(tenant), Cancelled));
        await silo.DisposeAsync();
    }

    [Theory]
    [InlineData("trace\0id")]
    [InlineData("trace\nid")]
    [InlineData("Müller")]
    [InlineData("12345678901234567890123456789012345678901234567890123456789012345")]
    public async Task Text_that_could_break_the_batch_is_refused_before_it_is_queued(string traceId)
    {
        var test = await fixture.GetAsync();
        await using var silo = await AuditSilo.StartAsync(test);
        var record = Intent(TenantId.Parse("text")) with { TraceId = traceId };

        (await Should.ThrowAsync<ArgumentException>(() => silo.Log.AppendAsync(record, Cancelled))).Message.ShouldNotContain(traceId);
    }

    internal static AuditRecord Intent(TenantId tenant) => new()
    {
        Tenant = tenant,
        App = "chart",
        Action = "search",
        ResourceType = "Patient",
        Outcome = AuditRecord.IntentOutcome,
        Source = "127.0.0.1",
    };

    internal static AuditRecord Outcome(TenantId tenant, long intent, params string[] patients) =>
        Intent(tenant) with { Outcome = "200", Intent = intent, Patients = patients, TraceId = "trace-1", Entries = patients.Length };

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
            : "BEGIN; LOCK TABLE audit_entry IN ACCESS EXCLUSIVE MODE";
        await command.ExecuteNonQueryAsync(Cancelled);
        return connection;
    }
}

/// <summary>What one silo has of the audit trail: its own writer and keys.</summary>
internal sealed class AuditSilo : IAsyncDisposable
{
    private readonly ServiceProvider services;

    private AuditSilo(TestDatabase test, TimeProvider? time)
    {
        services = new ServiceCollection()
            .AddLogging()
            .AddSingleton(time ?? Time)
            .AddSingleton(test.Root)
            .AddSingleton(test.Open(time ?? Time, NullLoggerFactory.Instance))
            .AddEhrGrainsTables()
            .BuildServiceProvider();
        Log = services.GetRequiredService<AuditLog>();
        Keys = services.GetRequiredService<KeyRing>();
    }

    /// <summary>The clock where no other is given: stands still, so that nothing times out because the machine is busy.</summary>
    internal FakeTimeProvider Time { get; } = new(DateTimeOffset.UtcNow);

    internal AuditLog Log { get; }

    internal KeyRing Keys { get; }

    internal static async Task<AuditSilo> StartAsync(TestDatabase test, TimeProvider? time = null)
    {
        var silo = new AuditSilo(test, time);
        await silo.Log.StartAsync(TestContext.Current.CancellationToken);
        return silo;
    }

    public async ValueTask DisposeAsync()
    {
        await Log.StopAsync(CancellationToken.None);
        await services.DisposeAsync();
    }
}
