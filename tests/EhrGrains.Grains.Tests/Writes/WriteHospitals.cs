using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Writes;
using EhrGrains.Grains.Tests.Query;
using EhrGrains.Grains.Writes;
using EhrGrains.Sandbox;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Core.Internal;

namespace EhrGrains.Grains.Tests.Writes;

/// <summary>
/// A cluster and simulated hospitals that can be written to: Oracle Health, which tells versions, Epic, which does not, and those that take
/// little.
/// </summary>
public sealed class WriteHospitals : IAsyncLifetime
{
    internal const string Oracle = "oracle-health";
    internal const string Epic = "epic";
    internal static readonly string[] Scopes = ["system/Observation.crus", "system/Patient.rs", "system/Condition.rs", "system/QuestionnaireResponse.crus", "system/AllergyIntolerance.crus"];

    private readonly HttpClient http = new();
    private readonly Dictionary<string, TenantId> tenants = [];
    private WebApplication? keys;
    private WebApplication? sandbox;

    internal QueryCluster Cluster { get; } = new()
    {
        // What is waited for in real time, shorter: a look comes after the longest request of the sandbox all the same.
        Services = services => services.AddSingleton(WriteOptions.Default with
        {
            SendWindow = TimeSpan.FromSeconds(5),
            LookDelay = TimeSpan.FromSeconds(1),
            DelayMin = TimeSpan.FromMilliseconds(50),
            LooksMax = 5,
        }),
    };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await Cluster.InitializeAsync();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        keys = builder.Build();
        keys.MapGet("/tenants/{tenant}/jwks.json", async (string tenant) => Results.Bytes(
            await Cluster.Grains().GetGrain<IHospitalTenantGrain>(tenant).GetJsonWebKeySetAsync(CancellationToken.None), "application/json"));
        await keys.StartAsync(CancellationToken.None);
        var url = keys.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        sandbox = SandboxHost.Build(new SandboxOptions { BasePort = 0, Patients = 3, JwksBase = url });
        await sandbox.StartAsync(CancellationToken.None);
        string[] scopes = ["system/Patient.rs", "system/Observation.crus", "system/Condition.rs"];
        await OnboardAsync(Oracle, "writes: { keepsIdentifiers: true }", scopes);
        await OnboardAsync(Epic, null, scopes);
        await OnboardAsync("athenahealth", null, ["system/Patient.rs", "system/QuestionnaireResponse.crs"]);
        await OnboardAsync("meditech", null, ["system/Patient.rs", "system/QuestionnaireResponse.crus"]);
        await OnboardAsync("modmed-ema", null, ["system/Patient.rs", "system/AllergyIntolerance.crus"]);
    }

    public async ValueTask DisposeAsync()
    {
        await Cluster.DisposeAsync();
        http.Dispose();
        foreach (var app in new[] { sandbox, keys })
        {
            if (app is not null)
            {
                await app.StopAsync(CancellationToken.None);
                await app.DisposeAsync();
            }
        }
    }

    internal TenantId Tenant(string vendor) => tenants[vendor];

    internal IWritesGrain Writes(string vendor) => Cluster.Grains().GetGrain<IWritesGrain>(GrainKeys.Tenant(Tenant(vendor)));

    internal Grains.Callers.CallerScope EnterApp() => Cluster.Enter("app", AppRole.Application, Scopes);

    internal Task<WriteReceipt> SendAsync(string vendor, FhirWrite write) => AsAppAsync(() => Writes(vendor).SendAsync(write, Ct));

    internal async Task<T> AsAppAsync<T>(Func<Task<T>> call)
    {
        using var app = EnterApp();
        return await call();
    }

    internal async Task<T> AsAdminAsync<T>(Func<Task<T>> call)
    {
        using var admin = Cluster.EnterAdmin();
        return await call();
    }

    /// <summary>How a write stands when it has come to its end.</summary>
    internal async Task<WriteReceipt> EndAsync(string vendor, FhirWrite write)
    {
        while (true)
        {
            // A repeat: nothing is written by asking.
            Ct.ThrowIfCancellationRequested();
            try
            {
                var receipt = await SendAsync(vendor, write with { WaitSeconds = 10 });
                if (receipt.SettledAt is not null)
                {
                    return receipt;
                }
            }
            catch (Exception e) when (e is OrleansException or TimeoutException)
            {
                // The silo where it was is gone, and the others do not know it yet.
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, Ct);
            }
        }
    }

    /// <summary>How a write stands for operators, once it stands as wanted.</summary>
    internal async Task<WriteReceipt> ShownAsync(string vendor, long number, Func<WriteReceipt, bool> isIt)
    {
        while (true)
        {
            Ct.ThrowIfCancellationRequested();
            if (await AsAdminAsync(() => Writes(vendor).ShowAsync(number, Ct)) is var receipt && isIt(receipt))
            {
                return receipt;
            }
        }
    }

    /// <summary>Gives the app a grant; null: takes it away.</summary>
    internal async Task GrantAsync(string vendor, string[]? scopes)
    {
        using var admin = Cluster.EnterAdmin();
        var grain = Cluster.Grains().GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(Tenant(vendor)));
        await (scopes is null ? grain.RevokeAsync(AppId.Parse("app", null), Ct) : grain.GrantAsync(AppId.Parse("app", null), scopes, Ct));
    }

    /// <summary>Done when the hospital has seen a request to write.</summary>
    internal async Task ArrivedAsync(string vendor)
    {
        while ((long)(await http.GetFromJsonAsync<JsonObject>($"{Site(vendor).AdminUrl}/counters", Ct))!["writes"]! == 0)
        {
            Ct.ThrowIfCancellationRequested();
        }
    }

    /// <summary>The silo that the outbox lives on.</summary>
    internal async Task<int> WhereAsync(string vendor)
    {
        using var system = Cluster.Silo(0).GetRequiredService<Grains.Callers.CallerTickets>().EnterSystem();
        var address = await Cluster.Grains().GetGrain<IManagementGrain>(0).GetActivationAddress(Writes(vendor), Ct);
        return Cluster.Cluster.Silos.ToList().FindIndex(silo => silo.SiloAddress.Equals(address));
    }

    /// <summary>A body weight, as apps write vitals.</summary>
    internal FhirWrite Weight(string vendor, string patient, decimal kilograms, string key) => new()
    {
        Type = "Observation",
        GatewayBase = $"https://gateway.test/fhir/{Tenant(vendor)}",
        IdempotencyKey = key,
        WaitSeconds = 20,
        Resource = Encoding.UTF8.GetBytes(Observation(patient, kilograms).ToJsonString()),
    };

    internal static JsonObject Observation(string patient, decimal kilograms) => new()
    {
        ["resourceType"] = "Observation",
        ["status"] = "final",
        ["category"] = new JsonArray(Concept("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")),
        ["code"] = Concept("http://loinc.org", "29463-7"),
        ["subject"] = new JsonObject { ["reference"] = $"Patient/{patient}" },
        ["effectiveDateTime"] = "2026-05-04T08:30:00Z",
        ["valueQuantity"] = new JsonObject { ["value"] = kilograms, ["unit"] = "kg", ["system"] = "http://unitsofmeasure.org", ["code"] = "kg" },
    };

    internal async Task<string> PatientAsync(string vendor, int index = 0) =>
        (string)(await http.GetFromJsonAsync<JsonArray>($"{Site(vendor).AdminUrl}/patients", Ct))![index]!["id"]!;

    /// <summary>Resources that applications really wrote at the hospital.</summary>
    internal async Task<long> WrittenAsync(string vendor) =>
        (long)(await http.GetFromJsonAsync<JsonObject>($"{Site(vendor).AdminUrl}/counters", Ct))!["written"]!;

    internal async Task MisbehaveAsync(string vendor, params object[] faults)
    {
        using var response = await http.PutAsJsonAsync($"{Site(vendor).AdminUrl}/faults", new { faults }, Ct);
        response.IsSuccessStatusCode.ShouldBeTrue(await response.Content.ReadAsStringAsync(Ct));
    }

    /// <summary>The hospital's Observations of a patient with this text in them, as it holds them.</summary>
    internal async Task<JsonObject[]> FindAsync(string vendor, string patient, string text)
    {
        var truth = (await http.GetFromJsonAsync<JsonObject>($"{Site(vendor).AdminUrl}/truth?patient={patient}&content=true", Ct))!;
        return [.. truth["resources"]!.AsArray().Where(one => (string)one!["type"]! == "Observation").Select(one => one!["resource"]!.AsObject())
            .Where(resource => resource.ToJsonString().Contains(text, StringComparison.Ordinal))];
    }

    /// <summary>The copy of a patient, once it is complete; null before.</summary>
    internal async Task<string?> CopyAsync(string vendor, string patient)
    {
        var key = GrainKeys.Patient(Tenant(vendor), PatientId.Parse(patient, null));
        using var admin = Cluster.Enter("admin", AppRole.Admin, CallContext.ReadMessagesScope);
        var status = await Cluster.Grains().GetGrain<IPatientSyncCursorGrain>(key).StatusAsync(Ct);
        return status is { State: SyncState.Complete, Record: { } record }
            ? string.Concat((await Cluster.Grains().GetGrain<IPatientRecordGrain>(GrainKeys.Patient(Tenant(vendor), record)).ShowAsync(null, 1_000, Ct)).Select(Encoding.UTF8.GetString))
            : null;
    }

    /// <summary>Ends the activation of the outbox, wherever it is.</summary>
    internal async Task CutOffAsync(string vendor)
    {
        using var system = Cluster.Silo(0).GetRequiredService<Grains.Callers.CallerTickets>().EnterSystem();
        await Writes(vendor).AsReference<IGrainManagementExtension>().DeactivateOnIdle(Ct);
    }

    private static JsonObject Concept(string system, string code) => new() { ["coding"] = new JsonArray(new JsonObject { ["system"] = system, ["code"] = code }) };

    private SandboxSite Site(string vendor) => SandboxHost.Sites(sandbox!).First(site => site.Vendor == vendor);

    private async Task OnboardAsync(string vendor, string? profile, string[] scopes)
    {
        var site = Site(vendor);
        var tenant = tenants[vendor] = TenantId.Parse(site.Tenant, null);
        var grain = Cluster.Grains().GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(tenant));
        using var admin = Cluster.EnterAdmin();
        var method = site.AuthMethod switch
        {
            "client_secret_basic" => ClientAuthMethod.ClientSecretBasic,
            "client_secret_post" => ClientAuthMethod.ClientSecretPost,
            _ => ClientAuthMethod.PrivateKeyJwtEs384,
        };
        await grain.RegisterAsync(
            new TenantSpec
            {
                Tenant = site.Tenant,
                DisplayName = site.DisplayName,
                TimeZone = site.TimeZone,
                Budget = new BudgetSpec { Requests = 1_000, Concurrency = 50 },
                Sync = new SyncSpec { Types = vendor is Oracle or Epic ? ["Patient", "Observation", "Condition"] : ["Patient"] },
                Connection = new ConnectionSpec
                {
                    Vendor = vendor,
                    BaseUrl = site.FhirBaseUrl,
                    ClientId = site.ClientId,
                    AuthMethod = method,
                    Scopes = scopes,
                    Settings = new Dictionary<string, string>(site.Settings, StringComparer.Ordinal),
                    PrivateNetworks = ["127.0.0.1/32"],
                    Profile = profile,
                },
            },
            dryRun: false,
            CancellationToken.None);
        var receipt = await grain.RotateCredentialAsync(
            new NewCredential { Method = method, Secret = method == ClientAuthMethod.PrivateKeyJwtEs384 ? null : new SecretText($"{site.ClientSecret} {site.ApiKey}".TrimEnd()) }, CancellationToken.None);
        receipt.Succeeded.ShouldBeTrue(JsonSerializer.Serialize(receipt.Steps));
        await grain.ChangeLifecycleAsync(Lifecycle.Sandbox, "test", CancellationToken.None);
        await grain.GrantAsync(AppId.Parse("app", null), Scopes, CancellationToken.None);
    }
}
