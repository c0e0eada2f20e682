using System.Net.Http.Json;
using System.Text.Json;
using EhrGrains.Cli.Contexts;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Sandbox;
using Microsoft.AspNetCore.Builder;

namespace EhrGrains.Demo;

/// <summary>The simulated hospitals, and how an operator onboards each.</summary>
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
    internal static async Task<Hospitals> StartAsync(SandboxOptions options, Uri gateway, CancellationToken cancellationToken)
    {
        var sandbox = SandboxHost.Build(options with { JwksBase = gateway.GetLeftPart(UriPartial.Authority) });
        await sandbox.StartAsync(cancellationToken);
        return new Hospitals(sandbox);
    }

    /// <summary>Register, add a credential, try it at the hospital, open for queries: what <c>ehrgrains</c> does, by the same grain commands.</summary>
    internal async Task<TenantDescription> OnboardAsync(ClusterConnection cluster, SandboxSite site, CancellationToken cancellationToken)
    {
        var receiver = await PutAsync(site, "receiver", new { }, cancellationToken);
        var port = receiver.GetProperty("port").GetInt32();
        return await OnboardAsync(cluster, site, Describe(site) with { Connection = Connect(site) with { Scopes = Scopes }, Feeds = Feeds(site, port) }, cancellationToken);
    }

    /// <summary>The same for a hospital whose patients are copied, and that has no feeds.</summary>
    internal static Task<TenantDescription> OnboardAsync(ClusterConnection cluster, SandboxSite site, SyncSpec sync, CancellationToken cancellationToken) =>
        OnboardAsync(cluster, site, Describe(site) with { Sync = sync }, cancellationToken);

    private static async Task<TenantDescription> OnboardAsync(ClusterConnection cluster, SandboxSite site, TenantSpec spec, CancellationToken cancellationToken)
    {
        var grain = cluster.Tenant(TenantId.Parse(site.Tenant, null));
        var method = MethodOf(site);
        await grain.RegisterAsync(spec, dryRun: false, cancellationToken);
        var tenant = await grain.DescribeAsync(cancellationToken);
        if (!tenant.Credentials.Any(credential => credential.State == CredentialState.Active))
        {
            var added = await grain.AddCredentialAsync(
                new NewCredential { Method = method, Secret = method == ClientAuthMethod.PrivateKeyJwtEs384 ? null : new SecretText(site.ClientSecret!) }, cancellationToken);
            await grain.ActivateCredentialAsync(added.Version, cancellationToken);
        }

        return tenant.Lifecycle == Lifecycle.Live ? tenant : await grain.ChangeLifecycleAsync(Lifecycle.Live, "demo", cancellationToken);
    }

    /// <summary>Makes a hospital answer the next <paramref name="times"/> searches with 429 and Retry-After: 1.</summary>
    internal async Task ThrottleAsync(SandboxSite site, int times, CancellationToken cancellationToken)
    {
        var fault = new { Kind = "too-many-requests", Operation = "search", Times = times, RetryAfter = "1" };
        await PutAsync(site, "faults", new { Faults = new[] { fault } }, cancellationToken);
    }

    /// <summary>
    /// Has a hospital send this many messages over a bad line, and waits until all are acknowledged or refused: acknowledgements get
    /// lost, connections break in the middle of frames, and frames are oddly delimited.
    /// </summary>
    internal async Task<JsonElement> SendAsync(SandboxSite site, int port, string run, int count, CancellationToken cancellationToken)
    {
        object[] faults =
        [
            new { Kind = "lost-ack", Every = 20 }, new { Kind = "disconnect", Every = 25 }, new { Kind = "odd-framing", Every = 10 },
        ];
        await PutAsync(site, "feed", new { Host = "127.0.0.1", port, run, count, MessagesPerSecond = 0, faults }, cancellationToken);
        return await GetAsync(site, "feed/ended", cancellationToken);
    }

    /// <summary>Has a hospital send two messages a second, as long as the demo runs.</summary>
    internal Task KeepSendingAsync(SandboxSite site, int port, string run, CancellationToken cancellationToken) =>
        PutAsync(site, "feed", new { Host = "127.0.0.1", port, run, MessagesPerSecond = 2 }, cancellationToken);

    /// <summary>What a hospital's own listener has taken.</summary>
    internal Task<JsonElement> ReceivedAsync(SandboxSite site, CancellationToken cancellationToken) => GetAsync(site, "receiver", cancellationToken);

    /// <summary>How many 429s a hospital has answered.</summary>
    internal async Task<long> CountThrottledAsync(SandboxSite site, CancellationToken cancellationToken) =>
        (await GetAsync(site, "counters", cancellationToken)).GetProperty("throttled").GetInt64();

    /// <summary>Whom one may ask for.</summary>
    internal async Task<IReadOnlyList<string>> PatientsAsync(SandboxSite site, CancellationToken cancellationToken) =>
        [.. (await GetAsync(site, "patients", cancellationToken)).EnumerateArray().Select(static patient => patient.GetProperty("id").GetString()!)];

    /// <summary>What a hospital really has of a patient.</summary>
    internal async Task<IReadOnlyList<JsonElement>> TruthAsync(SandboxSite site, string patient, CancellationToken cancellationToken) =>
        [.. (await GetAsync(site, $"truth?patient={Uri.EscapeDataString(patient)}", cancellationToken)).GetProperty("resources").EnumerateArray()];

    /// <summary>Changes charts as the hospital's staff does.</summary>
    internal async Task EditAsync(SandboxSite site, IReadOnlyList<object> edits, CancellationToken cancellationToken)
    {
        using var response = await admin.PostAsJsonAsync($"{site.AdminUrl}/edits", new { edits }, cancellationToken);
        response.EnsureSuccessStatusCode();
    }

    public async ValueTask DisposeAsync()
    {
        admin.Dispose();
        await app.StopAsync(CancellationToken.None);
        await app.DisposeAsync();
    }

    private Task<JsonElement> GetAsync(SandboxSite site, string what, CancellationToken cancellationToken) =>
        admin.GetFromJsonAsync<JsonElement>($"{site.AdminUrl}/{what}", cancellationToken);

    private async Task<JsonElement> PutAsync(SandboxSite site, string what, object settings, CancellationToken cancellationToken)
    {
        using var response = await admin.PutAsJsonAsync($"{site.AdminUrl}/{what}", settings, cancellationToken);
        response.EnsureSuccessStatusCode();
        return await response.Content.ReadFromJsonAsync<JsonElement>(cancellationToken);
    }

    private static ClientAuthMethod MethodOf(SandboxSite site) => site.AuthMethod switch
    {
        "client_secret_basic" => ClientAuthMethod.ClientSecretBasic,
        "client_secret_post" => ClientAuthMethod.ClientSecretPost,
        _ => ClientAuthMethod.PrivateKeyJwtEs384,
    };

    private static TenantSpec Describe(SandboxSite site) => new()
    {
        Tenant = site.Tenant,
        DisplayName = site.DisplayName,
        Environment = TenantEnvironment.Sandbox,
        TimeZone = site.TimeZone,
        Connection = Connect(site),
        Budget = new BudgetSpec { Requests = site.RequestsPerSecond },
    };

    private static ConnectionSpec Connect(SandboxSite site) => new()
    {
        Vendor = site.Vendor,
        BaseUrl = site.FhirBaseUrl,
        ClientId = site.ClientId,
        AuthMethod = MethodOf(site),
        Settings = new Dictionary<string, string>(site.Settings, StringComparer.Ordinal),
        PrivateNetworks = Loopback,
    };

    private static FeedSpec[] Feeds(SandboxSite site, int receiverPort) =>
    [
        new FeedSpec
        {
            Feed = LiveFeeds.Inbound,
            DisplayName = "Admissions and results",
            Inbound = new InboundFeedSpec
            {
                Match = new FeedMatch { SendingApplication = site.SendingApplication, SendingFacility = site.SendingFacility },
                ForwardTo = [LiveFeeds.Outbound],
            },
        },
        new FeedSpec
        {
            Feed = LiveFeeds.Outbound,
            DisplayName = "Everything, back to a listener at the hospital",
            Outbound = new OutboundFeedSpec { Host = "127.0.0.1", Port = receiverPort, Tls = false, OutstandingMax = 8 },
        },
    ];
}
