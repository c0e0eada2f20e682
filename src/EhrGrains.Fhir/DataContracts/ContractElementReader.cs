using System.Collections.Frozen;
using System.Globalization;
using EhrGrains.Fhir.V2.Compiling;

namespace EhrGrains.Fhir.DataContracts;

/// <summary>
/// Reads what a contract writes of an element: <c>PATH [where NAME=VALUE [and NAME=VALUE]…] [atLeast SHARE]</c>. The path is that of FHIR
/// R4, checked by its definitions; of a choice either the whole (<c>value</c>) or one type (<c>valueQuantity</c>).
/// </summary>
internal static class ContractElementReader
{
    private const int PartsMax = 8;

    // R4 terminologies-systems.html, by the names that people use.
    private static readonly FrozenDictionary<string, string> Systems = new Dictionary<string, string>
    {
        ["cpt"] = "http://www.ama-assn.org/go/cpt",
        ["cvx"] = "http://hl7.org/fhir/sid/cvx",
        ["icd-10-cm"] = "http://hl7.org/fhir/sid/icd-10-cm",
        ["loinc"] = "http://loinc.org",
        ["ndc"] = "http://hl7.org/fhir/sid/ndc",
        ["npi"] = "http://hl7.org/fhir/sid/us-npi",
        ["rxnorm"] = "http://www.nlm.nih.gov/research/umls/rxnorm",
        ["snomed"] = "http://snomed.info/sct",
        ["ucum"] = "http://unitsofmeasure.org",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Reads one; null and what is wrong, without a value, when it is none.</summary>
    internal static ContractElement? Read(string type, string text, bool isMust, double? floor, out string problem)
    {
        var (rest, share) = Split(text, " atLeast ");
        var (path, where) = Split(rest, " where ");
        var steps = new List<IReadOnlySet<string>>();
        problem = "";
        if (share is not null && (floor = ReadShare(share)) is null)
        {
            problem = "has to end with a share from 0 to 1 after atLeast";
        }
        else if (Resolve(type, path.Trim(), steps) is not { Length: > 0 } types)
        {
            problem = $"names an element that FHIR R4's {type} does not have";
        }
        else if (ReadConditions(where, ref types, steps) is { } conditions)
        {
            return new ContractElement(rest.Trim(), isMust, floor, steps, conditions);
        }
        else
        {
            problem = "has to say where NAME=VALUE of elements that are there; known code systems: " + string.Join(", ", Systems.Keys.Order(StringComparer.Ordinal))
                + ", others by their URI";
        }

        return null;
    }

    /// <summary>A share from 0 to 1; null when it is none.</summary>
    internal static double? ReadShare(string text) =>
        double.TryParse(text.Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var share) && share is >= 0 and <= 1 ? share : null;

    private static (string Before, string? After) Split(string text, string word) =>
        text.IndexOf(word, StringComparison.Ordinal) is >= 0 and var at ? (text[..at], text[(at + word.Length)..]) : (text, null);

    // The JSON names of each step and the types at the end; none when there is no such element.
    private static FhirType[] Resolve(string type, string path, List<IReadOnlySet<string>> steps)
    {
        var names = path.Split('.');
        FhirType[] types = FhirTypes.Find(type) is { } root ? [root] : [];
        foreach (var name in names.Skip(names[0] == type ? 1 : 0).Take(PartsMax))
        {
            FhirElement[] elements = [.. types.SelectMany(t => Named(t, name)).DistinctBy(e => (e.Name, e.Type))];
            steps.Add(elements.Select(e => e.Name).ToHashSet(StringComparer.Ordinal));
            types = [.. elements.Select(e => e.Type).Distinct()];
        }

        return names.Length <= PartsMax && steps.Count > 0 ? types : [];
    }

    // R4 json.html: value[x] is written valueQuantity, valueString, ….
    private static IEnumerable<FhirElement> Named(FhirType type, string name) => type.Elements.TryGetValue(name, out var one)
        ? [one]
        : type.Elements.Values.Where(e =>
            e.Name.StartsWith(name, StringComparison.Ordinal) && name.Length > 0
            && e.Name.AsSpan(name.Length).Equals(e.Type.Name, StringComparison.OrdinalIgnoreCase) && e.Name.Length > name.Length && char.IsAsciiLetterUpper(e.Name[name.Length]));

    private static List<ElementCondition>? ReadConditions(string? where, ref FhirType[] types, List<IReadOnlySet<string>> steps)
    {
        var conditions = new List<ElementCondition>();
        if (where is null)
        {
            return conditions;
        }

        var pairs = where.Split(" and ").Select(pair => pair.Split('=', 2, StringSplitOptions.TrimEntries)).ToArray();
        if (pairs.Any(pair => pair.Length != 2 || pair[0].Length == 0 || pair[1].Length == 0))
        {
            return null;
        }

        // A concept is told by one of its codings: all conditions hold of the same one.
        if (types.Any(t => t.Name == "CodeableConcept" && !t.Elements.ContainsKey(pairs[0][0].Split('.')[0])))
        {
            steps.Add(new HashSet<string>(["coding"], StringComparer.Ordinal));
            types = [FhirTypes.Find("Coding")!];
        }

        foreach (var pair in pairs)
        {
            var leaf = LeafOf(types, pair[0].Split('.'));
            var value = leaf is { Name: "uri" } && !pair[1].Contains(':', StringComparison.Ordinal) ? Systems.GetValueOrDefault(pair[1]) : pair[1];
            if (leaf is not { IsPrimitive: true } || value is null)
            {
                return null;
            }

            conditions.Add(new ElementCondition(pair[0].Split('.'), value));
        }

        return conditions;
    }

    private static FhirType? LeafOf(FhirType[] types, string[] names)
    {
        foreach (var name in names)
        {
            types = [.. types.Select(t => t.Elements.GetValueOrDefault(name)?.Type).OfType<FhirType>()];
        }

        return types.FirstOrDefault();
    }
}
