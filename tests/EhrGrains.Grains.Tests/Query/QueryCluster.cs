using System.Collections.Concurrent;
using System.Security.Cryptography;
using EhrGrains.Connect;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Client;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.GrainStorage;
using EhrGrains.Storage.Keys;
using EhrGrains.Storage.SigningKeys;
using EhrGrains.Testing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Orleans.Configuration;
using Orleans.TestingHost;

namespace EhrGrains.Grains.Tests.Query;

/// <summary>
/// Two silos over one SQLite file on the real clock, because hospitals count on theirs. Every grain call is counted.
/// </summary>
public sealed class QueryCluster : IAsyncLifetime
{
    private readonly TempDirectory directory = new();
    private readonly CallCounter calls = new();
    private Database? database;
    private InProcessTestCluster? cluster;

    public static readonly string[] ReadAndSearchAll = ["system/*.rs"];

    /// <summary>Settings beside the usual ones; to be given before it starts.</summary>
    public IReadOnlyDictionary<string, string?> Settings { get; init; } = new Dictionary<string, string?>();

    /// <summary>Services in place of the usual ones; to be given before it starts.</summary>
    public Action<IServiceCollection> Services { get; init; } = static _ => { };

    public InProcessTestCluster Cluster => cluster!;

    public string DatabaseFile => directory.File("ehrgrains.db");

    public IServiceProvider Silo(int index) => Cluster.Silos[index].ServiceProvider;

    public IGrainFactory Grains(int silo = 0) => Silo(silo).GetRequiredService<IGrainFactory>();

    /// <summary>Calls of a grain method since the start; the key begins with this.</summary>
    public int Calls(string method, string key) => calls.Count(method, key);

    public CallerScope Enter(string app, AppRole role, params string[] scopes) =>
        Silo(0).GetRequiredService<CallerTickets>().Enter(new Caller(AppId.Parse(app, null), role, scopes, default));

    public CallerScope EnterAdmin() => Enter("admin", AppRole.Admin);

    public CallerScope EnterApp(string app = "app") => Enter(app, AppRole.Application, ReadAndSearchAll);

    public async ValueTask InitializeAsync()
    {
        var connection = $"Data Source={DatabaseFile}";
        database = Database.Open(DatabaseKind.Sqlite, connection, TimeProvider.System, NullLoggerFactory.Instance);
        await database.MigrateAsync(CancellationToken.None);
        var root = RootKey.LoadOrCreate(directory.File("root.key"));
        var builder = new InProcessTestClusterBuilder(2) { Options = { ConfigureFileLogging = false } };
        builder.ConfigureSiloHost((_, host) =>
        {
            host.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["EhrGrains:Auth:Issuer"] = "https://gateway.test",
                ["EhrGrains:Auth:Audience"] = "https://gateway.test/fhir",
            });
            host.Configuration.AddInMemoryCollection(Settings);
            host.Logging.ClearProviders();
            host.Services.AddSingleton(database);
            host.Services.AddSingleton(root);
            host.Services.AddSingleton(TimeProvider.System);
            host.Services.AddEhrGrainsTables();
            host.Services.AddEhrGrainsConnect();
            Services(host.Services);
        });
        builder.ConfigureSilo((_, silo) =>
        {
            silo.AddIncomingGrainCallFilter(calls);
            silo.AddEhrGrainsStorage().AddEhrGrains();
            silo.Configure<SiloMessagingOptions>(messaging => messaging.MaxMessageBodySize = ClientServices.MessageBodyBytesMax);
        });
        builder.ConfigureClient(client => client.Configure<ClientMessagingOptions>(
            messaging => messaging.MaxMessageBodySize = ClientServices.MessageBodyBytesMax));
        cluster = builder.Build();

        // The test host asks the management grain, from outside, whether all silos are up; only the cluster itself may.
        using var keys = new KeyRing(database, root, TimeProvider.System, NullLogger<KeyRing>.Instance);
        using var system = new CallerTickets(keys.DeriveClusterKey(CallerTickets.KeyPurpose), TimeProvider.System).EnterSystem();
        await cluster.DeployAsync(CancellationToken.None);
        await RegisterAppAsync("app");
    }

    /// <summary>An access token of an app, for calls through the cluster's client, which come from outside.</summary>
    public async Task<string> MintAsync(string app)
    {
        var key = (await Silo(0).GetRequiredService<SigningKeyTable>().GetAsync(CancellationToken.None))[0];
        var pair = ECDsa.Create();
        pair.ImportPkcs8PrivateKey(key.Pkcs8, out _);
        return new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Issuer = "https://gateway.test",
            Audience = "https://gateway.test/fhir",
            TokenType = "at+jwt",
            IssuedAt = DateTimeOffset.UtcNow.UtcDateTime,
            Expires = DateTimeOffset.UtcNow.AddMinutes(5).UtcDateTime,
            Claims = new Dictionary<string, object> { ["client_id"] = app, ["scope"] = "system/*.rs", ["role"] = "application" },
            SigningCredentials = new SigningCredentials(new ECDsaSecurityKey(pair) { KeyId = key.KeyId }, SecurityAlgorithms.EcdsaSha256),
        });
    }

    /// <summary>Registers an application.</summary>
    public async Task RegisterAppAsync(string name)
    {
        using var admin = EnterAdmin();
        var app = AppId.Parse(name, null);
        await Grains().GetGrain<IAppGrain>(GrainKeys.App(app)).RegisterAsync(new AppSpec { App = app, DisplayName = name }, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (cluster is not null)
        {
            await cluster.DisposeAsync();
        }

        if (database is not null)
        {
            await database.DisposeAsync();
        }

        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        directory.Dispose();
    }

    private sealed class CallCounter : IIncomingGrainCallFilter
    {
        private readonly ConcurrentDictionary<(string Method, string Key), int> counts = new();

        internal int Count(string method, string key) =>
            counts.Where(c => c.Key.Method == method && c.Key.Key.StartsWith(key, StringComparison.Ordinal)).Sum(c => c.Value);

        public Task Invoke(IIncomingGrainCallContext context)
        {
            var method = $"{context.InterfaceMethod.DeclaringType!.Name}.{context.MethodName}";
            counts.AddOrUpdate((method, context.TargetId.Key.ToString()!), 1, static (_, count) => count + 1);
            return context.Invoke();
        }
    }
}
