using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using EhrGrains.Testing;
using Microsoft.AspNetCore.Builder;

[assembly: AssemblyFixture(typeof(EhrGrains.Silo.Tests.RunningSilo))]

namespace EhrGrains.Silo.Tests;

/// <summary>One embedded silo on free ports over a SQLite file, for all tests of the project.</summary>
public sealed class RunningSilo : IAsyncLifetime
{
    private readonly TempDirectory directory = new();

    public WebApplication App { get; private set; } = null!;

    public HttpClient Http { get; private set; } = null!;

    public Identity Admin { get; private set; } = null!;

    public string DataDirectory => directory.File("data");

    public string OperatorFile => Path.Combine(DataDirectory, "operator.json");

    public Uri TokenEndpoint => new(Http.BaseAddress!, "/oauth/token");

    public static string[] Arguments(string dataDirectory, params string[] more) =>
    [
        $"--EhrGrains:DataDirectory={dataDirectory}", "--EhrGrains:Http:Url=http://127.0.0.1:0", "--EhrGrains:Silo:Port=0",
        "--EhrGrains:Silo:GatewayPort=0", "--EhrGrains:Mllp:Port=0", .. more,
    ];

    public async ValueTask InitializeAsync()
    {
        App = SiloHost.Build(Arguments(DataDirectory, "--Logging:LogLevel:Default=Error"));
        await App.StartAsync(TestContext.Current.CancellationToken);
        Http = new HttpClient { BaseAddress = new Uri(App.Urls.Single()) };
        Admin = Identity.FromOperatorFile(OperatorFile, "ehrgrains/operate ehrgrains/administer", Http);
    }

    public async ValueTask DisposeAsync()
    {
        Admin?.Dispose();
        Http?.Dispose();
        if (App is not null)
        {
            await App.StopAsync(CancellationToken.None);
            await App.DisposeAsync();
        }

        directory.Dispose();
    }

    /// <summary>Registers an app that authenticates with a key of its own.</summary>
    public async Task<Identity> RegisterAsync(string app, string role, string scope, CancellationToken cancellationToken)
    {
        var identity = new Identity(app, scope, Http, TokenEndpoint);
        var jwks = JsonSerializer.Deserialize<JsonElement>(identity.JsonWebKeySet);
        using var answer = await SendAsAdminAsync(HttpMethod.Put, $"/admin/v1/apps/{app}", new { displayName = app, role, jwks }, cancellationToken);
        answer.EnsureSuccessStatusCode();
        return identity;
    }

    /// <summary>Registers an app that authenticates with a client secret, and gives the secret.</summary>
    public async Task<string> RegisterSecretAsync(string app, CancellationToken cancellationToken)
    {
        using var answer = await SendAsAdminAsync(
            HttpMethod.Put, $"/admin/v1/apps/{app}", new { displayName = app, role = "application" }, cancellationToken);
        answer.EnsureSuccessStatusCode();
        return (await answer.Content.ReadFromJsonAsync<JsonElement>(cancellationToken)).GetProperty("clientSecret").GetString()!;
    }

    public async Task<HttpResponseMessage> SendAsAdminAsync(HttpMethod method, string path, object? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        return await SendAsync(request, Admin, cancellationToken);
    }

    public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, Identity identity, CancellationToken cancellationToken)
    {
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await identity.TokenAsync(cancellationToken));
        return await Http.SendAsync(request, cancellationToken);
    }
}
