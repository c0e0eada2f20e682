using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;

namespace EhrGrains.Sandbox.Tests;

/// <summary>The first three hospitals, or others, on real sockets, and a client of theirs with a key of its own.</summary>
public sealed class Hospitals : IAsyncLifetime
{
    private readonly SandboxOptions options;
    private readonly SocketsHttpHandler handler = new() { AllowAutoRedirect = false };
    private WebApplication? app;

    /// <summary>As xunit makes it for a test class: 60 patients, no contract, the system's clock.</summary>
    public Hospitals()
        : this(new SandboxOptions())
    {
    }

    private Hospitals(SandboxOptions options)
    {
        Http = new HttpClient(handler);
        this.options = options with
        {
            Vendors = options.Vendors ?? ["epic", "oracle-health", "athenahealth"],
            BasePort = 0,
            Patients = options.Patients == 220 ? 60 : options.Patients,
            Sites = options.Sites.Count > 0
                ? options.Sites
                : SandboxOptions.Products.ToDictionary(
                    vendor => vendor, _ => new SiteOptions { RequestsPerSecond = 0 }),
        };
    }

    public HttpClient Http { get; }

    public KeyServer Keys { get; } = new();

    public SandboxSite Epic => Site("epic");

    public SandboxSite Oracle => Site("oracle-health");

    public SandboxSite Athena => Site("athenahealth");

    public IReadOnlyList<SandboxSite> All => SandboxHost.Sites(app!);

    public static async Task<Hospitals> StartAsync(SandboxOptions options)
    {
        var hospitals = new Hospitals(options);
        await hospitals.InitializeAsync();
        return hospitals;
    }

    public async ValueTask InitializeAsync()
    {
        await Keys.StartAsync();
        app = SandboxHost.Build(options with { JwksBase = Keys.Url });
        await app.StartAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await app!.DisposeAsync();
        await Keys.DisposeAsync();
        Http.Dispose();
        handler.Dispose();
    }

    public SandboxSite Site(string vendor) => All.Single(site => site.Vendor == vendor);

    /// <summary>Edits charts, as the hospital's staff does.</summary>
    public async Task<(int Status, JsonNode Body)> EditAsync(SandboxSite site, object edits)
    {
        using var response = await Http.PostAsJsonAsync(site.AdminUrl + "/edits", edits, Cancel);
        return ((int)response.StatusCode, (await response.Content.ReadFromJsonAsync<JsonNode>(Cancel))!);
    }

    /// <summary>What the hospital really holds of a patient.</summary>
    public async Task<JsonNode> TruthAsync(SandboxSite site, string patient) =>
        (await Http.GetFromJsonAsync<JsonNode>($"{site.AdminUrl}/truth?content=true&patient={Uri.EscapeDataString(patient)}", Cancel))!;

    /// <summary>Asks for a token with a key, as a backend service does.</summary>
    public async Task<HttpResponseMessage> AskTokenAsync(SandboxSite site, string scope, Assertion? assertion = null)
    {
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["scope"] = scope,
            ["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ["client_assertion"] = Keys.Sign((assertion ?? new Assertion()) with { Audience = assertion?.Audience ?? site.TokenUrl }),
        });
        return await Http.PostAsync(new Uri(site.TokenUrl), form, Cancel);
    }

    /// <summary>Asks for a token with the secret in the body.</summary>
    public async Task<HttpResponseMessage> AskTokenBySecretAsync(SandboxSite site, string scope)
    {
        using var form = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["scope"] = scope,
            ["client_id"] = site.ClientId,
            ["client_secret"] = site.ClientSecret!,
        });
        return await Http.PostAsync(new Uri(site.TokenUrl), form, Cancel);
    }

    /// <summary>A token for reading and searching these types.</summary>
    public async Task<string> TokenAsync(SandboxSite site, params string[] types)
    {
        var scope = string.Join(' ', types.Select(type => $"system/{type}.rs"));
        using var response = await (site.AuthMethod == "client_secret_post" ? AskTokenBySecretAsync(site, scope) : AskTokenAsync(site, scope));
        var answer = await response.Content.ReadFromJsonAsync<JsonElement>(Cancel);
        return answer.GetProperty("access_token").GetString()!;
    }

    public async Task<HttpResponseMessage> GetAsync(
        SandboxSite site, string pathOrUrl, string? token, string accept = "application/fhir+json")
    {
        using var request = new HttpRequestMessage(
            HttpMethod.Get, pathOrUrl.StartsWith("http", StringComparison.Ordinal) ? pathOrUrl : $"{site.FhirBaseUrl}/{pathOrUrl}");
        request.Headers.TryAddWithoutValidation("Accept", accept);
        if (site.ApiKey is { } key)
        {
            request.Headers.Add("x-api-key", key);
        }

        if (token is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        return await Http.SendAsync(request, Cancel);
    }

    /// <summary>An answer's status and JSON.</summary>
    public async Task<(int Status, JsonNode Body)> ReadAsync(SandboxSite site, string path, string token)
    {
        using var response = await GetAsync(site, path, token);
        return ((int)response.StatusCode, (await response.Content.ReadFromJsonAsync<JsonNode>(Cancel))!);
    }

    /// <summary>All pages of a search, following <c>next</c> (with what this vendor needs on each page).</summary>
    public async Task<IReadOnlyList<JsonNode>> PagesAsync(SandboxSite site, string path, string token, int pagesMax = 1000)
    {
        var pages = new List<JsonNode>();
        for (var next = path; next is not null && pages.Count < pagesMax;)
        {
            var (status, page) = await ReadAsync(site, next, token);
            status.ShouldBe(200, page.ToJsonString());
            pages.Add(page);
            next = Link(page, "next") is { } url && site.Vendor == "athenahealth" ? $"{url}&{Practice(site)}" : Link(page, "next");
        }

        return pages;
    }

    public async Task SetFaultsAsync(SandboxSite site, params object[] faults)
    {
        using var response = await Http.PutAsJsonAsync(site.AdminUrl + "/faults", new { faults }, Cancel);
        response.EnsureSuccessStatusCode();
    }

    /// <summary>The site's synthetic patients, as the sandbox itself knows them.</summary>
    public async Task<IReadOnlyList<JsonNode>> PatientsAsync(SandboxSite site) =>
        [.. (await Http.GetFromJsonAsync<JsonArray>(site.AdminUrl + "/patients", Cancel))!.Select(patient => patient!)];

    public async Task<JsonNode> CountersAsync(SandboxSite site) =>
        (await Http.GetFromJsonAsync<JsonNode>(site.AdminUrl + "/counters", Cancel))!;

    public static string Practice(SandboxSite site) => $"ah-practice=Organization/a-1.Practice-{site.Settings["practice"]}";

    public static string? Link(JsonNode bundle, string relation) =>
        bundle["link"]!.AsArray().FirstOrDefault(link => (string?)link!["relation"] == relation)?["url"]?.GetValue<string>();

    public static IReadOnlyList<JsonNode> Matches(JsonNode bundle) =>
        [.. (bundle["entry"]?.AsArray() ?? []).Where(
            entry => (string?)entry!["search"]!["mode"] == "match").Select(entry => entry!["resource"]!)];

    public static IReadOnlyList<string> Ids(JsonNode bundle) => [.. Matches(bundle).Select(resource => (string)resource["id"]!)];

    /// <summary>The codes of a vendor, or the issue types where it has none, of an outcome or of a Bundle's outcome entries.</summary>
    public static IReadOnlyList<string> Codes(JsonNode body)
    {
        var outcomes = (string?)body["resourceType"] == "OperationOutcome"
            ? [body]
            : (body["entry"]?.AsArray() ?? []).Where(entry => (string?)entry!["search"]!["mode"] == "outcome")
                .Select(entry => entry!["resource"]!);
        return [.. outcomes.SelectMany(outcome => outcome["issue"]!.AsArray()).Select(
            issue => (string)(issue!["details"]?["coding"]?[0]?["code"] ?? issue["code"]!)!)];
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
}
