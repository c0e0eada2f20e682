using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace EhrGrains.Sandbox.Charts;

/// <summary>The clinical part of a chart.</summary>
internal sealed partial class Chart
{
    private const string ObservationCategory = "http://terminology.hl7.org/CodeSystem/observation-category";
    private const string ConditionClinical = "http://terminology.hl7.org/CodeSystem/condition-clinical";
    private const string AllergyClinical = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical";

    private JsonObject WriteObservation(
        string category, (string Code, string Display, string Unit, int Low, int High) what, DateTime at, string? encounter)
    {
        var observation = Add("Observation", at.AddMinutes(random.Between(1, 3000)));
        observation["status"] = random.Chance(90) ? "final" : random.Pick(["preliminary", "corrected", "entered-in-error"]);
        observation["category"] = Elements.List(Elements.Concept(ObservationCategory, category));
        observation["code"] = Elements.Concept(Vocabulary.Loinc, what.Code, what.Display);
        observation["subject"] = Subject();
        if (encounter is not null)
        {
            observation["encounter"] = Elements.Reference("Encounter", encounter);
        }

        observation["effectiveDateTime"] = random.Chance(95) ? Elements.Instant(at) : Elements.Date(at);
        if (random.Chance(70))
        {
            observation["issued"] = Elements.Instant(at.AddMinutes(random.Between(1, 2000)));
        }

        WriteValue(observation, what);
        return observation;
    }

    private void WriteValue(JsonObject observation, (string Code, string Display, string Unit, int Low, int High) what)
    {
        switch (random.Between(1, 100))
        {
            case <= 3:
                // No value and no reason why.
                return;
            case <= 6:
                observation["valueString"] = random.Pick(["<5", "SEE COMMENT", "hemolyzed -- recollect", "N/A"]);
                return;
        }

        var quantity = new JsonObject { ["value"] = Elements.Tenths(random.Between(what.Low, what.High)) };
        if (!random.Chance(3))
        {
            // Weights in pounds under the code for kilograms, as they arrive.
            quantity["unit"] = what.Unit == "kg" && random.Chance(5) ? "lb" : what.Unit;
            quantity["system"] = Vocabulary.Ucum;
            quantity["code"] = what.Unit;
        }

        observation["valueQuantity"] = quantity;
        if (random.Chance(60))
        {
            observation["referenceRange"] = Elements.List(new JsonObject
            {
                ["low"] = new JsonObject { ["value"] = Elements.Tenths(what.Low), ["unit"] = what.Unit },
                ["text"] = $"> {(what.Low / 10m).ToString(CultureInfo.InvariantCulture)}",
            });
        }
    }

    private void WriteVitals(string encounter, DateTime at)
    {
        var count = random.Between(0, 3);
        for (var i = 0; i < count; i++)
        {
            WriteObservation("vital-signs", random.Pick(Vocabulary.Vitals), at.AddMinutes(i), encounter);
        }
    }

    private void WriteLabs(string encounter, DateTime at)
    {
        var count = random.Between(0, 3);
        if (count == 0)
        {
            return;
        }

        var results = new JsonArray();
        for (var i = 0; i < count; i++)
        {
            var lab = WriteObservation("laboratory", random.Pick(Vocabulary.Labs), at.AddMinutes(30 + i), encounter);
            results.Add((JsonNode)Elements.Reference("Observation", lab["id"]!.GetValue<string>()));
        }

        var report = Add("DiagnosticReport", at.AddHours(5));
        report["status"] = random.Chance(90) ? "final" : "partial";
        report["category"] = Elements.List(Elements.Concept("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB", "Laboratory"));
        report["code"] = Elements.Concept(Vocabulary.Loinc, "24323-8", "Comprehensive metabolic panel");
        report["subject"] = Subject();
        report["encounter"] = Elements.Reference("Encounter", encounter);
        report["effectiveDateTime"] = Elements.Instant(at.AddMinutes(30));
        report["issued"] = Elements.Instant(at.AddHours(5));
        report["result"] = results;
    }

    private void WriteManyLabs(int count)
    {
        var at = Elements.Today.AddDays(-700);
        for (var i = 0; i < count; i++)
        {
            at = at.AddHours(random.Between(1, 130));
            WriteObservation("laboratory", random.Pick(Vocabulary.Labs), at, encounter: null);
        }
    }

    private void WriteSocialHistory()
    {
        if (random.Chance(40))
        {
            return;
        }

        var smoking = Add("Observation", Elements.Today.AddDays(-random.Between(1, 600)));
        smoking["status"] = "final";
        smoking["category"] = Elements.List(Elements.Concept(ObservationCategory, "social-history"));
        smoking["code"] = Elements.Concept(Vocabulary.Loinc, "72166-2", "Tobacco smoking status");
        smoking["subject"] = Subject();
        smoking["effectiveDateTime"] = Elements.Date(Elements.Today.AddDays(-random.Between(1, 600)));
        smoking["valueCodeableConcept"] = Elements.Concept(Vocabulary.Snomed, "266919005", "Never smoked tobacco");
    }

    private void WriteProblems()
    {
        var count = random.Between(1, 3);
        for (var i = 0; i < count; i++)
        {
            var (snomed, icd10, display) = random.Pick(Vocabulary.Problems);
            WriteProblem(snomed, icd10, display, random.Chance(75) ? "active" : "resolved");
            if (random.Chance(5))
            {
                // The same problem once more, saying the opposite.
                WriteProblem(snomed, icd10, display.ToUpperInvariant(), "inactive");
            }
        }
    }

    private void WriteProblem(string snomed, string icd10, string display, string clinical)
    {
        var onset = Elements.Today.AddDays(-random.Between(10, 4000));
        var condition = Add("Condition", onset.AddDays(2));
        condition["clinicalStatus"] = Elements.Concept(ConditionClinical, clinical);
        condition["verificationStatus"] = Elements.Concept(
            "http://terminology.hl7.org/CodeSystem/condition-ver-status", random.Chance(90) ? "confirmed" : "refuted");
        condition["category"] = Elements.List(Elements.Concept(
            "http://terminology.hl7.org/CodeSystem/condition-category", random.Chance(70) ? "problem-list-item" : "encounter-diagnosis"));
        condition["code"] = Elements.Concept(
            display, Elements.Coding(Vocabulary.Snomed, snomed, display), Elements.Coding(Vocabulary.Icd10, icd10));
        condition["subject"] = Subject();
        if (random.Chance(80))
        {
            condition["onsetDateTime"] = Elements.Date(onset);
        }

        condition["recordedDate"] = Elements.Date(onset.AddDays(2));
        WriteProvenance(condition, onset.AddDays(2));
    }

    private void WriteAllergies()
    {
        if (random.Chance(35))
        {
            return;
        }

        var known = random.Chance(80);
        if (!known || random.Chance(8))
        {
            WriteAllergy("716186003", "No known allergy", "medication");
        }

        if (known)
        {
            var (snomed, display, category) = random.Pick(Vocabulary.Allergens);
            WriteAllergy(snomed, display, category);
        }
    }

    private void WriteAllergy(string snomed, string display, string category)
    {
        var recorded = Elements.Today.AddDays(-random.Between(10, 3000));
        var allergy = Add("AllergyIntolerance", recorded);
        allergy["clinicalStatus"] = Elements.Concept(AllergyClinical, random.Chance(90) ? "active" : "inactive");
        allergy["category"] = Elements.List(category);
        allergy["criticality"] = random.Pick(["low", "high", "unable-to-assess"]);
        allergy["code"] = Elements.Concept(Vocabulary.Snomed, snomed, display);
        allergy["patient"] = Subject();
        allergy["recordedDate"] = Elements.Date(recorded);
        WriteProvenance(allergy, recorded);
    }

    private void WriteDrug(string encounter, DateTime at)
    {
        var (rxNorm, display, sig) = random.Pick(Vocabulary.Drugs);
        var request = Add("MedicationRequest", at.AddHours(1));
        request["status"] = random.Pick(["active", "active", "stopped", "completed"]);
        request["intent"] = "order";
        request["category"] = Elements.List(Elements.Concept(
            "http://terminology.hl7.org/CodeSystem/medicationrequest-category", random.Pick(["outpatient", "community", "inpatient"])));
        request["medicationCodeableConcept"] = Elements.Concept(Vocabulary.RxNorm, rxNorm, display);
        request["subject"] = Subject();
        request["encounter"] = Elements.Reference("Encounter", encounter);
        request["authoredOn"] = Elements.Instant(at);
        request["requester"] = Elements.Reference("Practitioner", Staff.Practitioner(random));
        request["dosageInstruction"] = Elements.List(new JsonObject { ["text"] = sig });
    }

    private void WriteNote(string encounter, DateTime at)
    {
        var (code, display) = random.Pick(Vocabulary.Notes);
        var about = $"{display} for {person.Given} {person.Family}, MRN {person.RecordNumber}.";
        var text = $"<html><body><p>{about}</p><p>Doing \"OK\" &amp; stable.</p></body></html>";
        var binary = Add("Binary", at);
        binary["contentType"] = "text/html";
        binary["data"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
        var document = Add("DocumentReference", at);
        document["status"] = "current";
        document["type"] = Elements.Concept(Vocabulary.Loinc, code, display);
        document["category"] = Elements.List(Elements.Concept(
            "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", "clinical-note", "Clinical Note"));
        document["subject"] = Subject();
        document["date"] = Elements.Instant(at);
        document["content"] = Elements.List(new JsonObject
        {
            ["attachment"] = new JsonObject
            {
                ["contentType"] = "text/html",
                ["url"] = "Binary/" + binary["id"]!.GetValue<string>(),
                ["title"] = display,
            },
        });
        document["context"] = new JsonObject
        {
            ["encounter"] = Elements.List(Elements.Reference("Encounter", encounter)),
            ["period"] = new JsonObject { ["start"] = Elements.Instant(at) },
        };
        WriteProvenance(document, at);
    }
}
