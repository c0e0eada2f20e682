using System.Globalization;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Charts;

namespace EhrGrains.Sandbox.Vendors;

/// <summary>
/// Oracle Health's way of writing FHIR: numeric ids; proprietary codings marked userSelected beside the standard ones; locations
/// contained in encounters; attachment addresses absolute.
/// </summary>
internal sealed class OracleDialect : IDialect
{
    public const string TenantGuid = "5e1d7a52-7c0b-4c3f-9b1e-2f60a44d9c11";

    public string Id(string type, string number)
    {
        var id = (12_700_000 + long.Parse(number, CultureInfo.InvariantCulture)).ToString(CultureInfo.InvariantCulture);
        return type switch
        {
            "Observation" => "L-" + id,
            "Binary" => "XR-" + id,
            _ => id,
        };
    }

    public string Reference(string type, string number, string fhirBase) =>
        type == "Binary" ? $"{fhirBase}/Binary/{Id(type, number)}" : $"{type}/{Id(type, number)}";

    public bool Speak(JsonObject resource, SplitMix64 random)
    {
        switch (resource["resourceType"]!.GetValue<string>())
        {
            case "Medication":
                return false;
            case "Patient":
                resource["identifier"]![0]!["type"] = Elements.Concept(
                    "MRN",
                    Proprietary(4, "10", "MRN"),
                    Elements.Coding("http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "Medical record number"));
                Narrate(resource, "Patient");
                break;
            case "Encounter":
                SpeakEncounter(resource, random);
                break;
            case "Observation":
                Prefix(resource["code"]!, 72, random);
                if (random.Chance(10))
                {
                    resource["note"] = Elements.List(new JsonObject
                    {
                        ["text"] = @"{\rtf1\ansi\deff0 {\fonttbl {\f0 Arial;}}\f0 Specimen slightly hemolyzed.\par}",
                    });
                }

                break;
            case "Condition":
                Prefix(resource["code"]!, 400, random);
                Narrate(resource, "Condition");
                break;
            case "AllergyIntolerance" or "DiagnosticReport":
                Prefix(resource["code"]!, 12041, random);
                break;
            case "MedicationRequest":
                Prefix(resource["medicationCodeableConcept"]!, 6000, random);
                break;
        }

        return true;
    }

    private static JsonObject Proprietary(int codeSet, string code, string display)
    {
        var coding = Elements.Coding(
            string.Create(CultureInfo.InvariantCulture, $"https://fhir.us.cerner.com/{TenantGuid}/codeSet/{codeSet}"), code, display);
        coding["userSelected"] = true;
        return coding;
    }

    private static void Prefix(JsonNode concept, int codeSet, SplitMix64 random)
    {
        var codings = concept["coding"]!.AsArray();
        var display = codings[0]!["display"]?.GetValue<string>() ?? "";
        foreach (var coding in codings)
        {
            coding!["userSelected"] = false;
        }

        codings.Insert(
            0, Proprietary(codeSet, random.Between(1000000, 9999999).ToString(CultureInfo.InvariantCulture), display.ToUpperInvariant()));
    }

    private static void SpeakEncounter(JsonObject encounter, SplitMix64 random)
    {
        if (random.Chance(15))
        {
            var act = encounter["class"]!["code"]!.GetValue<string>();
            encounter["class"] = Elements.Coding(
                "http://terminology.hl7.org/CodeSystem/v2-0004", act switch { "IMP" => "I", "EMER" => "E", _ => "O" });
        }

        encounter["contained"] = Elements.List(new JsonObject
        {
            ["resourceType"] = "Location",
            ["id"] = "loc1",
            ["status"] = "active",
            ["name"] = "Bed " + random.Between(1, 40).ToString(CultureInfo.InvariantCulture),
        });
        encounter["location"] = Elements.List(new JsonObject
        {
            ["location"] = new JsonObject { ["reference"] = "#loc1" },
            ["status"] = "completed",
        });
    }

    private static void Narrate(JsonObject resource, string title) =>
        resource["text"] = new JsonObject
        {
            ["status"] = "generated",
            ["div"] = $"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p><b>{title}</b></p></div>",
        };
}
