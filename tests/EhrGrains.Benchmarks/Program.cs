using System.Globalization;
using EhrGrains.Benchmarks;
using EhrGrains.Benchmarks.Peers;
using EhrGrains.Sandbox;
using EhrGrains.Silo;
using EhrGrains.Storage.Databases;

// EhrGrains.Benchmarks sync [RESOURCES [PostgreSql | Sqlite]] | bulk [LINES] | cursors | beside | kills [NUMBER] | gateway | record-search | normalize | tenants | journal | mllp | webhook | hl7 FOLDER | v2fhir FOLDER | record-feed FOLDER     prints a table of one run; docs/benchmarks.md keeps them
// EhrGrains.Benchmarks serve ROLE …                                   a part of a benchmark, in a process of its own
if (args is ["serve", var role, .. var rest])
{
    await ServeAsync(role, rest);
    return 0;
}

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};
switch (args)
{
    case ["gateway"] when !Load.IsAvailable:
        Console.Error.WriteLine("This benchmark needs wrk: apt-get install wrk.");
        return 2;
    case ["gateway"]:
        Table(["", "requests/s", "ratio to YARP", "CPU µs a request", "errors"], await GatewayBenchmark.RunAsync(stop.Token));
        return 0;
    case ["record-search"] when !Load.IsAvailable:
        Console.Error.WriteLine("This benchmark needs wrk: apt-get install wrk.");
        return 2;
    case ["record-search"]:
        Table(["", "KiB", "static Kestrel/s", "record/s", "ratio", "CPU µs a search", "errors"], await RecordSearchBenchmark.RunAsync(stop.Token));
        return 0;
    case ["normalize"]:
        Table(["", "pages a CPU-second", "ratio to scan", "bytes allocated a page"], await NormalizationBenchmark.RunAsync());
        return 0;
    case ["tenants"]:
        Table(["", "measured"], await TenantsBenchmark.RunAsync(stop.Token));
        return 0;
    case ["hl7", var folder]:
        Table(["", "bare scan a CPU-second", "read", "ratio", "bytes", "read + 10 fields", "bytes"], Hl7Benchmark.Run(folder));
        return 0;
    case ["v2fhir", var folder]:
        Table(["", "mapped a CPU-second", "reference", "times", "KB allocated", "reference", "KB of FHIR"], V2FhirBenchmark.Run(folder));
        return 0;
    case ["mllp"]:
        await TableAsync(["connections × outstanding", "reference a second", "listener a second", "ratio", "CPU µs", "p50 / p99 ms"], MllpBenchmark.RunAsync(stop.Token));
        return 0;
    case ["record-feed", var folder]:
        Table(["", "measured", "target"], await RecordFeedBenchmark.RunAsync(folder, stop.Token));
        return 0;
    case ["webhook"]:
        Table(["", "measured", "target"], await WebhookBenchmark.RunAsync(stop.Token));
        return 0;
    case ["sync", .. var options] when options is [] || long.TryParse(options[0], CultureInfo.InvariantCulture, out _):
        var resources = options is [var count, ..] ? long.Parse(count, CultureInfo.InvariantCulture) : 100_000;
        DatabaseKind? only = options is [_, var kind] ? Enum.Parse<DatabaseKind>(kind) : null;
        Table(["", "pages/s", "times the bare loop", "CPU µs a page", "times the loop's CPU"], await SyncBenchmark.RunAsync(resources, only, stop.Token));
        return 0;
    case ["bulk", .. var options] when options is [] || long.TryParse(options[0], CultureInfo.InvariantCulture, out _):
        var lines = options is [var lineCount, ..] ? long.Parse(lineCount, CultureInfo.InvariantCulture) : 100_000;
        Table(["", "lines/s", "times bare reading", "CPU µs a line", "times its CPU"], await BulkBenchmark.RunAsync(lines, stop.Token));
        return 0;
    case ["cursors"]:
        Table(["", "measured", "target"], await CursorsBenchmark.RunAsync(stop.Token));
        return 0;
    case ["beside"]:
        Table(["", "measured", "target"], await BesideBenchmark.RunAsync(stop.Token));
        return 0;
    case ["kills", .. var options] when options is [] || int.TryParse(options[0], CultureInfo.InvariantCulture, out _):
        Table(["", "measured", "as it has to be"], await KillsBenchmark.RunAsync(options is [var kills] ? int.Parse(kills, CultureInfo.InvariantCulture) : 10, stop.Token));
        return 0;
    case ["journal"]:
        Table(["database, callers", "messages/s", "CPU µs a message", "times Mirth", "Mirth, durable", "refused"], await JournalBenchmark.RunAsync(stop.Token));
        return 0;
    default:
        Console.Error.WriteLine("Usage: EhrGrains.Benchmarks sync [RESOURCES [PostgreSql | Sqlite]] | bulk [LINES] | cursors | beside | kills [NUMBER] | gateway | record-search | normalize | tenants | journal | mllp | webhook | hl7 FOLDER | v2fhir FOLDER | record-feed FOLDER");
        return 2;
}

static void Table(string[] header, IEnumerable<string[]> rows)
{
    Head(header);
    foreach (var row in rows)
    {
        Console.WriteLine($"| {string.Join(" | ", row)} |");
    }
}

static async Task TableAsync(string[] header, IAsyncEnumerable<string[]> rows)
{
    Head(header);
    await foreach (var row in rows)
    {
        Console.WriteLine($"| {string.Join(" | ", row)} |");
    }
}

static void Head(string[] header)
{
    Console.WriteLine($"| {string.Join(" | ", header)} |");
    Console.WriteLine($"|{string.Concat(Enumerable.Repeat("---|", header.Length))}");
}

static async Task ServeAsync(string role, string[] arguments)
{
    switch (role)
    {
        case "hospitals":
            var unlimited = new SiteOptions { RequestsPerSecond = 0, TokenLifetimeSeconds = 86_400 };
            await using (var hospitals = SandboxHost.Build(new SandboxOptions
            {
                Vendors = ["epic", "oracle-health", "athenahealth"],
                BasePort = 0,
                JwksBase = arguments[0],
                Sites = new Dictionary<string, SiteOptions> { ["epic"] = unlimited, ["oracle-health"] = unlimited, ["athenahealth"] = unlimited },
            }))
            {
                await hospitals.StartAsync();
                Console.WriteLine($"ready {System.Text.Json.JsonSerializer.Serialize(SandboxHost.Sites(hospitals))}");
                await hospitals.WaitForShutdownAsync();
            }

            break;
        case "silo" or ThroughFirely.Role:
            await using (var silo = SiloHost.Build(
            [
                $"--EhrGrains:DataDirectory={arguments[1]}", $"--EhrGrains:Http:Url={arguments[0]}", "--EhrGrains:Silo:Port=0",
                "--EhrGrains:Silo:GatewayPort=0", $"--EhrGrains:Mllp:Port={arguments.ElementAtOrDefault(2) ?? "0"}", "--EhrGrains:Gateway:ConcurrentRequestsPerApp=1000",
            ]))
            {
                await silo.StartAsync();
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"ready {Environment.ProcessId}"));
                await silo.WaitForShutdownAsync();
            }

            break;
        case RecordSearchBenchmark.Role:
            await RecordSearchBenchmark.ServeAsync(arguments[0]);
            break;
        case PagedHospital.Role:
            await PagedHospital.RunAsync(arguments[0], int.Parse(arguments[1], CultureInfo.InvariantCulture));
            break;
        case CopyingSilo.Role:
            await CopyingSilo.ServeAsync(arguments);
            break;
        case "mllp":
            await MllpBenchmark.ServeAsync(arguments[0], arguments[1]);
            break;
        case "yarp":
            await YarpPeer.RunAsync(arguments[0]);
            break;
        case "firely":
            await FirelyPeer.RunAsync(arguments[0]);
            break;
        default:
            throw new ArgumentException($"No such role: {role}", nameof(role));
    }
}
