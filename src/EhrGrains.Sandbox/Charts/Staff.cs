using System.Globalization;
using System.Text.Json.Nodes;

namespace EhrGrains.Sandbox.Charts;

/// <summary>What a hospital has besides patients: organizations, locations, practitioners, the medications it names, the group of all.</summary>
internal static class Staff
{
    private const int Practitioners = 24;
    private const int Organizations = 3;
    private const int Locations = 4;

    // Above any patient's numbers.
    private const int First = 900_000_000;

    /// <summary>The group of all patients.</summary>
    public static string Group => Number(400);

    public static string Practitioner(SplitMix64 random) => Number(random.Between(0, Practitioners - 1));

    public static string Organization(SplitMix64 random) => Number(100 + random.Between(0, Organizations - 1));

    public static string Location(SplitMix64 random) => Number(200 + random.Between(0, Locations - 1));

    public static string Medication(string rxNorm) => Number(300 + Array.FindIndex(Vocabulary.Drugs, drug => drug.RxNorm == rxNorm));

    public static IEnumerable<JsonObject> Write(int seed, string site, string hospitalName)
    {
        var random = SplitMix64.For(seed, $"staff/{site}");
        for (var i = 0; i < Organizations; i++)
        {
            var organization = Elements.Resource("Organization", Number(100 + i));
            organization["active"] = true;
            organization["name"] = i == 0 ? hospitalName : $"{hospitalName} Clinic {i}";
            yield return organization;
        }

        for (var i = 0; i < Locations; i++)
        {
            var location = Elements.Resource("Location", Number(200 + i));
            location["status"] = "active";
            location["name"] = $"{hospitalName}, floor {i + 1}";
            yield return location;
        }

        for (var i = 0; i < Practitioners; i++)
        {
            yield return WritePractitioner(random, i);
        }

        for (var i = 0; i < Vocabulary.Drugs.Length; i++)
        {
            var (rxNorm, display, _) = Vocabulary.Drugs[i];
            var medication = Elements.Resource("Medication", Number(300 + i));
            medication["code"] = Elements.Concept(Vocabulary.RxNorm, rxNorm, display);
            yield return medication;
        }
    }

    public static JsonObject WriteGroup(string hospitalName, int patients)
    {
        var group = Elements.Resource("Group", Group);
        group["type"] = "person";
        group["actual"] = true;
        group["name"] = hospitalName + ", all patients";
        group["member"] = new JsonArray([.. Enumerable.Range(0, patients)
            .Select(index => (JsonNode)new JsonObject { ["entity"] = Elements.Reference("Patient", Chart.NumberOf(index)) })]);
        return group;
    }

    private static JsonObject WritePractitioner(SplitMix64 random, int i)
    {
        var practitioner = Elements.Resource("Practitioner", Number(i));
        practitioner["identifier"] = Elements.List(
            Elements.Identifier("NPI", "http://hl7.org/fhir/sid/us-npi", (1_990_000_000L + i).ToString(CultureInfo.InvariantCulture)));
        practitioner["active"] = true;
        practitioner["name"] = Elements.List(new JsonObject
        {
            ["use"] = "usual",
            ["family"] = Vocabulary.NameMarker + random.Pick(Vocabulary.FamilyEndings),
            ["given"] = Elements.List(random.Pick(Vocabulary.WomensNames)),
            ["suffix"] = Elements.List("MD"),
        });
        return practitioner;
    }

    private static string Number(int n) => (First + n).ToString(CultureInfo.InvariantCulture);
}
