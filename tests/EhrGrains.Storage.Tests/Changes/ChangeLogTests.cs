using CsCheck;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Changes;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Storage.Changes;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Records;
using EhrGrains.Storage.Webhooks;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Storage.Tests.Changes;

public sealed class PostgreSqlChangeLogTests(PostgreSqlFixture fixture) : ChangeLogTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteChangeLogTests(SqliteFixture fixture) : ChangeLogTests(fixture), IClassFixture<SqliteFixture>;

/// <summary>What readers of changes are promised, on both databases.</summary>
public abstract class ChangeLogTests(DatabaseFixture fixture)
{
    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private static int tenants;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>
    /// Two silos write at the same time, each with several writers whose commits have different sizes, and a reader takes pages of random
    /// sizes meanwhile: what it gets is each number once, in order, and every commit in one piece.
    /// </summary>
    [Fact]
    public async Task Readers_see_neither_gap_nor_reordering_while_two_silos_write()
    {
        var test = await fixture.GetAsync();
        await Gen.Select(Gen.Int[1, 6].Array[1, 10].Array[2, 6], Gen.Int[1, 40]).SampleAsync(
            (writers, page) => ReadWhileWritingAsync(test, writers, page), iter: 12, threads: 1);
    }

    [Fact]
    public async Task A_number_before_what_is_kept_is_told_from_one_after_which_there_is_nothing()
    {
        var (test, tenant) = (await fixture.GetAsync(), NewTenant());
        var log = new ChangeLog(test.Database);
        (await log.ReadAsync(tenant, 0, 10, Ct)).ShouldSatisfyAllConditions(read => read.IsGone.ShouldBeFalse(), read => read.Rows.ShouldBeEmpty());

        await WriteAsync(test.Database, tenant, "p", [3, 2]);
        await test.TamperAsync($"DELETE FROM changes WHERE tenant_id = '{tenant}' AND seq <= 3");
        (await log.ReadAsync(tenant, 2, 10, Ct)).IsGone.ShouldBeTrue();
        (await log.ReadAsync(tenant, 3, 10, Ct)).Rows.Select(row => row.Seq).ShouldBe([4, 5]);
        (await log.ReadAsync(tenant, 5, 10, Ct)).ShouldSatisfyAllConditions(read => read.IsGone.ShouldBeFalse(), read => read.Last.ShouldBe(5));
        await test.TamperAsync($"DELETE FROM changes WHERE tenant_id = '{tenant}'");
        (await log.ReadAsync(tenant, 4, 10, Ct)).IsGone.ShouldBeTrue();
    }

    [Fact]
    public async Task Old_changes_are_deleted_unless_a_webhook_has_not_delivered_them()
    {
        var (test, tenant) = (await fixture.GetAsync(), NewTenant());
        var hook = WebhookId.Parse("slow", null);
        var table = new WebhookTable(test.Database);
        await WriteAsync(test.Database, tenant, "p", [2]);
        await table.AddAsync(tenant, hook, AppId.Parse("app", null), Ct);
        await WriteAsync(test.Database, tenant, "q", [3]);

        await PurgeAfterAsync(TimeSpan.FromDays(29));
        (await new ChangeLog(test.Database).ReadAsync(tenant, 0, 10, Ct)).Rows.Count.ShouldBe(5);
        await PurgeAfterAsync(TimeSpan.FromDays(31));
        (await new ChangeLog(test.Database).ReadAsync(tenant, 2, 10, Ct)).Rows.Select(row => row.Seq).ShouldBe([3, 4, 5]);
        await table.RemoveAsync(tenant, hook, Ct);
        await PurgeAfterAsync(TimeSpan.FromDays(31));
        (await new ChangeLog(test.Database).ReadAsync(tenant, 0, 10, Ct)).ShouldSatisfyAllConditions(
            read => read.Rows.ShouldBeEmpty(), read => read.IsGone.ShouldBeTrue());

        async Task PurgeAfterAsync(TimeSpan age)
        {
            await using var later = test.Open(new FakeTimeProvider(At + age));
            using var retention = new ChangeRetention(later, NullLogger<ChangeRetention>.Instance);
            await retention.RunAsync(Ct);
        }
    }

    [Fact]
    public async Task Only_the_last_epoch_moves_a_webhook_and_logs_its_tries()
    {
        var (test, tenant) = (await fixture.GetAsync(), NewTenant());
        var (table, hook) = (new WebhookTable(test.Database), WebhookId.Parse("hook", null));
        (await table.TakeEpochAsync(tenant, hook, Ct)).ShouldBeNull();
        await table.AddAsync(tenant, hook, AppId.Parse("app", null), Ct);
        var first = await table.TakeEpochAsync(tenant, hook, Ct) ?? throw new InvalidOperationException();
        var second = await table.TakeEpochAsync(tenant, hook, Ct) ?? throw new InvalidOperationException();
        var line = new WebhookDelivery(1, At, "t_hook_1", 1, 2, 1, "200", 7);

        (await table.CommitAsync(tenant, hook, first with { Position = 9 }, [line], Ct)).ShouldBeFalse();
        (await table.DeliveriesAsync(tenant, hook, long.MaxValue, 10, Ct)).ShouldBeEmpty();
        (await table.CommitAsync(tenant, hook, second with { Position = 2, Delivered = 2, Tries = 1, DeliveredAt = At }, [line], Ct)).ShouldBeTrue();
        (await table.FindAsync(tenant, hook, Ct)).ShouldBe(new WebhookStanding(2, 2, 2, 1, At));
        (await table.DeliveriesAsync(tenant, hook, long.MaxValue, 10, Ct)).ShouldHaveSingleItem().ShouldBe(line);
        (await table.ListAllAsync(Ct)).ShouldContain((tenant, hook));
        (await table.ListAsync(tenant, AppId.Parse("other", null), Ct)).ShouldBeEmpty();
    }

    private async Task ReadWhileWritingAsync(TestDatabase test, int[][] writers, int page)
    {
        var tenant = NewTenant();
        await using var other = test.Open(TimeProvider.System);
        var total = writers.Sum(sizes => sizes.Sum());
        var writing = Task.WhenAll(writers.Index().GroupBy(w => w.Index % 2).Select(silo =>
            WriteAllAsync(silo.Key == 0 ? test.Database : other, tenant, [.. silo.Select(w => ($"p{w.Index}", w.Item))])));

        var log = new ChangeLog(test.Database);
        var seen = new List<ChangeRecord>();
        while (seen.Count < total)
        {
            var read = await log.ReadAsync(tenant, seen.Count, page, Ct);
            read.IsGone.ShouldBeFalse();
            seen.AddRange(read.Rows);
            if (writing.IsFaulted)
            {
                await writing;
            }
        }

        await writing;
        seen.Select(change => change.Seq).ShouldBe(Enumerable.Range(1, total).Select(n => (long)n));
        foreach (var patient in seen.GroupBy(change => change.Patient))
        {
            patient.Select(change => change.Version).ShouldBeInOrder();
            foreach (var commit in patient.GroupBy(change => change.Source))
            {
                (commit.Max(change => change.Seq) - commit.Min(change => change.Seq) + 1).ShouldBe(commit.Count());
            }
        }
    }

    private async Task WriteAsync(Database database, TenantId tenant, string patient, int[] sizes) =>
        await WriteAllAsync(database, tenant, [(patient, sizes)]);

    /// <summary>One silo's writer, with several patients at the same time; each has a commit for each of its sizes.</summary>
    private async Task WriteAllAsync(Database database, TenantId tenant, (string Patient, int[] Sizes)[] patients)
    {
        var test = await fixture.GetAsync();
        using var keys = test.NewKeyRing();
        await using var services = new ServiceCollection().AddMetrics().AddSingleton<StorageMetrics>().BuildServiceProvider();
        using var writer = new RecordWriter(
            database, keys, TimeProvider.System, services.GetRequiredService<StorageMetrics>(), NullLogger<RecordWriter>.Instance);
        await writer.StartAsync(Ct);
        await Task.WhenAll(patients.Select(async patient =>
        {
            var id = PatientId.Parse(patient.Patient, null);
            var version = 0;
            foreach (var (index, size) in patient.Sizes.Index())
            {
                var commit = new ChartCommit
                {
                    Tenant = tenant,
                    Heads = [ChartHead.New(id) with { Version = index + 1, At = At }],
                    Writes = [.. Enumerable.Range(0, size).Select(_ => new ChartWrite(
                        id, new ChartResource("Patient", patient.Patient, ++version, At, ChangeKind.Updated, $"adt/{index + 1}", "{}"u8.ToArray())))],
                };
                (await writer.CommitAsync(commit, Ct)).ShouldBeTrue();
            }
        }));
        await writer.StopAsync(Ct);
    }

    private static TenantId NewTenant() => TenantId.Parse($"changes-{Interlocked.Increment(ref tenants)}", null);
}
