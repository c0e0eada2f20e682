using System.Net.Http.Headers;
using EhrGrains.Cli.Contexts;
using EhrGrains.Cli.Fhir;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Demo;

/// <summary>The demo's application server: it has a grant at each hospital, and asks over HTTP or as an Orleans client.</summary>
internal sealed class Application(ClusterConnection cluster) : IAsyncDisposable
{
    internal static readonly AppId Id = AppId.Parse("demo-app", null);
    private static readonly string[] Scopes = ["system/Patient.rs", "system/Observation.rs", "system/Encounter.rs"];

    /// <summary>Registers the app with a key that is made here, unless an earlier run has, and grants it rights at the tenants.</summary>
    internal static async Task<Application> RegisterAsync(
        ClusterConnection admin, string contextFile, IEnumerable<TenantId> tenants, CancellationToken cancellationToken)
    {
        if (!File.Exists(contextFile))
        {
            var (context, keySet) = admin.Context.WithNewKey(Id);
            var spec = new AppSpec { App = Id, DisplayName = "Demo", Role = AppRole.Application, JsonWebKeySet = keySet };
            await admin.App(Id).RegisterAsync(spec, cancellationToken);
            await context.WriteNewAsync(contextFile, cancellationToken);
        }

        foreach (var tenant in tenants)
        {
            await admin.Tenant(tenant).GrantAsync(Id, Scopes, cancellationToken);
        }

        // The key is the file's, the addresses are this run's.
        var own = ClusterContext.Read(contextFile).At(admin.Context);
        return new Application(await ClusterConnection.OpenAsync(own, NoLog, cancellationToken));
    }

    internal static void NoLog(ILoggingBuilder logging) => logging.ClearProviders();

    /// <summary>Asks over HTTP; <paramref name="path"/> is relative to the gateway.</summary>
    internal async Task<(int Status, byte[] Body)> GetAsync(string path, CancellationToken cancellationToken, string? cacheControl = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.CacheControl = cacheControl is null ? null : CacheControlHeaderValue.Parse(cacheControl);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await cluster.Tokens.GetAsync(cancellationToken));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/fhir+json"));
        using var response = await cluster.Http.SendAsync(request, cancellationToken);
        return ((int)response.StatusCode, await response.Content.ReadAsByteArrayAsync(cancellationToken));
    }

    /// <summary>Asks all hospitals as an Orleans client.</summary>
    internal async Task<FhirResponse> SearchAllAsync(string query, CancellationToken cancellationToken)
    {
        var parsed = FhirQuery.Parse(query);
        var search = new FhirSearch { Type = parsed.Type, Parameters = parsed.Search, GatewayBase = new Uri(cluster.Context.Url, "/fhir").AbsoluteUri };
        return await cluster.Federation.SearchAsync(search, cancellationToken);
    }

    public ValueTask DisposeAsync() => cluster.DisposeAsync();
}
