using System.Text.Json;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Sites;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Fhir.Tests.Sites;

public sealed class SiteComparisonTests
{
    private static readonly VendorProfile UsCoreProfile = VendorProfiles.Find("us-core")!;

    [Fact]
    public void A_site_that_says_what_the_profile_says_has_no_findings()
    {
        var comparison = SiteComparison.Of(UsCoreProfile, Statement(["Observation"], with: null));

        comparison.Findings.ShouldAllBe(finding => finding.Found == "not named" && finding.Path != "resources.Observation");
        comparison.Profile.ShouldBeNull();
    }

    [Fact]
    public void LastUpdated_that_a_site_offers_is_searched_and_copied_by()
    {
        var comparison = SiteComparison.Of(UsCoreProfile, Statement(["Observation", "Practitioner", "Patient"], """{"name":"_lastUpdated"},"""));
        var site = For(comparison);

        site.Resources["Observation"].Search.ShouldBe([.. UsCoreProfile.Resources["Observation"].Search.Where(n => n[0] != '_'), "_lastUpdated", "_revinclude"]);
        site.Sync.Types["Observation"].Strategy.ShouldBe(SyncStrategy.LastUpdated);
        site.Sync.Types["Observation"].Searches.Count.ShouldBe(UsCoreProfile.Sync.Types["Observation"].Searches.Count);
        site.Sync.Types["Practitioner"].Strategy.ShouldBe(SyncStrategy.ByReference);
        site.Sync.Types["Patient"].Strategy.ShouldBe(SyncStrategy.Crawl);
        comparison.Findings.Count(finding => finding.Adopted).ShouldBe(4);
    }

    [Fact]
    public void A_window_by_date_gives_way_to_lastUpdated()
    {
        var meditech = VendorProfiles.Find("meditech")!;
        var comparison = SiteComparison.Of(meditech, Statement(["Observation"], """{"name":"_lastUpdated"},""", meditech));

        var rules = For(comparison, "meditech").Sync.Types["Observation"];
        (rules.Strategy, rules.DateParameter).ShouldBe((SyncStrategy.LastUpdated, null));
    }

    [Fact]
    public void A_combination_that_a_site_names_is_one_more_way_to_search()
    {
        const string Extension = """
            "extension":[{"url":"http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination",
            "extension":[{"url":"required","valueString":"patient"},{"url":"required","valueString":"date"}]}],
            """;
        var comparison = SiteComparison.Of(UsCoreProfile, Statement(["Observation"], null, extension: Extension));

        For(comparison).Resources["Observation"].RequiredAnyOf.ShouldBe([["patient", "category"], ["patient", "code"], ["patient", "date"]]);
    }

    [Fact]
    public void A_combination_that_the_profile_has_or_of_parameters_that_it_has_not_is_none()
    {
        static string Extension(string second) => $$"""
            "extension":[{"url":"http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination",
            "extension":[{"url":"required","valueString":"patient"},{"url":"required","valueString":"{{second}}"}]}],
            """;

        SiteComparison.Of(UsCoreProfile, Statement(["Observation"], null, extension: Extension("category"))).Profile.ShouldBeNull();
        SiteComparison.Of(UsCoreProfile, Statement(["Observation"], null, extension: Extension("device"))).Profile.ShouldBeNull();
    }

    [Fact]
    public void What_a_site_does_not_name_is_told_and_goes_on()
    {
        var statement = Read("""{"resourceType":"CapabilityStatement","fhirVersion":"4.3.0","rest":[{"resource":[{"type":"Observation","searchParam":[{"name":"patient"}]}]}]}""");
        var comparison = SiteComparison.Of(UsCoreProfile, statement);

        comparison.Findings.ShouldContain(new SiteFinding("fhirVersion", "4.0.1", "4.3.0", false));
        comparison.Findings.ShouldContain(new SiteFinding("resources.Observation.search", "with category, code, date, status", "not named", false));
        comparison.Findings.ShouldContain(new SiteFinding("resources.Patient", "offered", "not named", false));
        comparison.Findings.ShouldContain(new SiteFinding("bulk.levels", "Group", "none", false));
        comparison.Profile.ShouldBeNull();
    }

    [Fact]
    public void An_export_that_a_site_offers_holds()
    {
        var statement = Read("""
            {"resourceType":"CapabilityStatement","rest":[{"resource":[{"type":"Patient","operation":[{"name":"export"}]}],"operation":[{"name":"export"}]}]}
            """);

        For(SiteComparison.Of(UsCoreProfile, statement)).Bulk.Levels.ShouldBe([BulkLevel.Group, BulkLevel.Patient, BulkLevel.System]);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("""{"resourceType":"Patient"}""")]
    public void What_is_no_statement_is_none(string json) => SiteStatement.Read(JsonDocument.Parse(json).RootElement).ShouldBeNull();

    [Fact]
    public void A_statement_of_wrong_shapes_says_little_and_breaks_nothing()
    {
        var statement = Read("""
            {"resourceType":"CapabilityStatement","software":7,"fhirVersion":["x"],"rest":[7,{"mode":"client","resource":[{"type":"Goal"}]},{"resource":[
            null,{"type":"Nonsense"},{"type":"Condition","searchParam":{"name":"x"},"interaction":[{"code":7}],"extension":[[]]}],"operation":"export"}]}
            """);

        (statement.Software, statement.FhirVersion).ShouldBe((null, null));
        statement.Resources.Keys.ShouldBe(["Condition"]);
        statement.Exports.ShouldBeEmpty();
    }

    [Fact]
    public void A_site_is_shown_beside_its_vendor_value_by_value()
    {
        var connection = Connection("epic") with { Profile = "resources: { Goal: ~, Condition: { countMax: 50 } }" };

        ProfileDifferences.Of(connection, """{"resources":{"Condition":{"search":["_id"],"countMax":20}}}""").ShouldBe(
        [
            new("resources.Condition.countMax", null, "20", "50"),
            new("resources.Condition.search", "[_id, abatement-date, category, clinical-status, code, encounter, onset-date, patient, recorded-date, subject]", "[_id]", null),
            new("resources.Goal", null, null, "~"),
        ]);
    }

    private static VendorProfile For(SiteComparison comparison, string vendor = "us-core") => VendorProfiles.For(Connection(vendor), comparison.Profile.ShouldNotBeNull())!;

    private static ConnectionSpec Connection(string vendor) => new() { Vendor = vendor, BaseUrl = "https://ehr.example/r4", ClientId = "c" };

    private static SiteStatement Read(string json) => SiteStatement.Read(JsonDocument.Parse(json).RootElement)!;

    private static SiteStatement Statement(string[] types, string? with, VendorProfile? profile = null, string extension = "")
    {
        var resources = types.Select(type =>
        {
            var parameters = (profile ?? UsCoreProfile).Resources[type].Search.Select(name => $$"""{"name":"{{name}}"}""");
            return $$"""{"type":"{{type}}",{{extension}}"searchParam":[{{with}}{{string.Join(",", parameters)}}]}""";
        });
        return Read($$"""
            {"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","rest":[{"mode":"server","resource":[{{string.Join(",", resources)}},
            {"type":"Group","operation":[{"name":"export"}]}]}]}
            """);
    }
}
