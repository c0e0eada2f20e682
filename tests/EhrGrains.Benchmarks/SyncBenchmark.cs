using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using EhrGrains.Benchmarks.Peers;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Testing;
using Hl7.Fhir.Model;
using Hl7.Fhir.Rest;
using Task = System.Threading.Tasks.Task;

namespace EhrGrains.Benchmarks;

/// <summary>
/// Copies of patients, page by page: read, normalized and committed, against a bare loop that reads the same pages and nothing else, and
/// against Firely's client, which makes objects of them and stores nothing; then the same again with nothing changed, and what memory does.
/// </summary>
internal static class SyncBenchmark
{
    /// <summary>Patients at one time, of the silo as of those it is compared with.</summary>
    private const int AtOnce = 8;

    private const int WarmPatients = 100;
    private const int ReferencePatients = 40;
    private const int PagesPerPatient = PagedHospital.Pages + 1;

    internal static async Task<IReadOnlyList<string[]>> RunAsync(long resources, DatabaseKind? only, CancellationToken cancellationToken)
    {
        var patients = (int)Math.Max(1, resources / PagedHospital.Results);
        var rows = new List<string[]>();
        foreach (var (kind, delay) in ((DatabaseKind, int)[])[(DatabaseKind.PostgreSql, 0), (DatabaseKind.Sqlite, 0), (DatabaseKind.PostgreSql, 20)])
        {
            if (only is not null && (kind != only || delay > 0))
            {
                continue;
            }

            if (kind == DatabaseKind.PostgreSql && !PostgresServer.IsAvailable)
            {
                rows.Add(["PostgreSQL: not measured, EHRGRAINS_TEST_POSTGRES is not set", "", "", "", ""]);
                continue;
            }

            // The long form is about memory, on the database of production.
            var count = delay == 0 && kind == DatabaseKind.PostgreSql ? patients : Math.Min(patients, 40);
            rows.AddRange(await MeasureAsync(kind, delay, count, cancellationToken));
        }

        return rows;
    }

    private static async Task<IEnumerable<string[]>> MeasureAsync(DatabaseKind kind, int delay, int patients, CancellationToken cancellationToken)
    {
        await using var silo = await CopyingSilo.StartAsync(kind, delay, new BudgetSpec { Requests = 100_000, WindowSeconds = 1, Concurrency = 1_000 }, cancellationToken);
        await silo.CopyAsync(0, WarmPatients, static _ => { }, cancellationToken);
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        Func<int, Task> bare = number => ReadBareAsync(http, silo.HospitalUrl, number, cancellationToken);
        Func<int, Task> firely = number => ReadFirelyAsync(http, silo.HospitalUrl, number, cancellationToken);
        await ReferenceAsync(bare, cancellationToken);
        await ReferenceAsync(firely, cancellationToken);
        var (loop, objects) = (new List<Pace>(), new List<Pace>());
        for (var round = 0; round < 3; round++)
        {
            loop.Add(await ReferenceAsync(bare, cancellationToken));
            objects.Add(await ReferenceAsync(firely, cancellationToken));
        }

        var memory = new List<string>();
        double[] marks = [0.1, 0.5, 1];
        var first = await TimeAsync(silo, patients, () => silo.CopyAsync(
            WarmPatients,
            patients,
            complete =>
            {
                if (memory.Count < marks.Length && complete - WarmPatients >= patients * marks[memory.Count])
                {
                    memory.Add(Memory(silo));
                }
            },
            cancellationToken));
        memory.Add(Memory(silo));
        var again = await TimeAsync(silo, patients + WarmPatients, async () =>
        {
            await silo.Sync.RefreshAsync(null, whole: true, cancellationToken);
            await silo.DoneAsync(static _ => { }, cancellationToken);
        });
        var written = (await silo.Sync.ReportAsync(0, cancellationToken)).Types.Sum(type => type.Counts.Stored + type.Counts.Deleted);
        var reference = loop.OrderBy(pace => pace.PerSecond).ElementAt(1);
        var rows = kind == DatabaseKind.PostgreSql && delay == 0 ? await BareRows.PagesPerSecondAsync(AtOnce, cancellationToken) : 0;
        var name = $"{kind}, {(delay == 0 ? "answers at once" : string.Create(CultureInfo.InvariantCulture, $"answers after {delay} ms"))}: ";
        return
        [
            Row(name + "bare loop", reference, reference),
            Row(name + "Firely's client", objects.OrderBy(pace => pace.PerSecond).ElementAt(1), reference),
            Row(name + $"copied, {patients * PagedHospital.Results:N0} resources", first, reference),
            Row(name + $"read again, {written} written", again, reference),
            [name + "its rows and changes inserted, nothing else", rows > 0 ? Rate.Text(rows) : "", rows > 0 ? (rows / reference.PerSecond).ToString("F2", CultureInfo.InvariantCulture) : "", "", ""],
            [name + "resident / heap MB at 10 %, 50 %, 100 %, end", string.Join(", ", memory), "", "", ""],
        ];
    }

    private static string Memory(CopyingSilo silo)
    {
        var (resident, heap) = silo.Memory;
        return string.Create(CultureInfo.InvariantCulture, $"{resident:F0} / {heap:F0}");
    }

    private static string[] Row(string name, Pace pace, Pace reference) =>
    [
        name, Rate.Text(pace.PerSecond), (pace.PerSecond / reference.PerSecond).ToString("F2", CultureInfo.InvariantCulture),
        pace.CpuMicroseconds.ToString("F0", CultureInfo.InvariantCulture), (reference.CpuMicroseconds / pace.CpuMicroseconds).ToString("F2", CultureInfo.InvariantCulture),
    ];

    private static async Task<Pace> TimeAsync(CopyingSilo silo, int patients, Func<Task> work)
    {
        var (clock, cpu) = (Stopwatch.StartNew(), silo.CpuSeconds);
        await work();
        var pages = (double)patients * PagesPerPatient;
        return new Pace(pages / clock.Elapsed.TotalSeconds, (silo.CpuSeconds - cpu) / pages * 1e6);
    }

    private static async Task<Pace> ReferenceAsync(Func<int, Task> read, CancellationToken cancellationToken)
    {
        using var process = Process.GetCurrentProcess();
        var (clock, cpu) = (Stopwatch.StartNew(), process.TotalProcessorTime);
        await Parallel.ForEachAsync(
            Enumerable.Range(0, ReferencePatients), new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, async (number, _) => await read(number));
        process.Refresh();
        var pages = (double)ReferencePatients * PagesPerPatient;
        return new Pace(pages / clock.Elapsed.TotalSeconds, (process.TotalProcessorTime - cpu).TotalSeconds / pages * 1e6);
    }

    /// <summary>The same pages in the same order; all that is looked at is where the next one is.</summary>
    private static async Task ReadBareAsync(HttpClient http, string hospital, int number, CancellationToken cancellationToken)
    {
        var pages = 0;
        foreach (var search in PagedHospital.Searches(number))
        {
            for (var next = $"{hospital}/r4/{search}"; next is not null; pages++)
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, next);
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", "t");
                using var answer = await http.SendAsync(request, cancellationToken);
                next = Next(await answer.Content.ReadAsByteArrayAsync(cancellationToken));
            }
        }

        Check(pages);
    }

    private static async Task ReadFirelyAsync(HttpClient http, string hospital, int number, CancellationToken cancellationToken)
    {
        using var client = new FhirClient($"{hospital}/r4", http, new FhirClientSettings { VerifyFhirVersion = false });
        var pages = 0;
        foreach (var search in PagedHospital.Searches(number))
        {
            for (var page = (Bundle?)await client.GetAsync(search, cancellationToken); page is not null; page = await client.ContinueAsync(page, ct: cancellationToken))
            {
                pages++;
            }
        }

        Check(pages);
    }

    private static string? Next(ReadOnlySpan<byte> page)
    {
        var start = page.IndexOf("\"next\",\"url\":\""u8);
        return start < 0 ? null : System.Text.Encoding.UTF8.GetString(page[(start + 14)..][..page[(start + 14)..].IndexOf((byte)'"')]);
    }

    private static void Check(int pages)
    {
        if (pages != PagesPerPatient)
        {
            throw new InvalidOperationException($"There were {pages} pages, not {PagesPerPatient}.");
        }
    }

    private readonly record struct Pace(double PerSecond, double CpuMicroseconds);
}
