using System.Globalization;
using EhrGrains.Cli.Contexts;
using EhrGrains.Cli.Fhir;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Sandbox;

namespace EhrGrains.Demo;

/// <summary>The demo from the start of the silo to the last check.</summary>
internal sealed class Demonstration(Stage stage) : IPlay
{
    private readonly Narrator narrator = stage.Narrator;
    private bool isFirstRun;
    private Hospitals hospitals = null!;
    private Application app = null!;
    private LiveFeeds feeds = null!;
    private Admission admission = null!;
    private string query = "";

    public static TimeSpan Limit { get; } = TimeSpan.FromMinutes(3);

    private ClusterConnection Admin => stage.Admin;

    private string AppFile => Path.Combine(stage.DataDirectory, "demo-app.json");

    public static IPlay On(Stage stage) => new Demonstration(stage);

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in new IAsyncDisposable?[] { app, admission, hospitals })
        {
            if (connection is not null)
            {
                await connection.DisposeAsync();
            }
        }
    }

    public async Task ShowAsync(CancellationToken cancellationToken)
    {
        await narrator.StepAsync("Start a silo with its gateway, on one SQLite file", () => stage.StartSiloAsync(cancellationToken));
        await narrator.StepAsync("Open three hospitals", () => OpenHospitalsAsync(cancellationToken));
        await narrator.StepAsync("Onboard them: register, try the credential at the hospital, go live", () => OnboardAsync(cancellationToken));
        await narrator.StepAsync("Register an app, with a grant at each", () => RegisterAppAsync(cancellationToken));
        byte[] overHttp = [];
        await narrator.StepAsync("One query over all three, by HTTP", async () =>
        {
            overHttp = await QueryAllAsync(cancellationToken);
            return $"GET {new Uri(Admin.Context.Url, $"/fhir/{query}")}";
        });
        await narrator.StepAsync("The same as an Orleans client", () => CompareAsync(overHttp, cancellationToken));
        await narrator.StepAsync("Rotate a key under load", () => Rotation.UnderLoadAsync(Admin, app, TenantOf("athenahealth"), query, cancellationToken));
        await narrator.StepAsync("A hospital says 429", () => AbsorbThrottlingAsync(cancellationToken));
        await narrator.StepAsync("Each hospital sends its admissions and results as HL7 v2", () => feeds.ShowAsync(narrator, cancellationToken));
        await narrator.StepAsync("An admission comes in, and is known to the application within a second", () => admission.ShowAsync(cancellationToken));
        await narrator.StepAsync("Verify the audit trail", () => VerifyAuditAsync(cancellationToken));
    }

    public async Task GoOnAsync(CancellationToken cancellationToken)
    {
        await feeds.KeepSendingAsync(cancellationToken);
        SayHowToGoOn();
    }

    private async Task<string> OpenHospitalsAsync(CancellationToken cancellationToken)
    {
        hospitals = await Hospitals.StartAsync(
            new SandboxOptions { Vendors = ["epic", "oracle-health", "athenahealth"], BasePort = stage.Ports.Hospitals }, Admin.Context.Url, cancellationToken);
        query = hospitals.Sites[0].SharedPatientSearch!;
        narrator.Table(["tenant", "product", "FHIR base URL"], hospitals.Sites.Select(site => new[] { site.Tenant, site.Vendor, site.FhirBaseUrl }));
        return "each with its product's token rules, search rules, paging, limits and mistakes";
    }

    private async Task<string> OnboardAsync(CancellationToken cancellationToken)
    {
        foreach (var site in hospitals.Sites)
        {
            var tenant = await hospitals.OnboardAsync(Admin, site, cancellationToken);
            CheckFailedException.Unless(tenant.Lifecycle == Lifecycle.Live, $"{site.Tenant} is {tenant.Lifecycle}, not live.");
        }

        feeds = new LiveFeeds(Admin, hospitals, stage.MllpPort);
        return "all three gave us a token";
    }

    private async Task<string> RegisterAppAsync(CancellationToken cancellationToken)
    {
        isFirstRun = !File.Exists(AppFile);
        app = await Application.RegisterAsync(Admin, AppFile, hospitals.Sites.Select(site => TenantId.Parse(site.Tenant, null)), cancellationToken);
        admission = new Admission(Admin, app, hospitals.Sites[0], stage.MllpPort);
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
            var verification = await Admin.Audit(TenantId.Parse(site.Tenant, null)).VerifyAsync(cancellationToken);
            CheckFailedException.Unless(
                verification is { Intact: true, Rows: > 0 }, $"The audit trail of {site.Tenant} is broken at {verification.BrokenAt}: {verification.Finding}");
            rows += verification.Rows;
        }

        return $"{rows} rows in three chains, each as it was written";
    }

    private TenantId TenantOf(string vendor) => TenantId.Parse(hospitals.Sites.First(site => site.Vendor == vendor).Tenant, null);

    private void SayHowToGoOn()
    {
        var url = Admin.Context.Url.AbsoluteUri.TrimEnd('/');
        const string Cli = "dotnet run --project src/EhrGrains.Cli --";
        narrator.Say($"""

            It keeps running until Ctrl+C. In another terminal, at the root of the repository:

              export EHRGRAINS_CONTEXT={stage.OperatorFile}
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
