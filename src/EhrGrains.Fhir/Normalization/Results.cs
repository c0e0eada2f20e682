using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Fhir.Normalization;

/// <summary>What a page of search results is read for.</summary>
/// <param name="Type">The resource type that was searched: what entries match with.</param>
/// <param name="GatewayBase">The gateway's FHIR base, without a trailing slash; an entry's fullUrl is <c>{GatewayBase}/{Type}/{id}</c>.</param>
/// <param name="MayInclude">Which other types may come along (<c>_include</c>, <c>_revinclude</c>); null: those of the vendor profile.</param>
/// <param name="Patients">Normalized logical ids of the patients that were asked for: what is of others is left out. Null: of any.</param>
public sealed record PageRequest(string Type, string GatewayBase, Func<string, bool>? MayInclude = null, HashSet<string>? Patients = null);

/// <summary>What one page of search results held besides its resources.</summary>
public sealed record PageResult
{
    /// <summary>The EHR's own link to the next page, as it gave it; null on the last page.</summary>
    public string? Next { get; init; }

    /// <summary>How many matches the EHR says there are in all.</summary>
    public int? Total { get; init; }

    /// <summary>Entries that match the search.</summary>
    public int Matches { get; init; }

    /// <summary>Entries that came along with a match.</summary>
    public int Others { get; init; }

    /// <summary>Normalized logical ids of the patients that the page concerns: each Patient in it and each that it refers to.</summary>
    public required IReadOnlyList<string> Patients { get; init; }

    /// <summary>What the caller has to be told: the EHR's outcome entries in our words, and entries that had to be left out.</summary>
    public required IReadOnlyList<OutcomeIssue> Issues { get; init; }

    /// <summary>Aliases that were given to ids too long for FHIR. To be stored before the page is answered, or nobody can follow them.</summary>
    public required IReadOnlyList<IdAlias> Aliases { get; init; }

    /// <summary>Whether the EHR said, or an entry left out shows, that matches are missing.</summary>
    public bool Incomplete { get; init; }

    /// <summary>Whether the EHR said that its search session is over: the search has to start again.</summary>
    public bool SessionExpired { get; init; }

    /// <summary>How often each rule changed something, by rule name; rules that did nothing are absent.</summary>
    public required IReadOnlyDictionary<string, int> RuleCounts { get; init; }
}

/// <summary>What one normalized resource is.</summary>
public sealed record ResourceResult
{
    /// <summary>Its resource type.</summary>
    public required string Type { get; init; }

    /// <summary>Its normalized logical id; empty when it has none.</summary>
    public required string Id { get; init; }

    /// <summary>Its <c>meta.versionId</c>.</summary>
    public string? VersionId { get; init; }

    /// <summary>Its <c>meta.lastUpdated</c>.</summary>
    public DateTimeOffset? LastUpdated { get; init; }

    /// <summary>Normalized logical ids of the patients that it concerns.</summary>
    public required IReadOnlyList<string> Patients { get; init; }

    /// <summary>Aliases that were given to ids too long for FHIR.</summary>
    public required IReadOnlyList<IdAlias> Aliases { get; init; }

    /// <summary>How often each rule changed something, by rule name; rules that did nothing are absent.</summary>
    public required IReadOnlyDictionary<string, int> RuleCounts { get; init; }
}
