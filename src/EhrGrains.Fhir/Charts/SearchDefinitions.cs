using System.Collections.Concurrent;
using System.Collections.Frozen;
using Hl7.Fhir.Model;

namespace EhrGrains.Fhir.Charts;

/// <summary>
/// The search parameters of the patient record: all that FHIR R4 defines for a type and that come down to element paths, those that
/// every resource has, and those that US Core 6.1.0 adds. Compiled when first asked for; immutable then and thread-safe.
/// </summary>
internal static class SearchDefinitions
{
    // R4 search.html#all. FHIR gives these no expression.
    private static readonly Own[] OfEveryType =
    [
        new("Resource", "_id", SearchParamType.Token, "Resource.id"),
        new("Resource", "_lastUpdated", SearchParamType.Date, "Resource.meta.lastUpdated"),
        new("Resource", "_tag", SearchParamType.Token, "Resource.meta.tag"),
        new("Resource", "_security", SearchParamType.Token, "Resource.meta.security"),
        new("Resource", "_profile", SearchParamType.Uri, "Resource.meta.profile"),
        new("Resource", "_source", SearchParamType.Uri, "Resource.meta.source"),
    ];

    // US Core 6.1.0 SearchParameter resources without a parameter of R4 behind them.
    private static readonly Own[] OfUsCore =
    [
        new("CareTeam", "role", SearchParamType.Token, "CareTeam.participant.role"),
        new("Condition", "asserted-date", SearchParamType.Date,
            "(Condition.extension.where(url = 'http://hl7.org/fhir/StructureDefinition/condition-assertedDate').value as dateTime)"),
        new("Encounter", "discharge-disposition", SearchParamType.Token, "Encounter.hospitalization.dischargeDisposition"),
        new("Goal", "description", SearchParamType.Token, "Goal.description"),
        new("Location", "address-city", SearchParamType.String, "Location.address.city"),
        new("Location", "address-postalcode", SearchParamType.String, "Location.address.postalCode"),
        new("Location", "address-state", SearchParamType.String, "Location.address.state"),
    ];

    // Sounds, distances and narratives need more than the values that are there.
    private static readonly FrozenSet<string> NotOffered = FrozenSet.ToFrozenSet(["phonetic", "near", "_text"], StringComparer.Ordinal);

    private static readonly FrozenDictionary<string, FrozenDictionary<string, Own>> Defined = Gather();
    private static readonly ConcurrentDictionary<(string Type, string Name), SearchDefinition?> Compiled = new();

    /// <summary>A parameter of a type; null when there is none.</summary>
    internal static SearchDefinition? Find(string type, string name)
    {
        if (!Defined.TryGetValue(type, out var ofType) || !ofType.TryGetValue(name, out var own))
        {
            return null;
        }

        // As many as are defined: what callers invent has been turned away above.
        return Compiled.GetOrAdd((type, name), static (key, own) => Compile(key.Type, own), own);
    }

    /// <summary>All parameters of a type, by name.</summary>
    internal static IEnumerable<SearchDefinition> Of(string type) =>
        Defined.TryGetValue(type, out var ofType) ? ofType.Keys.Order(StringComparer.Ordinal).Select(name => Find(type, name)).OfType<SearchDefinition>() : [];

    private static FrozenDictionary<string, FrozenDictionary<string, Own>> Gather()
    {
        var ofR4 = ModelInfo.SearchParameters
            .Where(p => p.Resource is not null && p.Expression is { Length: > 0 } && !NotOffered.Contains(p.Name!))
            .Select(p => new Own(p.Resource!, p.Name!, p.Type, p.Expression!, [.. (p.Target ?? []).Select(t => t.ToString())]));
        return ofR4.Concat(OfUsCore).GroupBy(p => p.Type, StringComparer.Ordinal).Where(g => ResourceTypes.All.Contains(g.Key)).ToFrozenDictionary(
            group => group.Key,
            group => group.Concat(OfEveryType).GroupBy(p => p.Name, StringComparer.Ordinal).ToFrozenDictionary(p => p.Key, p => p.Last(), StringComparer.Ordinal),
            StringComparer.Ordinal);
    }

    private static SearchDefinition? Compile(string type, Own own)
    {
        // R4 defines deceased by a condition, not by a path: a date of death says yes, and nothing says no.
        if (own is { Type: "Patient", Name: "deceased" })
        {
            return new SearchDefinition(
                own.Name,
                SearchKind.Token,
                [new([new("deceasedBoolean"u8.ToArray())], "boolean"), new([new("deceasedDateTime"u8.ToArray())], LeafReaders.Presence)],
                [],
                Default: "false");
        }

        if (KindOf(own.Kind) is not { } kind)
        {
            return null;
        }

        var paths = new PathCompiler(type).Compile(own.Expression).Where(path => LeafReaders.Knows(kind, path.DataType)).ToArray();
        return paths.Length == 0 ? null : new SearchDefinition(own.Name, kind, paths, own.Targets ?? []);
    }

    private static SearchKind? KindOf(SearchParamType type) => type switch
    {
        SearchParamType.Token => SearchKind.Token,
        SearchParamType.Reference => SearchKind.Reference,
        SearchParamType.String => SearchKind.Text,
        SearchParamType.Date => SearchKind.Date,
        SearchParamType.Quantity => SearchKind.Quantity,
        SearchParamType.Number => SearchKind.Number,
        SearchParamType.Uri => SearchKind.Uri,
        _ => null,
    };

    private sealed record Own(string Type, string Name, SearchParamType Kind, string Expression, string[]? Targets = null);
}
