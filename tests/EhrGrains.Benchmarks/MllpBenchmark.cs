using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EhrGrains.Benchmarks.Peers;
using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Journal;
using EhrGrains.Testing;

namespace EhrGrains.Benchmarks;

/// <summary>
/// The MLLP listener against a bare acknowledging Kestrel, and with a journal against the journal writer alone. The senders are in this
/// process, what is measured in another. Rounds of the two that are compared take turns.
/// </summary>
internal static class MllpBenchmark
{
    private const int Rounds = 3;
    private const int LargeBytes = 8 * 1024 * 1024;
    private const int IdleConnections = 10_000;
    private const int HandshakesAtOnce = 32;
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(3);
    private static readonly (int Connections, int Outstanding)[] Shapes = [(1, 1), (16, 1), (200, 1), (1, 16), (16, 16)];

    internal static async IAsyncEnumerable<string[]> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var directory = new TempDirectory();
        await using var echo = await StartAsync("echo", directory, cancellationToken);
        await using var listener = await StartAsync("listener", directory, cancellationToken);
        foreach (var (connections, outstanding) in Shapes)
        {
            var bare = new List<MllpLoadResult>();
            var ours = new List<MllpLoadResult>();
            for (var round = 0; round < Rounds; round++)
            {
                bare.Add(await LoadAsync(echo, connections, outstanding));
                ours.Add(await LoadAsync(listener, connections, outstanding));
            }

            yield return Row($"no journal, {connections} × {outstanding}", Median(bare), Median(ours));
        }

        yield return await LargeAsync(echo, listener);
        foreach (var kind in (DatabaseKind[])[DatabaseKind.Sqlite, DatabaseKind.PostgreSql])
        {
            if (kind == DatabaseKind.PostgreSql && !PostgresServer.IsAvailable)
            {
                yield return ["PostgreSQL", "not measured: EHRGRAINS_TEST_POSTGRES is not set", "", "", "", ""];
                continue;
            }

            await foreach (var row in DurableAsync(kind, directory, cancellationToken))
            {
                yield return row;
            }
        }

        yield return await IdleAsync(directory, cancellationToken);
    }

    /// <summary>The measured process: a bare echo, or the listener as the silo runs it.</summary>
    internal static async Task ServeAsync(string what, string folder)
    {
        await using var journal = Enum.TryParse<DatabaseKind>(what, out var kind)
            ? await JournalBenchmark.Subject.CreateAsync(kind, CancellationToken.None)
            : null;
        await using var app = what == "echo" ? MllpEcho.Build() : Listener(journal?.Writer, what == "tls" ? folder : null);
        await app.StartAsync();
        Console.WriteLine($"ready {new Uri(app.Urls.Single()).Port.ToString(CultureInfo.InvariantCulture)}");
        await app.WaitForShutdownAsync();
    }

    private static WebApplication Listener(JournalWriter? journal, string? certificates)
    {
        var spec = new InboundFeedSpec { Match = new FeedMatch { SendingApplication = "EPIC" } };
        var routes = FeedRoutes.From([new FeedRoute(TenantId.Parse("bench"), FeedId.Parse("adt"), spec)]);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(new MllpReceiver(
            () => routes, (arrival, stop) => AppendAsync(journal, arrival, stop), static (_, _) => default));
        builder.Services.AddMllpListener();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            if (certificates is null)
            {
                listen.UseMllp();
            }
            else
            {
                listen.UseMllpTls(new MllpTlsOptions(Path.Combine(certificates, "tls.pem"), Path.Combine(certificates, "tls.key")));
            }
        }));
        return builder.Build();
    }

    private static ValueTask<MllpReceipt> AppendAsync(JournalWriter? journal, MllpArrival arrival, CancellationToken cancellationToken)
    {
        return journal is null ? ValueTask.FromResult(new MllpReceipt(MllpOutcome.Appended)) : KeepAsync();

        async ValueTask<MllpReceipt> KeepAsync()
        {
            var message = new JournalMessage
            {
                Tenant = arrival.Route.Tenant,
                Feed = arrival.Route.Feed,
                Message = arrival.Message,
                Sender = arrival.Sender,
                ControlId = arrival.ControlId,
            };
            var receipt = await journal.AppendAsync(message, cancellationToken);
            return new MllpReceipt(
                receipt.Disposition == JournalDisposition.Appended ? MllpOutcome.Appended : MllpOutcome.OutOfSequence);
        }
    }

    private static async Task<string[]> LargeAsync(Served echo, Served listener)
    {
        var frame = MllpLoad.Frame("LARGE", LargeBytes);
        var bare = new List<double>();
        var ours = new List<double>();
        for (var i = 0; i < 11; i++)
        {
            bare.Add(await MllpLoad.TimeAsync(echo.Port, frame));
            ours.Add(await MllpLoad.TimeAsync(listener.Port, frame));
        }

        var (b, o) = (bare.Order().ElementAt(5), ours.Order().ElementAt(5));
        return ["one message of 8 MB", $"{b:F1} ms", $"{o:F1} ms", $"{o / b:F2} times the time", "", ""];
    }

    private static async IAsyncEnumerable<string[]> DurableAsync(
        DatabaseKind kind, TempDirectory directory, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var writer = await JournalBenchmark.Subject.CreateAsync(kind, cancellationToken);
        await using var served = await StartAsync(kind.ToString(), directory, cancellationToken);
        foreach (var (connections, outstanding) in Shapes)
        {
            var alone = new List<MllpLoadResult>();
            var ours = new List<MllpLoadResult>();
            for (var round = 0; round < Rounds; round++)
            {
                var (perSecond, cpu, refused) = await writer.MeasureAsync(connections * outstanding, Round, cancellationToken);
                alone.Add(new MllpLoadResult(perSecond, cpu, 0, 0, refused));
                ours.Add(await LoadAsync(served, connections, outstanding));
            }

            yield return Row($"{kind}, {connections} × {outstanding}", Median(alone), Median(ours));
        }
    }

    private static async Task<string[]> IdleAsync(TempDirectory directory, CancellationToken cancellationToken)
    {
        WriteCertificate(directory);
        await using var served = await StartAsync("tls", directory, cancellationToken);
        var clients = new List<SslStream>();
        await ConnectAsync(served.Port, 100, clients, cancellationToken);
        var before = Load.ResidentBytes(served.Process.Id);
        await ConnectAsync(served.Port, IdleConnections, clients, cancellationToken);
        await Task.Delay(TimeSpan.FromSeconds(5), cancellationToken);
        var bytes = Load.ResidentBytes(served.Process.Id) - before;
        var cpu = Load.CpuSeconds(served.Process.Id);
        await Task.Delay(TimeSpan.FromSeconds(10), cancellationToken);
        cpu = (Load.CpuSeconds(served.Process.Id) - cpu) / 10;
        foreach (var client in clients)
        {
            await client.DisposeAsync();
        }

        var each = bytes / IdleConnections / 1024.0;
        return [$"{IdleConnections:N0} idle TLS connections", "", $"{bytes / 1e6:F0} MB", $"{each:F1} KiB each", $"{cpu:P1} of a core", ""];
    }

    private static async Task ConnectAsync(int port, int count, List<SslStream> clients, CancellationToken cancellationToken)
    {
        var atOnce = new ParallelOptions { MaxDegreeOfParallelism = HandshakesAtOnce, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, count, atOnce, async (_, stop) =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(IPAddress.Loopback, port, stop);
            var plain = new NetworkStream(socket, ownsSocket: true);
            var tls = new SslStream(plain, false, static (_, shown, _, _) => shown?.Subject == "CN=localhost");
            await tls.AuthenticateAsClientAsync("localhost");
            await tls.WriteAsync(MllpLoad.Frame("IDLE", 200), stop);
            _ = await tls.ReadAsync(new byte[512], stop);
            lock (clients)
            {
                clients.Add(tls);
            }
        });
    }

    private static void WriteCertificate(TempDirectory directory)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(directory.File("tls.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(directory.File("tls.key"), key.ExportPkcs8PrivateKeyPem());
    }

    private static Task<MllpLoadResult> LoadAsync(Served served, int connections, int outstanding) =>
        MllpLoad.RunAsync(served.Port, served.Process.Id, connections, outstanding, Round);

    private static MllpLoadResult Median(List<MllpLoadResult> rounds) =>
        rounds.OrderBy(static r => r.PerSecond).ElementAt(rounds.Count / 2);

    private static string[] Row(string name, MllpLoadResult reference, MllpLoadResult ours) =>
    [
        name, Rate.Text(reference.PerSecond), Rate.Text(ours.PerSecond), $"{ours.PerSecond / reference.PerSecond:F2}",
        $"{reference.CpuMicroseconds:F1} / {ours.CpuMicroseconds:F1}",
        $"{ours.P50:F2} / {ours.P99:F2}{(ours.Refused > 0 ? $", {ours.Refused} refused" : "")}",
    ];

    private static async Task<Served> StartAsync(string what, TempDirectory directory, CancellationToken cancellationToken)
    {
        var process = await ChildProcess.StartAsync(
            "EhrGrains.Benchmarks.dll",
            ["serve", "mllp", what, directory.Path],
            new Dictionary<string, string>(),
            directory.File($"{what}.log"),
            "ready",
            cancellationToken);
        var port = process.Output.Split('\n').First(static line => line.StartsWith("ready ", StringComparison.Ordinal))[6..];
        return new Served(process, int.Parse(port, CultureInfo.InvariantCulture));
    }

    private sealed record Served(ChildProcess Process, int Port) : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => Process.DisposeAsync();
    }
}
