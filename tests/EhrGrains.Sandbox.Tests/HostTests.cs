using System.Net;
using System.Net.Http.Json;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using EhrGrains.Testing;

namespace EhrGrains.Sandbox.Tests;

/// <summary>How the sandbox is started: ports, certificates, folders, options.</summary>
public sealed class HostTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_hospital_answers_on_its_own_port_only()
    {
        await using var hospitals = await Hospitals.StartAsync(new SandboxOptions { Patients = 1 });
        hospitals.All.Select(site => new Uri(site.FhirBaseUrl).Port).Distinct().Count().ShouldBe(3);

        var wrong = new Uri(new Uri(hospitals.Epic.FhirBaseUrl), new Uri(hospitals.Athena.FhirBaseUrl).AbsolutePath + "/metadata");
        (await hospitals.Http.GetAsync(wrong, Cancel)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_site_describes_itself_as_it_does_in_process()
    {
        await using var hospitals = await Hospitals.StartAsync(new SandboxOptions { Patients = 10 });
        foreach (var site in hospitals.All)
        {
            var described = (await hospitals.Http.GetFromJsonAsync<JsonNode>(site.AdminUrl + "/site", Cancel))!;
            ((string)described["fhirBaseUrl"]!).ShouldBe(site.FhirBaseUrl);
            ((string)described["tokenUrl"]!).ShouldBe(site.TokenUrl);
            ((string)described["jwksUrl"]!).ShouldBe($"{hospitals.Keys.Url}/tenants/{site.Tenant}/jwks.json");
            ((string?)described["clientSecret"]).ShouldBe(site.ClientSecret);
        }
    }

    [Fact]
    public async Task With_a_certificate_everything_is_https()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        await using var app = SandboxHost.Build(new SandboxOptions { BasePort = 0, Patients = 1, Certificate = certificate });
        await app.StartAsync(Cancel);
        var site = SandboxHost.Sites(app)[0];
        using var handler = new SocketsHttpHandler
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, shown, _, _) => shown?.GetCertHashString() == certificate.GetCertHashString(),
            },
        };
        using var http = new HttpClient(handler);

        site.FhirBaseUrl.ShouldStartWith("https://");
        var smart = (await http.GetFromJsonAsync<JsonNode>(site.FhirBaseUrl + "/.well-known/smart-configuration", Cancel))!;
        ((string)smart["token_endpoint"]!).ShouldBe(site.TokenUrl);
    }

    [Fact]
    public void Options_that_cannot_be_are_refused_all_at_once()
    {
        var error = Should.Throw<ArgumentException>(() => SandboxHost.Build(new SandboxOptions
        {
            BasePort = -1,
            Host = "nowhere",
            Patients = 1_000_000,
            JwksBase = "ftp://keys",
            DataDirectory = "/no/such/folder",
            Sites = new Dictionary<string, SiteOptions> { ["cerner"] = new() { RequestsPerSecond = -1 } },
        }));

        foreach (var option in (string[])["BasePort", "Host", "Patients", "JwksBase", "DataDirectory", "only epic", "RequestsPerSecond"])
        {
            error.Message.ShouldContain(option);
        }
    }

    [Fact]
    public async Task A_folder_of_transaction_bundles_is_served_with_its_references_resolved()
    {
        var folder = SharedData.Require("fhir/synthea-2.5-bulk-data-server");
        await using var hospitals = await Hospitals.StartAsync(new SandboxOptions { Patients = 0, DataDirectory = folder });
        var site = hospitals.Oracle;
        var token = await hospitals.TokenAsync(site, "Patient", "Encounter", "Observation", "Condition", "CarePlan");

        var patients = (await hospitals.PagesAsync(site, "Patient?birthdate=gt1900-01-01", token)).SelectMany(Hospitals.Matches).ToArray();
        patients.Length.ShouldBe(7);
        (await hospitals.PatientsAsync(site)).ShouldBeEmpty();
        site.SharedPatientSearch.ShouldBeNull();

        var observations = 0;
        foreach (var patient in patients)
        {
            var pages = await hospitals.PagesAsync(site, $"Observation?patient={(string)patient["id"]!}&_count=200", token);
            var found = pages.SelectMany(Hospitals.Matches).DistinctBy(observation => (string)observation["id"]!).ToArray();
            observations += found.Length;
            found.ShouldAllBe(observation => (string?)observation["subject"]!["reference"] == $"Patient/{(string?)patient["id"]}");
            pages.ShouldAllBe(page => !page.ToJsonString(null).Contains("urn:uuid:"));
            foreach (var encounter in found.Select(observation => (string)observation["encounter"]!["reference"]!).Distinct().Take(3))
            {
                (await hospitals.ReadAsync(site, encounter, token)).Status.ShouldBe(200);
            }
        }

        // As many as the seven files hold.
        observations.ShouldBe(806);
    }

    [Fact]
    public async Task A_folder_of_single_resources_and_ndjson_is_served_beside_the_synthetic_patients()
    {
        using var folder = new TempDirectory();
        await File.WriteAllTextAsync(
            Path.Combine(
                folder.Path, "patient.json"), """{ "resourceType": "Patient", "id": "p1", "name": [ { "family": "Loaded" } ] }""", Cancel);
        await File.WriteAllTextAsync(
            Path.Combine(folder.Path, "observation.ndjson"),
            """
            {"resourceType":"Observation","id":"o1","subject":{"reference":"Patient/p1"},"valueQuantity":{"value":1.234567890123456789}}

            {"resourceType":"Observation","id":"o2","status":"final","code":{"text":"b"},"subject":{"reference":"Patient/p1"}}
            """,
            Cancel);
        await using var hospitals = await Hospitals.StartAsync(new SandboxOptions { Patients = 10, DataDirectory = folder.Path });
        var token = await hospitals.TokenAsync(hospitals.Oracle, "Patient", "Observation");

        Hospitals.Ids((await hospitals.ReadAsync(hospitals.Oracle, "Patient?family=loaded", token)).Body).ShouldBe(["p1"]);
        Hospitals.Ids((await hospitals.ReadAsync(hospitals.Oracle, "Observation?patient=p1", token)).Body).ShouldBe(["o1", "o2"]);
        (await (await hospitals.GetAsync(hospitals.Oracle, "Observation/o1", token)).Content.ReadAsStringAsync(Cancel))
            .ShouldContain("1.234567890123456789");
        Hospitals.Ids((await hospitals.ReadAsync(hospitals.Oracle, "Patient?family=Vexmoor", token)).Body).Count.ShouldBe(10);
    }

    [Theory]
    [InlineData("broken.json", "{")]
    [InlineData("broken.json", "{}")]
    [InlineData("broken.ndjson", """{ "resourceType": "Patient" }""")]
    public async Task A_file_that_is_not_FHIR_stops_the_start_and_is_named(string name, string content)
    {
        using var folder = new TempDirectory();
        await File.WriteAllTextAsync(Path.Combine(folder.Path, name), content, Cancel);

        var error = Should.Throw<InvalidDataException>(
            () => SandboxHost.Build(new SandboxOptions { Patients = 1, DataDirectory = folder.Path }));

        error.Message.ShouldContain(name);
    }
}
