using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using EhrGrains.Benchmarks.Peers;
using EhrGrains.Sandbox;
using EhrGrains.Testing;

namespace EhrGrains.Benchmarks;

/// <summary>
/// One live search of a page of 50 resources, from the same hospital: through our gateway (authenticated, audited, within the
/// site budget, normalized), through YARP (the bytes passed on), through the same gateway with each answer put through Firely's
/// objects, and through a bare relay over them. Each part is a process of its own; rounds are interleaved, and the median counts.
/// </summary>
internal sealed class GatewayBenchmark : IAsyncDisposable
{
    private const string Program = "EhrGrains.Benchmarks.dll";
    private const string Reference = "YARP, bytes passed on";

    // A query waits until its audit row is on disk. That costs time and no work: with more callers others are served meanwhile.
    private const string Wider = ", 64 connections";
    private const int Rounds = 5;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(5);

    private readonly TempDirectory directory = new();
    private readonly List<ChildProcess> processes = [];
    private readonly HttpClient http = new();

    internal static async Task<IReadOnlyList<string[]>> RunAsync(CancellationToken cancellationToken)
    {
        await using var benchmark = new GatewayBenchmark();
        return await benchmark.MeasureAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in processes)
        {
            await process.DisposeAsync();
        }

        http.Dispose();
        directory.Dispose();
    }

    private async Task<IReadOnlyList<string[]>> MeasureAsync(CancellationToken cancellationToken)
    {
        var siloUrl = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Ports.Free()}");
        var (_, sites) = await StartAsync("hospitals", [siloUrl], cancellationToken);
        var site = JsonSerializer.Deserialize<SandboxSite[]>(sites)!.Single(each => each.Vendor == "oracle-health");
        var (silo, _) = await StartAsync("silo", [siloUrl, directory.File("data")], cancellationToken);
        var objectsUrl = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Ports.Free()}");
        var (objects, _) = await StartAsync(ThroughFirely.Role, [objectsUrl, directory.File("objects")], cancellationToken);
        var origin = new Uri(site.FhirBaseUrl).GetLeftPart(UriPartial.Authority);
        var (yarp, yarpUrl) = await StartAsync("yarp", [origin], cancellationToken);
        var (firely, firelyUrl) = await StartAsync("firely", [origin], cancellationToken);

        using var embedded = await EmbeddedSilo.ConnectAsync(directory.File("data"), cancellationToken);
        await embedded.OnboardAsync(site, site.Tenant, cancellationToken);
        using var app = await embedded.AddAppAsync("bench", site.Tenant, siloUrl, cancellationToken);
        using var embeddedObjects = await EmbeddedSilo.ConnectAsync(directory.File("objects"), cancellationToken);
        await embeddedObjects.OnboardAsync(site, site.Tenant, cancellationToken);
        using var objectsApp = await embeddedObjects.AddAppAsync("bench", site.Tenant, objectsUrl, cancellationToken);
        var hospitalToken = await HospitalTokenAsync(http, site, "system/Observation.read", cancellationToken);

        var query = $"Observation?patient={site.LongChartPatientId}&category=laboratory&_count=50";
        var path = new Uri(site.FhirBaseUrl).AbsolutePath;
        var ours = $"{siloUrl}/fhir/{site.Tenant}/{query}";
        (string Name, ChildProcess Process, string Url, Func<ValueTask<string>> Token)[] subjects =
        [
            (Reference, yarp, $"{yarpUrl}{path}/{query}", () => new(hospitalToken)),
            ("our gateway", silo, ours, () => app.TokenAsync(cancellationToken)),
            (Reference + Wider, yarp, $"{yarpUrl}{path}/{query}", () => new(hospitalToken)),
            ("our gateway" + Wider, silo, ours, () => app.TokenAsync(cancellationToken)),
            ("our gateway, answers through Firely objects", objects, $"{objectsUrl}/fhir/{site.Tenant}/{query}", () => objectsApp.TokenAsync(cancellationToken)),
            ("bare relay over Firely objects", firely, $"{firelyUrl}{path}/{query}", () => new(hospitalToken)),
        ];
        foreach (var subject in subjects)
        {
            await CheckAsync(subject.Url, await subject.Token(), cancellationToken);
            await LoadAsync(subject, WarmUp);
        }

        var results = subjects.ToDictionary(subject => subject.Name, _ => new List<LoadResult>());
        for (var round = 0; round < Rounds; round++)
        {
            foreach (var subject in subjects)
            {
                results[subject.Name].Add(await LoadAsync(subject, Round));
            }
        }

        double PerSecond(string name) => Median(results[name], result => result.PerSecond);
        return
        [
            .. subjects.Select(subject => (string[])
            [
                subject.Name,
                Number(PerSecond(subject.Name), "N0"),
                Number(PerSecond(subject.Name) / PerSecond(subject.Name.EndsWith(Wider, StringComparison.Ordinal) ? Reference + Wider : Reference), "F2"),
                Number(Median(results[subject.Name], result => result.CpuMicroseconds), "N0"),
                Number(results[subject.Name].Sum(result => result.Errors), "N0"),
            ]),
        ];
    }

    private static async Task<LoadResult> LoadAsync((string Name, ChildProcess Process, string Url, Func<ValueTask<string>> Token) subject, TimeSpan length) =>
        await Load.RunAsync(
            subject.Url, [$"Authorization: Bearer {await subject.Token()}"], subject.Process.Id, length,
            subject.Name.EndsWith(Wider, StringComparison.Ordinal) ? 64 : Load.Connections);

    private async Task<(ChildProcess Process, string Said)> StartAsync(string role, string[] arguments, CancellationToken cancellationToken)
    {
        var environment = new Dictionary<string, string>
        {
            ["DOTNET_gcServer"] = "0",

            // All share a working directory, and would be woken by each write to the database in it.
            ["DOTNET_hostBuilder__reloadConfigOnChange"] = "false",
        };
        if (role.StartsWith("silo", StringComparison.Ordinal))
        {
            // As the silo's own program has it.
            environment["DOTNET_GCLOHThreshold"] = "100000";
            environment["DOTNET_ThreadPool_UnfairSemaphoreSpinLimit"] = "0";
        }

        var process = await ChildProcess.StartAsync(Program, ["serve", role, .. arguments], environment, directory.File(role + ".log"), "ready", cancellationToken);
        processes.Add(process);
        var line = process.Output.Split('\n').First(each => each.StartsWith("ready", StringComparison.Ordinal));
        return (process, line["ready".Length..].Trim());
    }

    // A fast wrong answer is no result: the page must hold fifty resources.
    private async Task CheckAsync(string url, string token, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        request.Headers.Accept.ParseAdd("application/fhir+json");
        using var answer = await http.SendAsync(request, cancellationToken);
        var body = await answer.Content.ReadAsStringAsync(cancellationToken);
        var entries = answer.IsSuccessStatusCode ? JsonDocument.Parse(body).RootElement.GetProperty("entry").GetArrayLength() : 0;
        if (entries < 50)
        {
            throw new InvalidOperationException($"{url} answered {(int)answer.StatusCode} with {entries} entries.");
        }
    }

    internal static async Task<string> HospitalTokenAsync(HttpClient http, SandboxSite site, string scope, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, site.TokenUrl);
        request.Headers.Authorization = new AuthenticationHeaderValue(
            "Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{site.ClientId}:{site.ClientSecret}")));
        request.Content = new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("scope", scope)]);
        using var answer = await http.SendAsync(request, cancellationToken);
        var body = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync(cancellationToken)).RootElement;
        return body.GetProperty("access_token").GetString()!;
    }

    private static double Median(IEnumerable<LoadResult> results, Func<LoadResult, double> of)
    {
        var sorted = results.Select(of).Order().ToArray();
        return sorted[sorted.Length / 2];
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
