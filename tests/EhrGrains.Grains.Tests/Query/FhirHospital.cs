using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Tests.Query;

/// <summary>
/// A hospital's FHIR server on a real socket, and the tenant that it is, open for queries. It keeps its own book of what arrives
/// and when. Its paging has what real ones have: an empty page with a next link, and a resource that comes twice.
/// </summary>
public sealed class FhirHospital : IAsyncDisposable
{
    public const string Marker = "Zzyzx-PHI";

    private const int PageSize = 10;

    private readonly WebApplication app;
    private readonly ConcurrentQueue<long> arrivals = new();
    private int served;

    private FhirHospital(QueryCluster cluster)
    {
        Cluster = cluster;
        Tenant = TenantId.Parse($"h{Guid.CreateVersion7():N}", null);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        app = builder.Build();
        app.MapGet("/r4/.well-known/smart-configuration", () => Results.Json(new Dictionary<string, object>
        {
            ["token_endpoint"] = $"{Url}/token",
            ["capabilities"] = new[] { "client-confidential-symmetric" },
        }));
        app.MapPost("/token", () => Results.Json(new { access_token = "t", token_type = "bearer", expires_in = 300, scope = "system/*.rs" }));
        app.Map("/r4/{**path}", AnswerAsync);
    }

    public QueryCluster Cluster { get; }

    public TenantId Tenant { get; }

    public string Url { get; private set; } = "";

    public int Patients { get; set; } = 45;

    /// <summary>What a link to the next page looks like, by page number: a query, or a whole URL.</summary>
    public Func<int, string> NextLink { get; set; } = static page => $"?page={page}";

    /// <summary>Answers instead; false: as usual.</summary>
    public Func<HttpContext, int, Task<bool>>? Instead { get; set; }

    public TimeSpan Latency { get; set; }

    /// <summary>Requests that arrived.</summary>
    public int Requests => arrivals.Count;

    /// <summary>When requests arrived, in ticks of the stopwatch.</summary>
    public long[] Arrivals => [.. arrivals];

    public IEhrQueryGrain Queries(int silo = 0) => Cluster.Grains(silo).GetGrain<IEhrQueryGrain>(GrainKeys.Tenant(Tenant));

    public string GatewayBase => $"https://gateway.test/fhir/{Tenant}";

    public static async Task<FhirHospital> OpenAsync(QueryCluster cluster, BudgetSpec? budget = null, Action<FhirHospital>? setUp = null, string[]? grant = null)
    {
        var hospital = new FhirHospital(cluster);
        setUp?.Invoke(hospital);
        await hospital.app.StartAsync(CancellationToken.None);
        hospital.Url = hospital.app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        var tenant = cluster.Grains().GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(hospital.Tenant));
        using var admin = cluster.EnterAdmin();
        await tenant.RegisterAsync(
            new TenantSpec
            {
                Tenant = hospital.Tenant.Value,
                DisplayName = "Test hospital",
                TimeZone = "America/Chicago",
                Budget = budget ?? new BudgetSpec { Requests = 1_000, Concurrency = 100 },
                Connection = new ConnectionSpec
                {
                    Vendor = "us-core",
                    BaseUrl = $"{hospital.Url}/r4",
                    ClientId = "our-client",
                    AuthMethod = ClientAuthMethod.ClientSecretPost,
                    PrivateNetworks = ["127.0.0.1/32"],
                },
            },
            dryRun: false,
            CancellationToken.None);
        var receipt = await tenant.RotateCredentialAsync(
            new NewCredential { Method = ClientAuthMethod.ClientSecretPost, Secret = new SecretText("secret") }, CancellationToken.None);
        receipt.Succeeded.ShouldBeTrue(string.Join(" ", receipt.Steps.Select(step => step.What)));
        await tenant.ChangeLifecycleAsync(Lifecycle.Sandbox, "test", CancellationToken.None);
        await hospital.GrantAsync("app", grant ?? QueryCluster.ReadAndSearchAll);
        return hospital;
    }

    public async Task GrantAsync(string app, params string[] scopes)
    {
        using var admin = Cluster.EnterAdmin();
        await Cluster.Grains().GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(Tenant)).GrantAsync(AppId.Parse(app, null), scopes, CancellationToken.None);
    }

    public FhirSearch Search(string? cursor = null, string type = "Patient") => new()
    {
        Type = type,
        Parameters = [new SearchParameter("name", "a")],
        GatewayBase = GatewayBase,
        Cursor = cursor,
    };

    public FhirRead Read(string id) => new() { Type = "Patient", Id = id, GatewayBase = GatewayBase };

    /// <summary>The most arrivals that any window of this length held.</summary>
    public int BusiestWindow(TimeSpan window)
    {
        var sorted = Arrivals.Order().ToArray();
        var ticks = (long)(window.TotalSeconds * Stopwatch.Frequency);
        var (most, first) = (0, 0);
        for (var last = 0; last < sorted.Length; last++)
        {
            while (sorted[last] - sorted[first] >= ticks)
            {
                first++;
            }

            most = Math.Max(most, last - first + 1);
        }

        return most;
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync(CancellationToken.None);
        await app.DisposeAsync();
    }

    /// <summary>The cursor of an answer's next link; null on the last page.</summary>
    public static string? NextCursor(FhirResponse response)
    {
        var next = JsonNode.Parse(response.Body)!["link"]!.AsArray().FirstOrDefault(link => (string?)link!["relation"] == "next");
        return next is null ? null : ((string)next["url"]!).Split("_cursor=")[1];
    }

    /// <summary>The ids of an answer's entries.</summary>
    public static string[] Ids(FhirResponse response) =>
        [.. (JsonNode.Parse(response.Body)!["entry"]?.AsArray() ?? []).Where(entry => (string?)entry!["search"]?["mode"] != "outcome").Select(entry => (string)entry!["resource"]!["id"]!)];

    /// <summary>The detail codes of an OperationOutcome, or of the outcome entry of a Bundle.</summary>
    public static string[] Codes(FhirResponse response)
    {
        var root = JsonNode.Parse(response.Body)!;
        var outcome = (string?)root["resourceType"] == "OperationOutcome"
            ? root
            : root["entry"]?.AsArray().FirstOrDefault(entry => (string?)entry!["search"]?["mode"] == "outcome")?["resource"];
        return outcome is null ? [] : [.. outcome["issue"]!.AsArray().Select(issue => (string?)issue!["details"]?["coding"]![0]!["code"] ?? "")];
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var number = Interlocked.Increment(ref served);
        arrivals.Enqueue(Stopwatch.GetTimestamp());
        if (Instead is { } instead && await instead(context, number))
        {
            return;
        }

        if (Latency > TimeSpan.Zero)
        {
            await Task.Delay(Latency, TimeProvider.System, context.RequestAborted);
        }

        var path = (string?)context.Request.RouteValues["path"] ?? "";
        var body = path.StartsWith("Patient/p", StringComparison.Ordinal)
            ? Patient(path[8..])
            : Page(int.TryParse(context.Request.Query["page"], out var page) ? page : 1);
        context.Response.ContentType = "application/fhir+json";
        await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(body.ToJsonString()), context.RequestAborted);
    }

    // Page 2 is empty; from page 3 on each page begins with the last one of the page before.
    private JsonObject Page(int page)
    {
        var first = page == 1 ? 0 : ((page - 2) * PageSize) - (page > 2 ? 1 : 0);
        var last = page == 1 ? PageSize : Math.Min(Patients, (page - 1) * PageSize);
        JsonNode[] entries = page == 2 ? [] : [.. Enumerable.Range(first, Math.Max(0, Math.Min(last, Patients) - first)).Select(i => new JsonObject
        {
            ["fullUrl"] = $"{Url}/r4/Patient/p{i}",
            ["resource"] = Patient($"p{i}"),
            ["search"] = new JsonObject { ["mode"] = "match" },
        })];
        var links = new JsonArray(new JsonObject { ["relation"] = "self", ["url"] = $"{Url}/r4/Patient" });
        if (last < Patients)
        {
            var next = NextLink(page + 1);
            links.Add(new JsonObject { ["relation"] = "next", ["url"] = next[0] == '?' ? $"{Url}/r4/Patient{next}" : next });
        }

        return new JsonObject { ["resourceType"] = "Bundle", ["type"] = "searchset", ["total"] = Patients, ["link"] = links, ["entry"] = new JsonArray(entries) };
    }

    private static JsonObject Patient(string id) => new()
    {
        ["resourceType"] = "Patient",
        ["id"] = id,
        ["meta"] = new JsonObject { ["versionId"] = "3", ["lastUpdated"] = "2026-01-02T03:04:05Z" },
        ["name"] = new JsonArray(new JsonObject { ["family"] = Marker }),
    };
}
