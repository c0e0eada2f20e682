using System.Diagnostics.CodeAnalysis;
using EhrGrains.Contracts.Query;
using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Fhir.Charts;

/// <summary>How a chart's dates and references are read.</summary>
/// <param name="Zone">The hospital's zone: dates without an offset mean it.</param>
/// <param name="Now">The time of the search, for <c>ap</c>.</param>
/// <param name="GatewayBase">The gateway's FHIR base of the tenant: absolute references under it are the chart's own.</param>
public sealed record ChartContext(TimeZoneInfo Zone, DateTimeOffset Now, string GatewayBase);

/// <summary>How much of each resource is answered (R4 search.html#summary, #elements).</summary>
public enum ChartDetail
{
    /// <summary>All of it.</summary>
    Whole,

    /// <summary><c>_summary=true</c>: the elements that FHIR marks for it.</summary>
    Summary,

    /// <summary><c>_summary=text</c>: the narrative, id, meta and mandatory elements.</summary>
    Text,

    /// <summary><c>_summary=data</c>: all but the narrative.</summary>
    Data,

    /// <summary><c>_elements</c>: those, and the mandatory ones.</summary>
    Elements,
}

/// <summary>A search over one chart, read and checked. Immutable; holds for any chart of the tenant.</summary>
public sealed record ChartQuery
{
    /// <summary>The resources of one page when the search does not say.</summary>
    public const int CountDefault = 100;

    /// <summary>The most resources of one page.</summary>
    public const int CountMax = 1000;

    internal ChartQuery()
    {
    }

    /// <summary>The resource type that is searched.</summary>
    public required string Type { get; init; }

    /// <summary>The parameters that take part, for the self link.</summary>
    public IReadOnlyList<SearchParameter> Used { get; init; } = [];

    /// <summary>Matches of one page; 0: only their number is asked for.</summary>
    public int Count { get; init; } = CountDefault;

    /// <summary>Whether the number of all matches is to be told.</summary>
    public bool WithTotal { get; init; } = true;

    /// <summary>How much of each resource is answered.</summary>
    public ChartDetail Detail { get; init; }

    /// <summary>What <c>_elements</c> names.</summary>
    public IReadOnlyList<string> Elements { get; init; } = [];

    internal TimeZoneInfo Zone { get; init; } = TimeZoneInfo.Utc;

    internal IReadOnlyList<Criterion> Criteria { get; init; } = [];

    internal IReadOnlyList<SortKey> Sort { get; init; } = [];

    internal IReadOnlyList<IncludeRule> Includes { get; init; } = [];

    /// <summary>Whether other resources come along with the matches.</summary>
    public bool HasIncludes => Includes.Count > 0;

    /// <summary>Whether matches come in an order that a change of a resource may change.</summary>
    public bool IsSorted => Sort.Count > 0;

    /// <summary>Reads the parameters of a search. Everything that is wrong is told at once.</summary>
    /// <param name="type">The resource type.</param>
    /// <param name="parameters">The parameters, decoded.</param>
    /// <param name="context">The tenant's time and place.</param>
    /// <param name="handling">What to do with parameters that are not known.</param>
    /// <param name="query">The search; null when it cannot be run.</param>
    /// <param name="issues">Errors, each naming its parameter; on success what was left out.</param>
    public static bool TryParse(
        string type,
        IReadOnlyList<SearchParameter> parameters,
        ChartContext context,
        SearchHandling handling,
        [NotNullWhen(true)] out ChartQuery? query,
        out IReadOnlyList<OutcomeIssue> issues)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(context);
        var reader = new ChartQueryReader(type, context, handling);
        query = reader.Read(parameters);
        issues = reader.Issues;
        return query is not null;
    }
}

/// <summary>One key of <c>_sort</c>.</summary>
internal readonly record struct SortKey(SearchDefinition Definition, bool Descending);

/// <summary>An <c>_include</c> or <c>_revinclude</c>.</summary>
/// <param name="Reverse">Whether the included resources refer to the matches.</param>
/// <param name="Source">The type whose resources hold the reference; null: any.</param>
/// <param name="Definition">The parameter; null: every reference.</param>
/// <param name="Target">The type of the resources referred to; null: any.</param>
/// <param name="Iterate">Whether it applies to included resources too.</param>
internal sealed record IncludeRule(bool Reverse, string? Source, SearchDefinition? Definition, string? Target, bool Iterate);
