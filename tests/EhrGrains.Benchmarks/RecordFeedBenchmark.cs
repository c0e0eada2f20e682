using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Charts;
using EhrGrains.Storage;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Journal;
using EhrGrains.Storage.Keys;
using EhrGrains.Storage.Records;
using EhrGrains.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace EhrGrains.Benchmarks;

/// <summary>
/// From the socket to the committed record: sixteen feeds of admissions into a silo of its own process over PostgreSQL, against the same
/// messages into the journal alone (the feeds are paused); and what reading a record costs, cold, against the bare read of its rows.
/// </summary>
internal static class RecordFeedBenchmark
{
    private const int Feeds = 16;
    private const int MessagesPerFeed = 1_000;
    private const int Outstanding = 16;
    private const int Patients = 2_000;
    private const int Resources = 500;
    private const int Loads = 41;

    private static readonly TenantId Tenant = TenantId.Parse("bench", null);

    internal static async Task<IReadOnlyList<string[]>> RunAsync(string folder, CancellationToken cancellationToken)
    {
        var template = (await File.ReadAllTextAsync(Path.Combine(folder, "adt.hl7"), cancellationToken)).Trim().ReplaceLineEndings("\r");
        await using var subject = await Subject.StartAsync(cancellationToken);
        await subject.PausedAsync(paused: false, cancellationToken);
        await subject.SendAsync(template, 0, MessagesPerFeed / 4, cancellationToken);
        await subject.ProcessedAsync(cancellationToken);
        var through = new List<double>();
        var journal = new List<double>();
        var cpu = new List<double>();
        for (var round = 1; round <= 3; round++)
        {
            var (clock, before) = (Stopwatch.StartNew(), subject.CpuSeconds);
            await subject.SendAsync(template, round * 2, MessagesPerFeed, cancellationToken);
            await subject.ProcessedAsync(cancellationToken);
            through.Add(Feeds * MessagesPerFeed / clock.Elapsed.TotalSeconds);
            cpu.Add((subject.CpuSeconds - before) / (Feeds * MessagesPerFeed) * 1e6);

            await subject.PausedAsync(paused: true, cancellationToken);
            clock.Restart();
            await subject.SendAsync(template, (round * 2) + 1, MessagesPerFeed, cancellationToken);
            journal.Add(Feeds * MessagesPerFeed / clock.Elapsed.TotalSeconds);
            await subject.PausedAsync(paused: false, cancellationToken);
            await subject.ProcessedAsync(cancellationToken);
        }

        var (records, alone) = (through.Order().ElementAt(1), journal.Order().ElementAt(1));
        return
        [
            ["16 feeds, socket to journal, messages/s", Rate.Text(alone), ""],
            ["16 feeds, socket to committed record, messages/s", Rate.Text(records), ""],
            ["CPU µs of the silo for one of these", Rate.Text(cpu.Order().ElementAt(1)), ""],
            ["ratio", $"{records / alone:F2}", "0.5"],
            .. await subject.LoadAsync(cancellationToken),
        ];
    }

    private sealed class Subject : IAsyncDisposable
    {
        private readonly TempDirectory directory = new();
        private readonly PostgresDatabase postgres;
        private readonly ServiceProvider services;
        private readonly int port = Ports.Free();
        private ChildProcess silo = null!;
        private EmbeddedSilo operators = null!;

        private Subject(PostgresDatabase postgres)
        {
            this.postgres = postgres;
            services = new ServiceCollection()
                .AddLogging()
                .AddSingleton(TimeProvider.System)
                .AddSingleton(RootKey.LoadOrCreate(directory.File("root.key")))
                .AddSingleton(Database.Open(DatabaseKind.PostgreSql, postgres.AppConnectionString, TimeProvider.System, NullLoggerFactory.Instance))
                .AddEhrGrainsTables()
                .BuildServiceProvider();
        }

        internal double CpuSeconds => Benchmarks.Load.CpuSeconds(silo.Id);

        internal static async Task<Subject> StartAsync(CancellationToken cancellationToken)
        {
            var subject = new Subject(await PostgresServer.CreateDatabaseAsync(cancellationToken));
            await using (var owner = Database.Open(
                DatabaseKind.PostgreSql, subject.postgres.OwnerConnectionString, TimeProvider.System, NullLoggerFactory.Instance))
            {
                await owner.MigrateAsync(cancellationToken);
            }

            var settings = new Dictionary<string, string>
            {
                ["EhrGrains__DataDirectory"] = subject.directory.Path,
                ["EhrGrains__Http__Url"] = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Ports.Free()}"),
                ["EhrGrains__Silo__Port"] = "0",
                ["EhrGrains__Silo__GatewayPort"] = "0",
                ["EhrGrains__Mllp__Port"] = subject.port.ToString(CultureInfo.InvariantCulture),
                ["EhrGrains__RootKeyFile"] = subject.directory.File("root.key"),
                ["EhrGrains__Database__Kind"] = "PostgreSql",
                ["EhrGrains__Database__ConnectionString"] = subject.postgres.AppConnectionString,
            };
            subject.silo = await ChildProcess.StartAsync("EhrGrains.Silo.dll", [], settings, subject.directory.File("silo.log"), "The silo serves", cancellationToken);
            subject.operators = await EmbeddedSilo.ConnectAsync(subject.directory.Path, cancellationToken);
            await subject.operators.Tenant(Tenant.Value).RegisterAsync(Spec(), dryRun: false, cancellationToken);

            // A new feed is refused until every listener knows it.
            await Task.Delay(TimeSpan.FromSeconds(6), cancellationToken);
            return subject;
        }

        internal Task PausedAsync(bool paused, CancellationToken cancellationToken) => Task.WhenAll(Enumerable.Range(0, Feeds).Select(i =>
        {
            var feed = operators.Grains.GetGrain<IMllpConnectionGrain>(GrainKeys.Feed(Tenant, Feed(i)));
            return paused ? feed.PauseAsync("benchmark", cancellationToken) : feed.ResumeAsync(cancellationToken);
        }));

        /// <summary>Each feed's messages over a connection of its own, until all are acknowledged.</summary>
        internal Task SendAsync(string template, int round, int count, CancellationToken cancellationToken) =>
            Task.WhenAll(Enumerable.Range(0, Feeds).Select(feed => Task.Run(() => SendFeedAsync(template, round, feed, count, cancellationToken), cancellationToken)));

        internal async Task ProcessedAsync(CancellationToken cancellationToken)
        {
            for (var feed = 0; feed < Feeds; feed++)
            {
                while (await services.GetRequiredService<FeedProgress>().ReadAsync(Tenant, Feed(feed), cancellationToken) is var standing && standing.Position < standing.Last)
                {
                    await Task.Delay(5, cancellationToken);
                }
            }
        }

        /// <summary>A cold record: read, opened and put into a chart, against its sealed rows alone.</summary>
        internal async Task<string[][]> LoadAsync(CancellationToken cancellationToken)
        {
            var patient = PatientId.Parse("cold", null);
            var at = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
            ChartResource[] resources = [.. Enumerable.Range(0, Resources).Select(i => new ChartResource(
                "Observation", $"o{i}", 1, at, ChangeKind.Created, "adt/1", Encoding.UTF8.GetBytes(Observation(i))))];
            var writer = services.GetRequiredService<RecordWriter>();
            await writer.StartAsync(cancellationToken);
            await writer.CommitAsync(
                new ChartCommit
                {
                    Tenant = Tenant,
                    Heads = [ChartHead.New(patient) with { Version = 1, Resources = Resources, Bytes = resources.Sum(resource => resource.Content.Length) }],
                    Writes = [.. resources.Select(resource => new ChartWrite(patient, resource))],
                },
                cancellationToken);
            await writer.StopAsync(cancellationToken);
            var (bare, cold) = (new List<double>(), new List<double>());
            Chart? chart = null;
            for (var i = 0; i < Loads; i++)
            {
                var clock = Stopwatch.StartNew();
                await ReadBareAsync(patient, cancellationToken);
                bare.Add(clock.Elapsed.TotalMilliseconds);
                clock.Restart();
                var stored = await services.GetRequiredService<RecordStore>().LoadAsync(Tenant, patient, long.MaxValue, cancellationToken);
                chart = Fill(stored);
                cold.Add(clock.Elapsed.TotalMilliseconds);
            }

            var (b, c) = (bare.Order().ElementAt(Loads / 2), cold.Order().ElementAt(Loads / 2));
            return
            [
                [$"bare read of a record of {Resources} resources, ms", $"{b:F2}", ""],
                ["the same read, opened, in a chart, ms", $"{c:F2}", ""],
                ["times", $"{c / b:F2}", "3"],
                ["resident bytes of a record, times its JSON", $"{Resident(resources) / chart!.Bytes:F2}", "1.5"],
            ];
        }

        public async ValueTask DisposeAsync()
        {
            operators.Dispose();
            await silo.DisposeAsync();
            await services.DisposeAsync();
            await postgres.DisposeAsync();
            directory.Dispose();
        }

        private static FeedId Feed(int number) => FeedId.Parse($"adt{number}", null);

        private static TenantSpec Spec() => new()
        {
            Tenant = Tenant.Value,
            DisplayName = "Benchmark",
            TimeZone = "America/Chicago",
            Connection = new ConnectionSpec { Vendor = "us-core", BaseUrl = "https://fhir.example.org/r4", ClientId = "bench" },
            Feeds =
            [
                .. Enumerable.Range(0, Feeds).Select(i => new FeedSpec
                {
                    Feed = Feed(i).Value,
                    DisplayName = $"Feed {i}",
                    Inbound = new InboundFeedSpec { Match = new FeedMatch { SendingFacility = $"F{i}" } },
                }),
            ],
        };

        private async Task SendFeedAsync(string template, int round, int feed, int count, CancellationToken cancellationToken)
        {
            using var client = new TcpClient { NoDelay = true };
            await client.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
            var stream = client.GetStream();
            var (sent, acknowledged) = (0, 0);
            var buffer = new byte[64 * 1024];
            while (acknowledged < count)
            {
                var batch = new List<byte>();
                while (sent < count && sent - acknowledged < Outstanding)
                {
                    batch.AddRange(Frame(template, round, feed, sent++));
                }

                await stream.WriteAsync(batch.ToArray(), cancellationToken);
                var read = await stream.ReadAsync(buffer, cancellationToken);
                if (read == 0 || buffer.AsSpan(0, read).IndexOf("MSA|AE"u8) >= 0 || buffer.AsSpan(0, read).IndexOf("MSA|AR"u8) >= 0)
                {
                    throw new InvalidOperationException("A message was not accepted.");
                }

                acknowledged += buffer.AsSpan(0, read).Count((byte)0x1C);
            }
        }

        /// <summary>The message with another sender, control id and patient: one in each eighth of the patients is seen again by each feed.</summary>
        private static byte[] Frame(string template, int round, int feed, int number)
        {
            var segments = template.Split('\r');
            var msh = segments[0].Split('|');
            (msh[3], msh[9]) = ($"F{feed}", $"{round}-{feed}-{number}");
            var pid = Array.FindIndex(segments, segment => segment.StartsWith("PID|", StringComparison.Ordinal));
            var fields = segments[pid].Split('|');
            fields[3] = $"P{((number * Feeds) + feed) % Patients}^^^HOSP^MR";
            fields[5] = $"Family{round}^Given{number}";
            (segments[0], segments[pid]) = (string.Join('|', msh), string.Join('|', fields));
            return Encoding.UTF8.GetBytes($"\u000B{string.Join('\r', segments)}\r\u001C\r");
        }

        private static string Observation(int i) =>
            $$$"""{"resourceType":"Observation","id":"o{{{i}}}","meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00.000000Z","source":"urn:ehrgrains:feed:lab#{{{i}}}"},"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory","display":"Laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"2345-{{{i % 10}}}","display":"Glucose [Mass/volume] in Serum or Plasma"}]},"subject":{"reference":"Patient/cold"},"effectiveDateTime":"2026-01-01T08:00:00Z","valueQuantity":{"value":{{{i}}},"unit":"mg/dL","system":"http://unitsofmeasure.org","code":"mg/dL"},"referenceRange":[{"low":{"value":70,"unit":"mg/dL"},"high":{"value":99,"unit":"mg/dL"}}]}""";

        private static Chart Fill(StoredChart stored)
        {
            var chart = new Chart(TimeZoneInfo.Utc);
            foreach (var resource in stored.Resources)
            {
                chart.Put(new ChartEntry(resource.Type, resource.Id, resource.Version, resource.At, resource.Content));
            }

            return chart;
        }

        private static double Resident(ChartResource[] resources)
        {
            const int Charts = 20;
            var before = GC.GetTotalMemory(forceFullCollection: true);
            var charts = new List<Chart>();
            for (var i = 0; i < Charts; i++)
            {
                charts.Add(Fill(new StoredChart(
                    ChartHead.New(PatientId.Parse("cold", null)),
                    [.. resources.Select(r => new ChartResource(r.Type, string.Concat(r.Id), 1, r.At, r.Kind, "", r.Content.ToArray()))])));
            }

            var after = GC.GetTotalMemory(forceFullCollection: true);
            GC.KeepAlive(charts);
            return (after - before) / (double)Charts;
        }

        private async Task ReadBareAsync(PatientId patient, CancellationToken cancellationToken)
        {
            await using var connection = await services.GetRequiredService<Database>().DataSource.OpenConnectionAsync(cancellationToken);
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            await using var command = connection.CreateCommand();
            command.CommandText =
                $"SELECT set_config('app.tenant', '{Tenant}', true); SELECT content FROM record_resources WHERE tenant_id = '{Tenant}' AND patient = '{patient}'";
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            await reader.NextResultAsync(cancellationToken);
            var bytes = 0L;
            while (await reader.ReadAsync(cancellationToken))
            {
                bytes += ((byte[])reader.GetValue(0)).Length;
            }

            if (bytes == 0)
            {
                throw new InvalidOperationException("There was nothing to read.");
            }
        }
    }
}
