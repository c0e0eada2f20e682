using System.Text.Json;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Fhir.Sites;

/// <summary>What a site's CapabilityStatement says of itself, as far as a vendor profile has a word for it.</summary>
public sealed record SiteStatement
{
    // US Core and FHIR R4 both have one; the names of the parameters that go together stand in "required".
    private const string Combination = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination";
    private const int ItemsMax = 1_000;
    private const int TextMax = 200;

    /// <summary>The software and its version, as <c>Epic May 2026</c>; null when it does not say.</summary>
    public string? Software { get; init; }

    /// <summary>The release of FHIR, for example <c>4.0.1</c>; null when it does not say.</summary>
    public string? FhirVersion { get; init; }

    /// <summary>What it offers, by resource type.</summary>
    public required IReadOnlyDictionary<string, SiteResource> Resources { get; init; }

    /// <summary>What a bulk export can be asked of.</summary>
    public required IReadOnlyList<BulkLevel> Exports { get; init; }

    /// <summary>Reads a CapabilityStatement; null when it is none.</summary>
    public static SiteStatement? Read(JsonElement root)
    {
        if (Text(root, "resourceType") != "CapabilityStatement")
        {
            return null;
        }

        var software = root.TryGetProperty("software", out var named) ? $"{Text(named, "name")} {Text(named, "version")}".Trim() : "";
        var servers = Items(root, "rest").Where(r => Text(r, "mode") != "client").ToArray();
        var resources = new Dictionary<string, SiteResource>(StringComparer.Ordinal);
        var exports = new HashSet<BulkLevel>();
        foreach (var resource in servers.SelectMany(r => Items(r, "resource")))
        {
            if (Text(resource, "type") is { } type && ResourceTypes.All.Contains(type))
            {
                resources[type] = ReadResource(resource);
                if (HasExport(resource) && Enum.TryParse<BulkLevel>(type, out var level))
                {
                    exports.Add(level);
                }
            }
        }

        if (servers.Any(HasExport))
        {
            exports.Add(BulkLevel.System);
        }

        return new SiteStatement
        {
            Software = software.Length is > 0 and <= TextMax ? software : null,
            FhirVersion = Text(root, "fhirVersion"),
            Resources = resources,
            Exports = [.. exports.Order()],
        };

        static bool HasExport(JsonElement element) => Items(element, "operation").Any(o => Text(o, "name") is "export" or "group-export" or "patient-export");
    }

    private static SiteResource ReadResource(JsonElement resource) => new(
        Texts(resource, "interaction", "code"),
        Texts(resource, "searchParam", "name"),
        [
            .. Items(resource, "extension").Where(e => Text(e, "url") == Combination)
                .Select(e => Items(e, "extension").Where(x => Text(x, "url") == "required").Select(x => Text(x, "valueString")).OfType<string>().ToArray())
                .Where(names => names.Length > 0),
        ]);

    private static string[] Texts(JsonElement element, string list, string name) =>
        [.. Items(element, list).Select(item => Text(item, name)).OfType<string>().Distinct(StringComparer.Ordinal)];

    // What it says is shown to operators: plain and short, or not at all.
    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
        && value.GetString() is { Length: > 0 and <= TextMax } text && !text.Any(char.IsControl) ? text : null;

    private static IEnumerable<JsonElement> Items(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array
            ? value.EnumerateArray().Take(ItemsMax)
            : [];
}

/// <summary>What a site offers of one resource type.</summary>
/// <param name="Interactions">Codes as <c>read</c>, <c>search-type</c>.</param>
/// <param name="Search">Names of search parameters.</param>
/// <param name="Combinations">Parameters that it says go together.</param>
public sealed record SiteResource(
    IReadOnlyList<string> Interactions, IReadOnlyList<string> Search, IReadOnlyList<IReadOnlyList<string>> Combinations);
