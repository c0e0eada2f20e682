using CsCheck;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Audit;

namespace EhrGrains.Storage.Tests;

public sealed class PostgreSqlAuditTamperingTests(PostgreSqlFixture fixture)
    : AuditTamperingTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteAuditTamperingTests(SqliteFixture fixture) : AuditTamperingTests(fixture), IClassFixture<SqliteFixture>;

/// <summary>Whatever somebody with every right on the database does to a chain is found, and at the right row.</summary>
public abstract class AuditTamperingTests(DatabaseFixture fixture)
{
    private const int Rows = 6;

    private static readonly string[] Edits =
    [
        "at_us = at_us + 1", "app = 'other'", "action = 'read'", "resource_type = NULL", "outcome = '403'", "intent = 99",
        "intent = NULL", "trace_id = ''", "source = 'x'", "entries = 77", "patients = hash", "hash = patients",
    ];

    /// <summary>Numbers that no row of the chain has.</summary>
    private static readonly int[] Strangers = [-5, 0, Rows + 1, Rows + 9];

    private static int chains;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>An attack on rows of a chain of <see cref="Rows"/>, as SQL, and the row where it must be found.</summary>
    private static readonly Gen<Attack> Attacks = Gen.OneOf(
        Gen.Select(Gen.Int[1, Rows], Gen.Int[0, Edits.Length - 1], (row, edit) => new Attack(
            $"UPDATE audit_entry SET {Edits[edit]} WHERE {{0}} AND seq = {row}", row)),
        Gen.Int[1, Rows].Select(row => new Attack(
            $"DELETE FROM audit_patient WHERE {{0}} AND seq = {row}; DELETE FROM audit_entry WHERE {{0}} AND seq = {row}", row)),
        Gen.Int[1, Rows].Select(row => new Attack(
            $"DELETE FROM audit_patient WHERE {{0}} AND seq >= {row}; DELETE FROM audit_entry WHERE {{0}} AND seq >= {row}", row)),
        Gen.Select(Gen.Int[1, Rows], Gen.Int[1, Rows]).Where(p => p.Item1 < p.Item2).Select(p => new Attack(
            $"UPDATE audit_entry SET seq = -1 WHERE {{0}} AND seq = {p.Item1};" +
            $"UPDATE audit_entry SET seq = {p.Item1} WHERE {{0}} AND seq = {p.Item2};" +
            $"UPDATE audit_entry SET seq = {p.Item2} WHERE {{0}} AND seq = -1", p.Item1)),
        Gen.Select(Gen.Int[1, Rows], Gen.Int[0, Strangers.Length - 1], (row, i) => (row, at: Strangers[i])).Select(p => new Attack(
            $"INSERT INTO audit_entry SELECT tenant_id, {p.at}, at_us, app, action, resource_type, outcome, intent, trace_id, source, " +
            $"entries, patients, hash FROM audit_entry WHERE {{0}} AND seq = {p.row}", Math.Min(p.at, Rows + 1))),
        Gen.Int[1, Rows].Select(row => new Attack($"DELETE FROM audit_patient WHERE {{0}} AND seq = {row}", row)),
        Gen.Int[1, Rows - 1].Select(row => new Attack(
            $"INSERT INTO audit_patient SELECT tenant_id, {row}, patient FROM audit_patient WHERE {{0}} AND seq = {row + 1} " +
            $"AND patient NOT IN (SELECT patient FROM audit_patient WHERE {{0}} AND seq = {row})", row)),
        Gen.Const(new Attack(
            $"INSERT INTO audit_patient SELECT tenant_id, {Rows + 1}, patient FROM audit_patient WHERE {{0}} AND seq = 1", Rows + 1)),
        Gen.Const(new Attack("DELETE FROM audit_head WHERE {0}", Rows + 1)),
        Gen.Const(new Attack("UPDATE audit_head SET seq = seq + 1 WHERE {0}", Rows + 1)),
        Gen.Int[1, Rows].Select(row => new Attack(
            $"UPDATE audit_head SET seq = {row - 1}, hash = (" +
            $"SELECT hash FROM audit_entry WHERE {{0}} AND seq = {Math.Max(1, row - 1)}) WHERE {{0}};" +
            $"DELETE FROM audit_patient WHERE {{0}} AND seq >= {row}; DELETE FROM audit_entry WHERE {{0}} AND seq >= {row}", row)));

    [Fact]
    public async Task Any_edit_removal_insertion_swap_or_cut_is_found_where_it_is()
    {
        var test = await fixture.GetAsync();
        await using var silo = await AuditSilo.StartAsync(test);

        await Attacks.SampleAsync(
            async attack =>
            {
                var tenant = await WriteChainAsync(silo.Log);

                var changed = await test.TamperAsync(attack.Sql.Replace("{0}", $"tenant_id = '{tenant.Value}'", StringComparison.Ordinal));

                changed.ShouldBeGreaterThan(0, attack.Sql);
                var verification = await silo.Log.VerifyAsync(tenant, Cancelled);
                verification.Intact.ShouldBeFalse(attack.Sql);
                verification.BrokenAt.ShouldBe(attack.FoundAt, attack.Sql);
                verification.Finding.ShouldNotBeNullOrEmpty();
            },
            iter: 120,
            threads: 1);
    }

    [Fact]
    public async Task A_whole_chain_that_was_written_anew_with_right_hashes_is_found_by_its_head()
    {
        var test = await fixture.GetAsync();
        await using var silo = await AuditSilo.StartAsync(test);
        var (tenant, forged) = (await WriteChainAsync(silo.Log), await WriteChainAsync(silo.Log));
        var handedOut = (await silo.Log.VerifyAsync(tenant, Cancelled)).Head;

        // The forger knows the code but not the root key: right hashes from row 3 on, and the last of them in the head.
        var rows = await test.Database.ReadAsync(
            Databases.TenantScope.Of(forged),
            new Databases.Statement($"SELECT {AuditRow.Columns} FROM audit_entry WHERE tenant_id = $1 ORDER BY seq").With(forged.Value),
            AuditRow.Read,
            Cancelled);
        var hash = rows[1].Hash;
        foreach (var row in rows.Skip(2))
        {
            var edited = row with { App = "innocent" };
            hash = edited.ComputeHash(hash);
            await test.TamperAsync(
                $"UPDATE audit_entry SET app = 'innocent', hash = {test.Literal(hash)} WHERE tenant_id = '{forged}' AND seq = {row.Seq}");
        }

        await test.TamperAsync($"UPDATE audit_head SET hash = {test.Literal(hash)} WHERE tenant_id = '{forged}'");

        var verification = await silo.Log.VerifyAsync(forged, Cancelled);
        verification.Intact.ShouldBeFalse();
        verification.Rows.ShouldBe(Rows);
        verification.Finding.ShouldNotBeNull().ShouldContain("head");
        (await silo.Log.VerifyAsync(tenant, Cancelled)).Head.ShouldBe(handedOut);
    }

    [Fact]
    public async Task A_chain_cannot_be_passed_off_as_another_tenants()
    {
        var test = await fixture.GetAsync();
        await using var silo = await AuditSilo.StartAsync(test);
        var (from, to) = (await WriteChainAsync(silo.Log), TenantId.Parse("transplanted"));

        foreach (var table in (string[])["audit_entry", "audit_patient", "audit_head"])
        {
            await test.TamperAsync($"UPDATE {table} SET tenant_id = '{to}' WHERE tenant_id = '{from}'");
        }

        (await silo.Log.VerifyAsync(to, Cancelled)).BrokenAt.ShouldBe(1);
    }

    [Fact]
    public async Task A_chain_longer_than_a_page_verifies_and_is_searched_to_its_end()
    {
        var test = await fixture.GetAsync();
        await using var silo = await AuditSilo.StartAsync(test);
        var tenant = TenantId.Parse("long");
        await Task.WhenAll(Enumerable.Range(0, 2500).Select(_ => silo.Log.AppendAsync(AuditTests.Outcome(tenant, 1, "p1"), Cancelled)));

        (await silo.Log.VerifyAsync(tenant, Cancelled)).Rows.ShouldBe(2500);
        await test.TamperAsync("UPDATE audit_entry SET entries = 0 WHERE tenant_id = 'long' AND seq = 2400");

        (await silo.Log.VerifyAsync(tenant, Cancelled)).BrokenAt.ShouldBe(2400);
    }

    private static async Task<TenantId> WriteChainAsync(AuditLog log)
    {
        var tenant = TenantId.Parse($"chain-{Interlocked.Increment(ref chains)}");
        await Task.WhenAll(Enumerable.Range(1, Rows).Select(i => log.AppendAsync(AuditTests.Outcome(tenant, i, $"p{i}", "p"), Cancelled)));
        return tenant;
    }

    private sealed record Attack(string Sql, long FoundAt);
}
