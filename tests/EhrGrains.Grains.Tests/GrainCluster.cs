using EhrGrains.Connect;
using EhrGrains.Contracts.Apps;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.GrainStorage;
using EhrGrains.Storage.Keys;
using EhrGrains.Testing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Orleans.TestingHost;

namespace EhrGrains.Grains.Tests;

/// <summary>
/// Two silos over one real database, and a client outside the cluster. The clock is ours; it only ever goes forward, and tests
/// that share a cluster run one after the other.
/// </summary>
public abstract class GrainCluster(DatabaseKind kind) : IAsyncLifetime
{
    internal const string Issuer = "https://gateway.test";
    internal const string Audience = "https://gateway.test/fhir";

    private readonly TempDirectory directory = new();
    private PostgresDatabase? postgres;
    private Database? database;
    private InProcessTestCluster? cluster;

    public TestClock Time { get; } = new();

    public InProcessTestCluster Cluster => cluster!;

    public Database Database => database!;

    /// <summary>A client as applications have it: outside, over the gateway.</summary>
    public IClusterClient Outside => Cluster.Client;

    /// <summary>The services of a silo.</summary>
    public IServiceProvider Silo(int index) => Cluster.Silos[index].ServiceProvider;

    public CallerTickets Tickets => Silo(0).GetRequiredService<CallerTickets>();

    /// <summary>The grains as the cluster's own code has them.</summary>
    public IGrainFactory Inside => Silo(0).GetRequiredService<IGrainFactory>();

    public CallerScope EnterAdmin() => Enter("admin", AppRole.Admin);

    public CallerScope Enter(string app, AppRole role) => Tickets.Enter(new Caller(AppId.Parse(app, null), role, [], default));

    /// <summary>This cluster; skips the test, visibly, where the database of its kind is not there.</summary>
    public GrainCluster OrSkip()
    {
        Assert.SkipWhen(cluster is null, "EHRGRAINS_TEST_POSTGRES is not set.");
        return this;
    }

    /// <summary>The first column of every row, as text, as somebody who may see everything.</summary>
    public async Task<List<string>> LookAsync(string sql)
    {
        await using System.Data.Common.DbConnection connection = postgres is null
            ? new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={directory.File("ehrgrains.db")};Default Timeout=30")
            : new Npgsql.NpgsqlConnection(postgres.AdminConnectionString);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        var values = new List<string>();
        while (await reader.ReadAsync(TestContext.Current.CancellationToken))
        {
            values.Add(Convert.ToString(reader.GetValue(0), System.Globalization.CultureInfo.InvariantCulture)!);
        }

        return values;
    }

    public async ValueTask InitializeAsync()
    {
        if (kind == DatabaseKind.PostgreSql && !PostgresServer.IsAvailable)
        {
            return;
        }

        postgres = kind == DatabaseKind.PostgreSql ? await PostgresServer.CreateDatabaseAsync(CancellationToken.None) : null;
        var connection = postgres?.AppConnectionString ?? $"Data Source={directory.File("ehrgrains.db")}";
        var owning = postgres?.OwnerConnectionString ?? connection;
        await using (var owner = Database.Open(kind, owning, TimeProvider.System, NullLoggerFactory.Instance))
        {
            await owner.MigrateAsync(CancellationToken.None);
        }

        database = Database.Open(kind, connection, TimeProvider.System, NullLoggerFactory.Instance);
        var root = RootKey.LoadOrCreate(directory.File("root.key"));
        var builder = new InProcessTestClusterBuilder(2) { Options = { ConfigureFileLogging = false } };
        builder.ConfigureSiloHost((_, host) =>
        {
            host.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["EhrGrains:Auth:Issuer"] = Issuer,
                ["EhrGrains:Auth:Audience"] = Audience,
                ["EhrGrains:Webhooks:PrivateNetworks:0"] = "127.0.0.1/32",
                ["EhrGrains:Credentials:VerifyDelay"] = "00:00:03",
                ["EhrGrains:Credentials:VerifyDelayMax"] = "00:00:29",
            });
            host.Logging.ClearProviders();
            host.Services.AddSingleton(database);
            host.Services.AddSingleton(root);
            host.Services.AddSingleton<TimeProvider>(Time);
            host.Services.AddEhrGrainsTables();
            host.Services.AddEhrGrainsConnect();
        });
        builder.ConfigureSilo((_, silo) => silo.AddEhrGrainsStorage().AddEhrGrains());
        cluster = builder.Build();

        // The test host asks the management grain, from outside, whether all silos are up; only the cluster itself may.
        using var keys = new KeyRing(database, root, Time, NullLogger<KeyRing>.Instance);
        using var system = new CallerTickets(keys.DeriveClusterKey(CallerTickets.KeyPurpose), Time).EnterSystem();
        await cluster.DeployAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (cluster is not null)
        {
            await cluster.DisposeAsync();
            await Database.DisposeAsync();
        }

        if (postgres is not null)
        {
            await postgres.DisposeAsync();
        }

        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        directory.Dispose();
    }
}

/// <summary>A clock that goes on when told, or when somebody waits for just as long as a test has in mind.</summary>
public sealed class TestClock() : FakeTimeProvider(DateTimeOffset.UtcNow)
{
    /// <summary>Waits that are over at once.</summary>
    public HashSet<TimeSpan> Skipped { get; } = [];

    /// <summary>
    /// Lets time pass in steps until something has happened. Not while the machine is late itself: what others do in real time, a
    /// commit or a request, would seem to take for ever.
    /// </summary>
    public async Task PassUntilAsync(Task happened, TimeSpan step, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(happened);
        var late = 0;
        while (true)
        {
            var looked = TimeProvider.System.GetTimestamp();
            await Task.WhenAny(happened, Task.Delay(Beat, TimeProvider.System, cancellationToken));
            if (happened.IsCompleted)
            {
                return;
            }

            cancellationToken.ThrowIfCancellationRequested();

            // One that is late all the time goes on, slowly.
            if (TimeProvider.System.GetElapsedTime(looked) < 3 * Beat || ++late % 10 == 0)
            {
                Advance(step);
            }
        }
    }

    private static TimeSpan Beat => TimeSpan.FromMilliseconds(20);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        // As the system's timers: on a thread of its own. Within the step of time, or within whoever looks at the clock, which is where
        // the base class would call it, one callback that waits or fails would stop the clock for all others.
        var timer = base.CreateTimer(_ => ThreadPool.QueueUserWorkItem(_ => callback(state)), null, dueTime, period);
        if (Skipped.Contains(dueTime))
        {
            ThreadPool.QueueUserWorkItem(_ => Advance(dueTime));
        }

        return timer;
    }
}

/// <summary>The cluster over SQLite, as in embedded mode.</summary>
public sealed class SqliteGrainCluster() : GrainCluster(DatabaseKind.Sqlite);

/// <summary>The same cluster over PostgreSQL; its tests are skipped, visibly, where there is none.</summary>
public sealed class PostgresGrainCluster() : GrainCluster(DatabaseKind.PostgreSql);
