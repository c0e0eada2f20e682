using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using EhrGrains.Sandbox;
using EhrGrains.Testing;

namespace EhrGrains.Benchmarks;

/// <summary>What ten thousand registered tenants cost an idle silo, and what the first query to a cold one adds to the hospital's own time.</summary>
internal static class TenantsBenchmark
{
    private const int Tenants = 10_000;
    private const int ColdQueries = 21;

    // So that code is compiled: what is cold is the tenant, not the silo.
    private const int Warm = 200;

    internal static async Task<IReadOnlyList<string[]>> RunAsync(CancellationToken cancellationToken)
    {
        using var directory = new TempDirectory();
        var siloUrl = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Ports.Free()}");
        await using var hospitals = await StartAsync("hospitals", [siloUrl], directory, cancellationToken);
        var site = JsonSerializer.Deserialize<SandboxSite[]>(Said(hospitals))!.Single(each => each.Vendor == "oracle-health");
        await using var silo = await StartAsync("silo", [siloUrl, directory.File("data")], directory, cancellationToken);
        using var embedded = await EmbeddedSilo.ConnectAsync(directory.File("data"), cancellationToken);
        await embedded.OnboardAsync(site, site.Tenant, cancellationToken);
        using var app = await embedded.AddAppAsync("bench", site.Tenant, siloUrl, cancellationToken);
        using var http = new HttpClient();
        await AskAsync(http, app, $"{siloUrl}/fhir/{site.Tenant}/{site.SharedPatientSearch}", cancellationToken);
        var before = ResidentBytes(silo.Id);

        await Parallel.ForEachAsync(Enumerable.Range(0, Tenants), new ParallelOptions { MaxDegreeOfParallelism = 64, CancellationToken = cancellationToken },
            async (i, token) => await embedded.Tenant(Name(i)).RegisterAsync(EmbeddedSilo.Spec(site, Name(i)), dryRun: false, token));
        var registered = ResidentBytes(silo.Id);
        for (var i = 0; i < ColdQueries; i++)
        {
            await embedded.OnboardAsync(site, Name(i), cancellationToken);
            await embedded.GrantAsync("bench", Name(i), cancellationToken);
        }

        await silo.DisposeAsync();
        await using var again = await StartAsync("silo", [siloUrl, directory.File("data")], directory, cancellationToken);
        for (var i = 0; i < Warm; i++)
        {
            await AskAsync(http, app, $"{siloUrl}/fhir/{site.Tenant}/{site.SharedPatientSearch}", cancellationToken);
        }

        var after = ResidentBytes(again.Id);
        var cold = new List<TimeSpan>();
        var direct = new List<TimeSpan>();
        for (var i = 0; i < ColdQueries; i++)
        {
            cold.Add(await AskAsync(http, app, $"{siloUrl}/fhir/{Name(i)}/{site.SharedPatientSearch}", cancellationToken));
            direct.Add(await AskDirectlyAsync(http, site, cancellationToken));
        }

        return
        [
            ["resident memory of a silo with one tenant, MB", Megabytes(before)],
            [$"right after {Tenants:N0} more were registered, their grains still active: above it, MB", Megabytes(registered - before)],
            [$"with {Tenants + 1:N0} registered tenants, after a restart: above it, MB", Megabytes(after - before)],
            ["first query to a cold tenant, ms (median)", Milliseconds(Median(cold))],
            ["the same from the hospital itself, token and search, ms (median)", Milliseconds(Median(direct))],
            ["difference, ms", Milliseconds(Median(cold) - Median(direct))],
        ];
    }

    // What a client without us would do: get a token, search.
    private static async Task<TimeSpan> AskDirectlyAsync(HttpClient http, SandboxSite site, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{site.FhirBaseUrl}/{site.SharedPatientSearch}");
        request.Headers.Authorization = new AuthenticationHeaderValue(
            "Bearer", await GatewayBenchmark.HospitalTokenAsync(http, site, "system/Patient.read", cancellationToken));
        request.Headers.Accept.ParseAdd("application/fhir+json");
        using var answer = await http.SendAsync(request, cancellationToken);
        answer.EnsureSuccessStatusCode();
        return clock.Elapsed;
    }

    private static string Name(int i) => string.Create(CultureInfo.InvariantCulture, $"t{i:D5}");

    private static TimeSpan Median(IEnumerable<TimeSpan> times)
    {
        var sorted = times.Order().ToArray();
        return sorted[sorted.Length / 2];
    }

    private static async Task<ChildProcess> StartAsync(string role, string[] arguments, TempDirectory directory, CancellationToken cancellationToken) =>
        await ChildProcess.StartAsync(
            "EhrGrains.Benchmarks.dll", ["serve", role, .. arguments], new Dictionary<string, string> { ["DOTNET_gcServer"] = "0" },
            directory.File(role + ".log"), "ready", cancellationToken);

    private static string Said(ChildProcess process) =>
        process.Output.Split('\n').First(line => line.StartsWith("ready", StringComparison.Ordinal))["ready".Length..].Trim();

    private static async Task<TimeSpan> AskAsync(HttpClient http, Identity app, string url, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await app.TokenAsync(cancellationToken));
        var clock = Stopwatch.StartNew();
        using var answer = await http.SendAsync(request, cancellationToken);
        answer.EnsureSuccessStatusCode();
        return clock.Elapsed;
    }

    private static long ResidentBytes(int processId)
    {
        var line = File.ReadLines($"/proc/{processId}/status").First(each => each.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }

    private static string Megabytes(long bytes) => (bytes / 1e6).ToString("N0", CultureInfo.InvariantCulture);

    private static string Milliseconds(TimeSpan time) => time.TotalMilliseconds.ToString("N1", CultureInfo.InvariantCulture);
}
