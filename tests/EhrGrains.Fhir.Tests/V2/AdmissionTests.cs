using System.Text;
using System.Text.Json;
using EhrGrains.Fhir.V2;
using static EhrGrains.Fhir.Tests.V2.Mapped;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>What the rules of admissions make, and what becomes of messages that are not as they should be.</summary>
public sealed class AdmissionTests
{
    private const string Pid = "PID|1||123^^^HOSP&1.2.36.1&ISO^MR~999-99-9999^^^USSSA^SS||DOE^JANE^Q^^Dr^^L||19800229|F|||1 Main St^Apt 2^Boston^MA^02110^USA^H||^PRN^PH^^1^617^5551234";

    [Fact]
    public void A_patient_has_what_its_PID_says()
    {
        var patient = Of(Admission, Pid, "PV1|1|I").One("Patient");

        patient.GetProperty("id").GetString().ShouldBe("patient-0");
        At(patient, "identifier.0.value").ShouldBe("123");
        At(patient, "identifier.0.system").ShouldBe("urn:oid:1.2.36.1");
        At(patient, "identifier.0.type.coding.0.code").ShouldBe("MR");
        At(patient, "identifier.1.type.coding.0.display").ShouldBe("Social Security number");
        At(patient, "name.0.family").ShouldBe("DOE");
        At(patient, "name.0.given").ShouldBe("""["JANE","Q"]""");
        At(patient, "name.0.use").ShouldBe("official");
        At(patient, "birthDate").ShouldBe("1980-02-29");
        At(patient, "gender").ShouldBe("female");
        At(patient, "address.0.line").ShouldBe("""["1 Main St","Apt 2"]""");
        At(patient, "telecom.0.value").ShouldBe("+1 617 5551234");
        At(patient, "telecom.0.use").ShouldBe("home");
        At(patient, "telecom.0.system").ShouldBe("phone");
    }

    [Fact]
    public void Several_races_are_one_extension_of_several_categories_and_one_text()
    {
        var pid = Segment("PID", (3, "1^^^H^MR"), (10, "2106-3^White^HL70005~2028-9^ASIAN^HL70005~2036-2^Filipino^HL70005~X^Other^L"), (26, "US~CA"));

        var extensions = Of(Admission, pid, "PV1|1|I").One("Patient").GetProperty("extension");

        At(extensions, "0.url").ShouldBe("http://hl7.org/fhir/us/core/StructureDefinition/us-core-race");
        At(extensions, "0.extension.0.valueCoding.code").ShouldBe("2106-3");
        At(extensions, "0.extension.1.valueCoding.code").ShouldBe("2028-9");
        At(extensions, "0.extension.1.valueCoding.display").ShouldBe("Asian");
        extensions[0].GetProperty("extension").EnumerateArray().Select(part => At(part, "url")).ShouldBe(
            ["ombCategory", "ombCategory", "text", "detailed"], ignoreOrder: true);
        extensions[0].GetProperty("extension").EnumerateArray().Select(part => At(part, "valueString")).OfType<string>()
            .ShouldBe(["White, ASIAN, Filipino, Other"]);
        extensions.EnumerateArray().Count(extension => At(extension, "url") == "http://hl7.org/fhir/StructureDefinition/patient-citizenship").ShouldBe(2);
    }

    [Fact]
    public void A_code_that_a_rule_and_the_message_give_is_said_once_and_in_the_senders_words()
    {
        var mapped = Of(Admission, Pid, Segment("PV1", (2, "I"), (4, "E^Through the ED^HL70007"), (19, "V1^^^HOSP^VN")));

        var encounter = mapped.One("Encounter");
        encounter.GetProperty("identifier")[0].GetProperty("type").GetProperty("coding").GetArrayLength().ShouldBe(1);
        At(encounter, "identifier.0.type.coding.0.display").ShouldBe("Visit number");
        At(encounter, "type.0.coding.0.display").ShouldBe("Through the ED");
    }

    [Fact]
    public void A_visit_refers_to_its_patient_its_doctor_and_the_most_precise_place()
    {
        var mapped = Of(Admission, Pid, Segment("PV1", (2, "I"), (3, "4E^136^B^HOSP"), (7, "7^HOUSE^GREGORY^^^^MD"), (19, "V1^^^HOSP"), (44, "202401311100")));

        var encounter = mapped.One("Encounter");
        At(encounter, "status").ShouldBe("in-progress");
        At(encounter, "class.code").ShouldBe("IMP");
        At(encounter, "subject.reference").ShouldBe("Patient/patient-0");
        At(encounter, "identifier.0.type.text").ShouldBe("visit number");
        At(encounter, "participant.0.type.0.coding.0.code").ShouldBe("ATND");
        At(encounter, "participant.0.individual.reference").ShouldBe($"Practitioner/{mapped.Resource("Practitioner").Id}");
        At(encounter, "period.start").ShouldBe("2024-01-31T11:00:00Z");
        var bed = mapped.All("Location").Single(location => At(location, "physicalType.coding.0.code") == "bd");
        At(encounter, "location.0.location.reference").ShouldBe("Location/" + At(bed, "id"));
        var room = mapped.All("Location").Single(location => At(location, "physicalType.coding.0.code") == "ro");
        At(bed, "partOf.reference").ShouldBe("Location/" + At(room, "id"));
    }

    [Fact]
    public void The_event_says_what_state_the_visit_is_in()
    {
        string[] events = ["A01", "A03", "A11", "A08", "A13"];

        events.Select(code => At(Of(Admission.Replace("ADT^A01^ADT_A01", $"ADT^{code}"), Pid, "PV1|1|I").One("Encounter"), "status"))
            .ShouldBe(["in-progress", "finished", "cancelled", "in-progress", "in-progress"]);
        At(Of(Admission.Replace("ADT^A01^ADT_A01", "ADT^A13"), Pid, Segment("PV1", (2, "I"), (45, "20240131"))).One("Encounter"), "status").ShouldBe("in-progress");
    }

    [Fact]
    public void Every_patient_of_a_message_has_its_own_visit()
    {
        var mapped = Of(
            Admission.Replace("ADT^A01^ADT_A01", "ADT^A17^ADT_A17"), "EVN||20240131",
            "PID|1||1^^^H^MR", Segment("PV1", (2, "I"), (19, "V1")), "PID|2||2^^^H^MR", Segment("PV1", (2, "E"), (19, "V2")));

        mapped.All("Encounter").Select(encounter => (At(encounter, "identifier.0.value"), At(encounter, "subject.reference")))
            .ShouldBe([("V1", "Patient/patient-0"), ("V2", "Patient/patient-1")]);
        mapped.Message.Resources.Where(resource => resource.Type is "Patient" or "Encounter").Select(resource => resource.Patient).ShouldBe([0, 0, 1, 1]);
        mapped.Resource("MessageHeader").Patient.ShouldBe(-1);
    }

    [Fact]
    public void A_resend_and_an_update_speak_of_the_same_resources()
    {
        string[] rest = [Pid, Segment("PV1", (2, "I"), (3, "4E^136^B^HOSP"), (7, "7^HOUSE^GREGORY"), (19, "V1^^^HOSP")), "AL1|1|DA|70618^Penicillin^RXNORM|SV", "DG1|1||I10^Hypertension^I10C|||A"];
        var first = Of([Admission, .. rest]);
        var again = Of([Admission, .. rest]);
        var update = Of([Admission.Replace("|42|", "|43|").Replace("ADT^A01^ADT_A01", "ADT^A08"), .. rest]);

        again.Message.Resources.Select(resource => Encoding.UTF8.GetString(resource.Json.Span)).ShouldBe(first.Message.Resources.Select(resource => Encoding.UTF8.GetString(resource.Json.Span)));
        Ids(update).ShouldBe(Ids(first));

        static List<string> Ids(Mapped mapped) =>
            [.. mapped.Message.Resources.Where(resource => resource.Patient >= 0).Select(resource => $"{resource.Type}/{resource.Id}")];
    }

    [Fact]
    public void A_null_deletes_and_nothing_says_nothing()
    {
        var mapped = Of(Admission, "PID|1||123^^^HOSP^MR||DOE^JANE||\"\"|F||||||\"\"", "PV1|1|I");

        mapped.Resource("Patient").Deleted.ShouldBe(["birthDate", "telecom"], ignoreOrder: true);
        At(mapped.One("Patient"), "address").ShouldBeNull();
        mapped.Resource("Patient").Deleted.ShouldNotContain("address");
    }

    [Fact]
    public void What_cannot_be_is_left_out_and_reported_by_place_without_its_value()
    {
        var mapped = Of(Admission, "PID|1||123^^^HOSP^MR||DOE^JANE||20230230|Q", Segment("PV1", (2, "I"), (19, "V1"), (44, "not-a-time")));

        mapped.Exceptions.ShouldContain((MappingExceptionKinds.ImpossibleDate, "PID-7"));
        mapped.Exceptions.ShouldContain((MappingExceptionKinds.UnknownCode, "PID-8"));
        mapped.Exceptions.ShouldContain((MappingExceptionKinds.ImpossibleDate, "PV1-44"));
        var patient = mapped.One("Patient");
        At(patient, "birthDate").ShouldBeNull();
        At(patient, "gender").ShouldBeNull();
        At(patient, "name.0.family").ShouldBe("DOE");
        JsonSerializer.Serialize(mapped.Message.Exceptions).ShouldNotContain("20230230");
    }

    [Fact]
    public void What_R4_requires_and_nobody_said_is_written_as_absent_and_reported()
    {
        var mapped = Of(Admission, "PID|1||123^^^HOSP^MR", Segment("PV1", (19, "V1")));

        var encounter = mapped.One("Encounter");
        At(encounter, "status").ShouldBe("in-progress");
        At(encounter, "class.extension.0.valueCode").ShouldBe("unknown");
        mapped.Exceptions.ShouldContain((MappingExceptionKinds.RequiredMissing, "PV1"));
    }

    [Fact]
    public void A_message_without_a_patient_is_reported()
    {
        var mapped = Of(Admission, Segment("PV1", (2, "I"), (19, "V1")));

        mapped.Exceptions.ShouldContain((MappingExceptionKinds.NoPatient, "PID"));
        At(mapped.One("Encounter"), "subject").ShouldBeNull();
    }

    [Fact]
    public void A_message_of_unknown_structure_is_mapped_segment_by_segment()
    {
        var mapped = Of(Admission.Replace("ADT^A01^ADT_A01", "ZZZ^Z99"), Pid, "PV1|1|I", "ZAB|1|secret");

        At(mapped.One("Encounter"), "subject.reference").ShouldBe("Patient/patient-0");
        mapped.Exceptions.ShouldBe([(MappingExceptionKinds.UnmappedSegment, "ZAB")]);
    }

    [Fact]
    public void A_segment_of_nothing_but_constants_makes_nothing()
    {
        var mapped = Of(Admission, Pid, "PV1|1|I", "AL1|1", "DG1|1", "PR1|1", "IN1|1");

        mapped.Message.Resources.Select(resource => resource.Type).ShouldNotContain(type => type == "AllergyIntolerance" || type == "Condition" || type == "Procedure" || type == "Coverage");
    }

    [Fact]
    public void An_employer_is_a_contact_and_a_relative_is_a_person_too()
    {
        var mapped = Of(Admission, Pid, "NK1|1|DOE^JOHN|SPO", "NK1|2|ACME^CORP|EMR", "PV1|1|I");

        At(mapped.One("RelatedPerson"), "relationship.0.coding.0.code").ShouldBe("SPS");
        At(mapped.One("RelatedPerson"), "patient.reference").ShouldBe("Patient/patient-0");
        mapped.One("Patient").GetProperty("contact").GetArrayLength().ShouldBe(2);
    }

    [Fact]
    public void A_diagnosis_is_a_condition_and_the_visit_says_which_kind()
    {
        var mapped = Of(Admission, Pid, Segment("PV1", (2, "I"), (19, "V1")), "DG1|1||I10^Hypertension^I10C|||A|||||||||1");

        var condition = mapped.One("Condition");
        At(condition, "code.coding.0.system").ShouldBe("http://hl7.org/fhir/sid/icd-10-cm");
        At(mapped.One("Encounter"), "diagnosis.0.condition.reference").ShouldBe("Condition/" + At(condition, "id"));
        At(mapped.One("Encounter"), "diagnosis.0.use.coding.0.code").ShouldBe("AD");
        At(mapped.One("Encounter"), "diagnosis.0.rank").ShouldBe("1");
    }
}
