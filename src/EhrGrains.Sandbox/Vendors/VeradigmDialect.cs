using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Charts;

namespace EhrGrains.Sandbox.Vendors;

/// <summary>Veradigm's way of writing FHIR: long hexadecimal ids, no versions, narrative on everything a person reads.</summary>
internal sealed class VeradigmDialect(int seed) : IDialect
{
    private const string Hex = "0123456789ABCDEF";

    public string Id(string type, string number) => SplitMix64.For(seed, $"id/{type}/{number}").Text(Hex, 32);

    public string Reference(string type, string number, string fhirBase) => $"{type}/{Id(type, number)}";

    public bool Speak(JsonObject resource, SplitMix64 random)
    {
        resource["meta"]?.AsObject().Remove("versionId");
        var type = resource["resourceType"]!.GetValue<string>();
        switch (type)
        {
            case "Patient":
                resource["identifier"]![0]!["type"] = Elements.Concept(
                    "Medical Record Number", Elements.Coding("http://terminology.hl7.org/CodeSystem/v2-0203", "MR"));
                break;
            case "Observation" when resource["valueQuantity"] is JsonObject quantity && random.Chance(10):
                // The unit as it is printed, and no code for it.
                quantity.Remove("system");
                quantity.Remove("code");
                break;
            case "Binary" or "Provenance" or "Group":
                return true;
        }

        resource["text"] = new JsonObject
        {
            ["status"] = "generated",
            ["div"] = $"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{type}</p></div>",
        };
        return true;
    }
}
