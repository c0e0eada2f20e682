using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Connect.Tests.Mllp;

/// <summary>Other people's clients and a server, as they are published, against our listener and our sender.</summary>
public sealed class ForeignTests
{
    private static readonly string Folder = Path.Combine(SharedData.RepositoryRoot(), "tests", "EhrGrains.Connect.Tests", "node");
    private static bool isInstalled; // the tests of a class run one after the other

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_JavaScript_client_sends_to_us()
    {
        await NodeAsync();
        await using var rig = await MllpRig.StartAsync();
        var (exitCode, output) = await RunAsync("node", ["client.mjs", $"{rig.Port}", "20"]);
        exitCode.ShouldBe(0, output);
        JsonSerializer.Deserialize<string[]>(output.Trim().Split('\n')[^1]).ShouldBe(Enumerable.Range(1, 20).Select(i => $"AA NODE{i}"));
        rig.Kept.Select(kept => kept.ControlId).ShouldBe(Enumerable.Range(1, 20).Select(i => $"NODE{i}"));
    }

    [Fact]
    public async Task Debians_mllp_send_sends_to_us()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/mllp_send"), "mllp_send is not installed: apt-get install python3-hl7.");
        using var directory = new TempDirectory();
        var file = Path.Combine(directory.Path, "messages.mllp");
        await File.WriteAllBytesAsync(file, [.. Enumerable.Range(1, 20).SelectMany(i => Sender.Frame(Messages.Adt($"PY{i}")))], Stop);
        await using var rig = await MllpRig.StartAsync();
        var (exitCode, output) = await RunAsync("/usr/bin/mllp_send", ["--port", $"{rig.Port}", "--file", file, "127.0.0.1"]);
        exitCode.ShouldBe(0, output);
        Enumerable.Range(1, 20).ShouldAllBe(i => output.Contains($"MSA|AA|PY{i}"));
        rig.Kept.Select(kept => kept.ControlId).ShouldBe(Enumerable.Range(1, 20).Select(i => $"PY{i}"));
    }

    /// <summary>
    /// With each new message this server takes all earlier ones of the connection again, and acknowledges them again: only MSA-2 tells
    /// which acknowledgement is which.
    /// </summary>
    [Fact]
    public async Task A_JavaScript_server_receives_from_us()
    {
        await NodeAsync();
        var port = FreePort();
        using var server = Start("node", ["server.mjs", $"{port}"]);
        try
        {
            (await server.StandardOutput.ReadLineAsync(Stop)).ShouldBe("ready");
            using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
            await using var connection = await MllpClientConnection.ConnectAsync(
                new MllpDestination(
                    new OutboundFeedSpec { Host = "127.0.0.1", Port = port, Tls = false }, ["127.0.0.0/8"]),
                TimeProvider.System, new ConnectMetrics(services.GetRequiredService<IMeterFactory>()), Stop);
            for (var i = 1; i <= 20; i++)
            {
                var message = System.Text.Encoding.ASCII.GetBytes(Messages.Adt($"OUT{i}"));
                (await connection.SendAsync(message, Stop)).Outcome.ShouldBe(MllpSendOutcome.Accepted);
                for (var earlier = 1; earlier <= i; earlier++)
                {
                    (await server.StandardOutput.ReadLineAsync(Stop)).ShouldBe($"OUT{earlier}");
                }
            }
        }
        finally
        {
            server.Kill(entireProcessTree: true);
        }
    }

    private static async Task NodeAsync()
    {
        var folders = Environment.GetEnvironmentVariable("PATH")!.Split(':');
        Assert.SkipUnless(folders.Any(folder => File.Exists(Path.Combine(folder, "npm"))), "npm is not installed.");
        if (!isInstalled)
        {
            var (exitCode, output) = await RunAsync("npm", ["ci", "--no-audit", "--no-fund", "--silent"]);
            exitCode.ShouldBe(0, output);
            isInstalled = true;
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static Process Start(string program, IEnumerable<string> arguments) => Process.Start(
        new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = Folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;

    private static async Task<(int ExitCode, string Output)> RunAsync(string program, IEnumerable<string> arguments)
    {
        using var process = Start(program, arguments);
        var output = process.StandardOutput.ReadToEndAsync(Stop);
        var errors = process.StandardError.ReadToEndAsync(Stop);
        await process.WaitForExitAsync(Stop);
        return (process.ExitCode, process.ExitCode == 0 ? await output : await output + await errors);
    }
}
