using System.Net;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Client;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Sandbox;
using EhrGrains.Testing;

namespace EhrGrains.Benchmarks;

/// <summary>An administrator's connection to an embedded silo in another process.</summary>
internal sealed class EmbeddedSilo : IDisposable
{
    private readonly HttpClient http = new();
    private readonly Identity identity;
    private readonly IHost host;

    private EmbeddedSilo(string dataDirectory)
    {
        var file = Path.Combine(dataDirectory, "operator.json");
        identity = Identity.FromOperatorFile(file, "ehrgrains/operate ehrgrains/administer", http);
        var context = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(file)).RootElement;
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddEhrGrainsClient(options =>
        {
            options.Gateways.Add(IPEndPoint.Parse(context.GetProperty("gateway").GetString()!));
            options.ClusterId = context.GetProperty("clusterId").GetString()!;
            options.ServiceId = context.GetProperty("serviceId").GetString()!;
            options.AccessToken = identity.TokenAsync;
        });
        host = builder.Build();
    }

    internal IGrainFactory Grains => host.Services.GetRequiredService<IGrainFactory>();

    internal static async Task<EmbeddedSilo> ConnectAsync(string dataDirectory, CancellationToken cancellationToken)
    {
        var silo = new EmbeddedSilo(dataDirectory);
        await silo.host.StartAsync(cancellationToken);
        return silo;
    }

    internal IHospitalTenantGrain Tenant(string tenant) => Grains.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(TenantId.Parse(tenant)));

    /// <summary>Onboards a hospital that takes a client secret, with a budget that does not bind.</summary>
    internal async Task OnboardAsync(SandboxSite site, string name, CancellationToken cancellationToken)
    {
        var tenant = Tenant(name);
        await tenant.RegisterAsync(Spec(site, name), dryRun: false, cancellationToken);
        var credential = await tenant.AddCredentialAsync(
            new NewCredential { Method = ClientAuthMethod.ClientSecretBasic, Secret = new SecretText(site.ClientSecret!) }, cancellationToken);
        await tenant.ActivateCredentialAsync(credential.Version, cancellationToken);
        await tenant.ChangeLifecycleAsync(Lifecycle.Sandbox, "benchmark", cancellationToken);
    }

    internal async Task<Identity> AddAppAsync(string app, string tenant, string siloUrl, CancellationToken cancellationToken)
    {
        var added = new Identity(app, "system/*.rs", http, new Uri(new Uri(siloUrl), "/oauth/token"));
        var id = AppId.Parse(app);
        await Grains.GetGrain<IAppGrain>(GrainKeys.App(id)).RegisterAsync(
            new AppSpec { App = id, DisplayName = app, JsonWebKeySet = added.JsonWebKeySet }, cancellationToken);
        await GrantAsync(app, tenant, cancellationToken);
        return added;
    }

    internal Task GrantAsync(string app, string tenant, CancellationToken cancellationToken) =>
        Tenant(tenant).GrantAsync(AppId.Parse(app), ["system/*.rs"], cancellationToken);

    internal static TenantSpec Spec(SandboxSite site, string tenant) => new()
    {
        Tenant = tenant,
        DisplayName = site.DisplayName,
        TimeZone = site.TimeZone,
        Connection = new ConnectionSpec
        {
            Vendor = site.Vendor,
            BaseUrl = site.FhirBaseUrl,
            ClientId = site.ClientId,
            AuthMethod = ClientAuthMethod.ClientSecretBasic,
            Settings = new Dictionary<string, string>(site.Settings),
            PrivateNetworks = ["127.0.0.0/8"],
        },
        Budget = new BudgetSpec { Requests = 100_000, WindowSeconds = 1, Concurrency = 1_000 },
    };

    public void Dispose()
    {
        host.Dispose();
        identity.Dispose();
        http.Dispose();
    }
}
