using System.Text;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Records;
using EhrGrains.Storage.Sync;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Storage.Tests;

public sealed class PostgreSqlSyncTests(PostgreSqlFixture fixture) : SyncTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteSyncTests(SqliteFixture fixture) : SyncTests(fixture), IClassFixture<SqliteFixture>;

/// <summary>What the tables of copies promise, on both databases.</summary>
public abstract class SyncTests(DatabaseFixture fixture)
{
    private static readonly PatientId Anna = PatientId.Parse("anna", null);
    private static readonly PatientId Berta = PatientId.Parse("berta", null);
    private static readonly DateTimeOffset Later = new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Whoever_is_enrolled_is_due_and_enrolling_again_changes_nothing()
    {
        var (table, _, _, tenant) = await OpenAsync("enrolled");

        (await table.EnrolAsync(tenant, [Anna, Berta, Anna], Ct)).ShouldBe(2);
        await SettleAsync(table, tenant, Anna, after => after with { DueAt = Later, State = SyncState.Complete });

        (await table.EnrolAsync(tenant, [Anna], Ct)).ShouldBe(0);
        (await table.DueAsync(tenant, 10, Ct)).Select(row => row.Patient).ShouldBe([Berta, Anna]);
        (await table.LoadAsync(tenant, Anna, Ct))!.Patient.DueAt.ShouldBe(Later);
        (await table.LeaveAsync(tenant, [Anna], Ct)).ShouldBe(1);
        (await table.LoadAsync(tenant, Anna, Ct)).ShouldBeNull();
    }

    [Fact]
    public async Task A_page_and_its_cursor_are_committed_together_or_not_at_all()
    {
        var (table, writer, store, tenant) = await OpenAsync("together");
        await table.EnrolAsync(tenant, [Anna], Ct);

        (await writer.CommitAsync(Page(tenant, 1, Row(1, fetched: 1)), Ct)).ShouldBeTrue();

        // Another has advanced the cursor: the record stays as it was.
        await Should.ThrowAsync<CursorFencedException>(() => writer.CommitAsync(Page(tenant, 2, Row(1, fetched: 7)), Ct));

        // Another has changed the record: the cursor stays where it was.
        (await writer.CommitAsync(Page(tenant, 1, Row(2, fetched: 7)), Ct)).ShouldBeFalse();

        (await store.LoadAsync(tenant, Anna, 100, Ct)).Head.Version.ShouldBe(1);
        var cursor = (await table.LoadAsync(tenant, Anna, Ct))!.Cursors.Single();
        (cursor.Version, cursor.Status.Counts.Fetched).ShouldBe((1L, 1));
    }

    [Fact]
    public async Task What_a_run_has_seen_is_kept_until_it_is_over_and_what_is_known_until_it_changes()
    {
        var (table, writer, _, tenant) = await OpenAsync("kept-seen");
        await table.EnrolAsync(tenant, [Anna], Ct);
        var reasons = new SyncTypeStatus
        {
            Type = "Observation",
            Mode = SyncMode.LastUpdated,
            IsComplete = false,
            Counts = new SyncCounts { Said = 3, Reasons = new() { ["other-patient"] = 1 } },
            Watermark = Later,
            Problem = new Problem("EHR-SYN-002", "", "Some."),
        };

        await writer.CommitAsync(Cursor(tenant, Row(1) with { Seen = [1], Known = [9], Position = [4] }), Ct);
        await writer.CommitAsync(Cursor(tenant, Row(2) with { Seen = [2], Position = [5], Status = reasons }), Ct);

        var cursor = (await table.LoadAsync(tenant, Anna, Ct))!.Cursors.Single();
        cursor.Seen.ShouldBe([[1], [2]]);
        cursor.Known.ShouldBe([9]);
        cursor.Position.ShouldBe([5]);
        cursor.Status.Counts.Reasons.ShouldBe(new Dictionary<string, int> { ["other-patient"] = 1 });
        (cursor.Status.Problem, cursor.Status.Watermark, cursor.Status.Counts.Said).ShouldBe((new Problem("EHR-SYN-002", "", "Some."), Later, 3));

        await writer.CommitAsync(Cursor(tenant, Row(3) with { ForgetSeen = true, Seen = [3] }), Ct);
        cursor = (await table.LoadAsync(tenant, Anna, Ct))!.Cursors.Single();
        cursor.Seen.ShouldBe([[3]]);
        cursor.Position.ShouldBeNull();
    }

    [Fact]
    public async Task A_hint_that_comes_while_a_patient_runs_makes_it_due_again()
    {
        var (table, _, _, tenant) = await OpenAsync("hinted");
        await table.EnrolAsync(tenant, [Anna], Ct);
        await SettleAsync(table, tenant, Anna, after => after with { Record = Anna, DueAt = Later });
        var read = (await table.LoadAsync(tenant, Anna, Ct))!.Patient;

        (await table.HintAsync(tenant, [(Anna, ["Encounter", "Patient"]), (Berta, ["Patient"])], Later.AddDays(-1), Ct)).ShouldBe(1);
        await table.SettleAsync(tenant, read, read with { DueAt = Later.AddYears(1), State = SyncState.Complete }, Ct);

        var after = (await table.LoadAsync(tenant, Anna, Ct))!.Patient;
        after.Hinted.ShouldBe("Encounter,Patient,");
        after.DueAt.ShouldBeLessThan(Later);
        after.State.ShouldBe(SyncState.Complete);
    }

    [Fact]
    public async Task A_paused_tenant_is_none_of_its_shards_business_and_its_totals_are_its_own()
    {
        var (table, writer, _, tenant) = await OpenAsync("paused");
        var reports = (await fixture.GetSiloAsync()).GetRequiredService<SyncReports>();
        await table.EnrolAsync(tenant, [Anna, Berta], Ct);
        (await table.TenantsAsync(GrainKeys.ShardOf(tenant), Ct)).ShouldContain(tenant);
        await table.PauseAsync(tenant, isPaused: true, Ct);
        (await table.TenantsAsync(GrainKeys.ShardOf(tenant), Ct)).ShouldNotContain(tenant);

        await writer.CommitAsync(Cursor(tenant, Row(1, fetched: 5)), Ct);
        await SettleAsync(table, tenant, Anna, after => after with { State = SyncState.Complete, DueAt = Later, CompletedAt = DateTimeOffset.UtcNow });

        var status = await reports.StatusAsync(tenant, Ct);
        (status.IsPaused, status.Patients, status.Complete, status.Waiting, status.Due).ShouldBe((true, 2, 1, 1, 1));
        var totals = (await reports.TotalsAsync(tenant, Ct)).Single();
        (totals.Type, totals.Patients, totals.Counts.Fetched).ShouldBe(("Observation", 1, 5));
        (await reports.IncompleteAsync(tenant, 10, Ct)).ShouldBe([Berta]);
        (await reports.CopiedAsync(tenant, 10, Ct)).ShouldBeEmpty("a copy is in a record");
        await SettleAsync(table, tenant, Anna, after => after with { Record = Berta });
        (await reports.CopiedAsync(tenant, 10, Ct)).ShouldBe([(Anna, Berta)]);
    }

    private async Task<(SyncTable Table, RecordWriter Writer, RecordStore Store, TenantId Tenant)> OpenAsync(string tenant)
    {
        var silo = await fixture.GetSiloAsync();
        return (silo.GetRequiredService<SyncTable>(), silo.GetRequiredService<RecordWriter>(), silo.GetRequiredService<RecordStore>(), TenantId.Parse(tenant, null));
    }

    private static async Task SettleAsync(SyncTable table, TenantId tenant, PatientId patient, Func<SyncPatient, SyncPatient> change)
    {
        var before = (await table.LoadAsync(tenant, patient, Ct))!.Patient;
        await table.SettleAsync(tenant, before, change(before), Ct);
    }

    private static CursorRow Row(long version, int fetched = 0) => new()
    {
        Status = new SyncTypeStatus
        {
            Type = "Observation",
            Mode = SyncMode.Crawl,
            IsComplete = true,
            Counts = new SyncCounts { Fetched = fetched },
            FinishedAt = Later,
        },
        Version = version,
    };

    private static ChartCommit Cursor(TenantId tenant, CursorRow row) => new() { Tenant = tenant, Heads = [], Writes = [], Advance = new CursorAdvance(Anna, [row]) };

    private static ChartCommit Page(TenantId tenant, int version, CursorRow row) => new()
    {
        Tenant = tenant,
        Heads = [new ChartHead(Anna, version, Later, new Dictionary<string, long[]>(), null, null, 1, 3)],
        Writes =
        [
            new ChartWrite(Anna, new ChartResource("Observation", "o", version, Later, ChangeKind.Created, "fhir", Encoding.UTF8.GetBytes($"v{version}"))),
        ],
        Advance = new CursorAdvance(Anna, [row]),
    };
}
