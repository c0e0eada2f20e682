using System.Globalization;
using EhrGrains.Benchmarks.Peers;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Testing;

namespace EhrGrains.Benchmarks;

/// <summary>
/// A silo over PostgreSQL that is killed again and again, half of the times while it reads a bulk export and half while it copies page by
/// page: what there is in the end, how often it was written, and how much of it the hospital was asked twice (I2).
/// </summary>
internal static class KillsBenchmark
{
    private const int AtOnce = 8;
    private const int PatientsPerKill = 8;
    private const int WhileMaxMilliseconds = 900;
    private const int Seed = 20260101;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    internal static async Task<IReadOnlyList<string[]>> RunAsync(int kills, CancellationToken cancellationToken)
    {
        if (!PostgresServer.IsAvailable)
        {
            return [["not measured: EHRGRAINS_TEST_POSTGRES is not set", "", ""]];
        }

        await using var silo = await CopyingSilo.StartAsync(
            DatabaseKind.PostgreSql, 5, new BudgetSpec { Requests = 100_000, WindowSeconds = 1, Concurrency = 1_000 }, cancellationToken);
        var random = new Random(Seed);
        var (bulkKills, pageKills) = (kills / 2, kills - (kills / 2));
        var exported = Math.Max(PatientsPerKill, bulkKills * PatientsPerKill);
        var copied = Math.Max(PatientsPerKill, pageKills * PatientsPerKill);
        await silo.Sync.PauseAsync(cancellationToken);
        var (inBulk, export) = await ExportAsync(silo, exported, bulkKills, random, cancellationToken);
        await silo.Sync.ResumeAsync(cancellationToken);
        var inPages = await CopyAsync(silo, exported, copied, pageKills, random, cancellationToken);
        var repeated = await RequestsAsync(silo, exported, cancellationToken) - (copied * (PagedHospital.Pages + 1));
        var patients = exported + copied;
        var resources = patients * (PagedHospital.Results + 1);
        var rows = await silo.Postgres!.ReadAsync(
            """
            SELECT count(*) FROM record_resources; SELECT count(*) FROM record_resources WHERE version <> 1; SELECT count(*) FROM record_versions;
            SELECT count(*) FROM changes; SELECT count(DISTINCT (patient, type, id)) FROM changes
            """,
            cancellationToken);
        await silo.Sync.RefreshAsync(null, whole: true, cancellationToken);
        await silo.DoneAsync(static _ => { }, cancellationToken);
        var again = (await silo.Sync.ReportAsync(0, cancellationToken)).Types;
        return
        [
            ["kills while an export was read, while pages were", $"{inBulk}, {inPages}", $"{bulkKills}, {pageKills}"],
            ["the export ended as", export.State.ToString(), nameof(BulkState.Complete)],
            ["resources of all records", rows[0], Text(resources)],
            ["of these written more than once, and earlier versions", $"{rows[1]}, {rows[2]}", "0, 0"],
            ["changes, and resources that they are of", $"{rows[3]}, {rows[4]}", $"{resources}, {resources}"],
            ["everything read again: unchanged, written", $"{again.Sum(type => type.Counts.Unchanged)}, {again.Sum(type => type.Counts.Stored)}", $"{resources}, 0"],
            [$"pages asked for again, for each kill and patient of the {AtOnce} under way", $"{repeated / (double)Math.Max(1, inPages * AtOnce):F2}", "1 (the one not committed)"],
        ];
    }

    private static async Task<(int Kills, BulkStatus End)> ExportAsync(CopyingSilo silo, int patients, int kills, Random random, CancellationToken cancellationToken)
    {
        await BulkBenchmark.BeginAsync(BulkBenchmark.CohortOf(silo, patients), patients, cancellationToken);
        var killed = 0;
        while (true)
        {
            await Task.Delay(random.Next(1, WhileMaxMilliseconds), cancellationToken);
            if (await BulkBenchmark.CohortOf(silo, patients).BulkStatusAsync(cancellationToken) is { EndedAt: not null } ended)
            {
                return (killed, ended);
            }

            if (killed < kills)
            {
                await silo.KillAsync(cancellationToken);
                killed++;
            }
        }
    }

    private static async Task<int> CopyAsync(CopyingSilo silo, int from, int patients, int kills, Random random, CancellationToken cancellationToken)
    {
        await silo.EnrolAsync(from, patients, cancellationToken);
        var killed = 0;
        while (killed < kills && await silo.Sync.StatusAsync(cancellationToken) is { Due: > 0 })
        {
            var asked = await RequestsAsync(silo, from, cancellationToken);
            while (await RequestsAsync(silo, from, cancellationToken) == asked && await silo.Sync.StatusAsync(cancellationToken) is { Due: > 0 })
            {
                await Task.Delay(Look, cancellationToken);
            }

            await Task.Delay(random.Next(1, WhileMaxMilliseconds), cancellationToken);
            await silo.KillAsync(cancellationToken);
            killed++;

            // Enrols nobody, but wakes the shard, which its reminder does within a minute.
            await silo.EnrolAsync(from, 1, cancellationToken);
        }

        await silo.DoneAsync(static _ => { }, cancellationToken);
        return killed;
    }

    private static async Task<int> RequestsAsync(CopyingSilo silo, int from, CancellationToken cancellationToken)
    {
        using var http = new HttpClient();
        return int.Parse(await http.GetStringAsync(new Uri(string.Create(CultureInfo.InvariantCulture, $"{silo.HospitalUrl}/requests?from={from}")), cancellationToken), CultureInfo.InvariantCulture);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
