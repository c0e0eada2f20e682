using System.Globalization;
using System.Text.Json;
using EhrGrains.EndToEnd.Tests.Harness;
using EhrGrains.Storage.Databases;
using EhrGrains.Testing;

namespace EhrGrains.EndToEnd.Tests.Feeds;

/// <summary>A silo in a process of its own with an MLLP listener, over either database; it can be killed and started again.</summary>
internal sealed class FeedSilo : IAsyncDisposable
{
    private const string Scope = "ehrgrains/operate ehrgrains/administer";

    private readonly FeedDatabase database;
    private readonly Dictionary<string, string> settings;
    private ChildProcess? process;
    private Identity? identity;

    private FeedSilo(FeedDatabase database, Dictionary<string, string> settings, Identity? identity = null)
    {
        this.database = database;
        this.settings = settings;
        this.identity = identity;
    }

    internal int Port { get; } = Ports.Free();

    /// <summary>
    /// Registers the tenant with its feeds, each known by its sending facility, as an administrator does: what is journalled then goes on
    /// into patient records. With a token server the tenant is opened as well.
    /// </summary>
    internal async Task RegisterAsync(int feeds, CancellationToken cancellationToken, string? tokenServer = null)
    {
        var spec = new
        {
            tenant = FeedDatabase.Tenant.Value,
            displayName = "St. Mary",
            timeZone = "America/Chicago",
            connection = new
            {
                vendor = "us-core",
                baseUrl = tokenServer is null ? "https://fhir.example.org/r4" : $"{tokenServer}/r4",
                tokenEndpoint = tokenServer is null ? null : $"{tokenServer}/token",
                clientId = "ehrgrains",
                authMethod = "clientSecretBasic",
                privateNetworks = new[] { "127.0.0.1/32" },
            },
            feeds = Enumerable.Range(0, feeds).Select(i => new
            {
                feed = FeedDatabase.Feed(i).Value,
                displayName = $"Ward {i}",
                inbound = new { match = new { sendingFacility = FeedDatabase.Facility(i) } },
            }),
        };
        await CallAsync(HttpMethod.Put, "", spec, cancellationToken);
        if (tokenServer is not null)
        {
            var secret = new { method = "clientSecretBasic", secret = "a-secret-of-some-length" };
            await CallAsync(HttpMethod.Post, "/credentials:rotate", secret, cancellationToken);
            await CallAsync(HttpMethod.Put, "/lifecycle", new { lifecycle = "sandbox", reason = "test" }, cancellationToken);
        }
    }

    /// <summary>Asks for something of the tenant as an administrator does; a path that begins with two slashes is one of the whole cluster.</summary>
    internal async Task<JsonElement> CallAsync(HttpMethod method, string path, object? body, CancellationToken cancellationToken)
    {
        using var http = new HttpClient();
        var administrator = identity ??= Identity.FromOperatorFile(database.Directory.File("operator.json"), Scope, new HttpClient());
        var of = path.StartsWith("//", StringComparison.Ordinal) ? path[1..] : $"/tenants/{FeedDatabase.Tenant}{path}";
        using var request = new HttpRequestMessage(method, $"{settings["EhrGrains__Http__Url"]}/admin/v1{of}")
        {
            Content = body is null ? null : System.Net.Http.Json.JsonContent.Create(body),
        };
        request.Headers.Authorization = new("Bearer", await administrator.TokenAsync(cancellationToken));
        using var response = await http.SendAsync(request, cancellationToken);
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        response.IsSuccessStatusCode.ShouldBeTrue(text);
        return text.Length == 0 ? default : JsonDocument.Parse(text).RootElement;
    }

    internal static async Task<FeedSilo> StartAsync(FeedDatabase database, CancellationToken cancellationToken)
    {
        var (environment, identity) = database.Kind == DatabaseKind.Sqlite ? (Embedded(database), null) : await InClusterAsync(database, cancellationToken);
        var silo = new FeedSilo(database, environment, identity);
        await silo.StartAsync(cancellationToken);
        return silo;
    }

    /// <summary>Another silo of the same cluster.</summary>
    internal async Task<FeedSilo> StartSiblingAsync(CancellationToken cancellationToken)
    {
        var sibling = new FeedSilo(
            database,
            new Dictionary<string, string>(settings)
            {
                ["EhrGrains__Http__Url"] = Url(),
                ["EhrGrains__Silo__Port"] = Ports.Free().ToString(CultureInfo.InvariantCulture),
                ["EhrGrains__Silo__GatewayPort"] = Ports.Free().ToString(CultureInfo.InvariantCulture),
            });
        await sibling.StartAsync(cancellationToken);
        return sibling;
    }

    /// <summary>From here on it sleeps, in the middle of whatever it did.</summary>
    internal void Sleep() => process!.Stop();

    internal void Wake() => process!.Continue();

    /// <summary>Ends it as a power cut would, as far as the process is concerned: no handler runs, no buffer is written.</summary>
    internal async Task KillAsync(CancellationToken cancellationToken)
    {
        process!.Kill();
        await process.WaitForExitAsync(cancellationToken);
        await DisposeAsync();
    }

    internal async Task StartAsync(CancellationToken cancellationToken)
    {
        settings["EhrGrains__Mllp__Port"] = Port.ToString(CultureInfo.InvariantCulture);
        process = await ChildProcess.StartAsync(
            "EhrGrains.Silo.dll", [], settings, database.Directory.File($"silo-{Port}.log"), "The silo serves", cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (process is not null)
        {
            await process.DisposeAsync();
            process = null;
        }
    }

    private static Dictionary<string, string> Embedded(FeedDatabase database) => new()
    {
        ["EhrGrains__DataDirectory"] = database.Directory.Path,
        ["EhrGrains__Http__Url"] = Url(),
        ["EhrGrains__Silo__Port"] = "0",
        ["EhrGrains__Silo__GatewayPort"] = "0",
        ["EhrGrains__Database__ConnectionString"] = database.ConnectionString,
        ["EhrGrains__RootKeyFile"] = database.Directory.File("root.key"),
        ["EhrGrains__Webhooks__PrivateNetworks__0"] = "127.0.0.1/32",
        ["DOTNET_gcServer"] = "0",
    };

    private static async Task<(Dictionary<string, string> Settings, Identity Administrator)> InClusterAsync(FeedDatabase database, CancellationToken cancellationToken)
    {
        const string ClusterId = "ehrgrains-feeds";
        var certificates = ClusterCertificates.Create(database.Directory.Path, ClusterId);
        var url = Url();
        var administrator = new Identity("operator", Scope, new HttpClient(), new Uri($"{url}/oauth/token"));
        await File.WriteAllTextAsync(database.Directory.File("operator.jwks.json"), administrator.JsonWebKeySet, cancellationToken);
        var environment = new Dictionary<string, string>
        {
            ["EhrGrains__Mode"] = "Cluster",
            ["EhrGrains__Http__Url"] = url,
            ["EhrGrains__Http__DrainSeconds"] = "0",
            ["EhrGrains__Silo__Address"] = "127.0.0.1",
            ["EhrGrains__Silo__Port"] = Ports.Free().ToString(CultureInfo.InvariantCulture),
            ["EhrGrains__Silo__GatewayPort"] = Ports.Free().ToString(CultureInfo.InvariantCulture),
            ["EhrGrains__Database__Kind"] = "PostgreSql",
            ["EhrGrains__Database__ConnectionString"] = database.ConnectionString,
            ["EhrGrains__RootKeyFile"] = database.Directory.File("root.key"),
            ["EhrGrains__Tls__Certificate"] = certificates.Certificate,
            ["EhrGrains__Tls__Key"] = certificates.Key,
            ["EhrGrains__Tls__Authority"] = certificates.Authority,
            ["EhrGrains__Cluster__Id"] = ClusterId,
            ["EhrGrains__Cluster__Service"] = ClusterId,
            ["EhrGrains__Auth__Issuer"] = url,
            ["EhrGrains__Bootstrap__JwksFile"] = database.Directory.File("operator.jwks.json"),
            ["EhrGrains__Webhooks__PrivateNetworks__0"] = "127.0.0.1/32",
            ["DOTNET_gcServer"] = "0",
        };
        return (environment, administrator);
    }

    private static string Url() => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Ports.Free()}");
}
