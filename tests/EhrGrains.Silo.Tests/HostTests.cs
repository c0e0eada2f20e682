using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text.Json;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Client;
using EhrGrains.Silo.Telemetry;
using EhrGrains.Testing;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Trace;

namespace EhrGrains.Silo.Tests;

/// <summary>The silo as a host: health, first administrator, Orleans clients, telemetry, shutdown.</summary>
public sealed class HostTests(RunningSilo silo)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/health/live", "")]
    [InlineData("/health/startup", "started")]
    [InlineData("/health/ready", "started,database,audit,membership")]
    public async Task A_running_silo_is_healthy(string path, string checks)
    {
        using var answer = await silo.Http.GetAsync(path, Cancel);

        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        var body = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel)).RootElement;
        string.Join(',', body.GetProperty("checks").EnumerateObject().Select(check => check.Name)).ShouldBe(checks);
    }

    [Fact]
    public void The_operators_key_and_the_root_key_are_the_owners_alone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "File modes are a Unix matter.");
        foreach (var file in new[] { "operator.json", "root.key" })
        {
            if (OperatingSystem.IsWindows())
            {
                continue;
            }

            File.GetUnixFileMode(Path.Combine(silo.DataDirectory, file)).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite, file);
        }
    }

    [Fact]
    public async Task A_second_start_over_the_same_data_keeps_the_operators_key_and_what_was_registered()
    {
        using var directory = new TempDirectory();
        string key;
        await using (var first = SiloHost.Build(RunningSilo.Arguments(directory.Path)))
        {
            await first.StartAsync(Cancel);
            key = KeyOf(directory);
            await first.StopAsync(Cancel);
        }

        await using var second = SiloHost.Build(RunningSilo.Arguments(directory.Path));
        await second.StartAsync(Cancel);
        using var http = new HttpClient { BaseAddress = new Uri(second.Urls.Single()) };
        using var admin = Identity.FromOperatorFile(directory.File("operator.json"), "ehrgrains/operate", http);

        KeyOf(directory).ShouldBe(key);
        (await admin.TokenAsync(Cancel)).ShouldNotBeEmpty();
        await second.StopAsync(Cancel);

        static string KeyOf(TempDirectory directory) =>
            JsonDocument.Parse(File.ReadAllText(directory.File("operator.json"))).RootElement.GetProperty("privateJwk").ToString();
    }

    [Fact]
    public async Task A_lost_operator_file_stops_the_start_with_what_to_do()
    {
        using var directory = new TempDirectory();
        await using (var first = SiloHost.Build(RunningSilo.Arguments(directory.Path)))
        {
            await first.StartAsync(Cancel);
            await first.StopAsync(Cancel);
        }

        File.Delete(directory.File("operator.json"));
        await using var second = SiloHost.Build(RunningSilo.Arguments(directory.Path));

        var refusal = await Should.ThrowAsync<ProblemException>(second.StartAsync(Cancel));
        refusal.Problems.Single().Code.ShouldBe("EHR-CFG-002");
        File.Exists(directory.File("operator.json")).ShouldBeFalse("a key that opens nothing is not left behind");
    }

    [Fact]
    public async Task An_orleans_client_is_who_its_token_says_and_nobody_without_one()
    {
        var file = JsonDocument.Parse(await File.ReadAllTextAsync(silo.OperatorFile, Cancel)).RootElement;
        using var admin = ClientOf(file, silo.Admin.TokenAsync);
        using var application = ClientOf(file, (await silo.RegisterAsync("orleans-app", "application", "system/*.rs", Cancel)).TokenAsync);
        using var nobody = ClientOf(file, null);
        var app = GrainKeys.App(AppId.Parse("operator", null));

        (await Describe(await StartAsync(admin))).ShouldNotBeNull().Role.ShouldBe(AppRole.Admin);
        (await Should.ThrowAsync<ProblemException>(async () => await Describe(await StartAsync(application)))).Kind.ShouldBe(ProblemKind.Forbidden);
        (await Should.ThrowAsync<ProblemException>(async () => await Describe(await StartAsync(nobody)))).Kind.ShouldBe(ProblemKind.Unauthenticated);

        Task<AppSpec?> Describe(IClusterClient client) => client.GetGrain<IAppGrain>(app).DescribeAsync(Cancel);

        static async Task<IClusterClient> StartAsync(IHost host)
        {
            await host.StartAsync(Cancel);
            return host.Services.GetRequiredService<IClusterClient>();
        }
    }

    [Fact]
    public void Every_endpoint_says_who_may_call_it_or_falls_under_default_deny()
    {
        string[] anonymous =
        [
            "/fhir/.well-known/smart-configuration", "/fhir/{tenant}/.well-known/smart-configuration", "/health/feeds", "/health/live", "/health/ready", "/health/startup",
            "/openapi/{documentName}.json", "/tenants/{tenant}/jwks.json", "/fhir/{tenant:tenantId}/metadata",
        ];
        var endpoints = silo.App.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>();

        var open = endpoints.Where(endpoint => endpoint.Metadata.GetMetadata<IAllowAnonymous>() is not null).Select(endpoint => endpoint.RoutePattern.RawText);

        open.Order().ShouldBe(anonymous.Order(), "whoever opens an endpoint to everybody says so here as well");
    }

    [Fact]
    public async Task Spans_are_named_by_route_and_hold_neither_path_nor_query()
    {
        const string Canary = "Zzyzxspan";
        var spans = new ConcurrentQueue<Activity>();
        using (Sdk.CreateTracerProviderBuilder().AddSiloSources().AddProcessor(new SimpleActivityExportProcessor(new Keep(spans))).Build())
        {
            using var search = await silo.Http.GetAsync($"/fhir/st-mary/Patient?family={Canary}", Cancel);
            using var read = await silo.Http.GetAsync($"/fhir/st-mary/Patient/{Canary}", Cancel);
            using var unknown = await silo.Http.GetAsync($"/{Canary}", Cancel);
        }

        spans.ShouldContain(span => span.DisplayName.StartsWith("GET /fhir/{tenant") && span.DisplayName.EndsWith("/{id}"));
        foreach (var span in spans)
        {
            $"{span.DisplayName} {string.Join(' ', span.TagObjects)} {string.Join(' ', span.Baggage)}".ShouldNotContain(Canary);
        }
    }

    [Fact]
    public async Task Logs_at_trace_level_hold_no_path_and_no_query()
    {
        const string Canary = "Zzyzxlog";
        using var directory = new TempDirectory();
        await using var child = await ChildProcess.StartAsync(
            "EhrGrains.Silo.dll",
            RunningSilo.Arguments(
                directory.File("data"),
                [.. new[] { "Default", "Microsoft", "Microsoft.AspNetCore", "Orleans", "System", "Polly" }.Select(name => $"--Logging:LogLevel:{name}=Trace")]),
            new Dictionary<string, string>(),
            directory.File("log"), "\"EventId\":7000", Cancel);
        var url = JsonDocument.Parse(await File.ReadAllTextAsync(directory.File("data/operator.json"), Cancel)).RootElement.GetProperty("url").GetString()!;
        using var http = new HttpClient { BaseAddress = new Uri(url) };
        using var admin = Identity.FromOperatorFile(directory.File("data/operator.json"), "ehrgrains/operate", http);
        foreach (var path in new[] { $"/fhir/st-mary/Patient?family={Canary}", $"/fhir/st-mary/Patient/{Canary}", $"/{Canary}", $"/health/live?{Canary}" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.Authorization = new("Bearer", await admin.TokenAsync(Cancel));
            using var answer = await http.SendAsync(request, Cancel);
        }

        var token = await admin.TokenAsync(Cancel);
        child.Output.Length.ShouldBeGreaterThan(10_000, "the control: it does log at trace level");
        child.Output.ShouldNotContain(Canary);
        child.Output.ShouldNotContain(token);
        child.Output.ShouldNotContain(token.Split('.')[2]);
    }

    [Fact]
    public async Task A_stopping_silo_turns_unready_first_and_finishes_what_is_under_way()
    {
        using var directory = new TempDirectory();
        await using var app = SiloHost.Build(RunningSilo.Arguments(directory.Path, "--EhrGrains:Http:DrainSeconds=2"));
        await app.StartAsync(Cancel);
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        (await http.GetAsync("/health/ready", Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);

        var stopping = app.StopAsync(Cancel);

        (await http.GetAsync("/health/ready", Cancel)).StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        (await http.GetAsync("/health/live", Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await http.GetAsync("/.well-known/jwks.json", Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
        await stopping;
        await Should.ThrowAsync<HttpRequestException>(http.GetAsync("/health/live", Cancel));
    }

    private static IHost ClientOf(JsonElement file, Func<CancellationToken, ValueTask<string>>? token)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddEhrGrainsClient(client =>
        {
            client.Gateways.Add(System.Net.IPEndPoint.Parse(file.GetProperty("gateway").GetString()!));
            client.ClusterId = file.GetProperty("clusterId").GetString()!;
            client.ServiceId = file.GetProperty("serviceId").GetString()!;
            client.AccessToken = token;
        });
        return builder.Build();
    }

    private sealed class Keep(ConcurrentQueue<Activity> spans) : BaseExporter<Activity>
    {
        public override ExportResult Export(in Batch<Activity> batch)
        {
            foreach (var span in batch)
            {
                spans.Enqueue(span);
            }

            return ExportResult.Success;
        }
    }
}
