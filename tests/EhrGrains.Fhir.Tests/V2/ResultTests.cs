using System.Text.Json;
using static EhrGrains.Fhir.Tests.V2.Mapped;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>What results, orders of medication, documents and appointments become, where a rule has to choose.</summary>
public sealed class ResultTests
{
    private const string Result = @"MSH|^~\&|LAB|HOSP|APP|B|20240131120000||ORU^R01^ORU_R01|42|P|2.5.1";
    private const string Pid = "PID|1||123^^^HOSP^MR||DOE^JANE";
    private const string Orc = "ORC|RE|P1^EHR|F1^LAB";
    private const string Obr = "OBR|1|P1^EHR|F1^LAB|24323-8^Panel^LN|||20240131|||||||||||||||20240131120000|||F";

    [Theory]
    [InlineData("NM", "4.5", "mmol/L^^UCUM", "valueQuantity.value", "4.5")]
    [InlineData("NM", "4.5", "mmol/L^^UCUM", "valueQuantity.code", "mmol/L")]
    [InlineData("SN", ">^100", "mg", "valueQuantity.comparator", ">")]
    [InlineData("SN", ">^100", "mg", "valueQuantity.value", "100")]
    [InlineData("SN", "=^100", "mg", "valueQuantity.comparator", null)]
    [InlineData("SN", "^1^:^128", "", "valueRatio.denominator.value", "128")]
    [InlineData("SN", "^10^-^20", "mg", "valueRange.high.value", "20")]
    [InlineData("SN", "<>^7", "", "valueString", "<> 7")]
    [InlineData("CWE", "260373001^Detected^SCT", "", "valueCodeableConcept.coding.0.system", "http://snomed.info/sct")]
    [InlineData("TX", "clear", "", "valueString", "clear")]
    [InlineData("DT", "20240131", "", "valueDateTime", "2024-01-31")]
    [InlineData("TM", "1130", "", "valueTime", "11:30:00")]
    [InlineData("NR", "3^5", "", "valueRange.low.value", "3")]
    [InlineData("ED", "^application^pdf^Base64^JVBERi0=", "", "extension.0.valueAttachment.contentType", "application/pdf")]
    [InlineData("ED", "^application^pdf^Base64^JVBERi0=", "", "extension.0.valueAttachment.data", "JVBERi0=")]
    [InlineData("RP", "https://pacs.example/1^^image^PNG", "", "extension.0.valueAttachment.url", "https://pacs.example/1")]
    public void A_value_becomes_what_its_type_says(string type, string value, string units, string path, string? expected) =>
        At(Of(Result, Pid, Orc, Obr, Obx(1, type, value, units)).One("Observation"), path).ShouldBe(expected);

    [Fact]
    public void An_order_without_a_group_has_no_requisition()
    {
        At(Of(Result, Pid, Orc, Obr).One("ServiceRequest"), "requisition").ShouldBeNull();
        At(Of(Result, Pid, Orc + "|G1^EHR", Obr).One("ServiceRequest"), "requisition.value").ShouldBe("G1");
    }

    [Fact]
    public void What_an_order_says_of_the_specimen_is_of_the_specimen_that_a_segment_describes()
    {
        var mapped = Of(
            Result, "PID|1||1^^^H^MR", Segment("OBR", (3, "F1"), (4, "24317-0^CBC^LN"), (7, "20240131080000"), (10, "88^COLLECT^JOHN"), (14, "20240131090000")),
            "OBX|1|NM|718-7^Hemoglobin^LN||13.5|g/dL^^UCUM||||F", "SPM|1|S1||BLD^Blood^HL70487");

        var specimen = mapped.One("Specimen");
        At(specimen, "identifier.0.value").ShouldBe("S1");
        At(specimen, "collection.collectedDateTime").ShouldBe("2024-01-31T08:00:00Z");
        At(specimen, "receivedTime").ShouldBe("2024-01-31T09:00:00Z");
        var collector = mapped.All("Practitioner").Single(practitioner => At(practitioner, "identifier.0.value") == "88");
        At(specimen, "collection.collector.reference").ShouldBe("Practitioner/" + At(collector, "id"));
    }

    [Fact]
    public void Who_interprets_a_report_does_it_at_the_most_precise_place_which_is_that_of_a_visit()
    {
        var mapped = Of(
            Result, "PID|1||1^^^H^MR", Segment("PV1", (2, "I"), (3, "4E^136^B^HOSP")),
            Segment("OBR", (3, "F1"), (4, "24317-0^CBC^LN"), (32, "99&READ&ANN^20240131^^4E^136^B^HOSP")), "OBX|1|NM|718-7^Hemoglobin^LN||13.5|g/dL^^UCUM||||F");

        mapped.All("Location").Count.ShouldBe(4);
        var role = mapped.All("PractitionerRole").Single(other => At(mapped.One("DiagnosticReport"), "resultsInterpreter.0.reference") == "PractitionerRole/" + At(other, "id"));
        At(role, "location.0.reference").ShouldBe(At(mapped.One("Encounter"), "location.0.location.reference"));
        At(role, "location.1").ShouldBeNull();
    }

    [Fact]
    public void A_repeated_value_becomes_components()
    {
        var observation = Of(Result, Pid, Orc, Obr, Obx(1, "NM", "60~120", "/min")).One("Observation");

        At(observation, "component.0.valueQuantity.value").ShouldBe("60");
        At(observation, "component.1.valueQuantity.value").ShouldBe("120");
        At(observation, "valueQuantity").ShouldBeNull();
    }

    [Fact]
    public void A_report_has_its_results_and_each_remark_is_with_what_it_follows()
    {
        var mapped = Of(Result, Pid, Orc, Obr, "NTE|1||of the order", Obx(1, "NM", "1", "g"), "NTE|1||of the first~and more", Obx(2, "NM", "2", "g"));

        At(mapped.One("ServiceRequest"), "note.0.text").ShouldBe("of the order");
        var observations = mapped.All("Observation");
        Notes(observations[0]).ShouldBe(["of the first", "and more"]);
        Notes(observations[1]).ShouldBeEmpty();
        mapped.One("DiagnosticReport").GetProperty("result").EnumerateArray().Select(result => At(result, "reference"))
            .ShouldBe(observations.Select(observation => $"Observation/{At(observation, "id")}"));
    }

    [Fact]
    public void The_same_results_in_another_message_have_the_same_ids()
    {
        var first = Of(Result, Pid, Orc, Obr, Obx(1, "NM", "1", "g"));
        var second = Of(Result.Replace("|42|", "|43|", StringComparison.Ordinal), Pid, Orc, Obr, Obx(1, "NM", "2", "g"));

        foreach (var type in new[] { "Observation", "DiagnosticReport", "ServiceRequest", "Specimen" })
        {
            At(second.One(type), "id").ShouldBe(At(first.One(type), "id"), type);
        }
    }

    [Fact]
    public void A_timing_before_the_order_of_a_medication_is_of_that_order()
    {
        var request = Of(
            @"MSH|^~\&|EHR|HOSP|APP|B|20240131120000||OMP^O09^OMP_O09|42|P|2.5.1", Pid, "ORC|NW|P1", Segment("TQ1", (1, "1"), (3, "TID"), (9, "S")),
            "RXO|0143963401^Nicardipine^NDC|5||mg").One("MedicationRequest");

        At(request, "dosageInstruction.0.timing.code.coding.0.code").ShouldBe("TID");
        At(request, "dosageInstruction.0.doseAndRate.0.doseQuantity.value").ShouldBe("5");
        At(request, "priority").ShouldBe("stat");
        At(request, "dosageInstruction.1").ShouldBeNull();
    }

    [Fact]
    public void The_text_of_a_document_is_its_content()
    {
        var mapped = Of(
            @"MSH|^~\&|EHR|HOSP|APP|B|20240131120000||MDM^T02^MDM_T02|42|P|2.5.1", "EVN|T02|20240131120000", Pid, "PV1|1|I",
            Segment("TXA", (1, "1"), (2, "DS"), (12, "D1"), (17, "AU"), (19, "AV")), Obx(1, "TX", "All is well.", ""));

        var document = mapped.One("DocumentReference");
        At(document, "docStatus").ShouldBe("final");
        Convert.FromBase64String(At(document, "content.0.attachment.data")!).ShouldBe("All is well."u8.ToArray());
        mapped.All("Observation").ShouldBeEmpty();
    }

    private static string Obx(int number, string type, string value, string units) =>
        $"OBX|{number}|{type}|718-7^Hgb^LN||{value}|{units}|||||F";

    private static IEnumerable<string?> Notes(JsonElement resource) =>
        resource.TryGetProperty("note", out var notes) ? notes.EnumerateArray().Select(note => At(note, "text")) : [];
}
