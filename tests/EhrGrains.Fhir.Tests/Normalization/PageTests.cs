using EhrGrains.Fhir.Normalization;

namespace EhrGrains.Fhir.Tests.Normalization;

public sealed class PageTests
{
    [Fact]
    public void Entries_get_the_gateways_address_and_keep_their_search_mode()
    {
        var (entries, result) = Hospital.NormalizePage(Hospital.Page(
            Hospital.Entry(Hospital.Patient("1")),
            """{"resource":{"resourceType":"Provenance","id":"p","target":[{"reference":"Patient/1"}],"recorded":"2024-01-01T00:00:00Z","agent":[{}]},"search":{"mode":"include","score":0.50}}""",
            """{"resource":""" + Hospital.Patient("2") + "}"));

        entries.Select(e => e!["fullUrl"]!.GetValue<string>()).ShouldBe([
            $"{Hospital.GatewayBase}/Patient/1", $"{Hospital.GatewayBase}/Provenance/p", $"{Hospital.GatewayBase}/Patient/2",
        ]);
        entries.Select(e => e!["search"]!.ToJsonString()).ShouldBe(["""{"mode":"match"}""", """{"mode":"include","score":0.50}""", """{"mode":"match"}"""]);
        (result.Matches, result.Others).ShouldBe((2, 1));
        result.Patients.ShouldBe(["1", "2"], ignoreOrder: true);
        result.Issues.ShouldBeEmpty();
        result.Incomplete.ShouldBeFalse();
    }

    [Theory]
    [InlineData("""{"link":[{"relation":"self","url":"s"},{"relation":"next","url":"https:\/\/ehr.example/n?a=\u0026b"}],"total":57,"type":"searchset","entry":[],"resourceType":"Bundle"}""")]
    [InlineData("""{"resourceType":"Bundle","type":"searchset","entry":[],"total":57,"link":[{"url":"https://ehr.example/n?a=&b","relation":"next"}]}""")]
    public void The_next_link_and_the_total_are_found_wherever_they_stand(string bundle)
    {
        var (_, result) = Hospital.NormalizePage(bundle);

        result.Next.ShouldBe("https://ehr.example/n?a=&b");
        result.Total.ShouldBe(57);
    }

    [Fact]
    public void Of_a_repeated_resource_the_last_one_stands_and_a_match_stays_a_match()
    {
        var (entries, result) = Hospital.NormalizePage(Hospital.Page(
            Hospital.Entry(Hospital.Patient("1", ""","active":false""")),
            Hospital.Entry(Hospital.Patient("2")),
            Hospital.Entry(Hospital.Patient("1", ""","active":true"""), "include")));

        entries.Select(e => e!["resource"]!["id"]!.GetValue<string>()).ShouldBe(["2", "1"]);
        entries[1]!["resource"]!["active"]!.GetValue<bool>().ShouldBeTrue();
        entries[1]!["search"]!["mode"]!.GetValue<string>().ShouldBe("match");
        result.Matches.ShouldBe(2);
        result.RuleCounts["repeated-resources"].ShouldBe(1);
    }

    [Theory]
    [InlineData("subject")]
    [InlineData("patient")]
    [InlineData("beneficiary")]
    public void What_is_of_another_patient_than_was_asked_for_is_left_out_and_said(string element)
    {
        string Of(string id, string patient) =>
            Hospital.Entry($$$"""{"resourceType":"Observation","id":"{{{id}}}","{{{element}}}":{"reference":"{{{patient}}}"},"focus":[{"reference":"Patient/9"}]}""");
        var page = Hospital.Page(Of("a", "Patient/1"), Of("b", "Patient/2"), Of("c", $"{Hospital.EhrBase}/Patient/1"), Of("d", $"{Hospital.EhrBase}/Patient/2"));
        var output = new System.Buffers.ArrayBufferWriter<byte>();
        var result = Hospital.Of("us-core").NormalizePage(
            System.Text.Encoding.UTF8.GetBytes(page), new PageRequest("Observation", Hospital.GatewayBase, Patients: ["1"]), output);

        result.Matches.ShouldBe(2);
        result.Patients.ShouldBe(["1", "9"], ignoreOrder: true);
        result.Issues.ShouldHaveSingleItem().DetailCode.ShouldBe("EHR-FHR-003");
        System.Text.Encoding.UTF8.GetString(output.WrittenSpan).ShouldNotContain("Patient/2");
    }

    [Fact]
    public void The_same_id_of_another_type_is_another_resource()
    {
        var (entries, _) = Hospital.NormalizePage(Hospital.Page(
            Hospital.Entry(Hospital.Patient("1")), Hospital.Entry("""{"resourceType":"Location","id":"1","name":"x"}""", "include")));

        entries.Count.ShouldBe(2);
    }

    [Fact]
    public void Epics_outcome_entries_become_our_words()
    {
        var (entries, result) = Hospital.NormalizePage(Hospital.Page(Hospital.Entry(Hospital.Patient("1")), Outcome("4119"), Outcome("4101")), vendor: "epic");

        entries.Count.ShouldBe(1);
        var issue = result.Issues.ShouldHaveSingleItem();
        (issue.Severity, issue.Code, issue.DetailCode).ShouldBe(("warning", "incomplete", "4119"));
        issue.Diagnostics.ShouldNotContain("DOE");
        result.Incomplete.ShouldBeTrue();
    }

    [Fact]
    public void An_expired_search_session_is_told_apart()
    {
        var (_, result) = Hospital.NormalizePage(Hospital.Page(Outcome("4113")), vendor: "epic");

        result.SessionExpired.ShouldBeTrue();
    }

    [Fact]
    public void A_fatal_outcome_in_a_200_is_fatal()
    {
        var (_, result) = Hospital.NormalizePage(
            Hospital.Page("""{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"fatal","code":"too-costly","diagnostics":"DOE"}]}}"""), vendor: "athenahealth");

        var issue = result.Issues.ShouldHaveSingleItem();
        (issue.Severity, issue.Code).ShouldBe(("fatal", "too-costly"));
        result.Incomplete.ShouldBeTrue();
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"fullUrl":"urn:x","search":{"mode":"match"}}""")]
    [InlineData("""{"resource":null}""")]
    [InlineData("""{"resource":{"resourceType":"Patient"}}""")]
    [InlineData("""{"resource":{"resourceType":"Patient","id":""}}""")]
    public void An_entry_without_a_resource_or_id_is_accounted_for(string entry)
    {
        var (entries, result) = Hospital.NormalizePage(Hospital.Page(entry, Hospital.Entry(Hospital.Patient("1"))));

        entries.Count.ShouldBe(1);
        result.Issues.ShouldHaveSingleItem().Diagnostics.ShouldContain("1 entries");
        result.Incomplete.ShouldBeTrue();
    }

    [Theory]
    [InlineData("Group", "match")]
    [InlineData("Group", "include")]
    [InlineData("Practitioner", "include")]
    [InlineData("Madeup", "include")]
    [InlineData("Provenance", "match")]
    [InlineData("Provenance", "outcome")]
    public void A_resource_of_a_type_that_may_not_be_seen_is_left_out_and_said_so(string type, string mode)
    {
        var (entries, result) = Hospital.NormalizePage(
            Hospital.Page(Hospital.Entry($$"""{"resourceType":"{{type}}","id":"1"}""", mode)), mayInclude: t => t == "Provenance");

        entries.ShouldBeEmpty();
        result.Issues.ShouldHaveSingleItem().DetailCode.ShouldBe("EHR-FHR-002");
    }

    [Fact]
    public void The_rest_of_an_entry_is_left_behind_and_counted()
    {
        var (entries, result) = Hospital.NormalizePage(Hospital.Page(
            $$$"""{"link":[{"relation":"alternate","url":"x"}],"resource":{{{Hospital.Patient("1")}}},"response":{"status":"200"}}"""));

        entries[0]!.AsObject().Select(m => m.Key).ShouldBe(["fullUrl", "resource", "search"]);
        result.RuleCounts["entry-members"].ShouldBe(2);
    }

    [Fact]
    public void A_page_without_entries_is_a_page()
    {
        var (entries, result) = Hospital.NormalizePage("""{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"n"}]}""");

        entries.ShouldBeEmpty();
        result.Next.ShouldBe("n");
    }

    [Fact]
    public void The_type_of_a_resource_may_come_last()
    {
        var (entries, _) = Hospital.NormalizePage(
            Hospital.Page("""{"resource":{"id":"1","subject":{"reference":"Patient/1"},"resourceType":"Encounter"}}"""), "Encounter");

        entries[0]!["resource"]!["status"]!.GetValue<string>().ShouldBe("unknown");
    }

    [Fact]
    public void One_normalizer_serves_many_threads()
    {
        var normalizer = Hospital.Of("epic");
        var pages = Enumerable.Range(0, 16).Select(i => System.Text.Encoding.UTF8.GetBytes(
            Hospital.Page([.. Enumerable.Range(0, 20).Select(n => Hospital.Entry(Hospital.Patient($"{i}_{n}")))]))).ToArray();

        Parallel.For(0, 400, n =>
        {
            var output = new System.Buffers.ArrayBufferWriter<byte>();
            var result = normalizer.NormalizePage(pages[n % 16], new PageRequest("Patient", Hospital.GatewayBase), output);
            result.Patients.ShouldBe(Enumerable.Range(0, 20).Select(k => $"eg-{n % 16}.5F{k}"));
        });
    }

    private static string Outcome(string code) => $$$"""
        {"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"processing","diagnostics":"no DOE, JANE",
        "details":{"coding":[{"system":"urn:oid:1.2.840.114350.1.13.861.1.7.2.657369","code":"{{{code}}}","display":"x"}],"text":"DOE"}}]},"search":{"mode":"outcome"}}
        """;
}
