using System.Globalization;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Charts;

namespace EhrGrains.Sandbox.Vendors;

/// <summary>
/// Epic's way of writing FHIR: opaque ids, some longer and with other characters than FHIR allows; identifier types by text
/// only; local codes under OIDs; no meta.
/// </summary>
internal sealed class EpicDialect(int seed) : IDialect
{
    private const string Oid = "urn:oid:1.2.840.114350.1.13.861.1.7";
    private const string ClassSystem = "urn:oid:1.2.840.114350.1.72.1.7.7.10.696784.13260";
    private const string DataAbsent = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
    private const string Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";

    public string Id(string type, string number)
    {
        if (type == "Practitioner")
        {
            // Pairs of practitioners differ by case alone: ids are case-sensitive keys.
            var n = long.Parse(number, CultureInfo.InvariantCulture);
            var id = Draw(type, (n & ~1L).ToString(CultureInfo.InvariantCulture), 22);
            return (n & 1) == 0 ? id : string.Concat(id.Select(SwapCase));
        }

        return type switch
        {
            // FHIR allows 64 characters.
            "Observation" or "MedicationRequest" => Draw(type, number, 82),
            // FHIR does not allow the underscore.
            "Condition" => Draw(type, number, 12) + "_" + Draw(type + "2", number, 9),
            _ => Draw(type, number, 22),
        };
    }

    public string Reference(string type, string number, string fhirBase) => $"{type}/{Id(type, number)}";

    public bool Speak(JsonObject resource, SplitMix64 random)
    {
        resource.Remove("meta");
        switch (resource["resourceType"]!.GetValue<string>())
        {
            case "Patient":
                SpeakPatient(resource, random);
                break;
            case "Encounter":
                SpeakEncounter(resource, random);
                break;
            case "Observation":
                SpeakObservation(resource, random);
                break;
            case "DiagnosticReport":
                // LOINC by its OID.
                resource["code"]!["coding"]![0]!["system"] = "urn:oid:2.16.840.1.113883.6.1";
                break;
            case "MedicationRequest":
                SpeakMedicationRequest(resource, random);
                break;
            case "AllergyIntolerance" when random.Chance(15):
                resource["code"] = Elements.Concept(null, Elements.Coding(
                    "urn:oid:2.16.840.1.113883.3.26.1.5", "N0000" + random.Between(100000, 199999).ToString(CultureInfo.InvariantCulture)));
                break;
            case "DocumentReference":
                resource["type"]!["coding"]!.AsArray().Insert(0, Elements.Coding(Oid + ".4.737880.5010", "1", "Progress Notes"));
                break;
        }

        return true;
    }

    private static char SwapCase(char letter) =>
        char.IsAsciiLetterLower(letter) ? char.ToUpperInvariant(letter) : char.ToLowerInvariant(letter);

    private string Draw(string type, string number, int length) => "e" + SplitMix64.For(seed, $"id/{type}/{number}").Text(Letters, length);

    private void SpeakPatient(JsonObject patient, SplitMix64 random)
    {
        var number = patient["id"]!.GetValue<string>();
        var record = patient["identifier"]![0]!["value"]!.GetValue<string>();
        patient["identifier"] = Elements.List(
            Elements.Identifier("EPI", Oid + ".5.737384.0", record),
            Elements.Identifier("EXTERNAL", Oid + ".2.698084", record),
            Elements.Identifier("INTERNAL", Oid + ".2.698084", record.PadLeft(18)),
            Elements.Identifier("FHIR", "http://open.epic.com/FHIR/StructureDefinition/patient-fhir-id", Id("Patient", number)),
            Elements.Identifier("MYCHARTLOGIN", Oid + ".3.878082.110", record.ToLowerInvariant() + "login"),
            MaskedSocialSecurityNumber(random));
        patient["extension"] = Elements.List(new JsonObject
        {
            ["url"] = "http://open.epic.com/FHIR/StructureDefinition/extension/legal-sex",
            ["valueCodeableConcept"] = Elements.Concept(
                null, Elements.Coding(Oid + ".10.698084.130.657370.19999000", patient["gender"]!.GetValue<string>())),
        });
        if (IsRestricted(int.Parse(number, CultureInfo.InvariantCulture) / 1000))
        {
            patient["meta"] = new JsonObject
            {
                ["security"] = Elements.List(Elements.Coding("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "R")),
            };
        }
    }

    /// <summary>One patient in 50 is behind Break-the-Glass: the chart is refused with 4130.</summary>
    private static bool IsRestricted(int index) => index % 50 == 23;

    private static JsonObject MaskedSocialSecurityNumber(SplitMix64 random) => new()
    {
        ["use"] = "usual",
        ["system"] = "urn:oid:2.16.840.1.113883.4.1",
        ["_value"] = new JsonObject
        {
            ["extension"] = Elements.List(new JsonObject
            {
                ["url"] = "http://hl7.org/fhir/StructureDefinition/rendered-value",
                ["valueString"] = "xxx-xx-" + random.Between(1000, 9999).ToString(CultureInfo.InvariantCulture),
            }),
        },
    };

    private static void SpeakEncounter(JsonObject encounter, SplitMix64 random)
    {
        if (random.Chance(2))
        {
            encounter.Remove("class");
            return;
        }

        var act = encounter["class"]!["code"]!.GetValue<string>();
        var (_, _, code, display) = random.Pick(Array.FindAll(Vocabulary.EncounterClasses, known => known.Act == act));
        encounter["class"] = Elements.Coding(ClassSystem, code, display);
    }

    private static void SpeakObservation(JsonObject observation, SplitMix64 random)
    {
        observation["code"]!["coding"]!.AsArray().Add(
            (JsonNode)Elements.Coding(Oid + ".2.768282", random.Between(1000000, 1999999).ToString(CultureInfo.InvariantCulture)));
        if (random.Chance(2))
        {
            observation.Remove("status");
        }

        if (observation["encounter"] is not null && (string?)observation["category"]![0]!["coding"]![0]!["code"] == "laboratory" && random.Chance(8))
        {
            // No search by category finds it: only the report that it belongs to leads there.
            observation.Remove("category");
        }
    }

    private static void SpeakMedicationRequest(JsonObject request, SplitMix64 random)
    {
        var coding = request["medicationCodeableConcept"]!["coding"]![0]!;
        request["medicationReference"] = Elements.Reference(
            "Medication", Staff.Medication(coding["code"]!.GetValue<string>()), coding["display"]!.GetValue<string>());
        request.Remove("medicationCodeableConcept");
        if (random.Chance(3))
        {
            request.Remove("intent");
        }

        if (random.Chance(5))
        {
            request["requester"] = new JsonObject
            {
                ["extension"] = Elements.List(new JsonObject { ["url"] = DataAbsent, ["valueCode"] = "unknown" }),
            };
        }
    }
}
