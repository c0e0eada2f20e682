using System.Net.Http.Json;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Tokens;
using EhrGrains.Grains.Callers;
using EhrGrains.Sandbox;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Query;

/// <summary>A hospital for every way to misbehave, and one that behaves, all in one cluster with little patience.</summary>
public sealed class HostileHospitals : IAsyncLifetime
{
    /// <summary>So many patients are left to be copied one by one: exports are of the others, and find nothing that a copy brought.</summary>
    internal const int Copied = 3;

    private const int AtOnce = 16;

    private readonly HttpClient http = new();
    private readonly Dictionary<string, WebApplication> apps = [];
    private readonly Dictionary<string, SandboxSite> sites = [];

    /// <summary>The clock of the cluster: the real one, and past every wait when told.</summary>
    public JumpingClock Time { get; } = new();

    public QueryCluster Cluster { get; }

    public HostileHospitals() => Cluster = new()
    {
        Services = services => services.AddSingleton<TimeProvider>(Time),
        Settings = new Dictionary<string, string?>
        {
            ["EhrGrains:Connect:AttemptTimeout"] = "00:00:01",
            ["EhrGrains:Connect:TotalTimeout"] = "00:00:03",
            ["EhrGrains:Connect:TokenTimeout"] = "00:00:01",
            ["EhrGrains:Connect:BodyTimeout"] = "00:00:02",
            ["EhrGrains:Connect:BodyGrace"] = "00:00:00.5",
            ["EhrGrains:Connect:RetriesMax"] = "1",
            ["EhrGrains:Connect:RetryDelay"] = "00:00:00.01",
            ["EhrGrains:Connect:RetryAfterWaitMax"] = "00:00:01",
        },
    };

    /// <summary>The ways to misbehave, each with a hospital of its own.</summary>
    public IReadOnlyList<string> Names { get; private set; } = [];

    /// <summary>The one that behaves.</summary>
    public static string Good => "good";

    public async ValueTask InitializeAsync()
    {
        await Cluster.InitializeAsync();
        await OpenAsync(Good);
        Names = (await http.GetFromJsonAsync<string[]>(sites[Good].AdminUrl + "/hostile", CancellationToken.None))!;
        foreach (var name in Names)
        {
            await OpenAsync(name);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var app in apps.Values)
        {
            await app.DisposeAsync();
        }

        http.Dispose();
        await Cluster.DisposeAsync();
    }

    /// <summary>Lets each hospital misbehave in its way at these requests, and runs something against all of them, several at once.</summary>
    public async Task<IReadOnlyList<T>> AttackAsync<T>(string[] operations, Func<string, CancellationToken, Task<T>> runAsync)
    {
        var results = new T[Names.Count];
        var options = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = TestContext.Current.CancellationToken };
        await Parallel.ForAsync(0, Names.Count, options, async (i, cancellationToken) =>
        {
            // Every way begins with a token to be asked for.
            using (Cluster.Silo(0).GetRequiredService<CallerTickets>().EnterSystem())
            {
                await Cluster.Grains().GetGrain<ITokenSessionGrain>(GrainKeys.TokenSession(Tenant(Names[i]), GrainKeys.BackendPurpose))
                    .ResetAsync(cancellationToken);
            }

            // Nor has any silo a token in hand that still works.
            await PutAsync(Names[i], "faults", new { faults = new[] { new { kind = "tokenRevoked" } } }, cancellationToken);
            await PutAsync(Names[i], "hostile", new { names = new[] { Names[i] }, operations }, cancellationToken);
            results[i] = await runAsync(Names[i], cancellationToken);
        });
        return results;
    }

    public async Task CalmAsync(string name) => (await http.DeleteAsync(new Uri(sites[name].AdminUrl + "/hostile"), TestContext.Current.CancellationToken)).EnsureSuccessStatusCode();

    public async Task<FhirResponse> ReadAsync(string name, CancellationToken cancellationToken)
    {
        using var app = Cluster.EnterApp();
        return await Queries(name).ReadAsync(
            new FhirRead { Type = "Patient", Id = sites[name].LongChartPatientId!, GatewayBase = $"https://gateway.test/fhir/{Tenant(name)}" }, cancellationToken);
    }

    public async Task<FhirResponse> SearchAsync(string name, string? cursor, CancellationToken cancellationToken)
    {
        using var app = Cluster.EnterApp();
        return await Queries(name).SearchAsync(
            new FhirSearch
            {
                Type = "Observation",
                Parameters = [new SearchParameter("patient", sites[name].LongChartPatientId!), new SearchParameter("category", "laboratory"), new SearchParameter("_count", "50")],
                GatewayBase = $"https://gateway.test/fhir/{Tenant(name)}",
                Cursor = cursor,
            },
            cancellationToken);
    }

    internal SandboxSite Site(string name) => sites[name];

    /// <summary>An answer of a hospital's back door.</summary>
    internal async Task<JsonNode> AskAsync(string name, string what, CancellationToken cancellationToken) =>
        (await http.GetFromJsonAsync<JsonNode>($"{sites[name].AdminUrl}/{what}", cancellationToken))!;

    /// <summary>Those that everybody may see all of.</summary>
    internal async Task<JsonNode[]> PatientsAsync(string name, CancellationToken cancellationToken) => [.. (await AskAsync(name, "patients", cancellationToken)).AsArray()
        .Where(line => !(bool)line!["confidential"]! && !(bool)line["longChart"]!).Select(line => line!)];

    internal static TenantId Tenant(string name) => TenantId.Parse($"t-{name}", null);

    private IEhrQueryGrain Queries(string name) => Cluster.Grains().GetGrain<IEhrQueryGrain>(GrainKeys.Tenant(Tenant(name)));

    private async Task PutAsync(string name, string what, object settings, CancellationToken cancellationToken)
    {
        using var response = await http.PutAsJsonAsync($"{sites[name].AdminUrl}/{what}", settings, cancellationToken);
        response.EnsureSuccessStatusCode();
    }

    private async Task OpenAsync(string name)
    {
        var app = SandboxHost.Build(new SandboxOptions
        {
            Vendors = ["athenahealth"],
            BasePort = 0,
            Patients = 8,
            Sites = new Dictionary<string, SiteOptions> { ["athenahealth"] = new() { RequestsPerSecond = 0, ExportPolls = 0, ExportRetryAfterSeconds = 0 } },
        });
        apps[name] = app;
        await app.StartAsync(CancellationToken.None);
        var site = sites[name] = SandboxHost.Sites(app)[0];
        var member = (await PatientsAsync(name, CancellationToken.None)).Skip(Copied).Select(line => new { entity = new { reference = $"Patient/{(string)line["id"]!}" } });
        using var edited = await http.PostAsJsonAsync(
            $"{site.AdminUrl}/edits", new { edits = new[] { new { kind = "update", type = "Group", id = site.GroupId, set = new { member } } } }, CancellationToken.None);
        edited.EnsureSuccessStatusCode();
        var tenant = Cluster.Grains().GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(Tenant(name)));
        using var admin = Cluster.EnterAdmin();
        await tenant.RegisterAsync(
            new TenantSpec
            {
                Tenant = Tenant(name).Value,
                DisplayName = name,
                TimeZone = site.TimeZone,
                Budget = new BudgetSpec { Requests = 1_000, Concurrency = 100 },
                Sync = new SyncSpec { AbsencesMax = 1, Types = ["Patient", "Condition", "Practitioner", "Organization"] },
                Connection = new ConnectionSpec
                {
                    Vendor = site.Vendor,
                    BaseUrl = site.FhirBaseUrl,
                    ClientId = site.ClientId,
                    AuthMethod = ClientAuthMethod.ClientSecretBasic,
                    Scopes = ["system/Patient.rs", "system/Observation.rs", "system/Condition.rs", "system/Practitioner.rs", "system/Organization.rs"],
                    Profile = "resources: { Condition: { countDefault: 1 } }", // so that a few are pages
                    Settings = site.Settings.ToDictionary(),
                    PrivateNetworks = ["127.0.0.1/32"],
                },
            },
            dryRun: false,
            CancellationToken.None);
        var receipt = await tenant.RotateCredentialAsync(
            new NewCredential { Method = ClientAuthMethod.ClientSecretBasic, Secret = new SecretText(site.ClientSecret!) }, CancellationToken.None);
        receipt.Succeeded.ShouldBeTrue(string.Join(" ", receipt.Steps.Select(step => step.What)));
        await tenant.ChangeLifecycleAsync(Lifecycle.Sandbox, "test", CancellationToken.None);
        await tenant.GrantAsync(AppId.Parse("app", null), QueryCluster.ReadAndSearchAll, CancellationToken.None);
    }
}
