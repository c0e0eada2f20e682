using System.Globalization;
using System.Text.Json.Nodes;

namespace EhrGrains.Fhir.Tests.Normalization;

/// <summary>One test, at least, for each rule.</summary>
public sealed class RulesTests
{
    private const string Tenants = "https://ehrgrains.dev/fhir/tenant";
    private const string ActCode = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

    [Theory]
    [InlineData("https://ehr.example/api/FHIR/R4/Practitioner/7", "Practitioner/7")]
    [InlineData("HTTPS://EHR.example/api/FHIR/R4/Practitioner/7", "Practitioner/7")]
    [InlineData("https://ehr.example:443/api/FHIR/R4/Practitioner/7", "Practitioner/7")]
    [InlineData("https://ehr.example/api/FHIR/R4/Practitioner/7/_history/3", "Practitioner/7/_history/3")]
    [InlineData("https:\\/\\/ehr.example\\/api\\/FHIR\\/R4\\/Practitioner\\/7", "Practitioner/7")]
    public void References_under_the_EHRs_base_become_relative(string reference, string expected)
    {
        var (resource, result) = Hospital.Normalize(Hospital.Patient("1", $$""","generalPractitioner":[{"reference":"{{reference}}"}]"""));

        resource["generalPractitioner"]![0]!["reference"]!.GetValue<string>().ShouldBe(expected);
        result.RuleCounts["relative-references"].ShouldBe(1);
    }

    [Theory]
    [InlineData("Practitioner/7")]
    [InlineData("#loc1")]
    [InlineData("urn:uuid:6c5d9ca9-54d7-42f5-bfae-a7c19cd217f2")]
    [InlineData("https://other.example/api/FHIR/R4/Practitioner/7")]
    [InlineData("https://ehr.example.evil/api/FHIR/R4/Practitioner/7")]
    [InlineData("https://ehr.example/api/fhir/r4/Practitioner/7")]
    [InlineData("https://ehr.example/api/FHIR/R4/Practitioner?identifier=1")]
    [InlineData("Practitioner?identifier=1|2_3")]
    public void Other_references_stay(string reference)
    {
        var (resource, result) = Hospital.Normalize(Hospital.Patient("1", $$""","generalPractitioner":[{"reference":"{{reference}}"}]"""));

        resource["generalPractitioner"]![0]!["reference"]!.GetValue<string>().ShouldBe(reference);
        result.RuleCounts.Keys.ShouldBe(["tenant-source", "tenant-tag"], ignoreOrder: true);
    }

    [Fact]
    public void An_attachment_of_the_EHR_is_read_through_the_gateway()
    {
        var (resource, _) = Hospital.Normalize(Hospital.Patient(
            "1", ""","photo":[{"url":"https://ehr.example/api/FHIR/R4/Binary/b_1"},{"url":"https://ehr.example/api/FHIR/R4/StructureDefinition/x"}]"""));

        resource["photo"]![0]!["url"]!.GetValue<string>().ShouldBe("Binary/eg-b.5F1");
        resource["photo"]![1]!["url"]!.GetValue<string>().ShouldBe("https://ehr.example/api/FHIR/R4/StructureDefinition/x");
    }

    [Fact]
    public void Ids_that_FHIR_forbids_are_made_legal_wherever_they_stand()
    {
        var tooLong = new string('e', 82);
        var (resource, result) = Hospital.Normalize(Hospital.Patient("a_b", $$""","link":[{"other":{"reference":"Patient/{{tooLong}}"},"type":"seealso"}]"""));

        resource["id"]!.GetValue<string>().ShouldBe("eg-a.5Fb");
        result.Id.ShouldBe("eg-a.5Fb");
        var alias = result.Aliases.ShouldHaveSingleItem();
        alias.Original.ShouldBe(tooLong);
        resource["link"]![0]!["other"]!["reference"]!.GetValue<string>().ShouldBe("Patient/" + alias.Alias);
        result.Patients.ShouldBe(["eg-a.5Fb", alias.Alias], ignoreOrder: true);
        result.RuleCounts["legal-ids"].ShouldBe(2);
    }

    [Fact]
    public void Source_and_tag_name_the_tenant()
    {
        var (resource, result) = Hospital.Normalize(Hospital.Patient("1"));

        resource["meta"]!.ToJsonString().ShouldBe(
            """{"source":"urn:ehrgrains:tenant:st-mary","tag":[{"system":"https://ehrgrains.dev/fhir/tenant","code":"st-mary"}]}""");
        result.RuleCounts["tenant-source"].ShouldBe(1);
        result.RuleCounts["tenant-tag"].ShouldBe(1);
    }

    [Theory]
    [InlineData("""{"extension":[{"url":"urn:e","valueCode":"x"}],"source":"urn:ehr","versionId":"7","tag":[{"system":"urn:t","code":"a"}]}""")]
    [InlineData("""{"source":"urn:ehr","tag":[{"system":"urn:t","code":"a"}],"versionId":"7","extension":[{"url":"urn:e","valueCode":"x"}]}""")]
    public void What_meta_held_is_kept(string meta)
    {
        var (resource, result) = Hospital.Normalize(Hospital.Patient("1", $$""","meta":{{meta}}"""));

        resource["meta"]!["source"]!.GetValue<string>().ShouldBe("urn:ehrgrains:tenant:st-mary");
        resource["meta"]!["extension"]!.AsArray().Select(e => e!.ToJsonString()).ShouldBe([
            """{"url":"urn:e","valueCode":"x"}""",
            """{"url":"https://ehrgrains.dev/fhir/StructureDefinition/original-source","valueUri":"urn:ehr"}""",
        ]);
        resource["meta"]!["tag"]!.AsArray().Select(t => t!["code"]!.GetValue<string>()).ShouldBe(["a", "st-mary"]);
        result.VersionId.ShouldBe("7");
    }

    [Fact]
    public void Empty_lists_in_meta_take_the_tag_without_a_comma()
    {
        var (resource, _) = Hospital.Normalize(Hospital.Patient("1", ""","meta":{"source":"urn:ehr","tag":[ ],"extension":[]}"""));

        resource["meta"]!["tag"]!.AsArray().Count.ShouldBe(1);
        resource["meta"]!["extension"]!.AsArray().Count.ShouldBe(1);
    }

    [Fact]
    public void A_tag_of_ours_that_we_did_not_write_does_not_pass_as_ours()
    {
        var (resource, _) = Hospital.Normalize(Hospital.Patient(
            "1", ""","meta":{"tag":[{"code":"other-hospital","system":"https://ehrgrains.dev/fhir/tenant"}]}"""));

        resource["meta"]!["tag"]!.ToJsonString().ShouldBe(
            """[{"code":"other-hospital","system":"https://ehrgrains.dev/fhir/upstream-tenant"},{"system":"https://ehrgrains.dev/fhir/tenant","code":"st-mary"}]""");
    }

    [Fact]
    public void A_tag_of_ours_beside_our_own_does_not_pass_as_ours()
    {
        var (resource, _) = Hospital.Normalize(Hospital.Patient(
            "1", $$""","meta":{"tag":[{"system":"{{Tenants}}","code":"st-mary"},{"system":"{{Tenants}}","code":"other-hospital"}]}"""));

        resource["meta"]!["tag"]!.AsArray().Where(t => t!["system"]!.GetValue<string>() == Tenants)
            .ShouldHaveSingleItem()!["code"]!.GetValue<string>().ShouldBe("st-mary");
    }

    [Fact]
    public void Identifier_types_known_by_text_get_their_code()
    {
        var (resource, result) = Hospital.Normalize(
            Hospital.Patient("1", "").Replace("""{"system":"urn:x","value":"1"}""", """
                {"use":"usual","type":{"text":"EPI"},"system":"urn:oid:1.2","value":"E1"},
                {"type":{"text":"MYCHARTLOGIN"},"value":"doe"},
                {"type":{"coding":[{"code":"x"}],"text":"EPI"},"value":"E1"}
                """, StringComparison.Ordinal), "epic");

        resource["identifier"]![0]!["type"]!.ToJsonString().ShouldBe(
            """{"text":"EPI","coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"PI","display":"Patient internal identifier"}]}""");
        resource["identifier"]![1]!["type"]!.ToJsonString().ShouldBe("""{"text":"MYCHARTLOGIN"}""");
        resource["identifier"]![2]!["type"]!.ToJsonString().ShouldBe("""{"coding":[{"code":"x"}],"text":"EPI"}""");
        result.RuleCounts["identifier-types"].ShouldBe(1);
    }

    [Fact]
    public void An_identifier_type_means_what_it_means_for_its_resource_type()
    {
        var (resource, _) = Hospital.Normalize(
            """{"resourceType":"Practitioner","id":"1","name":[{"family":"Who"}],"identifier":[{"type":{"text":"INTERNAL"},"value":"1"}]}""", "epic");

        resource["identifier"]![0]!["type"]!["coding"]![0]!["code"]!.GetValue<string>().ShouldBe("PRN");
    }

    [Fact]
    public void Identifier_values_lose_their_padding_and_masked_ones_stay_masked()
    {
        const string Masked = """{"system":"urn:oid:2.16.840.1.113883.4.2","_value":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/rendered-value","valueString":"xxx-xx-1234"}]}}""";
        var (resource, result) = Hospital.Normalize(
            Hospital.Patient("1").Replace("""{"system":"urn:x","value":"1"}""", $$"""{"value":"   Z6127 "},{"value":"  "},{{Masked}}""", StringComparison.Ordinal), "epic");

        resource["identifier"]![0]!["value"]!.GetValue<string>().ShouldBe("Z6127");
        resource["identifier"]![1]!["value"]!.GetValue<string>().ShouldBe("  ");
        resource["identifier"]![2]!.ToJsonString().ShouldBe(Masked);
        result.RuleCounts["identifier-values"].ShouldBe(1);
    }

    [Fact]
    public void A_proprietary_encounter_class_is_mapped_and_kept()
    {
        const string Class = """{"system":"urn:oid:1.2.840.114350.1.72.1.7.7.10.696784.13260","code":"13","display":"Support OP Encounter"}""";
        var (resource, result) = Hospital.Normalize(Encounter(Class), "epic");

        resource["class"]!.ToJsonString().ShouldBe(
            $$"""{"system":"{{ActCode}}","code":"AMB","display":"ambulatory","extension":[{"url":"https://ehrgrains.dev/fhir/StructureDefinition/original-class","valueCoding":{{Class}}}]}""");
        result.RuleCounts["encounter-class"].ShouldBe(1);
    }

    [Theory]
    [InlineData("""{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"IMP"}""")]
    [InlineData("""{"system":"urn:oid:1.2.840.114350.1.72.1.7.7.10.696784.13260","code":"9999"}""")]
    public void An_encounter_class_that_is_standard_or_not_known_stays(string coding)
    {
        var (resource, _) = Hospital.Normalize(Encounter(coding), "epic");

        resource["class"]!.ToJsonString().ShouldBe(coding);
    }

    [Fact]
    public void The_class_of_another_resource_type_is_not_an_encounters()
    {
        var (resource, _) = Hospital.Normalize(
            """{"resourceType":"Basic","id":"1","class":{"system":"urn:oid:1.2.840.114350.1.72.1.7.7.10.696784.13260","code":"13"}}""", "epic");

        resource["class"]!["code"]!.GetValue<string>().ShouldBe("13");
    }

    [Theory]
    [InlineData("urn:oid:2.16.840.1.113883.6.1", "http://loinc.org")]
    [InlineData("urn:oid:2.16.840.1.113883.6.96", "http://snomed.info/sct")]
    [InlineData("http:\\/\\/loinc.org\\/", "http://loinc.org")]
    public void Code_systems_get_their_canonical_name(string system, string canonical)
    {
        var (resource, result) = Hospital.Normalize(Observation($$"""{"coding":[{"system":"{{system}}","code":"1-8"}]}"""));

        resource["code"]!["coding"]![0]!["system"]!.GetValue<string>().ShouldBe(canonical);
        result.RuleCounts["code-systems"].ShouldBe(1);
    }

    [Fact]
    public void A_standard_coding_and_the_proprietary_one_beside_it_both_stay()
    {
        const string Code = """{"coding":[{"system":"https://fhir.us.cerner.com/x/codeSet/72","code":"703558","userSelected":true},{"system":"http://loinc.org","code":"8310-5","userSelected":false}],"text":"Temp"}""";
        var (resource, _) = Hospital.Normalize(Observation(Code), "oracle-health");

        resource["code"]!.ToJsonString().ShouldBe(Code);
    }

    [Theory]
    [InlineData("2024-01-15T10:30:00", "2024-01-15T10:30:00-06:00")]
    [InlineData("2024-07-15T10:30:00.1234567", "2024-07-15T10:30:00.1234567-05:00")]
    [InlineData("2024-11-03T01:30:00", "2024-11-03T01:30:00-06:00")]
    public void Times_without_an_offset_get_the_hospitals(string time, string expected)
    {
        var (resource, result) = Hospital.Normalize(Observation("{\"text\":\"x\"}", $$$""","effectiveDateTime":"{{{time}}}","meta":{"lastUpdated":"{{{time}}}"}"""));

        resource["effectiveDateTime"]!.GetValue<string>().ShouldBe(expected);
        resource["meta"]!["lastUpdated"]!.GetValue<string>().ShouldBe(expected);
        result.LastUpdated!.Value.ShouldBe(DateTimeOffset.Parse(expected, CultureInfo.InvariantCulture), TimeSpan.FromSeconds(1));
        result.RuleCounts["zoned-times"].ShouldBe(2);
    }

    [Theory]
    [InlineData("effectiveDateTime", "2024-01-15T10:30:00Z")]
    [InlineData("effectiveDateTime", "2024-01-15T10:30:00+02:00")]
    [InlineData("effectiveDateTime", "2024-01-15")]
    [InlineData("effectiveDateTime", "2024-13-15T10:30:00")]
    [InlineData("valueString", "2024-01-15T10:30:00")]
    public void Other_texts_are_not_times_to_complete(string name, string value)
    {
        var (resource, _) = Hospital.Normalize(Observation("{\"text\":\"x\"}", $$""","{{name}}":"{{value}}" """));

        resource[name]!.GetValue<string>().ShouldBe(value);
    }

    [Fact]
    public void Missing_must_have_elements_are_said_to_be_unknown()
    {
        var (patient, result) = Hospital.Normalize("""{"resourceType":"Patient","id":"1"}""");
        var (encounter, _) = Hospital.Normalize("""{"resourceType":"Encounter","id":"1"}""");
        var (request, _) = Hospital.Normalize("""{"resourceType":"MedicationRequest","id":"1","medicationReference":{"reference":"Medication/1"}}""");

        const string Absent = """{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}""";
        patient["name"]!.ToJsonString().ShouldBe($"[{Absent}]");
        patient["gender"]!.GetValue<string>().ShouldBe("unknown");
        encounter["status"]!.GetValue<string>().ShouldBe("unknown");
        encounter["class"]!["code"]!.GetValue<string>().ShouldBe("unknown");
        request["_intent"]!.ToJsonString().ShouldBe(Absent);
        request["medicationCodeableConcept"].ShouldBeNull();
        result.RuleCounts["must-haves"].ShouldBe(3);
    }

    [Theory]
    [InlineData(""","_gender":{"extension":[{"url":"urn:why","valueCode":"masked"}]},"name":[{"family":"Doe"}],"identifier":[{"value":"1"}]""")]
    [InlineData(""","meta":{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}""")]
    public void Nothing_is_said_to_be_unknown_that_the_EHR_explains_or_left_out_on_request(string more)
    {
        var (_, result) = Hospital.Normalize($$"""{"resourceType":"Patient","id":"1"{{more}}}""");

        result.RuleCounts.ContainsKey("must-haves").ShouldBeFalse();
    }

    [Fact]
    public void A_masked_identifier_stays_masked_and_is_counted()
    {
        const string Masked = """{"system":"http://hl7.org/fhir/sid/us-ssn","_value":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/rendered-value","valueString":"xxx-xx-1234"}]}}""";
        var (resource, result) = Hospital.Normalize(
            Hospital.Patient("1").Replace("""{"system":"urn:x","value":"1"}""", $$"""{"value":"1","_value":{"id":"a"} },{{Masked}}""", StringComparison.Ordinal), "epic");

        resource["identifier"]![1]!.ToJsonString().ShouldBe(Masked);
        result.RuleCounts["masked-identifiers"].ShouldBe(1);
    }

    [Theory]
    [InlineData("REDACTED")]
    [InlineData("MASKED")]
    public void What_a_redacted_record_lacks_is_withheld_and_not_said_to_be_unknown(string code)
    {
        var (resource, result) = Hospital.Normalize(
            $$$"""{"resourceType":"Patient","id":"1","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"{{{code}}}"}]}}""", "veradigm");

        resource.AsObject().ContainsKey("name").ShouldBeFalse();
        result.RuleCounts["redacted-resources"].ShouldBe(1);
        result.RuleCounts.ContainsKey("must-haves").ShouldBeFalse();
    }

    [Theory]
    [InlineData("", true)]
    [InlineData(""","active":true""", false)]
    public void A_patient_merged_into_another_is_out_of_use_where_the_EHR_does_not_say(string active, bool added)
    {
        var (resource, result) = Hospital.Normalize(Hospital.Patient(
            "1", $$""","link":[{"other":{"reference":"Patient/2","type":"Patient"},"type":"replaced-by"}]{{active}}"""), "oracle-health");

        resource["active"]!.GetValue<bool>().ShouldBe(!added);
        result.RuleCounts["merged-patients"].ShouldBe(1);
        result.Patients.ShouldBe(["1", "2"], ignoreOrder: true);
    }

    [Fact]
    public void A_patient_linked_otherwise_is_not_merged()
    {
        var (resource, result) = Hospital.Normalize(Hospital.Patient(
            "1", ""","link":[{"other":{"reference":"Patient/2"},"type":"replaces"}]"""), "oracle-health");

        resource.AsObject().ContainsKey("active").ShouldBeFalse();
        result.RuleCounts.ContainsKey("merged-patients").ShouldBeFalse();
    }

    [Theory]
    [InlineData("{\\\\rtf1 Fine.}", "application/rtf")]
    [InlineData("<p>Fine.<\\/p>", "text/html")]
    [InlineData("Fine.<br>Really.", "text/html")]
    [InlineData("\\u003Cb\\u003EFine.\\u003C/b\\u003E", "text/html")]
    public void A_text_in_RTF_or_HTML_is_kept_and_said_to_be_that(string text, string format)
    {
        var (resource, result) = Hospital.Normalize(Observation("""{"text":"x"}""", $$""","note":[{"time":"2024-01-15","text":"{{text}}"},{"text":"p < 0.05"}]"""), "oracle-health");

        resource["note"]![0]!["text"]!.GetValue<string>().ShouldBe(JsonNode.Parse($"\"{text}\"")!.GetValue<string>());
        resource["note"]![0]!["_text"]!.ToJsonString().ShouldBe(
            $$"""{"extension":[{"url":"https://ehrgrains.dev/fhir/StructureDefinition/text-format","valueCode":"{{format}}"}]}""");
        resource["note"]![1]!.ToJsonString().ShouldNotContain("_text");
        result.RuleCounts["marked-up-texts"].ShouldBe(1);
    }

    [Fact]
    public void What_the_EHR_says_about_a_marked_up_text_itself_stays()
    {
        var (resource, result) = Hospital.Normalize(
            Observation("""{"text":"x"}""", ""","_valueString":{"id":"a"},"valueString":"<b>1</b>","class":{"text":"<i>2</i>"}"""), "oracle-health");

        resource["_valueString"]!.ToJsonString().ShouldBe("""{"id":"a"}""");
        result.RuleCounts["marked-up-texts"].ShouldBe(1);
    }

    [Fact]
    public void A_contained_resource_is_part_of_its_resource_and_no_entry()
    {
        const string Contained = """[{"resourceType":"Location","id":"loc_1","name":"Ward"}]""";
        var (resource, result) = Hospital.Normalize(
            Encounter("""{"system":"urn:x","code":"1"}""").Replace("\"status\"", $"\"contained\":{Contained},\"location\":[{{\"location\":{{\"reference\":\"#loc_1\"}}}}],\"status\"", StringComparison.Ordinal), "oracle-health");

        resource["contained"]!.ToJsonString().ShouldBe(Contained);
        resource["location"]![0]!["location"]!["reference"]!.GetValue<string>().ShouldBe("#loc_1");
        result.Id.ShouldBe("1");
        result.RuleCounts.ContainsKey("legal-ids").ShouldBeFalse();
    }

    [Fact]
    public void What_no_rule_knows_stays_to_the_last_digit()
    {
        const string Unknown = """ "extension" : [ {"url":"http://open.epic.com/x","valueDecimal":1.50} ], "fromTheFuture":{"a":[1e3,-0.0,12345678901234567.8901234567890,null,true]},"text":{"div":"<div>\u00e9 \/ \"x\"</div>"} """;
        var output = new System.Buffers.ArrayBufferWriter<byte>();

        Hospital.Of("epic").NormalizeResource(System.Text.Encoding.UTF8.GetBytes(Hospital.Patient("1", "," + Unknown)), output);

        System.Text.Encoding.UTF8.GetString(output.WrittenSpan).ShouldContain(Unknown);
    }

    private static string Encounter(string coding) =>
        $$$"""{"resourceType":"Encounter","id":"1","status":"finished","class":{{{coding}}},"type":[{"text":"x"}],"subject":{"reference":"Patient/1"}}""";

    private static string Observation(string code, string more = "") =>
        $$"""{"resourceType":"Observation","id":"1","status":"final","code":{{code}},"subject":{"reference":"Patient/1"}{{more}}}""";
}
