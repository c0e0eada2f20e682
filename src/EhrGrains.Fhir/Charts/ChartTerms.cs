using System.Collections.Frozen;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace EhrGrains.Fhir.Charts;

/// <summary>A term that a resource is found under over a tenant.</summary>
/// <param name="Parameter">Type and search parameter, for example <c>Patient.name</c>.</param>
/// <param name="Value">The value in the form in which equal ones are equal.</param>
public readonly record struct ChartTerm(string Parameter, string Value)
{
    /// <summary>The parameter alone: the value is PHI.</summary>
    public override string ToString() => Parameter;
}

/// <summary>
/// The terms of the resources that are searched over a whole tenant: identifiers and demographics. What is stored of a term is a keyed hash,
/// which can only be equal or not; so texts, which are searched by their beginning, have terms for beginnings of some lengths. A search
/// takes the longest that fits and lets the chart decide the rest.
/// </summary>
public static class ChartTerms
{
    // Of one parameter: a patient of a thousand names is still found by the first ones.
    private const int TermsMax = 64;

    // Few, for each is a row; a beginning of one letter would find half of the tenant.
    private static readonly int[] PrefixLengths = [2, 3, 4, 6];

    private static readonly string[] DateForms = ["yyyy-MM-dd", "yyyy-MM", "yyyy"];

    // US Core 6.1.0: what a tenant's patients and directories are searched by.
    private static readonly FrozenDictionary<string, string[]> Parameters = new Dictionary<string, string[]>
    {
        ["Patient"] = ["identifier", "name", "birthdate", "telecom"],
        ["Practitioner"] = ["identifier", "name"],
        ["PractitionerRole"] = ["identifier", "practitioner", "specialty"],
        ["Organization"] = ["identifier", "name", "address"],
        ["Location"] = ["identifier", "name", "address"],
    }.ToFrozenDictionary();

    // The part of a name or an address is also a beginning of the whole.
    private static readonly FrozenDictionary<string, string> PartOf = new Dictionary<string, string>
    {
        ["family"] = "name",
        ["given"] = "name",
        ["address-city"] = "address",
        ["address-state"] = "address",
        ["address-postalcode"] = "address",
        ["address-country"] = "address",
        ["phone"] = "telecom",
        ["email"] = "telecom",
    }.ToFrozenDictionary();

    /// <summary>The types that can be searched over a tenant.</summary>
    public static IReadOnlyCollection<string> Types => Parameters.Keys;

    /// <summary>The parameters by which a type is searched over a tenant, with those that are a part of one.</summary>
    internal static IEnumerable<string> ParametersOf(string type) =>
        Parameters[type].Concat(PartOf.Where(part => Parameters[type].Contains(part.Value) && SearchDefinitions.Find(type, part.Key) is not null).Select(part => part.Key))
            .Order(StringComparer.Ordinal);

    /// <summary>The terms of a resource, at most 64 of each parameter; none of a type that is not searched over a tenant.</summary>
    public static IReadOnlyList<ChartTerm> Of(string type, ReadOnlyMemory<byte> json) => Between(type, default, json).Added;

    /// <summary>
    /// What another version of a resource is found under that the one before was not, and the other way round. Of elements that are the
    /// same in both, which are most, nothing is read.
    /// </summary>
    /// <param name="type">The resource type.</param>
    /// <param name="before">The version before; empty: none.</param>
    /// <param name="after">The new one; empty: none.</param>
    public static (IReadOnlyList<ChartTerm> Added, IReadOnlyList<ChartTerm> Removed) Between(
        string type, ReadOnlyMemory<byte> before, ReadOnlyMemory<byte> after)
    {
        if (!Parameters.TryGetValue(type, out var names))
        {
            return ([], []);
        }

        using var was = before.IsEmpty ? null : JsonDocument.Parse(before);
        using var now = after.IsEmpty ? null : JsonDocument.Parse(after);
        var (added, removed) = (new List<ChartTerm>(), new List<ChartTerm>());
        foreach (var definition in names.Select(name => SearchDefinitions.Find(type, name)!))
        {
            if (was is null || now is null || !IsSame(definition, was.RootElement, now.RootElement))
            {
                var (then, there) = (TermsOf(type, definition, was), TermsOf(type, definition, now));
                added.AddRange(there.Except(then));
                removed.AddRange(then.Except(there));
            }
        }

        return (added, removed);
    }

    /// <summary>
    /// The terms that every match of a search has, by condition: one of each list. Empty when the search names none: it would have to look
    /// at every record.
    /// </summary>
    public static IReadOnlyList<IReadOnlyList<ChartTerm>> WantedBy(ChartQuery query)
    {
        ArgumentNullException.ThrowIfNull(query);
        if (!Parameters.TryGetValue(query.Type, out var names))
        {
            return [];
        }

        var wanted = new List<IReadOnlyList<ChartTerm>>();
        foreach (var criterion in query.Criteria)
        {
            var name = criterion.Column.Definition.Name;
            var indexed = PartOf.GetValueOrDefault(name, name);
            if (names.Contains(indexed, StringComparer.Ordinal) && Wanted(criterion, query.Zone) is { Count: > 0 } values)
            {
                wanted.Add([.. values.Select(value => new ChartTerm($"{query.Type}.{indexed}", value))]);
            }
        }

        return wanted;
    }

    private static bool IsSame(SearchDefinition definition, JsonElement was, JsonElement now) => definition.Paths.All(path =>
        Raw(was, path.Steps[0].Name).SequenceEqual(Raw(now, path.Steps[0].Name)));

    private static ReadOnlySpan<byte> Raw(JsonElement resource, byte[] name) =>
        resource.TryGetProperty(name, out var element) ? JsonMarshal.GetRawUtf8Value(element) : default;

    private static ChartTerm[] TermsOf(string type, SearchDefinition definition, JsonDocument? resource) => resource is null
        ? []
        : [.. Values(definition, resource.RootElement).Distinct(StringComparer.Ordinal).Take(TermsMax).Select(value => new ChartTerm($"{type}.{definition.Name}", value))];

    private static IEnumerable<string> Values(SearchDefinition definition, JsonElement resource)
    {
        var texts = new Texts();
        var column = ColumnKinds.Make(new ColumnKey(definition, Aspect.Value), texts, TimeZoneInfo.Utc);
        column.Set(0, resource);
        return column switch
        {
            Column<string> words => words[0].ToArray().SelectMany(Beginnings),
            Column<TokenValue> tokens => tokens[0].ToArray().Where(t => t.Code != Texts.None)
                .SelectMany(t => t.System > 0 ? [$"|{texts[t.Code]}", $"{texts[t.System]}|{texts[t.Code]}"] : new[] { $"|{texts[t.Code]}" }),
            Column<TimeRange> dates => dates[0].ToArray().SelectMany(range => Days(range.From)),
            _ => [],
        };
    }

    // Null or empty: this condition finds nothing by terms, but others may.
    private static List<string>? Wanted(Criterion criterion, TimeZoneInfo zone) => criterion switch
    {
        TokenCriterion { Not: false, Column.Aspect: Aspect.Value } tokens when tokens.AnyOf.All(t => t.Code is not null) =>
            [.. tokens.AnyOf.Select(t => string.IsNullOrEmpty(t.System) ? $"|{t.Code}" : $"{t.System}|{t.Code}")],
        TextCriterion { How: TextMatch.Starts, Column.Aspect: Aspect.Value } words when words.AnyOf.All(w => w.Length >= PrefixLengths[0]) =>
            [.. words.AnyOf.Select(w => w[..PrefixLengths.Last(length => length <= w.Length)])],
        TextCriterion { How: TextMatch.Equals } words when words.AnyOf.All(w => SearchText.Fold(w).Length >= PrefixLengths[0]) =>
            [.. words.AnyOf.Select(SearchText.Fold).Select(w => w[..PrefixLengths.Last(length => length <= w.Length)])],
        DateCriterion dates when dates.AnyOf.All(d => d.Prefix == Prefix.Eq && DateTerm(d.Range, zone) is not null) =>
            [.. dates.AnyOf.Select(d => DateTerm(d.Range, zone)!)],
        _ => null,
    };

    private static IEnumerable<string> Beginnings(string folded) =>
        PrefixLengths.Where(length => length <= folded.Length).Select(length => folded[..length]);

    private static IEnumerable<string> Days(long from)
    {
        var date = new DateTime(from, DateTimeKind.Utc);
        return DateForms.Select(form => date.ToString(form, CultureInfo.InvariantCulture));
    }

    // A day, a month or a year; days are 23 to 25 hours long.
    private static string? DateTerm(TimeRange range, TimeZoneInfo zone)
    {
        var hours = (range.To - range.From) / TimeSpan.TicksPerHour;
        var form = hours switch
        {
            >= 23 and <= 25 => DateForms[0],
            >= 27 * 24 and <= 32 * 24 => DateForms[1],
            >= 364 * 24 and <= 367 * 24 => DateForms[2],
            _ => null,
        };
        return form is null || range.From < 0
            ? null
            : TimeZoneInfo.ConvertTimeFromUtc(new DateTime(range.From, DateTimeKind.Utc), zone).ToString(form, CultureInfo.InvariantCulture);
    }
}
