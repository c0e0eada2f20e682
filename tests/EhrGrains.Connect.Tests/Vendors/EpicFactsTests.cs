using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.Tests.Vendors;

/// <summary>What Epic's server and documents say and a client can act on.</summary>
public sealed class EpicFactsTests
{
    private readonly Site epic = new("epic");

    [Fact]
    public void Backend_clients_sign_in_with_private_key_jwt_only() => epic.Profile.Auth.Methods.ShouldBe(["private_key_jwt"]);

    [Fact]
    public void Scopes_are_asked_for_one_by_one_for_the_59_types()
    {
        var scopes = epic.AskedScopes.Split(' ');

        scopes.Length.ShouldBe(59);
        scopes.ShouldContain("system/Observation.rs");
        scopes.ShouldContain("system/Provenance.r");
        scopes.ShouldNotContain(scope => scope.Contains('*', StringComparison.Ordinal));
    }

    [Fact]
    public void An_id_may_be_longer_than_FHIR_allows_and_differs_by_case()
    {
        var id = new string('e', 80);
        var (_, lower) = epic.Normalize($$"""{"resourceType":"Goal","id":"{{id}}x"}""");
        var (_, upper) = epic.Normalize($$"""{"resourceType":"Goal","id":"{{id}}X"}""");

        lower.Aliases.ShouldHaveSingleItem().Original.ShouldBe(id + "x");
        lower.Id.ShouldNotBe(upper.Id);
    }

    [Theory]
    [InlineData("Schedule")]
    [InlineData("Slot")]
    [InlineData("Subscription")]
    [InlineData("MedicationStatement")]
    public void Types_that_the_server_lacks_are_not_asked_for(string type) => epic.Profile.Resources.Keys.ShouldNotContain(type);

    [Theory]
    [InlineData("Condition?patient=1&_lastUpdated=gt2026-01-01")]
    [InlineData("Condition?patient=1&_sort=date")]
    public void Neither_lastUpdated_nor_sort_is_offered(string search) => epic.Takes(search).ShouldBeFalse();

    [Fact]
    public void Everything_is_crawled_or_windowed_by_a_date_for_there_is_no_lastUpdated() =>
        epic.Profile.Sync.Types.Values.ShouldAllBe(rules => rules.Strategy != SyncStrategy.LastUpdated);

    [Theory]
    [InlineData("Condition?_id=1&_revinclude=Provenance:target", true)]
    [InlineData("Condition?_id=1&category=problem-list-item", false)]
    [InlineData("CarePlan?patient=1", false)]
    [InlineData("CarePlan?patient=1&category=assess-plan", true)]
    [InlineData("Device?manufacturer=x", false)]
    [InlineData("FamilyMemberHistory?patient=1", true)]
    [InlineData("Observation?patient=1", false)]
    [InlineData("Observation?patient=1&category=laboratory", true)]
    [InlineData("Observation?patient=1&code=http://loinc.org|8867-4", true)]
    public void Searches_bring_what_Epic_requires_or_are_not_sent(string search, bool taken) => epic.Takes(search).ShouldBe(taken);

    [Fact]
    public void Observations_are_copied_category_by_category_without_those_that_fail()
    {
        var categories = epic.Sync("Observation").Searches.Select(s => s["category"]).ToArray();

        categories.ShouldContain("core-characteristics");
        categories.ShouldNotContain(c => c == "procedure" || c == "therapy" || c == "activity");
    }

    [Fact]
    public void Medications_and_results_that_only_references_reveal_are_read()
    {
        epic.Sync("MedicationRequest").Hydrate.ShouldContain("medicationReference");
        epic.Sync("DiagnosticReport").Hydrate.ShouldContain("result");
        epic.Sync("Observation").Hydrate.ShouldContain("hasMember");
        epic.Sync("DocumentReference").Hydrate.ShouldContain("content.attachment.url");
        epic.Sync("Medication").Strategy.ShouldBe(SyncStrategy.ByReference);
    }

    [Fact]
    public void A_time_without_an_offset_is_the_servers_local_time() =>
        epic.Normalize("""{"resourceType":"Observation","id":"1","effectiveDateTime":"2026-01-15T08:00:00"}""").Json
            .ShouldContain("2026-01-15T08:00:00-06:00");

    [Fact]
    public void A_page_may_be_empty_while_there_is_a_next_one() => epic.Page("""
        {"resourceType":"Bundle","type":"searchset","total":7,"link":[{"relation":"next","url":"https://ehr.example/r4/Observation?sessionID=1"}]}
        """).Next.ShouldNotBeNull();

    [Fact]
    public void An_ended_search_session_is_told() => epic.Outcome("4113", "fatal").SessionExpired.ShouldBeTrue();

    [Fact]
    public void A_search_goes_in_the_body_alone()
    {
        var request = epic.Plan("Observation?patient=1&category=laboratory").Request.ShouldNotBeNull();

        request.Url.ShouldBe("https://ehr.example/r4/Observation/_search");
        request.Form!.Select(p => p.Name).ShouldBe(["patient", "category"]);
    }

    [Theory]
    [InlineData("Patient?identifier=MRN|1", true)]
    [InlineData("Patient?given=A&family=B&birthdate=2000-01-01", true)]
    [InlineData("Patient?given=A&family=B&legal-sex=female&telecom=1", true)]
    [InlineData("Patient?family=B", false)]
    [InlineData("Patient?birthdate=2000-01-01", false)]
    public void A_patient_is_searched_by_one_of_the_minimum_sets(string search, bool taken) => epic.Takes(search).ShouldBe(taken);

    [Theory]
    [InlineData("4127")]
    [InlineData("59133")]
    [InlineData("4119")]
    [InlineData("4104")]
    [InlineData("4130")]
    [InlineData("4131")]
    [InlineData("4118")]
    [InlineData("4135")]
    public void A_cap_or_something_withheld_makes_the_answer_incomplete(string code)
    {
        var page = epic.Outcome(code);

        page.Incomplete.ShouldBeTrue();
        page.Issues.ShouldHaveSingleItem().DetailCode.ShouldBe(code);
    }

    [Theory]
    [InlineData("4101", 0)]
    [InlineData("4122", 1)]
    [InlineData("4134", 1)]
    public void Nothing_found_and_mere_notices_leave_an_answer_complete(string code, int issues)
    {
        var page = epic.Outcome(code);

        page.Incomplete.ShouldBeFalse();
        page.Issues.Count.ShouldBe(issues);
    }

    [Theory]
    [InlineData("4100", "invalid")]
    [InlineData("4102", "value")]
    [InlineData("4103", "deleted")]
    [InlineData("4107", "processing")]
    [InlineData("4110", "required")]
    [InlineData("4111", "required")]
    [InlineData("4112", "invalid")]
    [InlineData("4115", "value")]
    [InlineData("40000", "code-invalid")]
    [InlineData("59102", "processing")]
    [InlineData("59105", "structure")]
    [InlineData("59108", "required")]
    [InlineData("59111", "value")]
    [InlineData("59141", "duplicate")]
    [InlineData("59144", "not-found")]
    [InlineData("59159", "business-rule")]
    [InlineData("59177", "exception")]
    [InlineData("59187", "business-rule")]
    [InlineData("59188", "code-invalid")]
    [InlineData("59189", "business-rule")]
    public void A_code_of_its_own_is_told_as_what_it_means_in_words_of_ours(string code, string issue)
    {
        var told = epic.Outcome(code, "fatal", "unknown").Issues.ShouldHaveSingleItem();

        (told.DetailCode, told.Code).ShouldBe((code, issue));
        told.Diagnostics.ShouldBe(epic.Profile.OutcomeCodes[code].Meaning);
    }

    [Fact]
    public void JSON_is_asked_for_each_time_for_it_answers_in_XML_otherwise()
    {
        epic.Plan("Condition?patient=1").Request!.Accept.ShouldBe("application/fhir+json");
        epic.Read("Patient", "e1").Request!.Accept.ShouldBe("application/fhir+json");
        epic.Next("https://ehr.example/r4/Condition?sessionID=1").Request!.Accept.ShouldBe("application/fhir+json");
    }

    [Fact]
    public void A_bulk_export_is_of_a_group_without_since_once_a_day()
    {
        var bulk = epic.Profile.Bulk;

        bulk.Levels.ShouldBe([BulkLevel.Group]);
        (bulk.Since, bulk.TypeFilter, bulk.HoursBetween, bulk.PatientsMax, bulk.KeptDays, bulk.DeleteWhenDone).ShouldBe((false, true, 24, 1000, 14, true));
        bulk.PollSeconds.ShouldBeInRange(600, 1800);
    }

    [Fact]
    public void Load_is_a_guideline_and_no_number()
    {
        epic.Profile.Limits.Requests.ShouldBe(0);
        epic.Profile.Limits.Guideline.ShouldContain("1 %");
    }

    [Fact]
    public void Eleven_types_can_be_created_seven_updated_none_patched_or_deleted()
    {
        var writes = epic.Profile.Writes;

        (writes.Create.Count, writes.Update.Count, writes.Patch.Count, writes.Delete.Count).ShouldBe((11, 7, 0, 0));
        writes.Create.ShouldNotContain("Encounter");
    }
}
