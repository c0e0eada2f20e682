using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.IO.Pipelines;
using System.Security.Cryptography;
using EhrGrains.Benchmarks.Peers;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Testing;

namespace EhrGrains.Benchmarks;

/// <summary>
/// A bulk export into the copies of its patients: lines read, normalized, put together by patient and committed, against the same files read
/// line by line and hashed. From the first line to the last cursor; what is waited for before that, the export being prepared, is not in it.
/// </summary>
internal static class BulkBenchmark
{
    private const int WarmPatients = 20;
    private const int FilesAtOnce = 3;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    internal static async Task<IReadOnlyList<string[]>> RunAsync(long lines, CancellationToken cancellationToken)
    {
        var patients = (int)Math.Max(1, lines / (PagedHospital.Results + 1));
        var rows = new List<string[]>();
        foreach (var kind in (DatabaseKind[])[DatabaseKind.PostgreSql, DatabaseKind.Sqlite])
        {
            if (kind == DatabaseKind.PostgreSql && !PostgresServer.IsAvailable)
            {
                rows.Add(["PostgreSQL: not measured, EHRGRAINS_TEST_POSTGRES is not set", "", "", "", ""]);
                continue;
            }

            await using var silo = await CopyingSilo.StartAsync(
                kind, 0, new BudgetSpec { Requests = 100_000, WindowSeconds = 1, Concurrency = 1_000 }, cancellationToken);
            await silo.Sync.PauseAsync(cancellationToken);
            await ExportAsync(silo, WarmPatients, cancellationToken);
            using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false });
            var reads = new List<Pace>();
            for (var round = 0; round < 4; round++)
            {
                reads.Add(await ReadAsync(http, silo.HospitalUrl, patients, cancellationToken));
            }

            var reference = reads.Skip(1).OrderBy(pace => pace.PerSecond).ElementAt(1);
            var first = await ExportAsync(silo, patients, cancellationToken);
            var (resident, heap) = silo.Memory;
            var again = await ExportAsync(silo, patients, cancellationToken);
            rows.Add(Row($"{kind}: read by line and hashed", reference, reference));
            rows.Add(Row($"{kind}: {patients * (PagedHospital.Results + 1):N0} lines committed", first, reference));
            rows.Add(Row($"{kind}: the same export again, nothing written", again, reference));
            rows.Add([string.Create(CultureInfo.InvariantCulture, $"{kind}: resident / heap MB at the end of the first"), string.Create(CultureInfo.InvariantCulture, $"{resident:F0} / {heap:F0}"), "", "", ""]);
        }

        return rows;
    }

    private static string[] Row(string name, Pace pace, Pace reference) =>
    [
        name, Rate.Text(pace.PerSecond), (pace.PerSecond / reference.PerSecond).ToString("F2", CultureInfo.InvariantCulture),
        pace.CpuMicroseconds.ToString("F1", CultureInfo.InvariantCulture), (reference.CpuMicroseconds / pace.CpuMicroseconds).ToString("F2", CultureInfo.InvariantCulture),
    ];

    private static async Task<Pace> ExportAsync(CopyingSilo silo, int patients, CancellationToken cancellationToken)
    {
        var cohort = CohortOf(silo, patients);
        await BeginAsync(cohort, patients, cancellationToken);
        BulkStatus status;
        var (clock, cpu) = (Stopwatch.StartNew(), silo.CpuSeconds);
        while ((status = (await cohort.BulkStatusAsync(cancellationToken))!).EndedAt is null)
        {
            await Task.Delay(Look, cancellationToken);
        }

        var lines = patients * (PagedHospital.Results + 1);
        return status.State == BulkState.Complete && status.Types.Sum(type => type.Fetched) == lines
            ? new Pace(lines / clock.Elapsed.TotalSeconds, (silo.CpuSeconds - cpu) / lines * 1e6)
            : throw new InvalidOperationException($"The export ended as {status.State}: {status.Problem?.Code} {status.Problem?.Message}");
    }

    /// <summary>The cohort of the first patients.</summary>
    internal static IPopulationSyncGrain CohortOf(CopyingSilo silo, int patients) => silo.Operators.Grains.GetGrain<IPopulationSyncGrain>(
        GrainKeys.Cohort(CopyingSilo.Tenant, CohortId.Parse($"group{patients}", CultureInfo.InvariantCulture)));

    /// <summary>Begins an export of a cohort's patients; files are read when this ends.</summary>
    internal static async Task BeginAsync(IPopulationSyncGrain cohort, int patients, CancellationToken cancellationToken)
    {
        await cohort.SetAsync(new CohortSpec { Group = patients.ToString(CultureInfo.InvariantCulture) }, cancellationToken);
        await cohort.StartBulkAsync(new BulkRequest { Types = ["Patient", "Observation"] }, cancellationToken);
        while ((await cohort.BulkStatusAsync(cancellationToken))!.State is BulkState.Requested or BulkState.Preparing)
        {
            await Task.Delay(Look, cancellationToken);
        }
    }

    private static async Task<Pace> ReadAsync(HttpClient http, string hospital, int patients, CancellationToken cancellationToken)
    {
        using var process = Process.GetCurrentProcess();
        var (clock, cpu) = (Stopwatch.StartNew(), process.TotalProcessorTime);
        var lines = await ReadFileAsync(http, $"{hospital}/r4/files/Patient?from=0&count={patients}", cancellationToken);
        await Parallel.ForEachAsync(
            Enumerable.Range(0, FilesAtOnce),
            new ParallelOptions { MaxDegreeOfParallelism = FilesAtOnce, CancellationToken = cancellationToken },
            async (file, ct) =>
            {
                var (from, to) = (patients * file / FilesAtOnce, patients * (file + 1) / FilesAtOnce);
                Interlocked.Add(ref lines, await ReadFileAsync(http, $"{hospital}/r4/files/Observation?from={from}&count={to - from}", ct));
            });
        process.Refresh();
        return lines == patients * (PagedHospital.Results + 1)
            ? new Pace(lines / clock.Elapsed.TotalSeconds, (process.TotalProcessorTime - cpu).TotalSeconds / lines * 1e6)
            : throw new InvalidOperationException($"There were {lines} lines.");
    }

    private static async Task<int> ReadFileAsync(HttpClient http, string url, CancellationToken cancellationToken)
    {
        await using var stream = await http.GetStreamAsync(new Uri(url), cancellationToken);
        var reader = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 64 * 1024));
        var lines = 0;
        while (await reader.ReadAsync(cancellationToken) is var read)
        {
            var rest = read.Buffer;
            while (rest.PositionOf((byte)'\n') is { } end)
            {
                Hash(rest.Slice(0, end));
                rest = rest.Slice(rest.GetPosition(1, end));
                lines++;
            }

            reader.AdvanceTo(rest.Start, rest.End);
            if (read.IsCompleted)
            {
                break;
            }
        }

        return lines;
    }

    private static void Hash(ReadOnlySequence<byte> line)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(line.IsSingleSegment ? line.FirstSpan : line.ToArray(), hash);
    }

    private readonly record struct Pace(double PerSecond, double CpuMicroseconds);
}
