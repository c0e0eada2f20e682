using EhrGrains.Cli.Contexts;
using EhrGrains.Sandbox;
using EhrGrains.Testing;
using Microsoft.AspNetCore.Builder;

namespace EhrGrains.Cli.Tests.CommandLine;

/// <summary>
/// A silo in a process of its own, on SQLite in a directory of its own, and the three hospitals; and the program, run in that
/// directory as its operator would. The tenant files and contracts of the repository are there, with this run's ports.
/// </summary>
public sealed class RunningCluster : IAsyncLifetime
{
    private readonly TempDirectory directory = new();
    private ChildProcess? silo;
    private WebApplication? sandbox;

    internal string Directory => directory.Path;

    internal string SiloLog => silo!.Output;

    internal int MllpPort { get; } = Ports.Free();

    internal Uri Url => ClusterContext.Read(OperatorFile).Url;

    internal IReadOnlyList<SandboxSite> Sites { get; private set; } = [];

    /// <summary>The hospitals that a test has onboarded; none is twice.</summary>
    internal HashSet<string> Onboarded { get; } = [];

    private string OperatorFile => directory.File("ehrgrains-data/operator.json");

    public async ValueTask InitializeAsync()
    {
        var stopping = TestContext.Current.CancellationToken;
        var program = EhrgrainsProcess.Program("EhrGrains.Silo", "EhrGrains.Silo.dll");
        string[] settings = ["--EhrGrains:Http:Url=http://127.0.0.1:0", "--EhrGrains:Silo:Port=0", "--EhrGrains:Silo:GatewayPort=0", $"--EhrGrains:Mllp:Port={MllpPort}"];
        silo = await ChildProcess.StartAsync(program, settings, new Dictionary<string, string>(), directory.File("silo.log"), "The silo serves", stopping);
        sandbox = SandboxHost.Build(new SandboxOptions { Vendors = ["epic", "oracle-health", "athenahealth"], BasePort = 0, JwksBase = Url.GetLeftPart(UriPartial.Authority) });
        await sandbox.StartAsync(stopping);
        Sites = SandboxHost.Sites(sandbox);
        await CopyAsync("deploy/hospitals", stopping);
        await CopyAsync("deploy/contracts", stopping);
    }

    public async ValueTask DisposeAsync()
    {
        if (sandbox is not null)
        {
            await sandbox.DisposeAsync();
        }

        if (silo is not null)
        {
            await silo.DisposeAsync();
        }

        directory.Dispose();
    }

    /// <summary>The text with the usual ports replaced by those of this run.</summary>
    internal string WithPorts(string text) => Sites
        .Select((site, i) => (Usual: $"127.0.0.1:{9101 + i}", Now: new Uri(site.FhirBaseUrl).Authority))
        .Append((Usual: "127.0.0.1:8080", Now: Url.Authority))
        .Append((Usual: "\"port\": 2575", Now: $"\"port\": {MllpPort}"))
        .Aggregate(text, (current, port) => current.Replace(port.Usual, port.Now, StringComparison.Ordinal));

    /// <summary>Runs the program as the operator, and wants an exit code.</summary>
    internal Task<ProcessResult> RunAsync(int code, params string[] arguments) => RunAsync(code, null, arguments);

    internal async Task<ProcessResult> RunAsync(int code, string? input, string[] arguments) =>
        (await EhrgrainsProcess.RunAsync(arguments, new RunSettings { Directory = Directory, Input = input })).ShouldExit(code);

    private async Task CopyAsync(string folder, CancellationToken cancellationToken)
    {
        var from = Path.Combine(SharedData.RepositoryRoot(), folder);
        var to = System.IO.Directory.CreateDirectory(directory.File(folder)).FullName;
        foreach (var file in System.IO.Directory.EnumerateFiles(from))
        {
            var text = await File.ReadAllTextAsync(file, cancellationToken);
            await File.WriteAllTextAsync(Path.Combine(to, Path.GetFileName(file)), WithPorts(text), cancellationToken);
        }
    }
}
