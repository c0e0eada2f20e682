using System.Globalization;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Charts;

namespace EhrGrains.Sandbox.Vendors;

/// <summary>
/// athenahealth's way of writing FHIR: ids that say practice and kind, with dots; the practice as an extension on everything;
/// references to providers absolute; results as text.
/// </summary>
internal sealed class AthenaDialect : IDialect
{
    public const string Practice = "195900";
    private const string PracticeId = "a-1.Practice-" + Practice;

    public string Id(string type, string number) => type switch
    {
        "Patient" => $"a-{Practice}.E-{number}",
        "Organization" => number.EndsWith("100", StringComparison.Ordinal) ? PracticeId : $"a-{Practice}.Department-{number}",
        "Practitioner" => $"a-{Practice}.Provider-{number}",
        _ => $"a-{Practice}.{type.ToLowerInvariant()}-{number}",
    };

    public string Reference(string type, string number, string fhirBase) =>
        type == "Practitioner" ? $"{fhirBase}/Practitioner/{Id(type, number)}" : $"{type}/{Id(type, number)}";

    public bool Speak(JsonObject resource, SplitMix64 random)
    {
        resource["meta"]?.AsObject().Remove("versionId");
        resource["extension"] = Elements.List(new JsonObject
        {
            ["url"] = "https://fhir.athena.io/StructureDefinition/ah-practice",
            ["valueReference"] = new JsonObject { ["reference"] = "Organization/" + PracticeId },
        });
        switch (resource["resourceType"]!.GetValue<string>())
        {
            case "Patient":
                resource["identifier"] = Elements.List(
                    Elements.Identifier(
                        "Enterprise ID", "https://fhir.athena.io/sid/ah-patient", resource["identifier"]![0]!["value"]!.GetValue<string>()),
                    new JsonObject
                    {
                        ["system"] = "http://hl7.org/fhir/sid/us-ssn",
                        ["value"] = "***-**-" + random.Between(1000, 9999).ToString(CultureInfo.InvariantCulture),
                    });
                break;
            case "Observation" when random.Chance(10) && resource["valueQuantity"] is JsonObject quantity:
                resource.Remove("valueQuantity");
                resource["valueString"] = $"{quantity["value"]!.ToJsonString()} {quantity["unit"]?.GetValue<string>()}";
                break;
            case "Encounter" when random.Chance(3):
                resource.Remove("status");
                break;
            case "MedicationRequest":
                resource["dosageInstruction"]![0]!["patientInstruction"] = resource["dosageInstruction"]![0]!["text"]!.GetValue<string>();
                break;
        }

        return true;
    }
}
