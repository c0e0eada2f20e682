using System.Text.Json;
using CsCheck;
using EhrGrains.Fhir.DataContracts;

namespace EhrGrains.Fhir.Tests.DataContracts;

public sealed class ContractElementTests
{
    private const string Reason = """{ "extension": [{ "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown" }] }""";
    private const string Unknown = """{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown" }] }""";

    [Theory]
    [InlineData("Observation", "value", """{ "valueQuantity": { "value": 1 } }""", ElementPresence.Present)]
    [InlineData("Observation", "value", """{ "valueString": "x" }""", ElementPresence.Present)]
    [InlineData("Observation", "valueQuantity.value", """{ "valueString": "x" }""", ElementPresence.Absent)]
    [InlineData("Observation", "value", """{ "dataAbsentReason": {} }""", ElementPresence.DataAbsent)]
    [InlineData("Observation", "component.value", """{ "component": [{ "dataAbsentReason": {} }] }""", ElementPresence.DataAbsent)]
    [InlineData("Observation", "component.value", """{ "component": [{ "dataAbsentReason": {} }, { "valueInteger": 1 }] }""", ElementPresence.Present)]
    [InlineData("Observation", "value", "{}", ElementPresence.Absent)]
    [InlineData("Observation", "code where system=loinc", """{ "code": { "coding": [{ "system": "urn:own" }, { "system": "http://loinc.org" }] } }""", ElementPresence.Present)]
    [InlineData("Observation", "code where system=loinc", """{ "code": { "coding": [{ "system": "urn:own" }] } }""", ElementPresence.Absent)]
    [InlineData("Observation", "code where system=loinc", """{ "code": """ + Unknown + "}", ElementPresence.DataAbsent)]
    [InlineData(
        "Observation", "code where system=loinc and code=1-8",
        """{ "code": { "coding": [{ "system": "http://loinc.org", "code": "2" }, { "system": "urn:own", "code": "1-8" }] } }""", ElementPresence.Absent)]
    [InlineData("Patient", "birthDate", """{ "_birthDate": """ + Reason + "}", ElementPresence.DataAbsent)]
    [InlineData("Patient", "name.family", """{ "name": [""" + Reason + "] }", ElementPresence.DataAbsent)]
    [InlineData("Patient", "name.given", """{ "name": [{ "given": ["A"] }] }""", ElementPresence.Present)]
    [InlineData("Patient", "telecom where system=phone and use=home", """{ "telecom": [{ "system": "phone", "use": "work" }, { "system": "fax", "use": "home" }] }""", ElementPresence.Absent)]
    [InlineData("Patient", "telecom where system=phone and use=home", """{ "telecom": [{ "system": "phone", "use": "home" }] }""", ElementPresence.Present)]
    [InlineData("Patient", "extension where url=urn:race", """{ "extension": [{ "url": "urn:race" }] }""", ElementPresence.Present)]
    [InlineData("Patient", "active", """{ "active": false }""", ElementPresence.Present)]
    [InlineData("Patient", "name", """{ "name": [] }""", ElementPresence.Absent)]
    public void An_element_is_present_absent_or_said_to_be_absent(string type, string text, string resource, ElementPresence presence)
    {
        var element = ContractElementReader.Read(type, text, true, null, out var problem);
        problem.ShouldBeEmpty();
        using var document = JsonDocument.Parse(resource);
        element!.In(document.RootElement).ShouldBe(presence);
    }

    [Fact]
    public void What_is_no_FHIR_is_absent_and_never_a_failure()
    {
        var name = Gen.OneOf("value", "valueQuantity", "_valueQuantity", "code", "coding", "system", "extension", "url", "dataAbsentReason");
        var json = Gen.Recursive<string>((depth, inner) => depth > 3
            ? Gen.OneOf("1", "null", "true", "\"http://loinc.org\"", "{}", "[]")
            : Gen.OneOf(
                inner.Array[0, 3].Select(items => $"[{string.Join(',', items)}]"),
                Gen.Select(name, inner).Array[0, 4].Select(members => $"{{{string.Join(',', members.DistinctBy(m => m.Item1).Select(m => $"\"{m.Item1}\":{m.Item2}"))}}}")));
        ContractElement[] elements =
        [
            .. new[] { "value", "value.unit", "code where system=loinc" }.Select(text => ContractElementReader.Read("Observation", text, true, null, out _)!),
        ];
        json.Sample(text =>
        {
            using var document = JsonDocument.Parse(text);
            if (Array.Exists(elements, element => element.In(document.RootElement) == ElementPresence.Present))
            {
                (text.Contains("\"valueQuantity\"", StringComparison.Ordinal) || text.Contains("\"http://loinc.org\"", StringComparison.Ordinal)).ShouldBeTrue();
            }
        });
    }
}
