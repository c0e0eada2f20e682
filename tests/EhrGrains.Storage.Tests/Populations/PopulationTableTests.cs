using System.Text;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Populations;

namespace EhrGrains.Storage.Tests.Populations;

public sealed class PostgreSqlPopulationTableTests(PostgreSqlFixture fixture) : PopulationTableTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqlitePopulationTableTests(SqliteFixture fixture) : PopulationTableTests(fixture), IClassFixture<SqliteFixture>;

/// <summary>What cohorts and the files of bulk exports are promised, on both databases.</summary>
public abstract class PopulationTableTests(DatabaseFixture fixture)
{
    private static readonly CohortId Cohort = CohortId.Parse("diabetes", null);
    private static readonly CohortId Other = CohortId.Parse("all", null);
    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private static int tenants;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_member_is_added_once_looked_up_when_due_and_counted_by_state()
    {
        var (test, tenant) = (await fixture.GetAsync(), NewTenant());
        using var keys = test.NewKeyRing();
        var table = new CohortTable(test.Database, keys);

        (await table.AddAsync(tenant, Cohort, ["identifier|urn:mrn|1", "id|p-2", "id|p-2"], At, Ct)).ShouldBe(2);
        (await table.AddAsync(tenant, Cohort, ["id|p-2"], At, Ct)).ShouldBe(0);
        (await table.NextAsync(tenant, Cohort, Ct)).ShouldBe(At);
        (await table.WaitingAsync(tenant, Cohort, At.AddSeconds(-1), 10, Ct)).ShouldBeEmpty();
        var waiting = await table.WaitingAsync(tenant, Cohort, At, 10, Ct);
        waiting.Select(member => member.Name).ShouldBe(["identifier|urn:mrn|1", "id|p-2"], ignoreOrder: true);

        var byId = waiting.Single(member => member.Name == "id|p-2");
        var byNumber = waiting.Single(member => member != byId);
        await table.SettleAsync(
            tenant,
            Cohort,
            [
                new SettledMember(byId.Entry, MemberState.Enrolled, PatientId.Parse("p-2", null), At, null),
                new SettledMember(byNumber.Entry, MemberState.NotFound, null, At.AddHours(1), "EHR-POP-033"),
            ],
            Ct);

        (await table.CountAsync(tenant, Cohort, Ct)).OrderBy(count => count.Key)
            .ShouldBe([KeyValuePair.Create(MemberState.Enrolled, 1L), KeyValuePair.Create(MemberState.NotFound, 1L)]);
        (await table.NextAsync(tenant, Cohort, Ct)).ShouldBeNull();
        (await table.ListAsync(tenant, Cohort, [], MemberState.NotFound, 10, Ct))
            .ShouldBe([new CohortMember(Convert.ToHexStringLower(byNumber.Entry), MemberState.NotFound, null, "EHR-POP-033")]);
        (await table.PatientsAsync(tenant, Cohort, "", 10, Ct)).ShouldBe([PatientId.Parse("p-2", null)]);

        await table.RetryAsync(tenant, Cohort, At, Ct);
        (await table.WaitingAsync(tenant, Cohort, At, 10, Ct)).ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            member => member.Name.ShouldBe(byNumber.Name), member => member.Tries.ShouldBe(0));
    }

    [Fact]
    public async Task Members_are_paged_in_a_stable_order()
    {
        var (test, tenant) = (await fixture.GetAsync(), NewTenant());
        using var keys = test.NewKeyRing();
        var table = new CohortTable(test.Database, keys);
        await table.AddAsync(tenant, Cohort, [.. Enumerable.Range(0, 25).Select(i => $"id|{i}")], At, Ct);
        var seen = new List<string>();
        byte[] after = [];
        while (await table.ListAsync(tenant, Cohort, after, null, 10, Ct) is [.., var last] page)
        {
            seen.AddRange(page.Select(member => member.Entry));
            after = Convert.FromHexString(last.Entry);
        }

        seen.Count.ShouldBe(25);
        seen.Distinct().Count().ShouldBe(25);
    }

    [Fact]
    public async Task A_Group_takes_away_only_whom_it_alone_has_named()
    {
        var (test, tenant) = (await fixture.GetAsync(), NewTenant());
        using var keys = test.NewKeyRing();
        var table = new CohortTable(test.Database, keys);
        await table.AddAsync(tenant, Other, ["id|elsewhere"], At, Ct);
        await table.AddAsync(tenant, Cohort, ["id|rostered-first"], At, Ct);
        await table.NameAsync(tenant, Cohort, ["id|stays", "id|gone", "id|elsewhere", "id|rostered-first", "id|rostered-later", "id|named-twice"], At, Ct);
        (await table.AddAsync(tenant, Cohort, ["id|rostered-later", "identifier|urn:mrn|twice"], At, Ct)).ShouldBe(1);
        await table.NameAsync(tenant, Cohort, ["id|stays"], At.AddDays(1), Ct);
        foreach (var cohort in (CohortId[])[Cohort, Other])
        {
            var members = await table.WaitingAsync(tenant, cohort, At.AddDays(1), 10, Ct);
            await table.SettleAsync(
                tenant,
                cohort,
                [.. members.Select(m => new SettledMember(m.Entry, MemberState.Enrolled, PatientId.Parse(m.Name.StartsWith("id|", StringComparison.Ordinal) ? m.Name[3..] : "named-twice", null), At, null))],
                Ct);
        }

        (await table.GoneAsync(tenant, Cohort, At, "", 10, Ct)).ShouldBeEmpty();
        (await table.GoneAsync(tenant, Cohort, At.AddHours(1), "", 10, Ct)).ShouldBe([PatientId.Parse("gone", null)]);
        (await table.ForgetGoneAsync(tenant, Cohort, At.AddHours(1), Ct)).ShouldBe(3);
        (await table.PatientsAsync(tenant, Cohort, "", 10, Ct)).Select(patient => patient.Value)
            .ShouldBe(["named-twice", "rostered-first", "rostered-later", "stays"]);
    }

    [Fact]
    public async Task A_patient_of_two_cohorts_stays_when_one_of_them_ends()
    {
        var (test, tenant) = (await fixture.GetAsync(), NewTenant());
        using var keys = test.NewKeyRing();
        var table = new CohortTable(test.Database, keys);
        foreach (var (cohort, ids) in ((CohortId, string[])[])[(Cohort, ["a", "b"]), (Other, ["b"])])
        {
            await table.SaveAsync(tenant, cohort, At, Ct);
            await table.AddAsync(tenant, cohort, [.. ids.Select(id => $"id|{id}")], At, Ct);
            var members = await table.WaitingAsync(tenant, cohort, At, 10, Ct);
            await table.SettleAsync(
                tenant, cohort, [.. members.Select(m => new SettledMember(m.Entry, MemberState.Enrolled, PatientId.Parse(m.Name[3..], null), At, null))], Ct);
        }

        (await table.OnlyHereAsync(tenant, Cohort, "", 10, Ct)).ShouldBe([PatientId.Parse("a", null)]);
        await table.RemoveAsync(tenant, Cohort, Ct);
        (await table.ListAsync(tenant, Ct)).ShouldBe([Other]);
        (await table.OnlyHereAsync(tenant, Other, "", 10, Ct)).ShouldBe([PatientId.Parse("b", null)]);
    }

    [Fact]
    public async Task A_cohort_is_due_when_it_says_so()
    {
        var (test, tenant) = (await fixture.GetAsync(), NewTenant());
        using var keys = test.NewKeyRing();
        var table = new CohortTable(test.Database, keys);
        await table.SaveAsync(tenant, Cohort, At, Ct);
        (await table.DueAsync(At, 1_000, Ct)).ShouldContain((tenant, Cohort));
        await table.SaveAsync(tenant, Cohort, DateTimeOffset.MaxValue, Ct);
        (await table.DueAsync(At.AddYears(100), 1_000, Ct)).ShouldNotContain((tenant, Cohort));
    }

    [Fact]
    public async Task Nothing_that_names_a_patient_or_opens_a_file_can_be_read_in_the_database()
    {
        var (test, tenant) = (await fixture.GetAsync(), NewTenant());
        using var keys = test.NewKeyRing();
        await new CohortTable(test.Database, keys).AddAsync(tenant, Cohort, ["identifier|urn:mrn|MRN-4711"], At, Ct);
        var files = new BulkFileTable(test.Database, keys);
        await files.ReplaceOpenAsync(JobOf(tenant), [FileOf("Patient", "https://files.example/?key=s3cret")], Ct);

        var said = await test.LookAsync(test.Kind == Databases.DatabaseKind.Sqlite
            ? $"SELECT hex(entry) || hex(said) FROM cohort_members WHERE tenant_id = '{tenant}' UNION ALL SELECT hex(url) FROM bulk_files WHERE tenant_id = '{tenant}'"
            : $"SELECT encode(entry, 'hex') || encode(said, 'hex') FROM cohort_members WHERE tenant_id = '{tenant}' UNION ALL SELECT encode(url, 'hex') FROM bulk_files WHERE tenant_id = '{tenant}'");

        said.Count.ShouldBe(2);
        foreach (var marked in (string[])["4711", "s3cret"])
        {
            said.ShouldAllBe(row => !row!.Contains(Convert.ToHexString(Encoding.UTF8.GetBytes(marked)), StringComparison.OrdinalIgnoreCase));
        }
    }

    [Fact]
    public async Task Files_are_read_Patients_first_and_what_was_read_is_kept_when_a_manifest_comes_again()
    {
        var (test, tenant) = (await fixture.GetAsync(), NewTenant());
        using var keys = test.NewKeyRing();
        var files = new BulkFileTable(test.Database, keys);
        var job = JobOf(tenant);
        (await files.ReplaceOpenAsync(job, [FileOf("Observation", "o-1"), FileOf("Patient", "p-1", 2), FileOf("Observation", "o-2")], Ct)).ShouldBeTrue();

        var open = await files.OpenAsync(job, 10, Ct);
        open.Select(file => file.Url).ShouldBe(["p-1", "o-1", "o-2"]);
        var read = open[0] with
        {
            State = BulkFileState.Read,
            ReadBytes = 100,
            ETag = "\"1\"",
            Counts = new BulkFileCounts(2, 1, 1, 0, 0, 0, 0),
        };
        (await files.CommitAsync(job, read, Ct)).ShouldBeTrue();
        (await files.CommitAsync(job, open[1] with { ReadBytes = 7, Counts = new BulkFileCounts(1, 0, 0, 0, 1, 0, 0) }, Ct)).ShouldBeTrue();
        (await files.ReplaceOpenAsync(job, [FileOf("Observation", "o-3")], Ct)).ShouldBeTrue();

        (await files.OpenAsync(job, 10, Ct)).Select(file => (file.Url, file.ReadBytes)).ShouldBe([("o-3", 0)]);
        (await files.TotalsAsync(job, Ct)).ShouldBe(
        [
            new BulkFileTotals(0, "Observation", BulkFileState.Open, 1, null, 0, BulkFileCounts.None, null),
            new BulkFileTotals(0, "Patient", BulkFileState.Read, 1, 2, 100, read.Counts, null),
        ]);
    }

    [Fact]
    public async Task Who_no_longer_reads_a_job_commits_nothing_of_it()
    {
        var (test, tenant) = (await fixture.GetAsync(), NewTenant());
        using var keys = test.NewKeyRing();
        var files = new BulkFileTable(test.Database, keys);
        var (before, after) = (JobOf(tenant), JobOf(tenant) with { Epoch = 2 });
        await files.ReplaceOpenAsync(before, [FileOf("Patient", "p-1")], Ct);
        var file = (await files.OpenAsync(before, 10, Ct))[0];

        await files.ClaimAsync(after, Ct);

        (await files.CommitAsync(before, file with { ReadBytes = 50 }, Ct)).ShouldBeFalse();
        (await files.ReplaceOpenAsync(before, [], Ct)).ShouldBeFalse();
        (await files.CommitAsync(after, file with { ReadBytes = 60 }, Ct)).ShouldBeTrue();
        await files.ClaimAsync(before, Ct);
        (await files.OpenAsync(after, 10, Ct)).Single().ReadBytes.ShouldBe(60);
    }

    private static BulkJobKey JobOf(TenantId tenant) => new(tenant, Cohort, 1, 1);

    private static StoredBulkFile FileOf(string type, string url, long? said = null) => new() { Kind = 0, Type = type, Url = url, Said = said };

    private static TenantId NewTenant() => TenantId.Parse($"population-{Interlocked.Increment(ref tenants)}", null);
}
