using System.Diagnostics;
using System.Globalization;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Sync;
using EhrGrains.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace EhrGrains.Benchmarks;

/// <summary>A million patients whose copies are kept: how soon it is known which are due, how many can be scheduled, what an idle silo takes.</summary>
internal static class CursorsBenchmark
{
    private const int Tenants = 100;
    private const int PatientsPerTenant = 10_000;
    private const int Batch = 8;
    private const int Finds = 500;
    private const int Settles = 4_000;
    private const int SettlesAtOnce = 16;

    internal static async Task<IReadOnlyList<string[]>> RunAsync(CancellationToken cancellationToken)
    {
        if (!PostgresServer.IsAvailable)
        {
            return [["not measured: EHRGRAINS_TEST_POSTGRES is not set", "", ""]];
        }

        await using var silo = await CopyingSilo.StartAsync(DatabaseKind.PostgreSql, 0, new BudgetSpec { Requests = 1_000, Concurrency = 10 }, cancellationToken);
        var (before, _) = silo.Memory;
        var postgres = silo.Postgres!;
        await SeedAsync(postgres, cancellationToken);
        await using var database = Database.Open(DatabaseKind.PostgreSql, postgres.AppConnectionString, TimeProvider.System, NullLoggerFactory.Instance);
        var table = new SyncTable(database);
        var all = await TimeAsync(async () =>
        {
            for (var shard = 0; shard < GrainKeys.SyncShards; shard++)
            {
                foreach (var tenant in await table.TenantsAsync(shard, cancellationToken))
                {
                    await table.DueAsync(tenant, Batch, cancellationToken);
                }
            }
        });
        var finds = new List<double>();
        for (var i = 0; i < Finds; i++)
        {
            finds.Add((await TimeAsync(() => table.DueAsync(Name(i % Tenants), Batch, cancellationToken))).TotalMilliseconds);
        }

        var settles = await TimeAsync(() => Parallel.ForEachAsync(
            Enumerable.Range(0, Settles), new ParallelOptions { MaxDegreeOfParallelism = SettlesAtOnce, CancellationToken = cancellationToken },
            async (i, ct) => await SettleAsync(table, Name(i % Tenants), PatientId.Parse($"p{i / Tenants}", CultureInfo.InvariantCulture), ct)));

        // The silo has looked through its shards meanwhile.
        var (after, heap) = silo.Memory;
        var size = await postgres.ReadAsync("SELECT pg_total_relation_size('sync_patients')", cancellationToken);
        finds.Sort();
        return
        [
            ["the next eight that are due of one of 100 tenants, ms: median, 99 of 100", $"{finds[Finds / 2]:F2}, {finds[Finds * 99 / 100]:F2}", ""],
            ["all that is due, of all tenants, ms", $"{all.TotalMilliseconds:F0}", "1,000"],
            ["runs settled a second, 16 at one time", Rate.Text(Settles / settles.TotalSeconds), ""],
            ["rows on disk, MB", $"{long.Parse(size[^1], CultureInfo.InvariantCulture) / 1e6:F0}", ""],
            ["resident memory of the silo before, after, and its heap, MB", $"{before:F0}, {after:F0}, {heap:F0}", "1,000"],
        ];
    }

    // Due some time during the next hours, as after a night's work.
    private static async Task SeedAsync(PostgresDatabase postgres, CancellationToken cancellationToken)
    {
        var hour = DateTimeOffset.UtcNow.AddHours(1).ToUnixTimeMilliseconds() * 1_000;
        var shards = string.Join(',', Enumerable.Range(0, Tenants).Select(i => $"('{Name(i)}', {GrainKeys.ShardOf(Name(i))}, 0)"));
        await postgres.ExecuteAsync(
            string.Create(CultureInfo.InvariantCulture, $"""
                INSERT INTO sync_tenants (tenant_id, shard, paused) VALUES {shards};
                INSERT INTO sync_patients (tenant_id, patient, record, due_us, hinted, whole, state, failures, completed_us)
                  SELECT 't' || t, 'p' || p, 'p' || p, {hour} + ((p * 7919::bigint + t) % 14400000) * 1000, '', 0, 1, 0, {hour} - 7200000000
                  FROM generate_series(0, {Tenants - 1}) t, generate_series(0, {PatientsPerTenant - 1}) p;
                ANALYZE sync_patients;
                """),
            cancellationToken);
    }

    private static Task SettleAsync(SyncTable table, TenantId tenant, PatientId patient, CancellationToken cancellationToken)
    {
        var now = DateTimeOffset.UtcNow;
        var before = new SyncPatient { Patient = patient, DueAt = now };
        return table.SettleAsync(tenant, before, before with { Record = patient, State = SyncState.Complete, CompletedAt = now, DueAt = now.AddHours(2) }, cancellationToken);
    }

    private static async Task<TimeSpan> TimeAsync(Func<Task> work)
    {
        var clock = Stopwatch.StartNew();
        await work();
        return clock.Elapsed;
    }

    private static TenantId Name(int i) => TenantId.Parse(string.Create(CultureInfo.InvariantCulture, $"t{i}"), CultureInfo.InvariantCulture);
}
