using System.Text.Json.Nodes;

namespace EhrGrains.Sandbox.Charts;

/// <summary>How one vendor's server says what a chart holds.</summary>
internal interface IDialect
{
    /// <summary>The id that the vendor gives to a neutral one.</summary>
    string Id(string type, string number);

    /// <summary>How the vendor writes a reference: relative, or absolute to its own base.</summary>
    string Reference(string type, string number, string fhirBase);

    /// <summary>Puts the vendor's habits on a resource, before ids are given; false: the vendor has no such resource.</summary>
    bool Speak(JsonObject resource, SplitMix64 random);
}

/// <summary>Gives a resource and everything it refers to the vendor's ids.</summary>
internal static class Naming
{
    public static void Apply(JsonObject resource, IDialect dialect, string fhirBase)
    {
        resource["id"] = dialect.Id(resource["resourceType"]!.GetValue<string>(), resource["id"]!.GetValue<string>());
        Walk(resource, dialect, fhirBase);
    }

    private static void Walk(JsonNode? node, IDialect dialect, string fhirBase)
    {
        if (node is JsonArray array)
        {
            foreach (var item in array)
            {
                Walk(item, dialect, fhirBase);
            }
        }
        else if (node is JsonObject item)
        {
            foreach (var name in (string[])["reference", "url"])
            {
                if (item[name] is JsonValue value && value.GetValue<string>().Split('/') is [var type, var number] && IsNeutral(number))
                {
                    item[name] = dialect.Reference(type, number, fhirBase);
                }
            }

            foreach (var (_, child) in item)
            {
                Walk(child, dialect, fhirBase);
            }
        }
    }

    private static bool IsNeutral(string number) => number.Length > 0 && number.AsSpan().IndexOfAnyExceptInRange('0', '9') < 0;
}
