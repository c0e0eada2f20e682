using System.Text;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Fhir.Tests.Normalization;
using EhrGrains.Fhir.Vendors;
using Hl7.Fhir.Model;

namespace EhrGrains.Fhir.Tests.Outcomes;

public sealed class OperationOutcomeTests
{
    [Fact]
    public void What_we_write_is_FHIR()
    {
        var outcome = RealDataTests.Strict(OperationOutcomes.Write([
            new OutcomeIssue("error", "required", "A search needs \"patient\".", "EHR-SRC-001", "http.patient"),
            new OutcomeIssue("warning", "incomplete", "Not all."),
        ])).ShouldBeOfType<OperationOutcome>();

        outcome.Issue[0].Code.ShouldBe(OperationOutcome.IssueType.Required);
        outcome.Issue[0].Details!.Coding[0].Code.ShouldBe("EHR-SRC-001");
        outcome.Issue[0].Expression.ShouldBe(["http.patient"]);
        outcome.Issue[1].Details.ShouldBeNull();
    }

    [Fact]
    public void An_EHRs_error_is_read_without_its_text()
    {
        var issue = Read("""
            {"issue":[{"diagnostics":"Patient DOE, JANE","severity":"fatal","code":"forbidden","expression":["Patient.name"],"location":["/f:x"],
            "details":{"text":"DOE","coding":[{"system":"urn:oid:1.2.840.114350.1.13.861.1.7.2.657369","code":"4130","display":"DOE"}]}}],"resourceType":"OperationOutcome"}
            """, "epic").ShouldHaveSingleItem();

        (issue.Severity, issue.Code, issue.DetailCode, issue.Expression).ShouldBe(("fatal", "suppressed", "4130", "Patient.name"));
        issue.ToString().ShouldNotContain("DOE");
        VendorProfiles.Find("epic")!.OutcomeCodes[issue.DetailCode!].Issue.ShouldBe("suppressed");
    }

    [Fact]
    public void A_code_that_nobody_knows_keeps_the_EHRs_severity_and_type()
    {
        var issue = Read("""{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"throttled","details":{"coding":[{"code":"X1"}]}}]}""").ShouldHaveSingleItem();

        (issue.Severity, issue.Code, issue.DetailCode).ShouldBe(("error", "throttled", null));
    }

    [Theory]
    [InlineData("""{"severity":"SEVERE","code":"DOE JANE"}""")]
    [InlineData("""{"severity":7,"code":null,"details":[]}""")]
    [InlineData("{}")]
    public void What_is_not_a_FHIR_code_is_not_repeated(string issue)
    {
        var read = Read($$"""{"resourceType":"OperationOutcome","issue":[{{issue}}]}""").ShouldHaveSingleItem();

        (read.Severity, read.Code).ShouldBe(("error", "processing"));
    }

    [Fact]
    public void What_is_no_issue_in_the_list_is_passed_over() =>
        Read("""{"resourceType":"OperationOutcome","issue":[1,[{}],null,{"severity":"error","code":"value"}],"extension":[]}""").Count.ShouldBe(1);

    [Theory]
    [InlineData("Patient.where(name='DOE')")]
    [InlineData("Patient DOE")]
    [InlineData("")]
    public void An_expression_that_could_hold_a_value_is_not_repeated(string expression) =>
        Read($$"""{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"value","expression":["{{expression}}"]}]}""")
            .ShouldHaveSingleItem().Expression.ShouldBeNull();

    [Fact]
    public void A_flood_of_issues_is_cut() =>
        Read($$"""{"resourceType":"OperationOutcome","issue":[{{string.Join(",", Enumerable.Repeat("""{"severity":"error","code":"value"}""", 1000))}}]}""").Count.ShouldBe(20);

    [Theory]
    [InlineData("")]
    [InlineData("<html>")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("""{"resourceType":"Bundle","issue":[{"severity":"error","code":"value"}]}""")]
    [InlineData("""{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"value"}]""")]
    [InlineData("""{"resourceType":"OperationOutcome","issue":[{"sev""")]
    public void What_is_not_an_OperationOutcome_says_nothing(string body) => Read(body).ShouldBeEmpty();

    [Fact]
    public void Every_issue_type_has_its_sentence() =>
        IssueTypes.Meanings.Keys.ShouldBe(
            Enum.GetValues<OperationOutcome.IssueType>().Select(Hl7.Fhir.Utility.EnumUtility.GetLiteral).Except(["limited-filter", "success"]),
            ignoreOrder: true,
            customMessage: "Firely's enum holds two codes of R5 as well.");

    private static IReadOnlyList<OutcomeIssue> Read(string body, string vendor = "us-core") =>
        OperationOutcomes.Read(Encoding.UTF8.GetBytes(body), VendorProfiles.Find(vendor)!);
}
