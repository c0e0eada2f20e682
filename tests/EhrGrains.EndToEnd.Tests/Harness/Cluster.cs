using System.Globalization;
using System.Net;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Client;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Sandbox;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;
using EhrGrains.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;

namespace EhrGrains.EndToEnd.Tests.Harness;

/// <summary>
/// A cluster as it runs in production: silos in processes of their own over one PostgreSQL, mutual TLS between them and to
/// clients, three simulated hospitals, an administrator and an application.
/// </summary>
internal sealed class Cluster : IAsyncDisposable
{
    internal const string ClusterId = "ehrgrains-e2e";

    private readonly TempDirectory directory = new();
    private readonly List<ChildProcess> silos = [];
    private readonly List<int> httpPorts = [];
    private readonly List<int> gatewayPorts = [];
    private readonly List<int> mllpPorts = [];
    private readonly List<int> siloPorts = [];
    private PostgresDatabase database = null!;
    private ClusterCertificates certificates = null!;
    private WebApplication hospitals = null!;
    private IHost client = null!;

    internal IReadOnlyList<ChildProcess> Silos => silos;

    internal IReadOnlyList<SandboxSite> Sites { get; private set; } = [];

    internal Identity Operator { get; private set; } = null!;

    internal Identity App { get; private set; } = null!;

    internal HttpClient Http { get; } = new(new SocketsHttpHandler { AllowAutoRedirect = false, MaxConnectionsPerServer = 256 });

    internal PostgresDatabase Database => database;

    internal string Logs => directory.Path;

    /// <summary>Grain calls as the administrator.</summary>
    internal IClusterClient Grains => client.Services.GetRequiredService<IClusterClient>();

    internal static async Task<Cluster> StartAsync(int siloCount, SandboxOptions? sandbox, CancellationToken cancellationToken)
    {
        var cluster = new Cluster();
        try
        {
            await cluster.PrepareAsync(siloCount, sandbox ?? new SandboxOptions(), cancellationToken);
            for (var i = 0; i < siloCount; i++)
            {
                cluster.silos.Add(await cluster.StartSiloAsync(i, cancellationToken));
            }

            // Through the silo that no test stops: a call that a sleeping silo's gateway has taken waits for it.
            cluster.client = cluster.MakeClient(cluster.Operator, gateways: 1);
            await cluster.client.StartAsync(cancellationToken);
            await cluster.OnboardAsync(cancellationToken);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a silo that has ended again, at the same addresses.</summary>
    internal async Task RestartAsync(int index, CancellationToken cancellationToken)
    {
        await silos[index].WaitForExitAsync(cancellationToken);
        await silos[index].DisposeAsync();
        silos[index] = await StartSiloAsync(index, cancellationToken);
    }

    internal Uri Base(int silo) => new($"http://127.0.0.1:{httpPorts[silo].ToString(CultureInfo.InvariantCulture)}");

    internal int MllpPort(int silo) => mllpPorts[silo];

    internal SandboxSite Site(string vendor) => Sites.Single(site => site.Vendor == vendor);

    /// <summary>A FHIR request as the application (or <paramref name="identity"/>) through one silo's gateway.</summary>
    internal async Task<HttpResponseMessage> GetAsync(int silo, string pathAndQuery, CancellationToken cancellationToken, Identity? identity = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Base(silo), pathAndQuery));
        request.Headers.Authorization = new("Bearer", await (identity ?? App).TokenAsync(cancellationToken));
        request.Headers.Accept.ParseAdd("application/fhir+json");
        return await Http.SendAsync(request, cancellationToken);
    }

    /// <summary>An Orleans client of its own for an identity, connected to the first silos' gateways, or to all.</summary>
    internal IHost MakeClient(Identity identity, int gateways = int.MaxValue)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddEhrGrainsClient(options =>
        {
            foreach (var port in gatewayPorts.Take(gateways))
            {
                options.Gateways.Add(new IPEndPoint(IPAddress.Loopback, port));
            }

            options.ClusterId = ClusterId;
            options.ServiceId = ClusterId;
            options.AccessToken = identity.TokenAsync;
            options.Tls = new MutualTlsOptions(certificates.Certificate, certificates.Key, certificates.Authority, ClusterId);
        });
        return builder.Build();
    }

    /// <summary>Registers an application with grants at tenants.</summary>
    internal async Task<Identity> AddAppAsync(string app, string scope, IEnumerable<string> tenants, CancellationToken cancellationToken)
    {
        var identity = new Identity(app, scope, Http, new Uri(Base(0), "/oauth/token"));
        var id = AppId.Parse(app);
        await Grains.GetGrain<IAppGrain>(GrainKeys.App(id)).RegisterAsync(
            new AppSpec { App = id, DisplayName = app, JsonWebKeySet = identity.JsonWebKeySet }, cancellationToken);
        foreach (var tenant in tenants)
        {
            await TenantGrain(tenant).GrantAsync(id, scope.Split(' '), cancellationToken);
        }

        return identity;
    }

    internal IHospitalTenantGrain TenantGrain(string tenant) => Grains.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(TenantId.Parse(tenant)));

    public async ValueTask DisposeAsync()
    {
        if (client is not null)
        {
            await client.StopAsync(CancellationToken.None);
            client.Dispose();
        }

        foreach (var silo in silos)
        {
            await silo.DisposeAsync();
        }

        if (hospitals is not null)
        {
            await hospitals.DisposeAsync();
        }

        if (database is not null)
        {
            await database.DisposeAsync();
        }

        Http.Dispose();
        Operator?.Dispose();
        App?.Dispose();
        directory.Dispose();
    }

    private async Task PrepareAsync(int siloCount, SandboxOptions sandbox, CancellationToken cancellationToken)
    {
        database = await PostgresServer.CreateDatabaseAsync(cancellationToken);
        await using (var owner = EhrGrains.Storage.Databases.Database.Open(DatabaseKind.PostgreSql, database.OwnerConnectionString, TimeProvider.System, NullLoggerFactory.Instance))
        {
            await owner.MigrateAsync(cancellationToken);
        }

        RootKey.LoadOrCreate(directory.File("root.key"));
        certificates = ClusterCertificates.Create(directory.Path, ClusterId);
        for (var i = 0; i < siloCount; i++)
        {
            httpPorts.Add(Ports.Free());
            gatewayPorts.Add(Ports.Free());
            mllpPorts.Add(Ports.Free());
            siloPorts.Add(Ports.Free());
        }

        Operator = new Identity("operator", "ehrgrains/operate ehrgrains/administer", Http, new Uri(Base(0), "/oauth/token"));
        await File.WriteAllTextAsync(directory.File("operator.jwks.json"), Operator.JsonWebKeySet, cancellationToken);
        hospitals = SandboxHost.Build(sandbox with { Vendors = sandbox.Vendors ?? ["epic", "oracle-health", "athenahealth"], BasePort = 0, JwksBase = Base(0).ToString().TrimEnd('/') });
        await hospitals.StartAsync(cancellationToken);
        Sites = SandboxHost.Sites(hospitals);
    }

    internal async Task<ChildProcess> StartSiloAsync(int index, CancellationToken cancellationToken)
    {
        var settings = new Dictionary<string, string>
        {
            ["EhrGrains__Mode"] = "Cluster",
            ["EhrGrains__Http__Url"] = Base(index).ToString().TrimEnd('/'),
            ["EhrGrains__Http__DrainSeconds"] = "0",
            ["EhrGrains__Silo__Address"] = "127.0.0.1",
            ["EhrGrains__Silo__Port"] = siloPorts[index].ToString(CultureInfo.InvariantCulture),
            ["EhrGrains__Silo__GatewayPort"] = gatewayPorts[index].ToString(CultureInfo.InvariantCulture),
            ["EhrGrains__Mllp__Port"] = mllpPorts[index].ToString(CultureInfo.InvariantCulture),
            ["EhrGrains__Database__Kind"] = "PostgreSql",
            ["EhrGrains__Database__ConnectionString"] = database.AppConnectionString,
            ["EhrGrains__RootKeyFile"] = directory.File("root.key"),
            ["EhrGrains__Tls__Certificate"] = certificates.Certificate,
            ["EhrGrains__Tls__Key"] = certificates.Key,
            ["EhrGrains__Tls__Authority"] = certificates.Authority,
            ["EhrGrains__Cluster__Id"] = ClusterId,
            ["EhrGrains__Cluster__Service"] = ClusterId,
            ["EhrGrains__Auth__Issuer"] = Base(0).ToString().TrimEnd('/'),
            ["EhrGrains__Bootstrap__JwksFile"] = directory.File("operator.jwks.json"),
            ["DOTNET_gcServer"] = "0",
        };
        return await ChildProcess.StartAsync(
            "EhrGrains.Silo.dll", [], settings, directory.File($"silo-{index}.log"), "The silo serves", cancellationToken);
    }

    private async Task OnboardAsync(CancellationToken cancellationToken)
    {
        foreach (var site in Sites)
        {
            var tenant = TenantGrain(site.Tenant);
            await tenant.RegisterAsync(SpecOf(site), dryRun: false, cancellationToken);
            var method = MethodOf(site);
            var secret = method == ClientAuthMethod.ClientSecretBasic ? new SecretText(site.ClientSecret!) : (SecretText?)null;
            var credential = await tenant.AddCredentialAsync(new NewCredential { Method = method, Secret = secret }, cancellationToken);
            await tenant.ActivateCredentialAsync(credential.Version, cancellationToken);
            await tenant.ChangeLifecycleAsync(Lifecycle.Sandbox, "end-to-end test", cancellationToken);
        }

        App = await AddAppAsync("app-one", "system/*.rs", Sites.Select(site => site.Tenant), cancellationToken);
    }

    internal static ClientAuthMethod MethodOf(SandboxSite site) =>
        site.AuthMethod == "client_secret_basic" ? ClientAuthMethod.ClientSecretBasic : ClientAuthMethod.PrivateKeyJwtEs384;

    internal static TenantSpec SpecOf(SandboxSite site) => new()
    {
        Tenant = site.Tenant,
        DisplayName = site.DisplayName,
        TimeZone = site.TimeZone,
        Connection = new ConnectionSpec
        {
            Vendor = site.Vendor,
            BaseUrl = site.FhirBaseUrl,
            ClientId = site.ClientId,
            AuthMethod = MethodOf(site),
            Settings = new Dictionary<string, string>(site.Settings),
            PrivateNetworks = ["127.0.0.0/8"],
        },
        Budget = new BudgetSpec { Requests = Math.Max(site.RequestsPerSecond, 1), WindowSeconds = 1, Concurrency = 16 },
    };
}
