using System.Text.Json;
using EhrGrains.Connect.DataContracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.DataContracts;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.DataContracts;
using EhrGrains.Fhir.Sites;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Testing;

namespace EhrGrains.Connect.Tests.DataContracts;

public sealed class ContractPlannerTests
{
    private static readonly VendorProfile Epic = VendorProfiles.Find("epic")!;

    [Fact]
    public void A_search_that_lacks_what_the_EHR_requires_is_asked_in_parts()
    {
        var query = Plan(Epic, "Observation: { searches: [date=ge2020-01-01] }").Queries.ShouldHaveSingleItem();

        query.Way.ShouldBe(QueryWay.EhrInParts);
        query.Requests.Length.ShouldBe(Epic.Sync.Types["Observation"].Searches.Count);
        query.Requests[0].ShouldBe("Observation?patient={patient}&date=ge2020-01-01&category=laboratory");
        query.Why.ShouldNotBeNull().ShouldContain("patient + category");
    }

    [Fact]
    public void A_search_that_the_EHR_does_not_know_is_answered_by_the_copy()
    {
        var check = Plan(Epic, "Immunization: { searches: [\"vaccine-code=http://hl7.org/fhir/sid/cvx|208\"] }");

        var query = check.Queries.ShouldHaveSingleItem();
        query.Way.ShouldBe(QueryWay.Copy);
        query.Requests.ShouldBe(["Immunization?patient={patient}"]);
        check.IsMet.ShouldBeTrue();
        var without = Tenant("epic") with { Sync = new SyncSpec { Types = ["Patient"] } };
        ContractPlanner.Plan(Contract("Immunization: { searches: [vaccine-code] }"), without, Epic).Findings.ShouldHaveSingleItem().Code.ShouldBe("EHR-DCT-011");
    }

    [Fact]
    public void A_copy_does_not_find_people_who_are_not_copied()
    {
        var check = Plan(VendorProfiles.Find("meditech")!, "Patient: { searches: [\"family&given&birthdate\"] }");

        check.Queries.ShouldHaveSingleItem().Way.ShouldBe(QueryWay.Copy);
        check.Findings.ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            finding => finding.Code.ShouldBe("EHR-DCT-014"), finding => finding.IsUnmet.ShouldBeFalse());
    }

    [Theory]
    [InlineData("Slot: {}", true)]
    [InlineData("Slot: { need: should }", false)]
    public void A_type_that_is_not_there_is_unmet_where_the_app_must_have_it(string need, bool isUnmet)
    {
        var check = Plan(Epic, need);

        check.Findings.ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            finding => finding.Code.ShouldBe("EHR-DCT-010"), finding => finding.IsUnmet.ShouldBe(isUnmet), finding => finding.Subject.ShouldBe("Slot"));
        check.IsMet.ShouldBe(!isUnmet);
        check.Scopes.ShouldBeEmpty();
    }

    [Fact]
    public void What_the_EHR_does_not_take_in_writing_is_told()
    {
        Plan(VendorProfiles.Find("athenahealth")!, "DocumentReference: { writes: [create] }").Findings.ShouldHaveSingleItem().Message.ShouldContain("create");
        Plan(Epic, "DocumentReference: { writes: [create] }").Findings.ShouldBeEmpty();
    }

    [Fact]
    public void Every_vendor_has_an_answer_to_the_contract_of_the_repository()
    {
        var contract = DataContractReader.Read(File.ReadAllText(Path.Combine(SharedData.RepositoryRoot(), "deploy", "contracts", "chronic-care.yaml")));
        foreach (var profile in VendorProfiles.All)
        {
            var check = ContractPlanner.Plan(contract, profile);

            check.Queries.Length.ShouldBe(9, profile.Id);
            check.Queries.ShouldAllBe(query => query.Way == QueryWay.None || query.Requests.Length > 0, profile.Id);
            check.Scopes.ShouldContain(scope => scope.StartsWith("system/Patient.", StringComparison.Ordinal), profile.Id);
        }
    }

    [Fact]
    public void What_a_site_does_not_name_is_a_warning()
    {
        using var statement = JsonDocument.Parse(
            """
            { "resourceType": "CapabilityStatement", "rest": [{ "mode": "server", "resource": [
              { "type": "Observation", "interaction": [{ "code": "read" }], "searchParam": [{ "name": "patient" }, { "name": "category" }] }] }] }
            """);
        var contract = Contract("Observation: { searches: [category=laboratory&date], writes: [create] }, Condition: {}");

        var findings = ContractSite.Compare(contract, Epic, SiteStatement.Read(statement.RootElement)!).ToArray();

        findings.Select(finding => finding.Code).ShouldBe(["EHR-DCT-021", "EHR-DCT-022", "EHR-DCT-020"]);
        findings.ShouldAllBe(finding => !finding.IsUnmet);
        findings[0].Message.ShouldContain(" date;");
    }

    [Fact]
    public void What_was_not_granted_says_who_has_to_change_what()
    {
        var contract = Contract("Observation: { writes: [create] }, Condition: { need: should }, Patient: {}");
        var connection = Tenant("epic").Connection with { Scopes = ["system/Observation.crs", "system/Patient.rs"] };

        var findings = ContractSite.CompareScopes(contract, Epic, connection, ["system/Observation.rs", "system/Patient.read"]).ToArray();

        findings.Select(finding => (finding.Subject, finding.IsUnmet)).ShouldBe([("Observation", true), ("Condition", false)]);
        findings[0].Message.ShouldContain("hospital adds it");
        findings[0].Message.ShouldContain(": create.");
        findings[1].Message.ShouldContain("connection.scopes");
    }

    [Fact]
    public void The_apps_own_grants_are_compared_where_the_contract_names_the_app()
    {
        var contract = Contract("Patient: {}") with { App = "care" };
        var other = new Grant(AppId.Parse("other", null), ["system/*.rs"]);
        var own = new Grant(AppId.Parse("care", null), ["system/Patient.r"]);

        ContractSite.CompareGrants(contract, Epic, [other, own]).ShouldHaveSingleItem().Message.ShouldContain("search");
        ContractSite.CompareGrants(contract, Epic, [own with { Scopes = ["system/*.rs"] }]).ShouldBeEmpty();
        ContractSite.CompareGrants(Contract("Patient: {}"), Epic, []).ShouldBeEmpty();
    }

    private static ContractCheck Plan(VendorProfile profile, string resources) => ContractPlanner.Plan(Contract(resources), profile);

    private static DataContract Contract(string resources) =>
        DataContractReader.Read($"contract: test\nfeatures:\n  one:\n    resources: {{ {resources} }}\n");

    private static TenantSpec Tenant(string vendor) => new()
    {
        Tenant = "site",
        DisplayName = "Site",
        TimeZone = "Etc/UTC",
        Connection = new ConnectionSpec { Vendor = vendor, BaseUrl = "https://ehr.example/fhir", ClientId = "c" },
    };
}
