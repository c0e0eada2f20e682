using EhrGrains.Sandbox.Charts;

namespace EhrGrains.Sandbox.Searching;

/// <summary>What a vendor does with a search parameter that it does not know.</summary>
internal enum Unknown
{
    /// <summary>Leaves it out and says so in an outcome entry.</summary>
    Note,

    /// <summary>Refuses the search.</summary>
    Refuse,

    /// <summary>Leaves it out without a word.</summary>
    Ignore,
}

/// <summary>Search and paging of a vendor.</summary>
internal sealed record SearchRules
{
    /// <summary>The parameter of <c>next</c> links that holds the opaque place in a search.</summary>
    public required string PageParameter { get; init; }

    public required IReadOnlyList<string> DatePrefixes { get; init; }

    public required Unknown UnknownParameters { get; init; }

    /// <summary>Parameters applied after a page has been cut: pages get short, or empty with a <c>next</c>.</summary>
    public IReadOnlyList<string> FiltersAfter { get; init; } = [];

    /// <summary>Whether <c>POST _search</c> takes parameters from the body alone.</summary>
    public bool BodyOnlyOnPost { get; init; }

    /// <summary>Whether Bundles say how many matches there are.</summary>
    public bool CountsTotal { get; init; }

    /// <summary>Whether a page begins with the resource that the one before ended with.</summary>
    public bool RepeatsLastOfPage { get; init; }

    /// <summary>Whether the first page of Observations carries all social history, whatever <c>_count</c> says.</summary>
    public bool SocialHistoryFirst { get; init; }

    /// <summary>A search with more matches than this is refused as too large; null: no such limit.</summary>
    public int? MatchesMax { get; init; }

    /// <summary>Whether the count is that of this page.</summary>
    public bool TotalIsOfPage { get; init; }

    /// <summary>Whether the last page is an empty one.</summary>
    public bool EndsWithEmptyPage { get; init; }

    /// <summary>More matching patients than this are refused; null: no such limit.</summary>
    public int? PatientMatchesMax { get; init; }

    /// <summary>Whether that refusal is a fatal outcome entry inside a 200.</summary>
    public bool TooManyInside { get; init; }

    /// <summary>A parameter that every search and every page needs; null: none.</summary>
    public string? Always { get; init; }

    public required IReadOnlyDictionary<string, TypeRules> Types { get; init; }

    /// <summary>
    /// Whether a search that names the patient finds the resource, with what its own chart says beside at most (a category, an intent);
    /// not one search for every code there is.
    /// </summary>
    public bool FindsByPatient(StoredResource resource) =>
        resource.Patient is not null && resource.MergedInto is null && Types.TryGetValue(resource.Type, out var type)
        && (resource.Type == "Patient" || type.RequiredAnyOf.Any(set =>
            set.Any(IsPatient) && !set.Contains("code") && set.All(name => IsPatient(name)
                || Array.Exists(resource.Tokens, token => token.Parameter == name))));

    private static bool IsPatient(string name) => name is "patient" or "subject" or "beneficiary";
}

/// <summary>What can be asked of one resource type.</summary>
internal sealed class TypeRules(string parameters, string requiredAnyOf, int countDefault, int countMax)
{
    /// <summary>A type that is read by id only.</summary>
    public static readonly TypeRules ReadOnly = new("", "", 0, 0);

    /// <summary>The types that a vendor has rules for, and others that are all alike.</summary>
    public static Dictionary<string, TypeRules> Table(string alike, TypeRules rules, Dictionary<string, TypeRules> table)
    {
        foreach (var type in alike.Split(' '))
        {
            table.Add(type, rules);
        }

        return table;
    }

    /// <summary>Declared search parameters.</summary>
    public IReadOnlyList<string> Parameters { get; } = parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Sets of parameters of which one must be complete.</summary>
    public IReadOnlyList<IReadOnlyList<string>> RequiredAnyOf { get; } =
        [.. requiredAnyOf.Split('|', StringSplitOptions.RemoveEmptyEntries).Select(set => set.Split('+'))];

    public int CountDefault { get; } = countDefault;

    /// <summary>The largest page; 0: <c>_count</c> is not looked at.</summary>
    public int CountMax { get; } = countMax;

    public bool Searchable => Parameters.Count > 0;
}
