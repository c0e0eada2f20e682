using System.Text;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Writes;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Writes;

namespace EhrGrains.Storage.Tests.Writes;

public sealed class PostgreSqlWriteTableTests(PostgreSqlFixture fixture) : WriteTableTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteWriteTableTests(SqliteFixture fixture) : WriteTableTests(fixture), IClassFixture<SqliteFixture>;

/// <summary>What outboxes are promised, on both databases.</summary>
public abstract class WriteTableTests(DatabaseFixture fixture)
{
    private const string Marker = "Zzyzx-PHI-request";
    private static readonly AppId App = AppId.Parse("app", null);
    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private static readonly TimeSpan Kept = TimeSpan.FromDays(30);
    private static int tenants;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_write_is_stored_once_under_its_key_and_only_sealed()
    {
        var (test, tenant) = (await fixture.GetAsync(), NewTenant());
        using var keys = test.NewKeyRing();
        var table = new WriteTable(test.Database, keys);

        var first = await AddAsync(table, tenant, "a", "p-1");
        (await AddAsync(table, tenant, "a", "p-1")).ShouldBeNull();
        var second = await AddAsync(table, tenant, "b", "p-1");

        (first, second).ShouldBe((1L, 2L));
        var stored = (await table.FindAsync(tenant, 1, Ct)).ShouldNotBeNull();
        Encoding.UTF8.GetString(stored.Request).ShouldBe(Marker);
        (stored.State, stored.DueAt, stored.Tries, stored.App).ShouldBe((WriteState.Accepted, At, 0, App));
        (await table.FindAsync(tenant, stored.Key, Ct))!.Number.ShouldBe(1);
        (await table.FindAsync(NewTenant(), 1, Ct)).ShouldBeNull();
        (await table.ListAsync(tenant, 1, null, 10, Ct)).ShouldHaveSingleItem().Request.ShouldBeEmpty();
        var raw = await test.LookAsync(test.Kind == DatabaseKind.Sqlite
            ? $"SELECT hex(request) || hex(key) || hex(lane) FROM writes WHERE tenant_id = '{tenant}'"
            : $"SELECT encode(request, 'hex') || encode(key, 'hex') || encode(lane, 'hex') FROM writes WHERE tenant_id = '{tenant}'");
        raw.Count.ShouldBe(2);
        raw.ShouldAllBe(row => !row!.Contains(Convert.ToHexString(Encoding.UTF8.GetBytes(Marker)), StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task Of_a_patients_writes_only_the_first_that_is_open_is_due()
    {
        var (test, tenant) = (await fixture.GetAsync(), NewTenant());
        using var keys = test.NewKeyRing();
        var table = new WriteTable(test.Database, keys);
        foreach (var (key, patient) in new[] { ("a", "p-1"), ("b", "p-1"), ("c", "p-2") })
        {
            await AddAsync(table, tenant, key, patient);
        }

        var epoch = await table.TakeEpochAsync(tenant, Ct);
        (await table.DueAsync(tenant, At.AddSeconds(-1), 10, Ct)).ShouldBeEmpty();
        var due = await table.DueAsync(tenant, At, 10, Ct);
        due.Select(write => write.Number).ShouldBe([1, 3]);

        // One that waits holds up those behind it, and does not wake anybody before its time.
        (await table.CommitAsync(tenant, epoch, new WriteStep(due[0], WriteState.Sending, At.AddMinutes(2), At, null, null) { Sends = true }, Ct)).ShouldBe(StepOutcome.Done);
        (await table.CommitAsync(tenant, epoch, new WriteStep(due[1], WriteState.Refused, null, At, "EHR-X", [1, 2]), Ct)).ShouldBe(StepOutcome.Done);
        (await table.DueAsync(tenant, At, 10, Ct)).ShouldBeEmpty();
        (await table.SleepAsync(tenant, epoch, At, At, Kept, Ct)).ShouldBe(At.AddMinutes(2));
        (await table.DueTenantsAsync(At.AddMinutes(1), 1_000, Ct)).ShouldNotContain(tenant);
        (await table.DueTenantsAsync(At.AddMinutes(2), 1_000, Ct)).ShouldContain(tenant);

        var sending = (await table.FindAsync(tenant, 1, Ct))!;
        (sending.State, sending.Tries, sending.SendingAt).ShouldBe((WriteState.Sending, 1, At));
        (await table.CommitAsync(tenant, epoch, new WriteStep(sending, WriteState.Confirmed, null, At, null, [3]), Ct)).ShouldBe(StepOutcome.Done);
        (await table.DueAsync(tenant, At, 10, Ct)).ShouldHaveSingleItem().Number.ShouldBe(2);
        var (states, open, oldest) = await table.CountAsync(tenant, Ct);
        (states[WriteState.Confirmed], states[WriteState.Refused], open, oldest).ShouldBe((1, 1, 1, At));
        (await table.FindAsync(tenant, 3, Ct))!.Receipt.ShouldBe([1, 2]);
    }

    [Fact]
    public async Task Who_was_overtaken_or_comes_too_late_changes_nothing()
    {
        var (test, tenant) = (await fixture.GetAsync(), NewTenant());
        using var keys = test.NewKeyRing();
        var table = new WriteTable(test.Database, keys);
        await AddAsync(table, tenant, "a", "p-1");
        var before = await table.TakeEpochAsync(tenant, Ct);
        var write = (await table.FindAsync(tenant, 1, Ct))!;
        var now = await table.TakeEpochAsync(tenant, Ct);

        (await table.CommitAsync(tenant, before, new WriteStep(write, WriteState.Sending, At, At, null, null), Ct)).ShouldBe(StepOutcome.Fenced);
        (await table.SleepAsync(tenant, before, At, At, Kept, Ct)).ShouldBeNull();
        (await table.FindAsync(tenant, 1, Ct))!.State.ShouldBe(WriteState.Accepted);

        (await table.MoveAsync(tenant, 1, [WriteState.Accepted], WriteState.Cancelled, At, Ct)).ShouldBeTrue();
        (await table.CommitAsync(tenant, now, new WriteStep(write, WriteState.Sending, At, At, null, null), Ct)).ShouldBe(StepOutcome.Moved);
        (await table.MoveAsync(tenant, 1, [WriteState.Refused], WriteState.Accepted, At, Ct)).ShouldBeFalse();
        (await table.MoveAsync(tenant, 1, [WriteState.Cancelled], WriteState.Accepted, At.AddHours(1), Ct)).ShouldBeTrue();
        (await table.FindAsync(tenant, 1, Ct))!.DueAt.ShouldBe(At.AddHours(1));
    }

    [Fact]
    public async Task What_was_settled_long_ago_is_forgotten_and_its_key_may_be_used_again()
    {
        var (test, tenant) = (await fixture.GetAsync(), NewTenant());
        using var keys = test.NewKeyRing();
        var table = new WriteTable(test.Database, keys);
        await AddAsync(table, tenant, "a", "p-1");
        var epoch = await table.TakeEpochAsync(tenant, Ct);
        var write = (await table.FindAsync(tenant, 1, Ct))!;
        await table.CommitAsync(tenant, epoch, new WriteStep(write, WriteState.Refused, null, At, null, null), Ct);

        (await table.SleepAsync(tenant, epoch, At, At, Kept, Ct)).ShouldBe(At + Kept);
        (await table.FindAsync(tenant, 1, Ct)).ShouldNotBeNull();
        await table.SleepAsync(tenant, epoch, At + Kept + TimeSpan.FromSeconds(1), At, Kept, Ct);

        (await table.FindAsync(tenant, 1, Ct)).ShouldBeNull();
        (await AddAsync(table, tenant, "a", "p-1")).ShouldBe(2);
    }

    private static async Task<long?> AddAsync(WriteTable table, TenantId tenant, string key, string patient) => await table.AddAsync(
        tenant,
        new NewWrite
        {
            Key = await table.KeyOfAsync(tenant, App, key, "content", patient, Ct),
            App = App,
            IsUpdate = false,
            Type = "Observation",
            At = At,
            Intent = 7,
            Request = Encoding.UTF8.GetBytes(Marker),
        },
        Ct);

    private static TenantId NewTenant() => TenantId.Parse($"writes-{Interlocked.Increment(ref tenants)}", null);
}
