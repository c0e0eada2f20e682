using System.Globalization;
using System.Text.Json.Nodes;

namespace EhrGrains.Sandbox.Charts;

/// <summary>
/// One synthetic patient's chart, in plain FHIR R4 with neutral numeric ids; a vendor's dialect is put on it afterwards. The
/// chart is as real ones are: parts are missing, entered twice, or say two different things.
/// </summary>
internal sealed partial class Chart
{
    /// <summary>Neutral ids of a patient run from index × this.</summary>
    private const int IdsPerPatient = 1000;

    private readonly SplitMix64 random;
    private readonly int index;
    private readonly Person person;
    private readonly List<JsonObject> resources = [];
    private int ordinal;

    private Chart(int seed, string site, int index)
    {
        this.index = index;
        random = SplitMix64.For(seed, $"chart/{site}/{index}");
        person = Person.Draw(seed, site, index);
    }

    private string PatientId => Number(0);

    /// <summary>True for the patients whose chart goes over several pages: one in 25.</summary>
    public static bool IsLong(int index) => index % 25 == 7;

    public static IReadOnlyList<JsonObject> Write(int seed, string site, int index)
    {
        var chart = new Chart(seed, site, index);
        chart.WritePatient();
        chart.WriteCoverage();
        var encounters = chart.random.Between(2, 4);
        for (var i = 0; i < encounters; i++)
        {
            chart.WriteEncounter(last: i == encounters - 1);
        }

        chart.WriteProblems();
        chart.WriteAllergies();
        chart.WriteSocialHistory();
        if (IsLong(index))
        {
            chart.WriteManyLabs(120);
        }

        return chart.resources;
    }

    public static string NumberOf(int patientIndex) => (patientIndex * IdsPerPatient).ToString(CultureInfo.InvariantCulture);

    private string Number(int n) => (index * IdsPerPatient + n).ToString(CultureInfo.InvariantCulture);

    private JsonObject Add(string type, DateTime updated)
    {
        var resource = Elements.Resource(type, Number(++ordinal));
        Stamp(resource, updated);
        resources.Add(resource);
        return resource;
    }

    private static void Stamp(JsonObject resource, DateTime updated) =>
        resource["meta"] = new JsonObject { ["versionId"] = "1", ["lastUpdated"] = Elements.Instant(updated) };

    private JsonObject Subject() => Elements.Reference("Patient", PatientId, random.Chance(60) ? $"{person.Family}, {person.Given}" : null);

    private void WritePatient()
    {
        var patient = Elements.Resource("Patient", PatientId);
        Stamp(patient, Elements.Today.AddDays(-random.Between(1, 900)));
        patient["identifier"] = Elements.List(Elements.Identifier("MRN", "urn:oid:2.16.840.1.113883.3.9999.1", person.RecordNumber));
        patient["active"] = true;
        patient["name"] = Names();
        if (random.Chance(85))
        {
            patient["telecom"] = Elements.List(
                new JsonObject { ["system"] = "phone", ["value"] = person.Phone, ["use"] = "home" },
                new JsonObject { ["system"] = "email", ["value"] = person.Email, ["rank"] = 1 });
        }

        // A shared person keeps gender and birth date everywhere; of the others some are not known.
        patient["gender"] = index >= Person.Shared && random.Chance(3) ? "unknown" : person.Gender;
        patient["birthDate"] = index >= Person.Shared && random.Chance(3)
            ? person.Birth.Year.ToString(CultureInfo.InvariantCulture)
            : Elements.Date(person.Birth);
        if (random.Chance(6))
        {
            // Often before the last visit: the date of death is entered late, and wrong.
            patient["deceasedDateTime"] = Elements.Instant(Elements.Today.AddDays(-random.Between(1, 700)));
        }

        var (city, state, zip) = Vocabulary.Cities[person.City];
        patient["address"] = Elements.List(new JsonObject
        {
            ["use"] = "home",
            ["line"] = Elements.List(person.Street),
            ["city"] = city,
            ["state"] = state,
            ["postalCode"] = zip,
            ["country"] = random.Chance(50) ? "US" : "USA",
        });
        patient["generalPractitioner"] = Elements.List(Elements.Reference("Practitioner", Staff.Practitioner(random)));
        patient["managingOrganization"] = Elements.Reference("Organization", Staff.Organization(random));
        resources.Add(patient);
        if (IsMerged(index))
        {
            WriteMerged(patient);
        }
    }

    /// <summary>One patient in 40 has a second record that was combined into the first.</summary>
    public static bool IsMerged(int index) => index % 40 == 11;

    public static string MergedNumberOf(int patientIndex) =>
        (patientIndex * IdsPerPatient + IdsPerPatient - 1).ToString(CultureInfo.InvariantCulture);

    private void WriteMerged(JsonObject patient)
    {
        var away = patient.DeepClone().AsObject();
        away["id"] = MergedNumberOf(index);
        away["active"] = false;
        away["link"] = Elements.List(new JsonObject { ["other"] = Elements.Reference("Patient", PatientId), ["type"] = "replaced-by" });
        resources.Add(away);
    }

    private JsonArray Names()
    {
        var official = new JsonObject { ["use"] = "official", ["family"] = person.Family };
        if (index < Person.Shared || !random.Chance(2))
        {
            official["given"] = random.Chance(30) ? Elements.List(person.Given, "Q.") : Elements.List(person.Given);
        }

        official["text"] = random.Chance(50) ? $"{person.Given} {person.Family}" : $"{person.Family.ToUpperInvariant()},{person.Given}  ";
        return random.Chance(15)
            ? Elements.List(official, new JsonObject
            {
                ["use"] = "old",
                ["family"] = Vocabulary.NameMarker + random.Pick(Vocabulary.FamilyEndings),
                ["given"] = Elements.List(person.Given),
            })
            : Elements.List(official);
    }

    private void WriteCoverage()
    {
        if (random.Chance(20))
        {
            return;
        }

        var start = Elements.Today.AddDays(-random.Between(30, 2000));
        var coverage = Add("Coverage", start);
        coverage["status"] = random.Chance(85) ? "active" : "cancelled";
        coverage["subscriberId"] = person.RecordNumber + "-S";
        coverage["beneficiary"] = Subject();
        coverage["relationship"] = Elements.Concept("http://terminology.hl7.org/CodeSystem/subscriber-relationship", "self");
        coverage["period"] = new JsonObject { ["start"] = Elements.Date(start) };
        coverage["payor"] = Elements.List(new JsonObject { ["display"] = random.Pick(Vocabulary.Payers) });
    }

    private void WriteEncounter(bool last)
    {
        var start = Elements.Today.AddMinutes(-random.Between(1, 1000 * 24 * 60));
        var (act, display, _, _) = random.Pick(Vocabulary.EncounterClasses);
        var stay = act == "IMP" ? TimeSpan.FromHours(random.Between(20, 200)) : TimeSpan.FromMinutes(random.Between(10, 240));
        var encounter = Add("Encounter", start + stay);
        encounter["status"] = last && random.Chance(20) ? "in-progress" : "finished";
        encounter["class"] = Elements.Coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", act, display);
        encounter["type"] = Elements.List(new JsonObject { ["text"] = act == "AMB" ? "Office Visit" : "Hospital Encounter" });
        encounter["subject"] = Subject();
        encounter["participant"] = Elements.List(new JsonObject
        {
            ["individual"] = Elements.Reference("Practitioner", Staff.Practitioner(random)),
        });
        encounter["period"] = new JsonObject { ["start"] = Elements.Instant(start), ["end"] = Elements.Instant(start + stay) };
        encounter["location"] = Elements.List(new JsonObject { ["location"] = Elements.Reference("Location", Staff.Location(random)) });
        encounter["serviceProvider"] = Elements.Reference("Organization", Staff.Organization(random));
        var id = encounter["id"]!.GetValue<string>();
        WriteVitals(id, start);
        WriteLabs(id, start);
        if (random.Chance(50))
        {
            WriteDrug(id, start);
        }

        if (random.Chance(60))
        {
            WriteNote(id, start + stay);
        }
    }

    private void WriteProvenance(JsonObject target, DateTime recorded)
    {
        var provenance = Add("Provenance", recorded);
        provenance["target"] = Elements.List(
            Elements.Reference(target["resourceType"]!.GetValue<string>(), target["id"]!.GetValue<string>()));
        provenance["recorded"] = Elements.Instant(recorded);
        provenance["agent"] = Elements.List(new JsonObject
        {
            ["type"] = Elements.Concept("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "author", "Author"),
            ["who"] = Elements.Reference("Practitioner", Staff.Practitioner(random)),
        });
    }
}
