using System.Globalization;
using EhrGrains.Benchmarks.Peers;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Silo;
using EhrGrains.Storage.Databases;
using EhrGrains.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace EhrGrains.Benchmarks;

/// <summary>A silo in a process of its own that copies patients of a stand-in hospital, which is another one.</summary>
internal sealed class CopyingSilo : IAsyncDisposable
{
    internal const string Role = "copying-silo";
    internal static readonly TenantId Tenant = TenantId.Parse("bench", null);

    private const string Program = "EhrGrains.Benchmarks.dll";
    private const int EnrolMax = 1_000;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    private static readonly Dictionary<string, string> Environs = new()
    {
        ["DOTNET_gcServer"] = "0",
        ["DOTNET_hostBuilder__reloadConfigOnChange"] = "false",

        // As the silo's own program has it.
        ["DOTNET_GCLOHThreshold"] = "100000",
        ["DOTNET_ThreadPool_UnfairSemaphoreSpinLimit"] = "0",
    };

    private readonly TempDirectory directory = new();
    private readonly int siloPort = Ports.Free();
    private readonly int gatewayPort = Ports.Free();
    private readonly PostgresDatabase? postgres;
    private string[] database = [];
    private ChildProcess hospital = null!;
    private ChildProcess silo = null!;
    private EmbeddedSilo operators = null!;

    private CopyingSilo(PostgresDatabase? postgres) => this.postgres = postgres;

    internal string HospitalUrl { get; } = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Ports.Free()}");

    internal string Url { get; } = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Ports.Free()}");

    /// <summary>Its database, if it is PostgreSQL.</summary>
    internal PostgresDatabase? Postgres => postgres;

    internal EmbeddedSilo Operators => operators;

    internal double CpuSeconds => Load.CpuSeconds(silo.Id);

    /// <summary>What the process has in use and its managed heap, in MB, as of at most a second ago.</summary>
    internal (double Resident, double Heap) Memory
    {
        get
        {
            var line = silo.Output.Split('\n').Last(static each => each.StartsWith("heap ", StringComparison.Ordinal));
            return (Load.ResidentBytes(silo.Id) / 1e6, long.Parse(line.AsSpan(5), CultureInfo.InvariantCulture) / 1e6);
        }
    }

    internal ITenantSyncGrain Sync => operators.Grains.GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(Tenant));

    internal static async Task<CopyingSilo> StartAsync(DatabaseKind kind, int delayMilliseconds, BudgetSpec budget, CancellationToken cancellationToken)
    {
        var subject = new CopyingSilo(kind == DatabaseKind.PostgreSql ? await PostgresServer.CreateDatabaseAsync(cancellationToken) : null);
        subject.hospital = await ChildProcess.StartAsync(
            Program, ["serve", PagedHospital.Role, subject.HospitalUrl, delayMilliseconds.ToString(CultureInfo.InvariantCulture)], Environs,
            subject.directory.File("hospital.log"), "ready", cancellationToken);
        if (subject.postgres is { } postgres)
        {
            await using var owner = Database.Open(kind, postgres.OwnerConnectionString, TimeProvider.System, NullLoggerFactory.Instance);
            await owner.MigrateAsync(cancellationToken);
            subject.database = ["PostgreSql", postgres.AppConnectionString];
        }

        await subject.StartAsync(cancellationToken);
        await subject.OnboardAsync(budget, cancellationToken);
        return subject;
    }

    /// <summary>Ends the silo as a power cut would, and starts it again.</summary>
    internal async Task KillAsync(CancellationToken cancellationToken)
    {
        silo.Kill();
        await silo.WaitForExitAsync(cancellationToken);
        operators.Dispose();
        await silo.DisposeAsync();
        await StartAsync(cancellationToken);
    }

    /// <summary>The silo's process: as its own program is, but for saying every second how large its heap is.</summary>
    internal static async Task ServeAsync(string[] arguments)
    {
        string[] kept = arguments is [_, _, _, _, var kind, var connection] ? [$"--EhrGrains:Database:Kind={kind}", $"--EhrGrains:Database:ConnectionString={connection}"] : [];
        await using var host = SiloHost.Build(
        [
            $"--EhrGrains:Http:Url={arguments[0]}", $"--EhrGrains:DataDirectory={arguments[1]}", $"--EhrGrains:Silo:Port={arguments[2]}", $"--EhrGrains:Silo:GatewayPort={arguments[3]}",
            "--EhrGrains:Mllp:Port=0", $"--EhrGrains:RootKeyFile={Path.Combine(arguments[1], "root.key")}", .. kept,
        ]);
        await host.StartAsync();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"heap {GC.GetTotalMemory(forceFullCollection: false)}"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"ready {Environment.ProcessId}"));
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        var stopping = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        while (!stopping.IsCancellationRequested && await timer.WaitForNextTickAsync())
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"heap {GC.GetTotalMemory(forceFullCollection: false)}"));
        }
    }

    /// <summary>Enrols patients and waits until what is due is done.</summary>
    /// <param name="from">The number of the first one.</param>
    /// <param name="count">How many.</param>
    /// <param name="at">Is told how many there are complete.</param>
    /// <param name="cancellationToken">Ends it.</param>
    internal async Task CopyAsync(int from, int count, Action<int> at, CancellationToken cancellationToken)
    {
        await EnrolAsync(from, count, cancellationToken);
        await DoneAsync(at, cancellationToken);
    }

    internal async Task EnrolAsync(int from, int count, CancellationToken cancellationToken)
    {
        foreach (var part in Enumerable.Range(from, count).Select(number => PatientId.Parse(PagedHospital.PatientId(number), null)).Chunk(EnrolMax))
        {
            await Sync.EnrolAsync(part, cancellationToken);
        }
    }

    /// <summary>Waits until nothing is due any more.</summary>
    /// <exception cref="InvalidOperationException">A copy is not complete: then nothing was measured.</exception>
    internal async Task DoneAsync(Action<int> at, CancellationToken cancellationToken)
    {
        while (await Sync.StatusAsync(cancellationToken) is { Due: > 0 } status)
        {
            at(status.Complete);
            await Task.Delay(Look, cancellationToken);
        }

        if (await Sync.ReportAsync(1, cancellationToken) is { IsComplete: false } report)
        {
            throw new InvalidOperationException($"{report.Status.Incomplete} copies are not complete: {string.Join("; ", report.Incomplete.SelectMany(one => one.Types).Select(type => $"{type.Type} {type.Problem?.Code} {type.Problem?.Message}"))}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        operators.Dispose();
        await silo.DisposeAsync();
        await hospital.DisposeAsync();
        if (postgres is not null)
        {
            await postgres.DisposeAsync();
        }

        directory.Dispose();
    }

    // At the same address each time: what the process before had of the site budget is known to be free then.
    private async Task StartAsync(CancellationToken cancellationToken)
    {
        string[] ports = [siloPort.ToString(CultureInfo.InvariantCulture), gatewayPort.ToString(CultureInfo.InvariantCulture)];
        silo = await ChildProcess.StartAsync(
            Program, ["serve", Role, Url, directory.File("data"), .. ports, .. database], Environs, directory.File("silo.log"), "ready", cancellationToken);
        operators = await EmbeddedSilo.ConnectAsync(directory.File("data"), cancellationToken);
    }

    private async Task OnboardAsync(BudgetSpec budget, CancellationToken cancellationToken)
    {
        var tenant = operators.Tenant(Tenant.Value);
        await tenant.RegisterAsync(
            new TenantSpec
            {
                Tenant = Tenant.Value,
                DisplayName = "Benchmark",
                TimeZone = "America/Chicago",
                Connection = new ConnectionSpec
                {
                    Vendor = "us-core",
                    BaseUrl = $"{HospitalUrl}/r4",
                    ClientId = "bench",
                    AuthMethod = ClientAuthMethod.ClientSecretBasic,
                    PrivateNetworks = ["127.0.0.0/8"],
                },
                Budget = budget,
                Sync = new SyncSpec { Types = ["Patient", "Observation"], FreshnessSeconds = 2_592_000 },
            },
            dryRun: false,
            cancellationToken);
        var credential = await tenant.AddCredentialAsync(
            new NewCredential { Method = ClientAuthMethod.ClientSecretBasic, Secret = new SecretText("bench-secret-bench-secret") }, cancellationToken);
        await tenant.ActivateCredentialAsync(credential.Version, cancellationToken);
        await tenant.ChangeLifecycleAsync(Lifecycle.Sandbox, "benchmark", cancellationToken);
    }
}
