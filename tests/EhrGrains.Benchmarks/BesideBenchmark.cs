using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using EhrGrains.Benchmarks.Peers;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Testing;

namespace EhrGrains.Benchmarks;

/// <summary>
/// Queries that somebody waits for, alone and beside a backfill that takes all that the hospital's budget leaves; and the most requests that
/// the hospital saw within any second. The hospital answers after 20 ms.
/// </summary>
internal static class BesideBenchmark
{
    private const int Budget = 60;
    private const int Asking = 2;
    private const int Patients = 1_000;
    private const int Asked = 900_000;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    internal static async Task<IReadOnlyList<string[]>> RunAsync(CancellationToken cancellationToken)
    {
        var kind = PostgresServer.IsAvailable ? DatabaseKind.PostgreSql : DatabaseKind.Sqlite;
        await using var silo = await CopyingSilo.StartAsync(kind, 20, new BudgetSpec { Requests = Budget, WindowSeconds = 1, Concurrency = 10 }, cancellationToken);
        using var app = await silo.Operators.AddAppAsync("asking", CopyingSilo.Tenant.Value, silo.Url, cancellationToken);
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        await AskAsync(http, app, silo.Url, WarmUp, cancellationToken);
        var quiet = await AskAsync(http, app, silo.Url, Round, cancellationToken);
        await silo.EnrolAsync(0, Patients, cancellationToken);
        await AskAsync(http, app, silo.Url, WarmUp, cancellationToken);
        var before = (await silo.Sync.ReportAsync(0, cancellationToken)).Types.Sum(type => type.Counts.Pages);
        var beside = await AskAsync(http, app, silo.Url, Round, cancellationToken);
        var report = await silo.Sync.ReportAsync(0, cancellationToken);
        var most = await http.GetStringAsync(new Uri($"{silo.HospitalUrl}/most"), cancellationToken);
        return
        [
            ["queries alone, ms: p50, p95, p99", Text(quiet), ""],
            ["beside a backfill, ms: p50, p95, p99", Text(beside), ""],
            ["p95, times its quiet value", $"{At(beside, 95) / At(quiet, 95):F2}", "1.5"],
            ["pages of the backfill a second, meanwhile", Rate.Text((report.Types.Sum(type => type.Counts.Pages) - before) / Round.TotalSeconds), ""],
            ["most requests that the hospital saw in a second", most, Budget.ToString(CultureInfo.InvariantCulture)],
        ];
    }

    private static async Task<List<double>> AskAsync(HttpClient http, Identity app, string url, TimeSpan length, CancellationToken cancellationToken)
    {
        var times = new List<double>();
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, Asking).Select(async asking =>
        {
            for (var i = asking; clock.Elapsed < length; i += Asking)
            {
                using var request = new HttpRequestMessage(
                    HttpMethod.Get, $"{url}/fhir/{CopyingSilo.Tenant}/Observation?patient={PagedHospital.PatientId(Asked + i)}&category=laboratory&_count=50");
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await app.TokenAsync(cancellationToken));
                request.Headers.CacheControl = new CacheControlHeaderValue { NoCache = true };
                var start = clock.Elapsed;
                using var answer = await http.SendAsync(request, cancellationToken);
                answer.EnsureSuccessStatusCode();
                await answer.Content.ReadAsByteArrayAsync(cancellationToken);
                lock (times)
                {
                    times.Add((clock.Elapsed - start).TotalMilliseconds);
                }

                await Task.Delay(Pause, cancellationToken);
            }
        }));
        times.Sort();
        return times;
    }

    private static double At(List<double> sorted, int percent) => sorted[sorted.Count * percent / 100];

    private static string Text(List<double> sorted) => string.Create(CultureInfo.InvariantCulture, $"{At(sorted, 50):F1}, {At(sorted, 95):F1}, {At(sorted, 99):F1}");
}
