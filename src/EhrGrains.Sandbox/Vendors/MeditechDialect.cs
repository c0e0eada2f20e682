using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Charts;

namespace EhrGrains.Sandbox.Vendors;

/// <summary>MEDITECH's way of writing FHIR: ids are UUIDs; results go by the dictionary's mnemonic, without a system; no meta.</summary>
internal sealed class MeditechDialect(int seed) : IDialect
{
    private const string Hex = "0123456789abcdef";
    private static readonly int[] Parts = [8, 4, 4, 4, 12];

    public string Id(string type, string number)
    {
        var random = SplitMix64.For(seed, $"id/{type}/{number}");
        return string.Join('-', Parts.Select(length => random.Text(Hex, length)));
    }

    public string Reference(string type, string number, string fhirBase) => $"{type}/{Id(type, number)}";

    public bool Speak(JsonObject resource, SplitMix64 random)
    {
        resource.Remove("meta");
        switch (resource["resourceType"]!.GetValue<string>())
        {
            case "Patient":
                resource["identifier"]![0]!["type"] = Elements.Concept(
                    "MR", Elements.Coding("http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "Medical record number"));
                break;
            case "Observation":
                var codings = resource["code"]!["coding"]!.AsArray();
                var display = (string?)codings[0]!["display"] ?? "";
                codings.Insert(0, new JsonObject { ["code"] = Mnemonic(display), ["display"] = display, ["userSelected"] = true });
                break;
            case "Encounter" when random.Chance(20):
                // Without an offset, which FHIR does not allow: the hospital's own time is meant.
                var period = resource["period"]!.AsObject();
                period["start"] = period["start"]!.GetValue<string>().TrimEnd('Z');
                break;
        }

        return true;
    }

    private static string Mnemonic(string display) =>
        string.Concat(display.Where(char.IsAsciiLetter).Take(6)).ToUpperInvariant();
}
