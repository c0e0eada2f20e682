using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.Tests.Vendors;

/// <summary>What athenahealth's server and documents say and a client can act on.</summary>
public sealed class AthenahealthFactsTests
{
    private readonly Site athena = new("athenahealth");

    [Fact]
    public void The_practice_goes_with_every_search() =>
        athena.Sent("Condition?patient=a-195900.E-1").ShouldContain("ah-practice=Organization/a-1.Practice-195900");

    [Fact]
    public void The_practice_goes_with_every_page() =>
        athena.Next("https://ehr.example/r4/Condition?cursor=x").Request!.Url.ShouldContain("ah-practice=");

    [Fact]
    public void Ids_hold_dots_and_dashes_and_say_whose_they_are()
    {
        athena.Read("Patient", "a-195900.E-1").Request!.Url.ShouldEndWith("/Patient/a-195900.E-1");
        athena.Read("Patient", "a-2.E-1").Request.ShouldBeNull();
        athena.Normalize("""{"resourceType":"Patient","id":"a-195900.E-1"}""").Result.Id.ShouldBe("a-195900.E-1");
    }

    [Fact]
    public void Scopes_are_stated_one_by_one_and_permit_searching()
    {
        athena.AskedScopes.Split(' ').ShouldContain("system/Patient.rs");
        athena.AskedScopes.ShouldNotContain("*");
    }

    [Fact]
    public void A_token_lasts_an_hour_and_50_are_asked_for_in_a_minute() =>
        (athena.Profile.Auth.ExpiresInDefault, athena.Profile.Limits.TokensPerMinute).ShouldBe((3600, 50));

    [Theory]
    [InlineData("Patient?family=Doe", false)]
    [InlineData("Patient?family=Doe&given=Ann", true)]
    [InlineData("Patient?family=Doe&gender=female", true)]
    [InlineData("MedicationRequest?patient=a-195900.E-1", false)]
    [InlineData("MedicationRequest?patient=a-195900.E-1&intent=order", true)]
    [InlineData("Encounter?date=ge2026-01-01", false)]
    [InlineData("Coverage?_lastUpdated=ge2026-01-01", false)]
    [InlineData("Coverage?patient=a-195900.E-1&_lastUpdated=ge2026-01-01", true)]
    [InlineData("Patient?_lastUpdated=ge2026-01-01", false)]
    [InlineData("Appointment?patient=a-195900.E-1", false)]
    public void Searches_bring_the_combinations_that_are_required(string search, bool taken) => athena.Takes(search).ShouldBe(taken);

    [Fact]
    public void A_search_too_broad_is_answered_200_and_is_not_complete()
    {
        var page = athena.Outcome("x", "fatal", "too-costly");

        page.Incomplete.ShouldBeTrue();
        page.Issues.ShouldHaveSingleItem().Severity.ShouldBe("fatal");
    }

    [Fact]
    public void LastUpdated_is_a_day_so_a_day_is_read_again() => athena.Profile.Sync.Types.Values
        .Where(rules => rules.Strategy == SyncStrategy.LastUpdated)
        .ShouldAllBe(rules => rules.DateOnly && rules.OverlapSeconds >= 86_400);

    [Theory]
    [InlineData("Location")]
    [InlineData("Medication")]
    [InlineData("Organization")]
    [InlineData("Practitioner")]
    public void Types_without_lastUpdated_are_read_where_something_refers_to_them(string type) =>
        athena.Sync(type).Strategy.ShouldBe(SyncStrategy.ByReference);

    [Fact]
    public void Only_answers_to_questionnaires_are_written() => athena.Profile.Writes.Create.ShouldBe(["QuestionnaireResponse"]);

    [Fact]
    public void Bulk_is_of_a_group() => athena.Profile.Bulk.Levels.ShouldBe([BulkLevel.Group]);
}
