using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using EhrGrains.Contracts.Query;
using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Fhir.Charts;

/// <summary>Which part of a chart <c>$everything</c> gives, read and checked (R4 patient-operation-everything.html). Immutable.</summary>
public sealed record ChartWindow
{
    // The dates of care by the names that FHIR gives them, the first that a type has.
    private static readonly string[] CareDates =
        ["date", "period", "effective-time", "whenhandedover", "authoredon", "authored", "occurrence", "onset-date", "start-date", "recorded-date", "sent", "created"];

    private ChartWindow()
    {
    }

    /// <summary>The parameters that take part, for the self link.</summary>
    public IReadOnlyList<SearchParameter> Used { get; private init; } = [];

    /// <summary>Resources of one page.</summary>
    public int Count { get; private init; } = ChartQuery.CountDefault;

    internal DateTimeOffset? Since { get; private init; }

    internal TimeRange Care { get; private init; } = TimeRange.Always;

    private HashSet<string>? Only { get; init; }

    /// <summary>Reads <c>start</c>, <c>end</c>, <c>_since</c>, <c>_type</c> and <c>_count</c>. Everything that is wrong is told at once.</summary>
    public static bool TryParse(
        IReadOnlyList<SearchParameter> parameters, ChartContext context, [NotNullWhen(true)] out ChartWindow? window, out IReadOnlyList<OutcomeIssue> issues)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(context);
        var read = new ChartWindow { Used = parameters };
        var problems = new List<OutcomeIssue>();
        foreach (var parameter in parameters)
        {
            var before = read;
            read = parameter.Name switch
            {
                "_count" when int.TryParse(parameter.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count > 0 =>
                    read with { Count = Math.Min(count, ChartQuery.CountMax) },
                "_since" when FhirTime.TryRead(parameter.Value, context.Zone, out var since) =>
                    read with { Since = new DateTimeOffset(Math.Max(0, since.From), TimeSpan.Zero) },
                "start" when FhirTime.TryRead(parameter.Value, context.Zone, out var start) => read with { Care = read.Care with { From = start.From } },
                "end" when FhirTime.TryRead(parameter.Value, context.Zone, out var end) => read with { Care = read.Care with { To = end.To } },
                "_type" when parameter.Value.Split(',') is var types && Array.TrueForAll(types, ResourceTypes.All.Contains) =>
                    read with { Only = types.ToHashSet(StringComparer.Ordinal) },
                _ => read,
            };
            if (ReferenceEquals(before, read))
            {
                problems.Add(parameter.Name is "_count" or "_since" or "start" or "end" or "_type"
                    ? SearchIssues.BadValue(parameter.Name, Expected(parameter.Name))
                    : SearchIssues.Unknown(parameter.Name, "Patient/$everything", refused: true));
            }
        }

        issues = problems;
        window = problems.Count == 0 ? read : null;
        return window is not null;
    }

    internal static SearchDefinition? CareDateOf(string type) =>
        CareDates.Select(name => SearchDefinitions.Find(type, name)).FirstOrDefault(definition => definition is { Kind: SearchKind.Date });

    internal bool Has(string type) => Only is null || Only.Contains(type);

    private static string Expected(string name) => name switch
    {
        "_count" => "a whole number from 1 on",
        "_type" => "resource types of FHIR R4 between commas",
        _ => "a date or a time like 2024-05-31 or 2024-05-31T13:28:17Z",
    };
}
