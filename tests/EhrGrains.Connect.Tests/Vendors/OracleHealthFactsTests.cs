using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.Tests.Vendors;

/// <summary>What Oracle Health's server and documents say and a client can act on.</summary>
public sealed class OracleHealthFactsTests
{
    private readonly Site oracle = new("oracle-health");

    [Fact]
    public void It_speaks_JSON_alone_and_is_asked_for_nothing_else() =>
        oracle.Plan("Condition?patient=1").Request!.Accept.ShouldBe("application/fhir+json");

    [Fact]
    public void Scopes_have_no_wildcard() => oracle.AskedScopes.ShouldNotContain("*");

    [Fact]
    public void Tokens_last_570_seconds() => oracle.Profile.Auth.ExpiresInDefault.ShouldBe(570);

    [Theory]
    [InlineData("Patient?gender=female", false)]
    [InlineData("Patient?address-postalcode=64117", true)]
    [InlineData("Observation?category=laboratory", false)]
    [InlineData("Encounter?account=1", true)]
    [InlineData("Appointment?patient=1", false)]
    [InlineData("Appointment?patient=1&date=ge2026-01-01", true)]
    [InlineData("Slot?start=ge2026-01-01", false)]
    [InlineData("Slot?service-type=1&start=ge2026-01-01", true)]
    public void Searches_bring_what_is_required(string search, bool taken) => oracle.Takes(search).ShouldBe(taken);

    [Theory]
    [InlineData("Observation?patient=1&date=ge2026-01-01&_lastUpdated=ge2026-01-01")]
    [InlineData("DocumentReference?patient=1&date=ge2026-01-01&period=ge2026-01-01")]
    [InlineData("Condition?_id=1&patient=1")]
    public void Parameters_that_exclude_each_other_are_not_sent_together(string search) => oracle.Takes(search).ShouldBeFalse();

    [Theory]
    [InlineData("Observation?patient=1&_count=500", "_count=200")]
    [InlineData("Observation?patient=1", "_count=50")]
    [InlineData("DiagnosticReport?patient=1&_count=500", "_count=100")]
    [InlineData("DocumentReference?patient=1", "_count=10")]
    public void Pages_have_the_sizes_that_are_documented(string search, string count) => oracle.Sent(search).ShouldContain(count);

    [Theory]
    [InlineData("AllergyIntolerance")]
    [InlineData("Condition")]
    [InlineData("DiagnosticReport")]
    [InlineData("DocumentReference")]
    [InlineData("Encounter")]
    [InlineData("Immunization")]
    [InlineData("MedicationDispense")]
    [InlineData("MedicationRequest")]
    [InlineData("Observation")]
    [InlineData("Procedure")]
    [InlineData("ServiceRequest")]
    public void Types_with_lastUpdated_are_copied_by_it(string type)
    {
        oracle.Sync(type).Strategy.ShouldBe(SyncStrategy.LastUpdated);
        oracle.Sync(type).DateOnly.ShouldBeFalse();
    }

    [Fact]
    public void A_patient_has_no_lastUpdated()
    {
        oracle.Takes("Patient?_id=1&_lastUpdated=ge2026-01-01").ShouldBeFalse();
        oracle.Sync("Patient").Strategy.ShouldBe(SyncStrategy.Crawl);
    }

    [Fact]
    public void Only_significant_changes_are_told_so_all_is_crawled_once_a_week() => oracle.Profile.Sync.RecrawlHours.ShouldBe(168);

    [Theory]
    [InlineData("Condition?patient=1&_include=Condition:encounter", false)]
    [InlineData("Slot?_id=1&_include=Slot:schedule", false)]
    [InlineData("Slot?service-type=1&start=ge2026-01-01&_include=Slot:schedule", true)]
    [InlineData("Condition?patient=1&_revinclude=Provenance:target", true)]
    public void Includes_are_few(string search, bool taken) => oracle.Takes(search).ShouldBe(taken);

    [Fact]
    public void Parameters_of_its_own_begin_with_a_hyphen() => oracle.Takes("Coverage?-encounter=1").ShouldBeTrue();

    [Fact]
    public void There_is_no_Medication_and_none_is_read()
    {
        oracle.Profile.Resources.Keys.ShouldNotContain("Medication");
        oracle.Sync("MedicationRequest").Hydrate.ShouldNotContain("medicationReference");
    }

    [Fact]
    public void Of_a_resource_that_a_page_repeats_the_last_one_stands()
    {
        var page = oracle.Page("""
            {"resourceType":"Bundle","type":"searchset","entry":[
            {"resource":{"resourceType":"Observation","id":"1","status":"final"}},{"resource":{"resourceType":"Observation","id":"1","status":"amended"}}]}
            """);

        (page.Matches, page.RuleCounts["repeated-resources"]).ShouldBe((1, 1));
    }

    [Fact]
    public void More_than_it_returns_is_incomplete() => oracle.Outcome("x", "error", "too-costly").Incomplete.ShouldBeTrue();

    [Fact]
    public void A_proprietary_coding_stays_beside_the_standard_one()
    {
        const string Codings = """[{"system":"https://fhir.us.cerner.com/t/codeSet/72","code":"1","userSelected":true},{"system":"http://loinc.org","code":"8310-5"}]""";

        oracle.Normalize($$$"""{"resourceType":"Observation","id":"1","code":{"coding":{{{Codings}}}}}""").Json.ShouldContain(Codings);
    }

    [Fact]
    public void A_patient_combined_away_is_told_and_out_of_use()
    {
        var (json, result) = oracle.Normalize(
            """{"resourceType":"Patient","id":"1","link":[{"other":{"reference":"Patient/2"},"type":"replaced-by"}]}""");

        json.ShouldContain("\"active\":false");
        result.RuleCounts["merged-patients"].ShouldBe(1);
    }

    [Fact]
    public void A_location_may_be_contained_in_its_encounter() => oracle.Normalize("""
        {"resourceType":"Encounter","id":"1","contained":[{"resourceType":"Location","id":"l"}],"location":[{"location":{"reference":"#l"}}]}
        """).Json.ShouldContain("\"reference\":\"#l\"");

    [Fact]
    public void An_encounter_class_of_HL7_v2_becomes_that_of_v3() =>
        oracle.Normalize("""{"resourceType":"Encounter","id":"1","class":{"system":"http://terminology.hl7.org/CodeSystem/v2-0004","code":"I"}}""").Json
            .ShouldContain("\"code\":\"IMP\"");

    [Fact]
    public void What_is_missing_of_US_Core_is_unknown() =>
        oracle.Normalize("""{"resourceType":"Condition","id":"1"}""").Json.ShouldContain("data-absent-reason");

    [Fact]
    public void A_binary_is_read_where_the_attachment_says() => oracle.Sync("DocumentReference").Hydrate.ShouldBe(["content.attachment.url"]);

    [Fact]
    public void Bulk_is_of_a_group_or_listed_patients_one_at_a_time_and_its_files_redirect()
    {
        var bulk = oracle.Profile.Bulk;

        bulk.Levels.ShouldBe([BulkLevel.Group, BulkLevel.Patient]);
        (bulk.PatientList, bulk.Since, bulk.RunningMax, bulk.OutputRedirects, bulk.PatientsMax, bulk.KeptDays, bulk.PollSeconds)
            .ShouldBe((true, true, 1, true, 10000, 30, 600));
        bulk.NotExported.ShouldBe(["Binary"]);
    }

    [Fact]
    public void Updates_name_the_version_they_change()
    {
        var writes = oracle.Profile.Writes;

        writes.IfMatch.ShouldBeTrue();
        (writes.Create.Count, writes.Update.Count, writes.Patch.Count).ShouldBe((19, 7, 8));
        writes.Delete.ShouldBe(["Coverage"]);
    }
}
