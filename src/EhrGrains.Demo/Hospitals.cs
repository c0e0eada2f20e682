using System.Net.Http.Json;
using System.Text.Json;
using EhrGrains.Cli.Contexts;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Sandbox;
using Microsoft.AspNetCore.Builder;

namespace EhrGrains.Demo;

/// <summary>The three simulated hospitals, and how an operator onboards each.</summary>
internal sealed class Hospitals : IAsyncDisposable
{
    private static readonly string[] Loopback = ["127.0.0.1/32"];

    // What the operator's registration at the vendor lists; a hospital refuses a request for more (invalid_scope).
    private static readonly string[] Scopes =
    [
        "system/Patient.rs", "system/Observation.rs", "system/Condition.rs", "system/Encounter.rs", "system/AllergyIntolerance.rs",
        "system/MedicationRequest.rs",
    ];

    private readonly WebApplication app;
    private readonly HttpClient admin = new(new SocketsHttpHandler { AllowAutoRedirect = false }, disposeHandler: true);

    private Hospitals(WebApplication app)
    {
        this.app = app;
        Sites = SandboxHost.Sites(app);
    }

    internal IReadOnlyList<SandboxSite> Sites { get; }

    /// <summary>Opens the hospitals; they fetch our public keys from the gateway.</summary>
    internal static async Task<Hospitals> StartAsync(int port, Uri gateway, CancellationToken cancellationToken)
    {
        var sandbox = SandboxHost.Build(new SandboxOptions { BasePort = port, JwksBase = gateway.GetLeftPart(UriPartial.Authority) });
        await sandbox.StartAsync(cancellationToken);
        return new Hospitals(sandbox);
    }

    /// <summary>Register, add a credential, try it at the hospital, open for queries: what <c>ehrgrains</c> does, by the same grain commands.</summary>
    internal static async Task<TenantDescription> OnboardAsync(ClusterConnection cluster, SandboxSite site, CancellationToken cancellationToken)
    {
        var grain = cluster.Tenant(TenantId.Parse(site.Tenant, null));
        var method = site.AuthMethod == "client_secret_basic" ? ClientAuthMethod.ClientSecretBasic : ClientAuthMethod.PrivateKeyJwtEs384;
        await grain.RegisterAsync(Describe(site, method), dryRun: false, cancellationToken);
        var tenant = await grain.DescribeAsync(cancellationToken);
        if (!tenant.Credentials.Any(credential => credential.State == CredentialState.Active))
        {
            var added = await grain.AddCredentialAsync(
                new NewCredential { Method = method, Secret = method == ClientAuthMethod.ClientSecretBasic ? new SecretText(site.ClientSecret!) : null }, cancellationToken);
            await grain.ActivateCredentialAsync(added.Version, cancellationToken);
        }

        return tenant.Lifecycle == Lifecycle.Live ? tenant : await grain.ChangeLifecycleAsync(Lifecycle.Live, "demo", cancellationToken);
    }

    /// <summary>Makes a hospital answer the next <paramref name="times"/> searches with 429 and Retry-After: 1.</summary>
    internal async Task ThrottleAsync(SandboxSite site, int times, CancellationToken cancellationToken)
    {
        var fault = new { Kind = "too-many-requests", Operation = "search", Times = times, RetryAfter = "1" };
        using var response = await admin.PutAsJsonAsync($"{site.AdminUrl}/faults", new { Faults = new[] { fault } }, cancellationToken);
        response.EnsureSuccessStatusCode();
    }

    /// <summary>How many 429s a hospital has answered.</summary>
    internal async Task<long> CountThrottledAsync(SandboxSite site, CancellationToken cancellationToken) =>
        (await admin.GetFromJsonAsync<JsonElement>($"{site.AdminUrl}/counters", cancellationToken)).GetProperty("throttled").GetInt64();

    public async ValueTask DisposeAsync()
    {
        admin.Dispose();
        await app.StopAsync(CancellationToken.None);
        await app.DisposeAsync();
    }

    private static TenantSpec Describe(SandboxSite site, ClientAuthMethod method) => new()
    {
        Tenant = site.Tenant,
        DisplayName = site.DisplayName,
        Environment = TenantEnvironment.Sandbox,
        TimeZone = site.TimeZone,
        Connection = new ConnectionSpec
        {
            Vendor = site.Vendor,
            BaseUrl = site.FhirBaseUrl,
            ClientId = site.ClientId,
            AuthMethod = method,
            Scopes = Scopes,
            Settings = new Dictionary<string, string>(site.Settings, StringComparer.Ordinal),
            PrivateNetworks = Loopback,
        },
        Budget = new BudgetSpec { Requests = site.RequestsPerSecond },
    };
}
