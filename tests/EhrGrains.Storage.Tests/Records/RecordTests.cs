using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Records;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Storage.Tests.Records;

public sealed class PostgreSqlRecordTests(PostgreSqlFixture fixture) : RecordTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteRecordTests(SqliteFixture fixture) : RecordTests(fixture), IClassFixture<SqliteFixture>;

/// <summary>What a patient record's tables promise, on both databases.</summary>
public abstract class RecordTests(DatabaseFixture fixture)
{
    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_was_committed_is_loaded_with_its_head_and_its_versions()
    {
        var (writer, store, tenant) = await OpenAsync("kept");
        var anna = PatientId.Parse("anna", null);

        (await writer.CommitAsync(Commit(tenant, anna, 1, Version("Patient", "anna", 1, "one"), Version("Observation", "o", 1, "two")), Ct)).ShouldBeTrue();
        (await writer.CommitAsync(Commit(tenant, anna, 2, Version("Patient", "anna", 2, "three"), Version("Patient", "anna", 3, "four")), Ct)).ShouldBeTrue();

        var chart = await store.LoadAsync(tenant, anna, long.MaxValue, Ct);
        chart.Head.Version.ShouldBe(2);
        chart.Head.Marks["adt"].ShouldBe([2, 5]);
        chart.Resources.Select(r => $"{r} {Encoding.UTF8.GetString(r.Content.Span)}").Order(StringComparer.Ordinal)
            .ShouldBe(["Observation/o version 1 two", "Patient/anna version 3 four"]);
        (await store.HistoryAsync(tenant, anna, new RecordKey("Patient", "anna"), new HistoryPart(10), Ct)).Select(r => Encoding.UTF8.GetString(r.Content.Span))
            .ShouldBe(["four", "three", "one"]);
        Encoding.UTF8.GetString((await store.ReadVersionAsync(tenant, anna, new RecordKey("Patient", "anna"), 2, Ct))!.Content.Span).ShouldBe("three");
        (await store.ListVersionsAsync(tenant, anna, null, 10, Ct)).Count.ShouldBe(4);
        (await store.CountAsync(tenant, anna, Ct)).Select(c => (c.Type, c.Count)).ShouldBe([("Observation", 1), ("Patient", 1)]);
    }

    [Fact]
    public async Task A_chart_above_the_bound_comes_without_its_resources()
    {
        var (writer, store, tenant) = await OpenAsync("bounded");
        var anna = PatientId.Parse("anna", null);
        await writer.CommitAsync(Commit(tenant, anna, 1, Version("Patient", "anna", 1, "one")), Ct);

        (await store.LoadAsync(tenant, anna, 2, Ct)).Resources.ShouldBeEmpty();
        (await store.LoadAsync(tenant, anna, 3, Ct)).Resources.Count.ShouldBe(1);
        (await store.LoadTypeAsync(tenant, anna, "Patient", Ct)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_commit_on_an_older_head_writes_nothing()
    {
        var (writer, store, tenant) = await OpenAsync("fenced");
        var (anna, berta) = (PatientId.Parse("anna", null), PatientId.Parse("berta", null));
        await writer.CommitAsync(Commit(tenant, anna, 1, Version("Patient", "anna", 1, "one")), Ct);

        (await writer.CommitAsync(Commit(tenant, anna, 1, Version("Patient", "anna", 1, "late")), Ct)).ShouldBeFalse();
        var both = new ChartCommit
        {
            Tenant = tenant,
            Heads = [Head(berta, 1), Head(anna, 3)],
            Writes = [new ChartWrite(berta, Version("Patient", "berta", 1, "torn"))],
        };
        (await writer.CommitAsync(both, Ct)).ShouldBeFalse();

        Encoding.UTF8.GetString((await store.LoadAsync(tenant, anna, 100, Ct)).Resources.Single().Content.Span).ShouldBe("one");
        (await store.LoadAsync(tenant, berta, 100, Ct)).Head.Version.ShouldBe(0);
    }

    [Fact]
    public async Task Of_many_that_write_one_chart_at_once_one_succeeds_and_change_numbers_have_no_gap()
    {
        var (writer, store, tenant) = await OpenAsync("crowd");
        var test = await fixture.GetAsync();
        using var other = new SecondSilo(test);
        await other.Writer.StartAsync(Ct);
        var anna = PatientId.Parse("anna", null);

        var done = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => (i % 2 == 0 ? writer : other.Writer).CommitAsync(
            i % 4 < 2
                ? Commit(tenant, anna, 1, Version("Patient", "anna", 1, $"by {i}"))
                : Commit(tenant, PatientId.Parse($"p{i}", null), 1, Version("Patient", $"p{i}", 1, "own"), Version("Encounter", "e", 1, "own")),
            Ct)));
        await other.Writer.StopAsync(Ct);

        done.Count(written => written).ShouldBe(21);
        (await store.LoadAsync(tenant, anna, 100, Ct)).Head.Version.ShouldBe(1);
        var numbers = await test.LookAsync($"SELECT seq FROM changes WHERE tenant_id = '{tenant}' ORDER BY seq");
        numbers.ShouldBe(Enumerable.Range(1, 41).Select(n => n.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        (await test.LookAsync($"SELECT last FROM change_heads WHERE tenant_id = '{tenant}'")).ShouldBe(["41"]);
    }

    [Theory]
    [InlineData("UPDATE record_resources SET content = (SELECT content FROM record_resources o WHERE o.tenant_id = '{1}') WHERE tenant_id = '{0}' AND patient = 'berta'")]
    [InlineData("UPDATE record_resources SET content = (SELECT content FROM record_resources o WHERE o.tenant_id = '{0}' AND o.patient = 'anna') WHERE tenant_id = '{0}' AND patient = 'berta'")]
    [InlineData("UPDATE record_resources SET version = 2 WHERE tenant_id = '{0}' AND patient = 'berta'")]
    [InlineData("UPDATE record_resources SET type = 'Person' WHERE tenant_id = '{0}' AND patient = 'berta'")]
    public async Task A_row_that_was_copied_from_another_patient_tenant_version_or_type_does_not_open(string tampering)
    {
        var (writer, store, tenant) = await OpenAsync($"swap-{RandomNumberGenerator.GetHexString(8, lowercase: true)}");
        var elsewhere = TenantId.Parse($"{tenant}-x", null);
        var (anna, berta) = (PatientId.Parse("anna", null), PatientId.Parse("berta", null));
        await writer.CommitAsync(Commit(tenant, anna, 1, Version("Patient", "p", 1, "anna")), Ct);
        await writer.CommitAsync(Commit(tenant, berta, 1, Version("Patient", "p", 1, "berta")), Ct);
        await writer.CommitAsync(Commit(elsewhere, berta, 1, Version("Patient", "p", 1, "else")), Ct);

        var test = await fixture.GetAsync();
        (await test.TamperAsync(tampering.Replace("{0}", tenant.Value, StringComparison.Ordinal).Replace("{1}", elsewhere.Value, StringComparison.Ordinal))).ShouldBe(1);

        (await store.LoadAsync(tenant, anna, 100, Ct)).Resources.Count.ShouldBe(1);
        await Should.ThrowAsync<CryptographicException>(() => store.LoadAsync(tenant, berta, 100, Ct));
    }

    [Fact]
    public async Task Terms_find_resources_of_one_tenant_by_all_of_them_and_no_longer_when_they_were_removed()
    {
        var (writer, store, tenant) = await OpenAsync("terms");
        var elsewhere = TenantId.Parse("terms-x", null);
        var (anna, berta) = (PatientId.Parse("anna", null), PatientId.Parse("berta", null));
        IndexTerm family = new("Patient.family", "moser"), born = new("Patient.birthdate", "1970-01-01");
        await writer.CommitAsync(Found(tenant, anna, 1, [family, born], []), Ct);
        await writer.CommitAsync(Found(tenant, berta, 1, [family], []), Ct);
        await writer.CommitAsync(Found(elsewhere, berta, 1, [born], []), Ct);

        (await FindAsync(family)).ShouldBe(["anna", "berta"]);
        (await FindAsync(family, born)).ShouldBe(["anna"]);
        await writer.CommitAsync(Found(tenant, anna, 2, [], [family]), Ct);
        (await FindAsync(family)).ShouldBe(["berta"]);

        async Task<IEnumerable<string>> FindAsync(params IndexTerm[] terms) =>
            (await store.FindAsync(tenant, [.. terms.Select(term => new[] { term, new IndexTerm(term.Parameter, "nobody") })], 10, Ct)).Select(found => found.Patient.Value);
    }

    [Fact]
    public async Task An_identifier_belongs_to_whom_it_was_bound_first_and_follows_a_merge()
    {
        var (writer, _, tenant) = await OpenAsync("identity");
        var identities = (await fixture.GetSiloAsync()).GetRequiredService<PatientIdentities>();
        var (anna, berta) = (PatientId.Parse("anna", null), PatientId.Parse("berta", null));

        (await identities.BindAsync(tenant, [("HOSP|1", anna), ("HOSP|2", anna)], Ct)).ShouldBeTrue();
        (await identities.BindAsync(tenant, [("HOSP|2", berta), ("HOSP|3", berta)], Ct)).ShouldBeFalse();
        (await FindAsync("HOSP|1", "HOSP|2", "HOSP|3", "HOSP|4")).ShouldBe([anna, anna, berta, null]);
        (await identities.FindAsync(TenantId.Parse("identity-x", null), ["HOSP|1"], Ct)).ShouldBe([null]);

        await writer.CommitAsync(new ChartCommit { Tenant = tenant, Heads = [Head(anna, 1) with { MergedInto = berta, MergedBy = "adt/9" }], Writes = [] }, Ct);
        (await FindAsync("HOSP|1")).ShouldBe([berta]);

        await identities.RebindAsync(tenant, [("HOSP|3", anna)], Ct);
        (await FindAsync("HOSP|3")).ShouldBe([berta], "anna's record is merged into berta's");

        async Task<IEnumerable<PatientId?>> FindAsync(params string[] identifiers) =>
            (await identities.FindAsync(tenant, identifiers, Ct)).Select(owner => owner?.Current);
    }

    private async Task<(RecordWriter Writer, RecordStore Store, TenantId Tenant)> OpenAsync(string tenant)
    {
        var silo = await fixture.GetSiloAsync();
        return (silo.GetRequiredService<RecordWriter>(), silo.GetRequiredService<RecordStore>(), TenantId.Parse(tenant, null));
    }

    private static ChartResource Version(string type, string id, int version, string content) =>
        new(type, id, version, At, version == 1 ? ChangeKind.Created : ChangeKind.Updated, $"adt/{version}", Encoding.UTF8.GetBytes(content));

    private static ChartHead Head(PatientId patient, long version, long bytes = 0) =>
        new(patient, version, At, new Dictionary<string, long[]> { ["adt"] = [version, 5] }, null, null, 1, bytes);

    private static ChartCommit Commit(TenantId tenant, PatientId patient, long version, params ChartResource[] resources) => new()
    {
        Tenant = tenant,
        Heads = [Head(patient, version, resources.Sum(r => r.Content.Length))],
        Writes = [.. resources.Select(resource => new ChartWrite(patient, resource))],
    };

    private static ChartCommit Found(TenantId tenant, PatientId patient, int version, IndexTerm[] added, IndexTerm[] removed) => new()
    {
        Tenant = tenant,
        Heads = [Head(patient, version)],
        Writes = [new ChartWrite(patient, Version("Patient", patient.Value, version, "x")) { Added = added, Removed = removed }],
    };

    private sealed class SecondSilo : IDisposable
    {
        private readonly ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        private readonly Keys.KeyRing keys;

        internal SecondSilo(TestDatabase test)
        {
            keys = test.NewKeyRing();
            Writer = new RecordWriter(
                test.Database,
                keys,
                TimeProvider.System,
                new StorageMetrics(services.GetRequiredService<IMeterFactory>()),
                Microsoft.Extensions.Logging.Abstractions.NullLogger<RecordWriter>.Instance);
        }

        internal RecordWriter Writer { get; }

        public void Dispose()
        {
            Writer.Dispose();
            keys.Dispose();
            services.Dispose();
        }
    }
}
