using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.EndToEnd.Tests.Harness;
using EhrGrains.Testing;
using Hl7.Fhir.Model;
using Hl7.Fhir.Rest;
using Task = System.Threading.Tasks.Task;

namespace EhrGrains.EndToEnd.Tests;

/// <summary>The FHIR clients that applications use drive the gateway: discovery, token, search, paging to the end, read, errors.</summary>
[Collection(nameof(ClusterCollection))]
public sealed class FhirClientTests(ClusterFixture fixture)
{
    [Theory]
    [InlineData(ResourceFormat.Json)]
    [InlineData(ResourceFormat.Xml)]
    public async Task Firelys_client_reads_the_capabilities_pages_to_the_end_and_reads(ResourceFormat format)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var cluster = fixture.Cluster;
        var site = cluster.Site("oracle-health");
        using var http = await ClientAsync(cluster, cancellationToken);
        using var client = new FhirClient(
            new Uri(cluster.Base(0), $"/fhir/{site.Tenant}"), http, new FhirClientSettings { PreferredFormat = format, VerifyFhirVersion = true });

        var capabilities = await client.CapabilityStatementAsync(ct: cancellationToken);
        capabilities.ShouldNotBeNull().FhirVersion.ShouldBe(FHIRVersion.N4_0_1);

        var search = new SearchParams().Where($"patient={site.LongChartPatientId}").Where("category=laboratory").LimitTo(50);
        var seen = new HashSet<string>();
        var pages = 0;
        for (var page = await client.SearchAsync<Observation>(search, cancellationToken);
             page is not null;
             page = await client.ContinueAsync(page, ct: cancellationToken))
        {
            pages.ShouldBeLessThan(50);
            pages++;
            foreach (var entry in page.Entry.Where(entry => entry.Search?.Mode == Bundle.SearchEntryMode.Match))
            {
                seen.Add(entry.Resource!.Id!);
            }
        }

        pages.ShouldBeGreaterThan(2);
        seen.Count.ShouldBeGreaterThan(100);
        var patient = await client.ReadAsync<Patient>($"Patient/{site.LongChartPatientId}", ct: cancellationToken);
        patient.ShouldNotBeNull().Meta!.Tag!.ShouldContain(tag => tag.Code == site.Tenant);

        var missing = await Should.ThrowAsync<FhirOperationException>(() => client.ReadAsync<Patient>("Patient/no-such-patient", ct: cancellationToken));
        missing.Status.ShouldBe(HttpStatusCode.NotFound);
        missing.Outcome.ShouldNotBeNull().Issue.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task A_JavaScript_client_does_the_same()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var cluster = fixture.Cluster;
        var site = cluster.Site("oracle-health");
        var app = AppId.Parse("app-script");
        var registration = await cluster.Grains.GetGrain<IAppGrain>(GrainKeys.App(app)).RegisterAsync(
            new AppSpec { App = app, DisplayName = "script" }, cancellationToken);
        await cluster.TenantGrain(site.Tenant).GrantAsync(app, ["system/*.rs"], cancellationToken);

        var folder = Path.Combine(SharedData.RepositoryRoot(), "tests", "EhrGrains.EndToEnd.Tests", "node");
        (await RunAsync("npm", ["ci", "--no-audit", "--no-fund", "--silent"], folder, cancellationToken)).ExitCode.ShouldBe(0);
        var (exitCode, output) = await RunAsync(
            "node",
            ["conformance.mjs", new Uri(cluster.Base(0), $"/fhir/{site.Tenant}").ToString(), app.Value, registration.ClientSecret!.Value.Reveal(), "system/*.rs", "Vexmoor"],
            folder,
            cancellationToken);

        exitCode.ShouldBe(0, output);
        var seen = JsonDocument.Parse(output.Trim().Split('\n')[^1]).RootElement;
        seen.GetProperty("pages").GetInt32().ShouldBeGreaterThan(0);
        var statuses = seen.GetProperty("statuses");
        statuses.GetProperty("missing").GetInt32().ShouldBe(404);
        statuses.GetProperty("unknownType").GetInt32().ShouldBeOneOf(400, 404);
        statuses.GetProperty("badToken").GetInt32().ShouldBe(401);
    }

    private static async Task<HttpClient> ClientAsync(Cluster cluster, CancellationToken cancellationToken)
    {
        var http = new HttpClient(new SocketsHttpHandler { AutomaticDecompression = DecompressionMethods.All });
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", await cluster.App.TokenAsync(cancellationToken));
        return http;
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(
        string program, IEnumerable<string> arguments, string folder, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        var errors = process.StandardError.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return (process.ExitCode, process.ExitCode == 0 ? await output : await output + await errors);
    }
}
