using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Contracts.Tests.Tenants;

public sealed class TenantSpecRulesTests
{
    private static readonly TenantSpec Good = new()
    {
        Tenant = "north-general",
        DisplayName = "North General Hospital",
        Environment = TenantEnvironment.Production,
        TimeZone = "America/Chicago",
        Connection = new ConnectionSpec { Vendor = "epic", BaseUrl = "https://fhir.north.example/api/FHIR/R4", ClientId = "client-1" },
    };

    [Fact]
    public void A_spec_as_an_operator_writes_it_is_right() => TenantSpecRules.Validate(Good).ShouldBeEmpty();

    [Fact]
    public void A_simulated_hospital_on_loopback_is_right_in_a_sandbox_that_names_it() =>
        TenantSpecRules.Validate(Sandbox("http://127.0.0.1:9101/r4", "127.0.0.1/32")).ShouldBeEmpty();

    [Theory]
    [InlineData("http://127.0.0.1:9101/r4", TenantEnvironment.Production, "127.0.0.0/8")]
    [InlineData("http://127.0.0.1:9101/r4", TenantEnvironment.Sandbox, "")]
    [InlineData("http://127.0.0.1:9101/r4", TenantEnvironment.Sandbox, "10.0.0.0/8")]
    [InlineData("https://127.0.0.1/r4", TenantEnvironment.Production, "")]
    [InlineData("https://[::1]/r4", TenantEnvironment.Production, "")]
    [InlineData("http://localhost:9101/r4", TenantEnvironment.Sandbox, "127.0.0.0/8")]
    [InlineData("http://fhir.north.example/r4", TenantEnvironment.Sandbox, "")]
    [InlineData("http://10.1.2.3/r4", TenantEnvironment.Sandbox, "10.0.0.0/8")]
    [InlineData("ftp://fhir.north.example/r4", TenantEnvironment.Production, "")]
    [InlineData("file:///etc/passwd", TenantEnvironment.Sandbox, "")]
    [InlineData("https://user:secret@fhir.north.example/r4", TenantEnvironment.Production, "")]
    [InlineData("https://fhir.north.example\\@evil.example/r4", TenantEnvironment.Production, "")]
    [InlineData("https://fhir.north.example/r4?key=secret", TenantEnvironment.Production, "")]
    [InlineData("https://fhir.north.example/r4#secret", TenantEnvironment.Production, "")]
    [InlineData("https://fhir.north.example/r4?", TenantEnvironment.Production, "")]
    [InlineData("https://fhir.north.example/ r4", TenantEnvironment.Production, "")]
    [InlineData("fhir.north.example/r4", TenantEnvironment.Production, "")]
    [InlineData("", TenantEnvironment.Production, "")]
    public void A_base_url_that_could_lead_elsewhere_is_refused(string url, TenantEnvironment environment, string network)
    {
        var spec = Sandbox(url, network) with { Environment = environment };
        TenantSpecRules.Validate(spec).ShouldContain(problem => problem.Path == "connection.baseUrl");
    }

    [Theory]
    [InlineData("10.20.0.0/16", true)]
    [InlineData("fd12:3456::/32", true)]
    [InlineData("192.168.7.9/32", true)]
    [InlineData("0.0.0.0/0", false)]
    [InlineData("::/0", false)]
    [InlineData("10.0.0.0/7", false)]
    [InlineData("169.254.169.254/32", false)]
    [InlineData("169.0.0.0/8", false)]
    [InlineData("fe80::/64", false)]
    [InlineData("fe00::/8", false)]
    [InlineData("::ffff:169.254.0.0/112", false)]
    [InlineData("64:ff9b::/96", false)]
    [InlineData("127.0.0.0/8", false)]
    [InlineData("::1/128", false)]
    [InlineData("10.20.1.0/16", false)]
    [InlineData("10.20.0.0", false)]
    [InlineData("hospital", false)]
    public void A_private_network_is_narrow_and_never_link_local(string range, bool right)
    {
        var spec = Good with { Connection = Good.Connection with { PrivateNetworks = [range] } };
        TenantSpecRules.Validate(spec).Any(problem => problem.Path == "connection.privateNetworks[0]").ShouldBe(!right);
    }

    [Theory]
    [InlineData("system/Patient.rs", true)]
    [InlineData("system/*.read", true)]
    [InlineData("system/Observation.rs?category=laboratory", true)]
    [InlineData("athena/service/Athenanet.MDP.*", true)]
    [InlineData("system/patient.rs", false)]
    [InlineData("system/Patient.sr", false)]
    [InlineData("patient/Patient.rs", false)]
    [InlineData("user/*.read", false)]
    [InlineData("two scopes", false)]
    [InlineData("", false)]
    public void A_scope_is_one_that_a_backend_service_can_have(string scope, bool right)
    {
        var spec = Good with { Connection = Good.Connection with { Scopes = ["system/Patient.rs", scope] } };
        TenantSpecRules.Validate(spec).Any(problem => problem.Path == "connection.scopes[1]").ShouldBe(!right);
    }

    [Fact]
    public void All_problems_are_reported_at_once_by_path()
    {
        var spec = new TenantSpec
        {
            Tenant = "North General",
            DisplayName = "\u0007",
            Environment = (TenantEnvironment)7,
            TimeZone = "Central Standard Time of Narnia",
            Connection = new ConnectionSpec
            {
                Vendor = "",
                BaseUrl = "http://fhir.north.example",
                ClientId = "",
                AuthMethod = (ClientAuthMethod)9,
                Scopes = ["patient/*.rs"],
                TokenEndpoint = "nowhere",
                AssertionAudience = "nowhere",
                Settings = new() { ["practice"] = "", ["a b"] = "1" },
                PrivateNetworks = ["0.0.0.0/0"],
                TrustedCertificates = "-----BEGIN NONSENSE-----",
            },
            Budget = new BudgetSpec { Requests = 0, WindowSeconds = 4_000, Concurrency = -1, DailyQuota = 0 },
        };

        TenantSpecRules.Validate(spec).Select(problem => problem.Path).ShouldBe(
            [
                "tenant", "displayName", "environment", "timeZone", "connection.vendor", "connection.privateNetworks[0]",
                "connection.baseUrl", "connection.tokenEndpoint", "connection.assertionAudience", "connection.clientId",
                "connection.authMethod", "connection.scopes[0]", "connection.settings.practice", "connection.settings",
                "connection.trustedCertificates", "budget.requests", "budget.windowSeconds", "budget.concurrency", "budget.dailyQuota",
            ],
            ignoreOrder: true);
    }

    [Fact]
    public void No_message_repeats_a_value()
    {
        const string Marked = "S3CR3T-MARK";
        var spec = new TenantSpec
        {
            Tenant = Marked,
            DisplayName = Marked + "\n",
            TimeZone = Marked,
            Connection = new ConnectionSpec
            {
                Vendor = Marked,
                BaseUrl = $"http://{Marked}@host/{Marked}",
                ClientId = Marked + "\n",
                Scopes = [$"patient/{Marked}"],
                TokenEndpoint = $"https://{Marked}@host",
                AssertionAudience = Marked,
                Settings = new() { [Marked + " "] = Marked, ["practice"] = Marked + "\n" },
                PrivateNetworks = [Marked],
                TrustedCertificates = Marked,
            },
        };

        var problems = TenantSpecRules.Validate(spec);
        problems.Count.ShouldBeGreaterThan(10);
        problems.ShouldAllBe(problem => !problem.Message.Contains(Marked) && !problem.Path.Contains(Marked));
    }

    [Fact]
    public void Certificates_are_taken_and_a_private_key_among_them_is_not()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var authority = new CertificateRequest("CN=North CA", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100));
        var pem = authority.ExportCertificatePem();

        TenantSpecRules.Validate(With(pem)).ShouldBeEmpty();
        TenantSpecRules.Validate(With(pem + "\n" + key.ExportPkcs8PrivateKeyPem())).ShouldHaveSingleItem().Code.ShouldBe("EHR-TEN-050");

        static TenantSpec With(string pem) => Good with { Connection = Good.Connection with { TrustedCertificates = pem } };
    }

    [Fact]
    public void The_id_of_the_clusters_own_audit_chain_is_taken() =>
        TenantSpecRules.Validate(Good with { Tenant = "ehrgrains" }).ShouldHaveSingleItem().Path.ShouldBe("tenant");

    [Fact]
    public void Nothing_differs_between_a_spec_and_its_copy()
    {
        var copy = Good with
        {
            Connection = Good.Connection with { Scopes = [.. Good.Connection.Scopes], Settings = new(Good.Connection.Settings) },
        };
        TenantSpecRules.Differences(Good, copy).ShouldBeEmpty();
    }

    [Fact]
    public void Each_changed_setting_is_one_difference_with_its_path()
    {
        var after = Good with
        {
            DisplayName = "North",
            Connection = Good.Connection with { Settings = new() { ["practice"] = "195900" }, Scopes = ["system/*.rs"] },
            Budget = Good.Budget with { DailyQuota = 5_000 },
        };

        TenantSpecRules.Differences(Good, after).ShouldBe(
            [
                new Difference("displayName", "North General Hospital", "North"),
                new Difference("connection.scopes", null, "system/*.rs"),
                new Difference("budget.dailyQuota", null, "5000"),
                new Difference("connection.settings.practice", null, "195900"),
            ],
            ignoreOrder: true);
    }

    [Fact]
    public void A_new_tenant_differs_in_all_that_is_stated() =>
        TenantSpecRules.Differences(null, Good).ShouldContain(new Difference("connection.baseUrl", null, Good.Connection.BaseUrl));

    [Fact]
    public void A_site_layer_with_errors_is_refused_with_all_of_them()
    {
        var mapping = new MappingSpec
        {
            Authorities = new() { ["HOSP"] = "urn:oid:1.2.3", ["LAB"] = "lab" },
            Codes = [Glucose, Glucose, Glucose with { Field = "OBX3" }, Glucose with { From = "K", System = "loinc" }],
            Rules = new string('#', 300_000),
        };
        TenantSpecRules.Validate(Good with { Mapping = mapping }).Select(problem => (problem.Code, problem.Path)).ShouldBe(
        [
            ("EHR-MAP-022", "mapping.authorities.LAB"),
            ("EHR-MAP-027", "mapping.codes[1].from"),
            ("EHR-MAP-024", "mapping.codes[2].field"),
            ("EHR-MAP-028", "mapping.codes[3].system"),
            ("EHR-MAP-026", "mapping.rules"),
        ]);
    }

    [Fact]
    public void A_changed_code_of_the_site_layer_is_a_difference()
    {
        var before = Good with { Mapping = new MappingSpec { Codes = [Glucose] } };
        var after = Good with { Mapping = new MappingSpec { Codes = [Glucose with { Code = "2339-0" }] } };
        TenantSpecRules.Differences(before, after).ShouldHaveSingleItem()
            .ShouldBe(new Difference("mapping.codes.OBX-3.GLU", "http://loinc.org|2345-7 Glucose", "http://loinc.org|2339-0 Glucose"));
    }

    private static CodeMapping Glucose =>
        new() { Field = "OBX-3", From = "GLU", System = "http://loinc.org", Code = "2345-7", Display = "Glucose" };

    private static TenantSpec Sandbox(string url, string network) => Good with
    {
        Environment = TenantEnvironment.Sandbox,
        Connection = Good.Connection with { BaseUrl = url, PrivateNetworks = network.Length == 0 ? [] : [network] },
    };
}
