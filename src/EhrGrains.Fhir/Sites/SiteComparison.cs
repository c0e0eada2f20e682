using System.Text.Json.Nodes;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Fhir.Sites;

/// <summary>Something that a site says of itself and its vendor profile does not.</summary>
/// <param name="Path">Where in the profile, for example <c>resources.Condition.search</c>.</param>
/// <param name="Documented">What the profile says.</param>
/// <param name="Found">What the site says.</param>
/// <param name="Adopted">Whether the site's word holds from now on.</param>
public sealed record SiteFinding(string Path, string Documented, string Found, bool Adopted);

/// <summary>
/// A site's CapabilityStatement held against its vendor profile. What the site offers beyond the profile holds; what it does not
/// name is only told, for statements leave out much that works, and leaving it out of a copy would lose data without a word.
/// </summary>
public sealed record SiteComparison
{
    private const string LastUpdated = "_lastUpdated";

    private SiteComparison(IReadOnlyList<SiteFinding> findings, string? profile)
    {
        Findings = findings;
        Profile = profile;
    }

    /// <summary>What differs, ordered by path.</summary>
    public IReadOnlyList<SiteFinding> Findings { get; }

    /// <summary>What of it holds, in the form of a site's profile; null: nothing.</summary>
    public string? Profile { get; }

    /// <summary>Compares.</summary>
    public static SiteComparison Of(VendorProfile profile, SiteStatement statement)
    {
        ArgumentNullException.ThrowIfNull(profile);
        ArgumentNullException.ThrowIfNull(statement);
        var findings = new List<SiteFinding>();
        var resources = new JsonObject();
        var sync = new JsonObject();
        if (statement.FhirVersion is { } version && version != "4.0.1")
        {
            findings.Add(new("fhirVersion", "4.0.1", version, false));
        }

        foreach (var (type, documented) in profile.Resources)
        {
            if (statement.Resources.TryGetValue(type, out var found))
            {
                Compare(type, documented, found, profile, findings, resources, sync);
            }
            else if (statement.Resources.Count > 0)
            {
                findings.Add(new($"resources.{type}", "offered", "not named", false));
            }
        }

        var bulk = CompareBulk(profile.Bulk, statement, findings);
        var adopted = new JsonObject();
        Add(adopted, "resources", resources);
        Add(adopted, "sync", sync.Count > 0 ? new JsonObject { ["types"] = sync } : sync);
        Add(adopted, "bulk", bulk);
        return new(
            [.. findings.OrderBy(f => f.Path, StringComparer.Ordinal)], adopted.Count > 0 ? adopted.ToJsonString() : null);
    }

    private static void Compare(
        string type, ResourceRules documented, SiteResource found, VendorProfile profile, List<SiteFinding> findings, JsonObject resources, JsonObject sync)
    {
        var rules = new JsonObject();
        string[] search = [.. documented.Search.Where(p => p is not ("_include" or "_revinclude"))];
        if (search.Length > 0 && found.Search.Contains(LastUpdated) && !search.Contains(LastUpdated))
        {
            findings.Add(new($"resources.{type}.search", $"without {LastUpdated}", $"with {LastUpdated}", true));
            search = [.. search, LastUpdated];
            rules["search"] = Texts(search);
            if (profile.Sync.Types.GetValueOrDefault(type) is { Strategy: SyncStrategy.Crawl or SyncStrategy.DateWindow } copied && type != "Patient")
            {
                findings.Add(new($"sync.types.{type}.strategy", copied.Strategy.ToString(), nameof(SyncStrategy.LastUpdated), true));
                sync[type] = new JsonObject { ["strategy"] = nameof(SyncStrategy.LastUpdated), ["dateParameter"] = null };
            }
        }

        string[] missing = [.. search.Except(found.Search).Except(["_id"])];
        if (missing.Length > 0 && found.Search.Count > 0)
        {
            findings.Add(new($"resources.{type}.search", $"with {string.Join(", ", missing)}", "not named", false));
        }

        // A combination that goes is one more way to satisfy what is required.
        IReadOnlyList<string>[] more =
            [.. found.Combinations.Where(c => c.All(search.Contains) && !documented.RequiredAnyOf.Any(known => known.All(c.Contains)))];
        if (documented.RequiredAnyOf.Count > 0 && more.Length > 0)
        {
            findings.Add(new(
                $"resources.{type}.requiredAnyOf", Written(documented.RequiredAnyOf), Written(more), true));
            rules["requiredAnyOf"] = new JsonArray([.. documented.RequiredAnyOf.Concat(more).Select(c => Texts(c))]);
        }

        Add(resources, type, rules);
    }

    private static JsonObject CompareBulk(BulkRules documented, SiteStatement statement, List<SiteFinding> findings)
    {
        if (statement.Exports.Order().SequenceEqual(documented.Levels.Order()))
        {
            return [];
        }

        var more = statement.Exports.Except(documented.Levels).Any();
        findings.Add(new("bulk.levels", Written(documented.Levels), Written(statement.Exports), more));
        return more ? new JsonObject { ["levels"] = Texts(documented.Levels.Union(statement.Exports).Order().Select(l => l.ToString())) } : [];
    }

    private static void Add(JsonObject to, string name, JsonObject value)
    {
        if (value.Count > 0)
        {
            to[name] = value;
        }
    }

    private static JsonArray Texts(IEnumerable<string> texts) => new([.. texts.Select(t => (JsonNode)t)]);

    private static string Written(IReadOnlyList<BulkLevel> levels) => levels.Count == 0 ? "none" : string.Join(", ", levels.Order());

    private static string Written(IEnumerable<IReadOnlyList<string>> combinations) =>
        string.Join(", or ", combinations.Select(c => string.Join(" with ", c)));
}
