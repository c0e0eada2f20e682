using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.V2;
using EhrGrains.Grains.Records;
using EhrGrains.Grains.Sync;
using EhrGrains.Grains.Tests.Query;
using EhrGrains.Grains.Tests.Records;
using EhrGrains.Sandbox;
using EhrGrains.Storage.Sync;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Tests.Sync;

/// <summary>
/// A cluster and the simulated hospitals of all products, onboarded when they are first used. Tests run copies themselves: shards look for
/// what is due when they are woken, and not from time to time besides.
/// </summary>
public class SyncHospitals : IAsyncLifetime
{
    private static readonly V2Mapping Mapping = V2Mapping.Compile(new SiteLayer { TimeZone = "America/Chicago" });

    private readonly QueryCluster cluster;
    private readonly HttpClient http = new();
    private readonly Dictionary<string, TenantId> tenants = [];
    private readonly SemaphoreSlim onboarding = new(1);
    private WebApplication? keys;
    private WebApplication? sandbox;

    public SyncHospitals()
        : this(SyncOptions.Default with { TickEvery = TimeSpan.FromHours(1) })
    {
    }

    private protected SyncHospitals(SyncOptions options) => cluster = new QueryCluster { Services = services => services.AddSingleton(options) };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    internal QueryCluster Cluster => cluster;

    /// <summary>Where a hospital finds a tenant's public keys.</summary>
    internal string KeysOf(string tenant) => $"{Address(keys!)}/tenants/{tenant}/jwks.json";

    internal SyncTable Table => cluster.Silo(0).GetRequiredService<SyncTable>();

    public async ValueTask InitializeAsync()
    {
        await cluster.InitializeAsync();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        keys = builder.Build();
        keys.MapGet("/tenants/{tenant}/jwks.json", async (string tenant) => Results.Bytes(
            await cluster.Grains().GetGrain<IHospitalTenantGrain>(tenant).GetJsonWebKeySetAsync(CancellationToken.None), "application/json"));
        await keys.StartAsync(CancellationToken.None);
        sandbox = SandboxHost.Build(new SandboxOptions { BasePort = 0, Patients = 4, JwksBase = Address(keys) });
        await sandbox.StartAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);

        // The silos first: a copy under way, which a message may have asked for, would go on trying a hospital that is gone.
        await cluster.DisposeAsync();
        http.Dispose();
        onboarding.Dispose();
        foreach (var app in new[] { sandbox, keys })
        {
            if (app is not null)
            {
                await app.StopAsync(CancellationToken.None);
                await app.DisposeAsync();
            }
        }
    }

    internal SandboxSite Site(string vendor) => SandboxHost.Sites(sandbox!).First(site => site.Vendor == vendor);

    /// <summary>The hospital of a product, open.</summary>
    internal async Task<TenantId> OpenAsync(string vendor, SyncSpec? sync = null)
    {
        await onboarding.WaitAsync(Ct);
        try
        {
            if (!tenants.TryGetValue(vendor, out var tenant))
            {
                tenants[vendor] = tenant = await OnboardAsync(Site(vendor), sync ?? new SyncSpec { AbsencesMax = 1 });
            }

            return tenant;
        }
        finally
        {
            onboarding.Release();
        }
    }

    /// <summary>The hospital's patients.</summary>
    internal async Task<string[]> PatientsAsync(string vendor) =>
        [.. (await http.GetFromJsonAsync<JsonArray>($"{Site(vendor).AdminUrl}/patients", Ct))!.Select(line => (string)line!["id"]!)];

    /// <summary>What the hospital has of a patient, by type and id.</summary>
    internal async Task<JsonObject> TruthAsync(string vendor, string patient) =>
        (await http.GetFromJsonAsync<JsonObject>($"{Site(vendor).AdminUrl}/truth?patient={patient}", Ct))!;

    internal async Task EditAsync(string vendor, params object[] edits)
    {
        using var response = await http.PostAsJsonAsync($"{Site(vendor).AdminUrl}/edits", new { edits }, Ct);
        response.IsSuccessStatusCode.ShouldBeTrue(await response.Content.ReadAsStringAsync(Ct));
    }

    internal async Task MisbehaveAsync(string vendor, params object[] faults)
    {
        using var response = await http.PutAsJsonAsync($"{Site(vendor).AdminUrl}/faults", new { faults }, Ct);
        response.IsSuccessStatusCode.ShouldBeTrue(await response.Content.ReadAsStringAsync(Ct));
    }

    /// <summary>Runs a patient's copy to its end, as a shard does; answers how it stands.</summary>
    internal async Task<SyncStatus> RunAsync(TenantId tenant, string patient)
    {
        var key = GrainKeys.Patient(tenant, PatientId.Parse(patient, null));
        using (EnterSystem())
        {
            while (await cluster.Grains().GetGrain<IPatientSyncCursorGrain>(key).RunAsync(Ct))
            {
                Ct.ThrowIfCancellationRequested();
            }
        }

        using var admin = cluster.EnterAdmin();
        return await cluster.Grains().GetGrain<IPatientSyncCursorGrain>(key).StatusAsync(Ct);
    }

    /// <summary>Lets a patient's copy run for one turn; false when it was cut off.</summary>
    internal async Task<bool> TryRunAsync(TenantId tenant, string patient, CancellationToken cut)
    {
        using var system = EnterSystem();
        try
        {
            await cluster.Grains().GetGrain<IPatientSyncCursorGrain>(GrainKeys.Patient(tenant, PatientId.Parse(patient, null))).RunAsync(cut);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    internal async Task<RecordDescription> DescribeAsync(TenantId tenant, PatientId record)
    {
        using var admin = cluster.EnterAdmin();
        return await cluster.Grains().GetGrain<IPatientRecordGrain>(GrainKeys.Patient(tenant, record)).DescribeAsync(Ct);
    }

    /// <summary>A patient's number as messages have it.</summary>
    internal static string Number(JsonNode patient, string system) =>
        $"{patient["recordNumber"]}^^^EPI&{system["urn:oid:".Length..]}&ISO^MR~{patient["recordNumber"]}";

    /// <summary>A message about a patient, at a position of the tenant's feed.</summary>
    internal async Task HearAsync(TenantId tenant, long position, string message)
    {
        var silo = cluster.Silo(0);
        using var system = EnterSystem();
        var mapping = silo.GetRequiredService<FeedMapping>();
        var job = await mapping.PrepareAsync(tenant, FeedId.Parse("adt", null), Mapping, position - 1, late: false, Ct);
        var entry = RecordSite.Entries(Enumerable.Repeat(message, (int)position))[^1];
        (await mapping.ApplyAsync(job, [entry], Ct)).Applied.ShouldBe(1);
    }

    internal Grains.Callers.CallerScope EnterSystem() => cluster.Silo(0).GetRequiredService<Grains.Callers.CallerTickets>().EnterSystem();

    /// <summary>The resources of a record, by type and id.</summary>
    internal async Task<Dictionary<string, JsonNode>> RecordAsync(TenantId tenant, PatientId record)
    {
        using var admin = cluster.Enter("admin", AppRole.Admin, CallContext.ReadMessagesScope);
        var resources = await cluster.Grains().GetGrain<IPatientRecordGrain>(GrainKeys.Patient(tenant, record)).ShowAsync(null, 1_000, Ct);
        return resources.Select(json => JsonNode.Parse(json)!).ToDictionary(node => $"{node["resourceType"]}/{node["id"]}");
    }

    /// <summary>Opens a tenant.</summary>
    internal async Task<TenantId> OnboardAsync(TenantSpec spec, SecretText? secret)
    {
        var tenant = TenantId.Parse(spec.Tenant, null);
        var grain = cluster.Grains().GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(tenant));
        using var admin = cluster.EnterAdmin();
        await grain.RegisterAsync(spec, dryRun: false, Ct);
        var receipt = await grain.RotateCredentialAsync(new NewCredential { Method = spec.Connection.AuthMethod, Secret = secret }, Ct);
        receipt.Succeeded.ShouldBeTrue(JsonSerializer.Serialize(receipt.Steps));
        await grain.ChangeLifecycleAsync(Lifecycle.Sandbox, "test", Ct);
        return tenant;
    }

    private static string Address(WebApplication app) => app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    private Task<TenantId> OnboardAsync(SandboxSite site, SyncSpec sync)
    {
        var method = site.AuthMethod switch
        {
            "client_secret_basic" => ClientAuthMethod.ClientSecretBasic,
            "client_secret_post" => ClientAuthMethod.ClientSecretPost,
            _ => ClientAuthMethod.PrivateKeyJwtEs384,
        };
        return OnboardAsync(
            new TenantSpec
            {
                Tenant = site.Tenant,
                DisplayName = site.DisplayName,
                TimeZone = site.TimeZone,
                Budget = new BudgetSpec { Requests = 1_000, Concurrency = 50 },
                Sync = site.Vendor == "modmed" ? sync with { Types = ["Patient", "Observation", "Condition"] } : sync,
                Connection = new ConnectionSpec
                {
                    Vendor = site.Vendor,
                    BaseUrl = site.FhirBaseUrl,
                    ClientId = site.ClientId,
                    AuthMethod = method,

                    // ModMed refuses a request for more than it serves.
                    Scopes = site.Vendor == "modmed" ? ["system/Patient.rs", "system/Observation.rs", "system/Condition.rs"] : [],
                    Settings = new Dictionary<string, string>(site.Settings, StringComparer.Ordinal),
                    PrivateNetworks = ["127.0.0.1/32"],
                },
            },
            method == ClientAuthMethod.PrivateKeyJwtEs384 ? null : new SecretText($"{site.ClientSecret} {site.ApiKey}".TrimEnd()));
    }
}

/// <summary>The same with shards that look for what is due all the time.</summary>
public sealed class WakefulHospitals() : SyncHospitals(SyncOptions.Default);
