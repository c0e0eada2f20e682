using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.Tests.Vendors;

/// <summary>What MEDITECH's server and documents say and a client can act on.</summary>
public sealed class MeditechFactsTests
{
    private readonly Site meditech = new("meditech");

    [Fact]
    public void There_is_no_lastUpdated_anywhere()
    {
        meditech.Profile.Resources.Values.ShouldAllBe(rules => !rules.Search.Contains("_lastUpdated"));
        meditech.Profile.Sync.Types.Values.ShouldAllBe(rules => rules.Strategy != SyncStrategy.LastUpdated);
    }

    [Theory]
    [InlineData("AllergyIntolerance")]
    [InlineData("Coverage")]
    [InlineData("Device")]
    [InlineData("DocumentReference")]
    [InlineData("Immunization")]
    public void No_page_size_is_sent_where_none_is_taken(string type)
    {
        var plan = meditech.Plan($"{type}?patient=1&_count=10");

        plan.Request!.Form!.Select(p => p.Name).ShouldBe(["patient"]);
        plan.Warnings.ShouldHaveSingleItem().DetailCode.ShouldBe("EHR-PLN-023");
        meditech.Sent("Goal?patient=1&_count=10").ShouldContain("_count=10");
    }

    [Theory]
    [InlineData("Task")]
    [InlineData("Provenance")]
    [InlineData("Binary")]
    public void Some_types_are_read_only(string type)
    {
        meditech.Read(type, "1").Request.ShouldNotBeNull();
        meditech.Takes($"{type}?_id=1").ShouldBeFalse();
    }

    [Theory]
    [InlineData("Practitioner?family=Doe&given=Ann", false)]
    [InlineData("Practitioner?family=Doe&identifier=1", false)]
    [InlineData("Practitioner?name=Doe", true)]
    [InlineData("RelatedPerson?name=Doe", false)]
    [InlineData("RelatedPerson?name=Doe&patient=1", true)]
    [InlineData("MedicationRequest?encounter=1", false)]
    [InlineData("MedicationRequest?encounter=1&intent=order", true)]
    public void Parameters_go_together_as_the_statement_says(string search, bool taken) => meditech.Takes(search).ShouldBe(taken);

    [Fact]
    public void Bulk_is_of_a_group_found_by_type_or_of_all_patients()
    {
        meditech.Profile.Bulk.Levels.ShouldBe([BulkLevel.Group, BulkLevel.Patient]);
        meditech.Profile.Bulk.Since.ShouldBeTrue();
        meditech.Profile.Bulk.GroupSearch["type"].ShouldBe("person");
        meditech.Takes("Group?type=person").ShouldBeTrue();
    }

    [Fact]
    public void Messages_and_answers_to_questionnaires_are_all_that_is_written()
    {
        meditech.Profile.Writes.Create.ShouldBe(["Communication", "QuestionnaireResponse"]);
        meditech.Profile.Writes.Update.ShouldBe(["QuestionnaireResponse"]);
    }

    [Fact]
    public void It_may_throttle_as_it_likes() => (meditech.Profile.Limits.Requests, meditech.Profile.Limits.Guideline.Length > 0).ShouldBe((0, true));
}

/// <summary>What Veradigm's server and documents say and a client can act on.</summary>
public sealed class VeradigmFactsTests
{
    private readonly Site veradigm = new("veradigm");

    [Theory]
    [InlineData("Condition?patient=1&category=problem-list-item", true)]
    [InlineData("MedicationRequest?patient=1&intent=order&status=active", true)]
    [InlineData("MedicationRequest?patient=1", false)]
    [InlineData("Patient?birthdate=2000-01-01&family=Doe", true)]
    [InlineData("Patient?birthdate=2000-01-01", false)]
    [InlineData("Condition?patient=1&_lastUpdated=ge2026-01-01", false)]
    public void Searches_are_those_that_the_statement_declares(string search, bool taken) => veradigm.Takes(search).ShouldBe(taken);

    [Fact]
    public void Results_are_asked_for_a_category_at_a_time_for_a_large_one_is_refused() =>
        veradigm.Sync("Observation").Searches.ShouldAllBe(search => search.ContainsKey("category"));

    [Fact]
    public void What_is_redacted_is_not_unknown() => veradigm.Normalize("""
        {"resourceType":"Condition","id":"1","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"REDACTED"}]}}
        """).Json.ShouldNotContain("data-absent-reason");

    [Fact]
    public void Whether_it_can_be_written_is_disputed() =>
        (veradigm.Profile.Writes.Disputed, veradigm.Profile.Writes.Create.Contains("Observation")).ShouldBe((true, true));

    [Fact]
    public void Provenance_is_exported_only_when_named()
    {
        veradigm.Profile.Bulk.Levels.ShouldBe([BulkLevel.Group]);
        veradigm.Profile.Bulk.OnlyWhenNamed.ShouldBe(["Provenance"]);
    }
}

/// <summary>What ModMed's two APIs and their documents say and a client can act on.</summary>
public sealed class ModMedFactsTests
{
    private readonly Site modmed = new("modmed");
    private readonly Site ema = new("modmed-ema");

    [Fact]
    public void The_certified_API_has_scopes_of_version_2() => modmed.AskedScopes.Split(' ').ShouldContain("system/Observation.rs");

    [Theory]
    [InlineData("Condition?patient=1&_lastUpdated=ge2026-01-01")]
    [InlineData("Condition?patient=1&_include=Condition:encounter")]
    [InlineData("Condition?patient=1&_revinclude=Provenance:target")]
    [InlineData("Medication?_id=1")]
    [InlineData("Group?_id=1")]
    public void The_certified_API_takes_basic_filters_only(string search) => modmed.Takes(search).ShouldBeFalse();

    [Fact]
    public void The_certified_API_gets_no_page_size() => modmed.Sent("Condition?patient=1&_count=5").ShouldBe("patient=1");

    [Fact]
    public void The_certified_API_exports_a_group_all_patients_or_everything_since_a_time()
    {
        modmed.Profile.Bulk.Levels.ShouldBe([BulkLevel.Group, BulkLevel.Patient, BulkLevel.System]);
        modmed.Profile.Bulk.Since.ShouldBeTrue();
    }

    [Fact]
    public void The_EMA_API_wants_a_key_with_every_call_and_its_tokens_last_900_seconds() =>
        (ema.Profile.Auth.ApiKeyHeader, ema.Profile.Auth.ExpiresInDefault).ShouldBe(("x-api-key", 900));

    [Fact]
    public void The_EMA_APIs_total_is_of_the_page_and_not_passed_on() => ema.Page(
        """{"resourceType":"Bundle","type":"searchset","total":1,"link":[{"relation":"next","url":"https://ehr.example/r4/Encounter?page=2"}],"entry":[{"resource":{"resourceType":"Encounter","id":"1"}}]}""",
        "Encounter").Total.ShouldBeNull();

    [Fact]
    public void The_EMA_API_serves_50_at_once() => ema.Sent("Patient?_id=1&_count=500").ShouldContain("_count=50");

    [Theory]
    [InlineData("AllergyIntolerance", SyncStrategy.Crawl)]
    [InlineData("Condition", SyncStrategy.Crawl)]
    [InlineData("MedicationStatement", SyncStrategy.Crawl)]
    [InlineData("DocumentReference", SyncStrategy.Crawl)]
    [InlineData("Encounter", SyncStrategy.LastUpdated)]
    [InlineData("Coverage", SyncStrategy.LastUpdated)]
    [InlineData("DiagnosticReport", SyncStrategy.LastUpdated)]
    public void The_EMA_API_tells_changes_of_some_types(string type, SyncStrategy strategy) => ema.Sync(type).Strategy.ShouldBe(strategy);

    [Fact]
    public void The_EMA_APIs_ids_may_hold_a_pipe()
    {
        var (_, result) = ema.Normalize("""{"resourceType":"Encounter","id":"CHG|7"}""");

        result.Id.ShouldNotContain("|");
        ema.Read("Encounter", result.Id).Request!.Url.ShouldEndWith("/Encounter/CHG%7C7");
    }

    [Fact]
    public void The_EMA_API_allows_1250_calls_a_minute() => (ema.Profile.Limits.Requests, ema.Profile.Limits.WindowSeconds).ShouldBe((1250, 60));

    [Fact]
    public void The_EMA_API_writes_what_the_certified_one_does_not()
    {
        modmed.Profile.Writes.Create.ShouldBeEmpty();
        ema.Profile.Writes.Create.ShouldContain("ChargeItem");
        ema.Profile.Writes.Update.ShouldBe(["AllergyIntolerance", "Appointment", "Condition", "Coverage", "MedicationStatement", "Patient"]);
    }
}
