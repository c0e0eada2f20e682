using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Grains.Tests;

/// <summary>
/// A hospital's authorization server on a real socket, and the tenant that it is. Checks client assertions against the tenant's
/// published keys, which it fetches as a hospital does, and may cache.
/// </summary>
public sealed class Hospital : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly ConcurrentQueue<string> issued = new();
    private readonly ConcurrentQueue<string> keyIds = new();
    private int tokenRequests;
    private string? cachedKeys;

    private Hospital(GrainCluster cluster, TenantId tenant)
    {
        Cluster = cluster;
        Tenant = tenant;
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        app = builder.Build();
        app.MapGet("/r4/.well-known/smart-configuration", () => Configuration is { } configuration ? Results.Text(configuration, "application/json") : Results.Json(new Dictionary<string, object>
        {
            ["token_endpoint"] = $"{Url}/{TokenPath}",
            ["capabilities"] = new[] { "client-confidential-asymmetric" },
        }));
        app.MapGet("/r4/metadata", () => Statement is { } statement ? Results.Text(statement, "application/fhir+json") : Results.NotFound());
        app.Map("/r4/{**path}", (string path, HttpRequest request) => Fhir?.Invoke(path, request) ?? Results.NotFound());
        app.MapPost("/{path}", AnswerAsync);
    }

    public GrainCluster Cluster { get; }

    public TenantId Tenant { get; }

    public string Url { get; private set; } = "";

    public int TokenRequests => Volatile.Read(ref tokenRequests);

    /// <summary>The tokens that it gave, in order.</summary>
    public IReadOnlyCollection<string> Issued => issued;

    /// <summary>The keys that requests were signed with, in order.</summary>
    public IReadOnlyCollection<string> KeyIds => keyIds;

    public int ExpiresIn { get; set; } = 300;

    public string TokenPath { get; set; } = "token";

    /// <summary>Its CapabilityStatement; null: it shows none.</summary>
    public string? Statement { get; set; }

    /// <summary>Its SMART configuration; null: what a client needs of it, and no more.</summary>
    public string? Configuration { get; set; }

    /// <summary>What its FHIR server answers, by the path under the base URL; null: it has nothing.</summary>
    public Func<string, HttpRequest, IResult>? Fhir { get; set; }

    /// <summary>The scopes of its tokens.</summary>
    public string Scope { get; set; } = "system/Patient.rs";

    public string Secret { get; set; } = "";

    /// <summary>Keys that it does not take, whatever is published.</summary>
    public ConcurrentDictionary<string, bool> Refused { get; } = new();

    /// <summary>The status that it answers instead of a token; 0: it is well.</summary>
    public int Broken { get; set; }

    /// <summary>Holds every request until it is set.</summary>
    public TaskCompletionSource? Hold { get; set; }

    /// <summary>How many requests for tokens it answers from the JWKS that it fetched first.</summary>
    public int RequestsOnCachedKeys { get; set; }

    public IHospitalTenantGrain Grain => Cluster.Inside.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(Tenant));

    public TenantSpec Spec => new()
    {
        Tenant = Tenant.Value,
        DisplayName = "Test hospital",
        Environment = TenantEnvironment.Sandbox,
        TimeZone = "America/Chicago",
        Connection = new ConnectionSpec
        {
            Vendor = "us-core",
            BaseUrl = $"{Url}/r4",
            ClientId = "our-client",
            PrivateNetworks = ["127.0.0.1/32"],
        },
    };

    /// <summary>A hospital whose tenant is registered.</summary>
    public static async Task<Hospital> RegisterAsync(GrainCluster cluster)
    {
        var hospital = new Hospital(cluster, TenantId.Parse($"h{Guid.CreateVersion7():N}", null));
        await hospital.app.StartAsync(CancellationToken.None);
        hospital.Url = hospital.app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        using var admin = cluster.EnterAdmin();
        await hospital.Grain.RegisterAsync(hospital.Spec, dryRun: false, CancellationToken.None);
        return hospital;
    }

    /// <summary>A hospital whose tenant has an active credential and is open for queries.</summary>
    public static async Task<Hospital> OpenAsync(GrainCluster cluster, ClientAuthMethod method = ClientAuthMethod.PrivateKeyJwtEs384)
    {
        var hospital = await RegisterAsync(cluster);
        using var admin = cluster.EnterAdmin();
        var receipt = await hospital.Grain.RotateCredentialAsync(new NewCredential { Method = method }, CancellationToken.None);
        receipt.Succeeded.ShouldBeTrue(string.Join(" ", receipt.Steps.Select(step => step.What)));
        await hospital.Grain.ChangeLifecycleAsync(Lifecycle.Sandbox, "test", CancellationToken.None);
        hospital.ResetCounters();
        return hospital;
    }

    public void ResetCounters()
    {
        Volatile.Write(ref tokenRequests, 0);
        issued.Clear();
        keyIds.Clear();
    }

    public async ValueTask DisposeAsync()
    {
        Hold?.TrySetResult();
        await app.StopAsync(CancellationToken.None);
        await app.DisposeAsync();
    }

    private async Task<IResult> AnswerAsync(string path, HttpRequest request)
    {
        var number = Interlocked.Increment(ref tokenRequests);
        var form = await request.ReadFormAsync(CancellationToken.None);
        if (Hold is { } hold)
        {
            await hold.Task;
        }

        if (Broken != 0)
        {
            return Results.StatusCode(Broken);
        }

        if (path != TokenPath)
        {
            return Results.NotFound();
        }

        var taken = form.TryGetValue("client_assertion", out var assertion) ? await IsGoodAsync(assertion!) : IsSecret(request, form);
        if (!taken)
        {
            return Results.Json(new { error = "invalid_client" }, statusCode: StatusCodes.Status401Unauthorized);
        }

        var token = $"token-{Tenant}-{number}";
        issued.Enqueue(token);
        return Results.Json(new { access_token = token, token_type = "bearer", expires_in = ExpiresIn, scope = Scope });
    }

    private async Task<bool> IsGoodAsync(string assertion)
    {
        var token = new JsonWebToken(assertion);
        keyIds.Enqueue(token.Kid);
        string keys;
        if (RequestsOnCachedKeys > 0 && cachedKeys is not null)
        {
            RequestsOnCachedKeys--;
            keys = cachedKeys;
        }
        else
        {
            // As a stranger, without any ticket: it is published.
            keys = cachedKeys = Encoding.UTF8.GetString(await Cluster.Outside
                .GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(Tenant)).GetJsonWebKeySetAsync(CancellationToken.None));
        }

        var result = await new JsonWebTokenHandler().ValidateTokenAsync(assertion, new TokenValidationParameters
        {
            ValidIssuer = "our-client",
            ValidAudience = $"{Url}/{TokenPath}",
            ValidAlgorithms = ["ES384", "RS384"],
            TryAllIssuerSigningKeys = false,
            IssuerSigningKeys = new JsonWebKeySet(keys).GetSigningKeys(),
            ValidateLifetime = false,
        });
        return result.IsValid && !Refused.ContainsKey(token.Kid);
    }

    private bool IsSecret(HttpRequest request, IFormCollection form)
    {
        var header = request.Headers.Authorization.ToString();
        var presented = header.StartsWith("Basic ", StringComparison.Ordinal)
            ? Uri.UnescapeDataString(Encoding.UTF8.GetString(Convert.FromBase64String(header[6..])).Split(':')[1])
            : form["client_secret"].ToString();
        return Secret.Length > 0 && presented == Secret;
    }

    internal static JsonElement Parse(byte[] json) => JsonDocument.Parse(json).RootElement;

    internal static AppId App(string name) => AppId.Parse(name, null);
}
