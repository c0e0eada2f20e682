using System.Globalization;
using System.Net.Sockets;
using EhrGrains.Cli.Contexts;
using EhrGrains.Cli.Fhir;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Silo;
using EhrGrains.Silo.Configuration;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace EhrGrains.Demo;

/// <summary>The demo from the start of the silo to the last check.</summary>
internal sealed class Demonstration(Narrator narrator, string dataDirectory, Ports ports) : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    private WebApplication silo = null!;
    private bool isSiloStarted;
    private bool isFirstRun;
    private Hospitals hospitals = null!;
    private ClusterConnection admin = null!;
    private Application app = null!;
    private LiveFeeds feeds = null!;
    private Admission admission = null!;
    private string query = "";

    private string OperatorFile => Path.Combine(dataDirectory, "operator.json");

    private string AppFile => Path.Combine(dataDirectory, "demo-app.json");

    /// <summary>Runs the demo; 0 when every check held.</summary>
    internal static async Task<int> RunAsync(Narrator narrator, bool once, string dataDirectory, CancellationToken cancellationToken)
    {
        var (ports, note) = once ? (Ports.Any, null) : Ports.Choose();
        if (note is not null)
        {
            narrator.Say(note);
        }

        var throwAway = once ? Directory.CreateTempSubdirectory("ehrgrains-demo-") : null;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Limit);
        try
        {
            await using var demo = new Demonstration(narrator, throwAway?.FullName ?? dataDirectory, ports);
            await demo.ShowAsync(limit.Token);
            limit.CancelAfter(Timeout.InfiniteTimeSpan);
            if (!once)
            {
                await demo.feeds.KeepSendingAsync(cancellationToken);
                demo.SayHowToGoOn();
                await demo.silo.WaitForShutdownAsync(cancellationToken);
            }

            return 0;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return once ? 1 : 0;
        }
        catch (Exception e) when (e is CheckFailedException or ProblemException or OrleansException or HttpRequestException or SocketException
            or IOException or TimeoutException or OperationCanceledException or OptionsValidationException)
        {
            narrator.Failed(e is OperationCanceledException ? $"The demo took more than {Limit.TotalMinutes} minutes." : e.Message);
            return 1;
        }
        finally
        {
            throwAway?.Delete(recursive: true);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in new IAsyncDisposable?[] { app, admin, admission, hospitals })
        {
            if (connection is not null)
            {
                await connection.DisposeAsync();
            }
        }

        if (isSiloStarted)
        {
            await silo.StopAsync(CancellationToken.None);
        }

        if (silo is not null)
        {
            await silo.DisposeAsync();
        }
    }

    private async Task ShowAsync(CancellationToken cancellationToken)
    {
        await narrator.StepAsync("Start a silo with its gateway, on one SQLite file", () => StartSiloAsync(cancellationToken));
        await narrator.StepAsync("Open three hospitals", () => OpenHospitalsAsync(cancellationToken));
        await narrator.StepAsync("Onboard them: register, try the credential at the hospital, go live", () => OnboardAsync(cancellationToken));
        await narrator.StepAsync("Register an app, with a grant at each", () => RegisterAppAsync(cancellationToken));
        byte[] overHttp = [];
        await narrator.StepAsync("One query over all three, by HTTP", async () =>
        {
            overHttp = await QueryAllAsync(cancellationToken);
            return $"GET {new Uri(admin.Context.Url, $"/fhir/{query}")}";
        });
        await narrator.StepAsync("The same as an Orleans client", () => CompareAsync(overHttp, cancellationToken));
        await narrator.StepAsync("Rotate a key under load", () => Rotation.UnderLoadAsync(admin, app, TenantOf("athenahealth"), query, cancellationToken));
        await narrator.StepAsync("A hospital says 429", () => AbsorbThrottlingAsync(cancellationToken));
        await narrator.StepAsync("Each hospital sends its admissions and results as HL7 v2", () => feeds.ShowAsync(narrator, cancellationToken));
        await narrator.StepAsync("An admission comes in, and is known to the application within a second", () => admission.ShowAsync(cancellationToken));
        await narrator.StepAsync("Verify the audit trail", () => VerifyAuditAsync(cancellationToken));
    }

    private async Task<string> StartSiloAsync(CancellationToken cancellationToken)
    {
        string[] settings =
        [
            $"--EhrGrains:DataDirectory={dataDirectory}",
            $"--EhrGrains:Http:Url=http://127.0.0.1:{ports.Http}",
            $"--EhrGrains:Silo:Port={ports.Silo}",
            $"--EhrGrains:Silo:GatewayPort={ports.Gateway}",
            $"--EhrGrains:Mllp:Port={ports.Mllp}",

            // The application takes its webhooks on this machine.
            "--EhrGrains:Webhooks:PrivateNetworks:0=127.0.0.1/32",

            // The story is told here; what goes wrong is an exception or a failed check.
            "--Logging:Console:LogLevel:Default=None",
        ];
        silo = SiloHost.Build(settings);
        await silo.StartAsync(cancellationToken);
        isSiloStarted = true;
        admin = await ClusterConnection.OpenAsync(ClusterContext.Read(OperatorFile), Application.NoLog, cancellationToken);
        return $"{admin.Context.Url.AbsoluteUri.TrimEnd('/')}, Orleans gateway {admin.Context.Gateway}, data in {dataDirectory}";
    }

    private async Task<string> OpenHospitalsAsync(CancellationToken cancellationToken)
    {
        hospitals = await Hospitals.StartAsync(ports.Hospitals, admin.Context.Url, cancellationToken);
        query = hospitals.Sites[0].SharedPatientSearch!;
        narrator.Table(["tenant", "product", "FHIR base URL"], hospitals.Sites.Select(site => new[] { site.Tenant, site.Vendor, site.FhirBaseUrl }));
        return "each with its product's token rules, search rules, paging, limits and mistakes";
    }

    private async Task<string> OnboardAsync(CancellationToken cancellationToken)
    {
        foreach (var site in hospitals.Sites)
        {
            var tenant = await hospitals.OnboardAsync(admin, site, cancellationToken);
            CheckFailedException.Unless(tenant.Lifecycle == Lifecycle.Live, $"{site.Tenant} is {tenant.Lifecycle}, not live.");
        }

        feeds = new LiveFeeds(admin, hospitals, silo.Services.GetRequiredService<SiloOptions>().Mllp.Port);
        return "all three gave us a token";
    }

    private async Task<string> RegisterAppAsync(CancellationToken cancellationToken)
    {
        isFirstRun = !File.Exists(AppFile);
        app = await Application.RegisterAsync(admin, AppFile, hospitals.Sites.Select(site => TenantId.Parse(site.Tenant, null)), cancellationToken);
        admission = new Admission(admin, app, hospitals.Sites[0], silo.Services.GetRequiredService<SiloOptions>().Mllp.Port);
        return "its key was made here; the silo knows the public half";
    }

    private async Task<byte[]> QueryAllAsync(CancellationToken cancellationToken)
    {
        var (body, answer) = await AskAllAsync(cancellationToken);
        if (!isFirstRun && answer.Issues.Count > 0)
        {
            // The silo of the run before may have taken its permits with it; they are back when its lease is over, which is sooner
            // than two questions give up. Until then an answer is partial, and says which hospital is missing.
            narrator.Say($"    {string.Join(' ', answer.Issues)} Asked again: the silo of the run before may still hold permits.");
            (body, answer) = await AskAllAsync(cancellationToken);
        }

        narrator.Table(["id", "name", "born", "tenant"], answer.Lines.Select(line => new[] { line.Id, line.What, line.When, line.Tenant }));
        foreach (var site in hospitals.Sites)
        {
            CheckFailedException.Unless(
                answer.Lines.Any(line => line.Tenant == site.Tenant && line is { Type: "Patient", Id.Length: > 0, What.Length: > 0, When.Length: > 0 }),
                $"There is no patient of {site.Tenant} with id, name and birth date in the answer. {string.Join(' ', answer.Issues)}");
        }

        return body;
    }

    private async Task<(byte[] Body, FhirAnswer Answer)> AskAllAsync(CancellationToken cancellationToken)
    {
        var (status, body) = await app.GetAsync($"/fhir/{query}", cancellationToken);
        CheckFailedException.Unless(status == 200, $"The gateway answered {status}.");
        return (body, FhirAnswer.Read(body));
    }

    private async Task<string> CompareAsync(byte[] overHttp, CancellationToken cancellationToken)
    {
        var response = await app.SearchAllAsync(query, cancellationToken);
        CheckFailedException.Unless(response.Body.AsSpan().SequenceEqual(overHttp), "The Orleans client's answer differs from the one over HTTP.");
        return string.Create(CultureInfo.InvariantCulture, $"the same {response.Body.Length:N0} bytes");
    }

    private async Task<string> AbsorbThrottlingAsync(CancellationToken cancellationToken)
    {
        var site = hospitals.Sites.First(site => site.Vendor == "epic");
        var before = await hospitals.CountThrottledAsync(site, cancellationToken);
        await hospitals.ThrottleAsync(site, 2, cancellationToken);
        var (status, _) = await app.GetAsync($"/fhir/{site.Tenant}/{query}", cancellationToken);
        var throttled = await hospitals.CountThrottledAsync(site, cancellationToken) - before;
        CheckFailedException.Unless(throttled > 0, $"{site.Tenant} was not asked.");
        CheckFailedException.Unless(status == 200, $"{site.Tenant} answered 429 {throttled} times, and the app got {status}.");
        return $"{site.Tenant} answered 429 with Retry-After: 1, {throttled} times; the app waited, and got its 200";
    }

    private async Task<string> VerifyAuditAsync(CancellationToken cancellationToken)
    {
        var rows = 0L;
        foreach (var site in hospitals.Sites)
        {
            var verification = await admin.Audit(TenantId.Parse(site.Tenant, null)).VerifyAsync(cancellationToken);
            CheckFailedException.Unless(
                verification is { Intact: true, Rows: > 0 }, $"The audit trail of {site.Tenant} is broken at {verification.BrokenAt}: {verification.Finding}");
            rows += verification.Rows;
        }

        return $"{rows} rows in three chains, each as it was written";
    }

    private TenantId TenantOf(string vendor) => TenantId.Parse(hospitals.Sites.First(site => site.Vendor == vendor).Tenant, null);

    private void SayHowToGoOn()
    {
        var url = admin.Context.Url.AbsoluteUri.TrimEnd('/');
        const string Cli = "dotnet run --project src/EhrGrains.Cli --";
        narrator.Say($"""

            It keeps running until Ctrl+C. In another terminal, at the root of the repository:

              export EHRGRAINS_CONTEXT={OperatorFile}
              {Cli} tenant list
              {Cli} credential rotate st-mary
              {Cli} feed show st-mary {LiveFeeds.Inbound}
              {Cli} webhook show {hospitals.Sites[0].Tenant} demo
              {Cli} audit verify
              {Cli} query --federated '{query}' --context {AppFile}

              TOKEN=$({Cli} app token --context {AppFile})
              curl -H "Authorization: Bearer $TOKEN" '{url}/fhir/{query}'
              curl {url}/fhir/st-mary/metadata
              curl {url}/tenants/st-mary/jwks.json

            Each hospital goes on sending two HL7 v2 messages a second; how that stands, on its side:

              curl {hospitals.Sites[0].AdminUrl}/feed

            What changes at {hospitals.Sites[0].Tenant} is delivered to an application on this machine, and can be followed:

              curl {new Uri(admission.Receiver, "/_sandbox/webhook")}
              curl -N -H "Authorization: Bearer $TOKEN" -H 'Accept: text/event-stream' {url}/tenants/{hospitals.Sites[0].Tenant}/changes
            """);
    }
}
