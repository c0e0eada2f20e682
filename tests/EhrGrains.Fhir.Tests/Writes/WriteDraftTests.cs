using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Fhir.Writes;

namespace EhrGrains.Fhir.Tests.Writes;

/// <summary>What an application sends on its way to an EHR, and what comes back.</summary>
public sealed class WriteDraftTests
{
    private const string Base = "https://gateway.example/fhir/st-mary";

    [Fact]
    public void References_and_ids_become_the_ehrs_own_again_and_the_resource_is_marked()
    {
        var (draft, problems) = WriteDraft.Read(
            Utf8("""
                {"resourceType":"Observation","id":"ours","meta":{"versionId":"3","lastUpdated":"2026-01-01T00:00:00Z","tag":[{"code":"x"}]},
                 "identifier":[{"system":"urn:app","value":"1"}],"contained":[{"resourceType":"Practitioner","id":"p"}],
                 "subject":{"reference":"https://gateway.example/fhir/st-mary/Patient/eg.alias"},"performer":[{"reference":"#p"},{"reference":"Practitioner/2"}],
                 "valueQuantity":{"value":1.50}}
                """),
            "Observation", null, Base);
        problems.ShouldBeEmpty();
        draft!.Patient.ShouldBe("eg.alias");
        var wrong = new List<Problem>();

        var written = Encoding.UTF8.GetString(draft.Write(null, id => id == "eg.alias" ? "e/1" : id, "stamp", wrong));

        wrong.ShouldBeEmpty();
        var resource = JsonNode.Parse(written)!;
        ((string?)resource["subject"]!["reference"], (string?)resource["performer"]![0]!["reference"], (string?)resource["performer"]![1]!["reference"])
            .ShouldBe(("Patient/e/1", "#p", "Practitioner/2"));
        resource["id"].ShouldBeNull();
        resource["meta"]!.ToJsonString().ShouldBe("""{"tag":[{"code":"x"}]}""");
        resource["identifier"]!.AsArray().Count.ShouldBe(2);
        ((string?)resource["identifier"]![1]!["system"], (string?)resource["identifier"]![1]!["value"]).ShouldBe((WriteDraft.StampSystem, "stamp"));
        written.ShouldContain("1.50");
    }

    [Fact]
    public void Where_a_resource_has_one_identifier_at_most_the_applications_own_stays()
    {
        Marked("""{"resourceType":"QuestionnaireResponse","status":"completed"}""").ShouldBe($$"""{"system":"{{WriteDraft.StampSystem}}","value":"stamp"}""");
        Marked("""{"resourceType":"QuestionnaireResponse","status":"completed","identifier":{"value":"own"}}""").ShouldBe("""{"value":"own"}""");

        static string Marked(string json) =>
            JsonNode.Parse(WriteDraft.Read(Utf8(json), "QuestionnaireResponse", null, Base).Draft!.Write(null, id => id, "stamp", []))!["identifier"]!.ToJsonString();
    }

    [Theory]
    [InlineData("{", "EHR-WRT-001")]
    [InlineData("""{"resourceType":"Patient"}""", "EHR-WRT-002")]
    [InlineData("""{"resourceType":"Observation","id":"other"}""", "EHR-WRT-003")]
    [InlineData("""{"resourceType":"Observation","id":"o","subject":{"reference":"https://elsewhere.example/Patient/1"}}""", "EHR-WRT-005")]
    [InlineData("""{"resourceType":"Observation","id":"o","subject":{"reference":"https://gateway.example/fhir/other-hospital/Patient/1"}}""", "EHR-WRT-005")]
    [InlineData("""{"resourceType":"Observation","id":"o","subject":{"reference":"Group/1"}}""", "EHR-WRT-007")]
    [InlineData("""{"resourceType":"Observation","id":"o","id":"o"}""", "EHR-WRT-001")]
    public void What_cannot_be_sent_is_said_by_its_place(string json, string code) =>
        WriteDraft.Read(Utf8(json), "Observation", "o", Base).Problems.ShouldHaveSingleItem().Code.ShouldBe(code);

    [Fact]
    public void An_id_that_was_never_given_leads_nowhere()
    {
        var problems = new List<Problem>();
        WriteDraft.Read(Utf8("""{"resourceType":"Observation","subject":{"reference":"Patient/eg.unknown"}}"""), "Observation", null, Base).Draft!
            .Write(null, _ => null, null, problems);
        var problem = problems.ShouldHaveSingleItem();
        (problem.Code, problem.Path).ShouldBe(("EHR-WRT-006", "Observation.subject.reference"));
    }

    [Fact]
    public void Checks_name_elements_of_r4_and_of_the_vendor_and_never_values()
    {
        var rules = new WriteRules
        {
            Required = new Dictionary<string, IReadOnlyList<string>> { ["Observation"] = ["code.coding", "subject"] },
            Categories = new Dictionary<string, IReadOnlyList<string>> { ["Observation"] = ["vital-signs"] },
            Rejected = ["implicitRules"],
        };
        var problems = WriteChecks.Check(
            Utf8("""{"resourceType":"Observation","status":"secret-status","code":{"text":"x"},"implicitRules":"urn:x","valueInteger":"seven"}""").Span, "Observation", rules);

        problems.Select(problem => (problem.Code, problem.Path)).ShouldContain(("EHR-WRT-012", "Observation.code.coding"));
        problems.Select(problem => problem.Code).Distinct().Order(StringComparer.Ordinal).ShouldBe(["EHR-WRT-010", "EHR-WRT-012", "EHR-WRT-013", "EHR-WRT-014"]);
        problems.Count(problem => problem.Code == "EHR-WRT-010").ShouldBe(2);
        problems.ShouldAllBe(problem => !problem.Message.Contains("secret", StringComparison.Ordinal) && !problem.Message.Contains("seven", StringComparison.Ordinal));
        WriteChecks.Check(
            Utf8("""{"resourceType":"Observation","status":"final","category":[{"coding":[{"code":"vital-signs"}]}],"code":{"coding":[{"code":"1"}]},"subject":{"reference":"Patient/1"}}""").Span,
            "Observation", rules).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("""{"value":1.50}""", """{"value":1.5,"unit":"kg"}""", "")]
    [InlineData("""{"at":"2026-01-01T10:00:00Z"}""", """{"at":"2026-01-01T04:00:00-06:00"}""", "")]
    [InlineData("""{"r":{"reference":"Patient/1"}}""", """{"r":{"reference":"https://ehr.example/r4/Patient/1"}}""", "")]
    [InlineData("""{"a":[{"x":1},{"x":2}]}""", """{"a":[{"x":2,"y":1},{"x":1}]}""", "")]
    [InlineData("""{"a":[{"x":1},{"x":3}]}""", """{"a":[{"x":2},{"x":1}]}""", "O.a[1]")]
    [InlineData("""{"a":{"b":"x","c":1},"d":true}""", """{"a":{"b":"y"},"d":false}""", "O.a.b O.a.c O.d")]
    [InlineData("""{"id":"1","meta":{"versionId":"1"},"text":{"div":"x"}}""", """{"id":"2"}""", "")]
    public void What_was_read_back_may_say_more_but_has_to_say_what_was_sent(string sent, string found, string differences) =>
        string.Join(' ', WriteComparison.Differences(Utf8(sent.Insert(1, "\"resourceType\":\"O\",")).Span, Utf8(found).Span)).ShouldBe(differences);

    private static ReadOnlyMemory<byte> Utf8(string json) => Encoding.UTF8.GetBytes(json);
}
