using EhrGrains.Connect.Preflight;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Preflight;
using Microsoft.AspNetCore.Http;

namespace EhrGrains.Grains.Tests.Preflight;

/// <summary>What a hospital says of its sign-in, its network and its searches that the simulated hospitals never say.</summary>
public sealed partial class PreflightSiteTests
{
    // As a site where copies ask by time, so that it matters what the answers say of it.
    private const string ByTime = "resources: { Condition: { search: [patient, _lastUpdated] } }\nsync: { types: { Condition: { strategy: LastUpdated } } }";

    /// <summary>What is seen of a host, and which checks it turns red or yellow.</summary>
    public static TheoryData<string, string> Networks => new()
    {
        { "unknown name", "dns.resolves" },
        { "private", "dns.allowed" },
        { "IPv6 alone", "dns.families tcp.connects" },
        { "shut", "tcp.connects" },
        { "far", "tcp.connects" },
        { "no TLS", "tls.handshake" },
        { "untrusted", "tls.chain" },
        { "other host", "tls.host-name" },
        { "ends soon", "tls.expiry" },
        { "ended", "tls.expiry" },
        { "weak", "tls.key" },
        { "irrevocable", "tls.revocation" },
        { "good", "" },
        { "short-lived", "" },
    };

    [Theory]
    [MemberData(nameof(Networks))]
    public void What_is_wrong_on_the_way_turns_its_checks_red(string network, string checks)
    {
        var good = new TlsFacts
        {
            IsComplete = true,
            HasCertificate = true,
            IsForHost = true,
            NotAfter = cluster.Time.GetUtcNow().AddDays(90),
            Life = TimeSpan.FromDays(90),
            IsStrong = true,
            NamesRevocation = true,
        };
        var open = new NetworkFacts { Authority = "ehr.example:443", IPv4 = 1, IPv6 = 1, Allowed = 2, Connected = TimeSpan.FromMilliseconds(30), Tls = good };
        var facts = network switch
        {
            "unknown name" => new NetworkFacts { Authority = open.Authority },
            "private" => open with { Allowed = 0, Connected = null, Tls = null },
            "IPv6 alone" => open with { IPv4 = 0, Connected = null, Tls = null },
            "shut" => open with { Connected = null, Tls = null },
            "far" => open with { Connected = TimeSpan.FromSeconds(2) },
            "no TLS" => open with { Tls = new TlsFacts() },
            "untrusted" => open with { Tls = good with { IsComplete = false, ChainProblems = ["PartialChain"] } },
            "other host" => open with { Tls = good with { IsComplete = false, IsForHost = false } },
            "ends soon" => open with { Tls = good with { NotAfter = cluster.Time.GetUtcNow().AddDays(20) } },
            "ended" => open with { Tls = good with { NotAfter = cluster.Time.GetUtcNow().AddDays(-1) } },
            "weak" => open with { Tls = good with { IsStrong = false } },
            "irrevocable" => open with { Tls = good with { NamesRevocation = false } },
            "short-lived" => open with { Tls = good with { NamesRevocation = false, Life = TimeSpan.FromDays(6), NotAfter = cluster.Time.GetUtcNow().AddDays(3) } },
            _ => open,
        };
        var run = Offline(new ConnectionSpec { Vendor = "us-core", BaseUrl = "https://ehr.example/r4", ClientId = "our-client" });

        NetworkChecks.Judge(run, new Uri(run.Site.Connection.BaseUrl), facts);

        run.Checks.Where(check => check.Change is not null).Select(check => check.Name).ShouldBe(checks.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        run.Checks.Count.ShouldBe(10, "each of them says something, whatever is seen");
        if (network == "ended")
        {
            run.Checks.Single(check => check.Name == "tls.expiry").State.ShouldBe(PreflightState.Failed);
        }
    }

    // A run that judges what it is given, and asks nobody.
    private PreflightRun Offline(ConnectionSpec connection)
    {
        var spec = new TenantSpec { Tenant = "st-mary", DisplayName = "St Mary", TimeZone = "America/Chicago", Connection = connection };
        var description = new TenantDescription { Spec = spec, Lifecycle = Lifecycle.Live, Credentials = [], Grants = [], Version = 1 };
        var site = new PreflightSite(TenantId.Parse(spec.Tenant, null), description, VendorProfiles.Find(connection.Vendor)!, new PreflightRequest());
        return new PreflightRun(site, new PreflightTools(null!, null!, null!, null!, null!, null!, null!, null!, cluster.Time), Ct);
    }

    [Fact]
    public async Task A_SMART_configuration_that_does_not_fit_is_told_point_by_point()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.Configuration = """
            {"token_endpoint":"http://sign-in.example/token","issuer":"nobody","token_endpoint_auth_methods_supported":["client_secret_basic"],
            "token_endpoint_auth_signing_alg_values_supported":["RS256"],"grant_types_supported":["authorization_code"],
            "scopes_supported":["system/Observation.rs"],"capabilities":["launch-ehr"]}
            """;

        var report = await RunAsync(hospital.Tenant, new PreflightRequest { Types = ["Patient"] });

        Bad(report).Where(name => name.StartsWith("smart.", StringComparison.Ordinal)).ShouldBe(
        [
            "smart.token-endpoint", "smart.pinned", "smart.issuer", "smart.auth-methods", "smart.algorithms", "smart.grant-types", "smart.scopes", "smart.capabilities",
        ]);
    }

    [Fact]
    public async Task Searches_whose_answers_are_odd_are_told_apart()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.Scope = "system/*.rs";
        hospital.Fhir = (path, request) => Odd(hospital, path, request);
        using (cluster.EnterAdmin())
        {
            await hospital.Grain.RegisterAsync(hospital.Spec with { Connection = hospital.Spec.Connection with { Profile = ByTime } }, dryRun: false, Ct);
        }

        var report = await RunAsync(hospital.Tenant, new PreflightRequest { Patient = "someone-to-try", Types = ["Condition", "Media"] });

        string[] wrong =
        [
            "config.sync-types", "search.answers", "search.type", "search.ids", "search.last-updated", "page.empty", "page.complete", "parameter.last-updated", "parameter.unknown",
            "parameter.count", "read.if-none-match",
        ];
        Bad(report).Where(name => name.Split('.')[0] is "config" or "search" or "page" or "parameter" or "read").Except(["config.grants"]).Distinct().ShouldBe(wrong);
        report.Checks.Single(check => check is { Name: "search.answers", Target: "Condition" }).State.ShouldBe(PreflightState.Passed);
    }

    private static IResult Odd(Hospital hospital, string path, HttpRequest request)
    {
        const string First = """{"resource":{"resourceType":"Condition","id":"c-1","subject":{"reference":"Patient/someone-to-try"}}}""";
        const string Second = """{"resource":{"resourceType":"Observation","id":"o-1"}}""";
        if (path == "Condition/c-1")
        {
            request.HttpContext.Response.Headers.ETag = "W/\"1\"";
            return request.Headers.IfNoneMatch.Count > 0
                ? Results.StatusCode(StatusCodes.Status412PreconditionFailed)
                : Results.Text("""{"resourceType":"Condition","id":"c-1"}""", "application/fhir+json");
        }

        if (!path.StartsWith("Condition", StringComparison.Ordinal))
        {
            return Results.NotFound();
        }

        string? Value(string name) => request.Query[name].FirstOrDefault() ?? (request.HasFormContentType ? request.Form[name].FirstOrDefault() : null);
        return Value("ehrgrains-preflight") is not null ? Results.StatusCode(StatusCodes.Status500InternalServerError)
            : Value("_count") == "100000" ? Results.StatusCode(StatusCodes.Status400BadRequest)
            : Value("page") == "2" ? Page("", 3)
            : Value("page") == "3" ? Page("", null)
            : Value("_count") is not null ? Page(First, 2)
            : Page($"{First},{First},{Second}", null);

        IResult Page(string entries, int? next)
        {
            var link = next is null ? "" : $$""","link":[{"relation":"next","url":"{{hospital.Url}}/r4/Condition?page={{next}}"}]""";
            return Results.Text($$"""{"resourceType":"Bundle","type":"searchset","entry":[{{entries}}]{{link}}}""", "application/fhir+json");
        }
    }
}
