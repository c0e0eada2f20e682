using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Sandbox;
using EhrGrains.Testing;

namespace EhrGrains.Benchmarks;

/// <summary>
/// Searches of a warm patient record of 2,000 resources, which HL7 v2 results made, through our gateway (authenticated, audited), against
/// a static Kestrel endpoint that returns the same bytes. Rounds are interleaved, and the median counts.
/// </summary>
internal sealed class RecordSearchBenchmark : IAsyncDisposable
{
    /// <summary>The role of the static endpoint.</summary>
    internal const string Role = "static";

    private const int Reports = 65;
    private const int ResultsOfEach = 30;

    // A search waits for its audit record to be on disk: what commits together is what waits together.
    private const int Connections = 128;
    private const int Rounds = 5;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(4);

    private readonly TempDirectory directory = new();
    private readonly List<ChildProcess> processes = [];
    private readonly HttpClient http = new();

    internal static async Task<IReadOnlyList<string[]>> RunAsync(CancellationToken cancellationToken)
    {
        await using var benchmark = new RecordSearchBenchmark();
        return await benchmark.MeasureAsync(cancellationToken);
    }

    /// <summary>Serves the files of a folder by number, each with the headers that FHIR wants, and nothing else.</summary>
    internal static async Task ServeAsync(string folder)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        await using var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        var bodies = Directory.GetFiles(folder).Order(StringComparer.Ordinal).Select(File.ReadAllBytes).ToArray();
        app.MapGet("/{number:int}", (HttpContext context, int number) =>
        {
            context.Response.ContentType = "application/fhir+json; charset=utf-8";
            context.Response.ContentLength = bodies[number].Length;
            return context.Response.Body.WriteAsync(bodies[number]).AsTask();
        });
        await app.StartAsync();
        Console.WriteLine($"ready {app.Urls.First()}");
        await app.WaitForShutdownAsync();
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
        var mllpPort = Ports.Free();
        var (_, sites) = await StartAsync("hospitals", [siloUrl], cancellationToken);
        var site = JsonSerializer.Deserialize<SandboxSite[]>(sites)!.Single(each => each.Vendor == "oracle-health");
        var (silo, _) = await StartAsync("silo", [siloUrl, directory.File("data"), mllpPort.ToString(CultureInfo.InvariantCulture)], cancellationToken);
        using var embedded = await EmbeddedSilo.ConnectAsync(directory.File("data"), cancellationToken);
        await embedded.OnboardAsync(site, site.Tenant, cancellationToken);
        var feed = new FeedSpec { Feed = "lab", DisplayName = "Results", Inbound = new InboundFeedSpec { Match = new FeedMatch { SendingFacility = "RECORD" } } };
        await embedded.Tenant(site.Tenant).RegisterAsync(EmbeddedSilo.Spec(site, site.Tenant) with { Feeds = [feed] }, dryRun: false, cancellationToken);
        using var app = await embedded.AddAppAsync("bench", site.Tenant, siloUrl, cancellationToken);
        await SendAsync(mllpPort, cancellationToken);

        var root = $"{siloUrl}/fhir/{site.Tenant}";
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", await app.TokenAsync(cancellationToken));
        http.DefaultRequestHeaders.CacheControl = new CacheControlHeaderValue { OnlyIfCached = true };
        var patient = await FilledAsync(root, cancellationToken);
        (string Name, string Query)[] searches =
        [
            ("one result by code and day", $"Observation?patient={patient}&code=http://loinc.org|2003-7&date=2026-01-05"),
            ("all results of a code", $"Observation?patient={patient}&code=http://loinc.org|2003-7"),
            ("the last 50 results", $"Observation?patient={patient}&_sort=-date&_count=50"),
        ];
        var bodies = Directory.CreateDirectory(directory.File("bodies")).FullName;
        for (var i = 0; i < searches.Length; i++)
        {
            await File.WriteAllBytesAsync(Path.Combine(bodies, $"{i}"), await http.GetByteArrayAsync($"{root}/{searches[i].Query}", cancellationToken), cancellationToken);
        }

        var (peer, peerUrl) = await StartAsync(Role, [bodies], cancellationToken);
        var rows = new List<string[]>();
        for (var i = 0; i < searches.Length; i++)
        {
            var url = $"{root}/{searches[i].Query}";
            string[] headers = [$"Authorization: Bearer {await app.TokenAsync(cancellationToken)}", "Cache-Control: only-if-cached"];
            var bytes = new FileInfo(Path.Combine(bodies, $"{i}")).Length;
            await Load.RunAsync(url, headers, silo.Id, WarmUp, Connections);
            await Load.RunAsync($"{peerUrl}/{i}", headers, peer.Id, Round, Connections);
            var ours = new List<LoadResult>();
            var bare = new List<LoadResult>();
            for (var round = 0; round < Rounds; round++)
            {
                bare.Add(await Load.RunAsync($"{peerUrl}/{i}", headers, peer.Id, Round, Connections));
                ours.Add(await Load.RunAsync(url, headers, silo.Id, Round, Connections));
            }

            var (reference, rate) = (Median(bare, r => r.PerSecond), Median(ours, r => r.PerSecond));
            rows.Add(
            [
                searches[i].Name,
                Number(bytes / 1024.0, "N1"),
                Number(reference, "N0"),
                Number(rate, "N0"),
                Number(rate / reference, "F2"),
                Number(Median(ours, r => r.CpuMicroseconds), "N0"),
                Number(ours.Sum(r => r.Errors), "N0"),
            ]);
        }

        return rows;
    }

    private async Task<(ChildProcess Process, string Said)> StartAsync(string role, string[] arguments, CancellationToken cancellationToken)
    {
        var environment = new Dictionary<string, string>
        {
            ["DOTNET_gcServer"] = "0",
            ["DOTNET_hostBuilder__reloadConfigOnChange"] = "false",
            ["DOTNET_GCLOHThreshold"] = "100000",
            ["DOTNET_ThreadPool_UnfairSemaphoreSpinLimit"] = "0",
        };
        var process = await ChildProcess.StartAsync(
            "EhrGrains.Benchmarks.dll", ["serve", role, .. arguments], environment, directory.File(role + ".log"), "ready", cancellationToken);
        processes.Add(process);
        var line = process.Output.Split('\n').First(each => each.StartsWith("ready", StringComparison.Ordinal));
        return (process, line["ready".Length..].Trim());
    }

    // Each message is sent again until it is accepted: a listener learns of a new feed within seconds.
    private static async Task SendAsync(int port, CancellationToken cancellationToken)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync("127.0.0.1", port, cancellationToken);
        var stream = connection.GetStream();
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        var answer = new byte[4096];
        for (var report = 0; report < Reports; await pause.WaitForNextTickAsync(cancellationToken))
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(Message(report)), cancellationToken);
            var length = await stream.ReadAsync(answer, cancellationToken);
            report += Encoding.ASCII.GetString(answer, 0, length).Contains("MSA|AA", StringComparison.Ordinal) ? 1 : 0;
        }
    }

    private static string Message(int report)
    {
        var at = new DateTime(2026, 1, 1).AddDays(report).ToString("yyyyMMddHHmmss", CultureInfo.InvariantCulture);
        var results = string.Concat(Enumerable.Range(1, ResultsOfEach).Select(i => string.Create(
            CultureInfo.InvariantCulture,
            $"OBX|{i}|NM|{2000 + i}-7^Result {i} [Mass/volume] in Serum or Plasma^LN||{report + i}.5|mg/dL^mg/dL^UCUM|1-9|N|||F|||{at}\r")));
        return $"\x0bMSH|^~\\&|LAB|RECORD|US|HERE|{at}||ORU^R01^ORU_R01|R{report}|P|2.5.1\rPID|1||M1^^^RECORD^MR||Vexmoor^Ida||19700601|F\r"
            + $"PV1|1|O|LAB\rORC|RE|P{report}^HIS|F{report}^LAB\rOBR|1|P{report}^HIS|F{report}^LAB|24323-8^Panel^LN|||{at}|||||||||||||||{at}||LAB|F\r{results}\x1c\r";
    }

    private async Task<string> FilledAsync(string root, CancellationToken cancellationToken)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        while (await pause.WaitForNextTickAsync(cancellationToken))
        {
            var patients = await AskAsync("Patient?identifier=M1&_elements=id");
            if (patients.TryGetProperty("entry", out var entries))
            {
                var id = entries[0].GetProperty("resource").GetProperty("id").GetString()!;
                var count = await AskAsync($"Observation?patient={id}&_summary=count");
                if (count.GetProperty("total").GetInt32() == Reports * ResultsOfEach)
                {
                    return id;
                }
            }
        }

        throw new InvalidOperationException("The timer ended.");

        async Task<JsonElement> AskAsync(string query) =>
            JsonDocument.Parse(await http.GetByteArrayAsync($"{root}/{query}", cancellationToken)).RootElement;
    }

    private static double Median(IEnumerable<LoadResult> results, Func<LoadResult, double> of)
    {
        var sorted = results.Select(of).Order().ToArray();
        return sorted[sorted.Length / 2];
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
