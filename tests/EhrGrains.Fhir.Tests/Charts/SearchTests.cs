using System.Globalization;
using EhrGrains.Contracts.Query;
using EhrGrains.Fhir.Charts;
using Hl7.Fhir.Model;
using SearchParameter = EhrGrains.Contracts.Query.SearchParameter;

namespace EhrGrains.Fhir.Tests.Charts;

/// <summary>Every search parameter over real charts finds what its definition finds, resource by resource.</summary>
public sealed class SearchTests
{
    private const int ValuesOfEach = 6;
    private static readonly string[] DatePrefixes = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"];
    private static readonly int[] DateLengths = [4, 7, 10, int.MaxValue];

    [Theory, InlineData(0), InlineData(1), InlineData(2)]
    public void Every_parameter_finds_what_its_definition_finds(int patient)
    {
        var entries = SyntheaChart.Read(SyntheaChart.Files().ElementAt(patient));
        var chart = ChartOf(entries);
        var compared = 0;
        foreach (var type in entries.Select(e => e.Type).Distinct().ToList())
        {
            var resources = entries.Where(e => e.Type == type).Select(e => (e.Id, Resource: SyntheaChart.Parse(e))).ToList();
            foreach (var definition in SearchDefinitions.Of(type))
            {
                if (ModelInfo.SearchParameters.FirstOrDefault(p => p.Resource == type && p.Name == definition.Name)?.Expression is not { } expression)
                {
                    continue;
                }

                var values = resources.Select(r => (r.Id, Values: NaiveSearch.Values(r.Resource, expression))).ToList();
                foreach (var (query, matches) in Questions(definition, [.. values.SelectMany(v => v.Values)]))
                {
                    var expected = values.Where(v => matches(v.Values)).Select(v => v.Id);
                    Find(chart, type, query).ShouldBe(expected, ignoreOrder: true, $"{type}?{query.Name}={query.Value}");
                    compared++;
                }
            }
        }

        compared.ShouldBeGreaterThan(500);
    }

    internal static Chart ChartOf(IEnumerable<ChartEntry> entries)
    {
        var chart = new Chart(TimeZoneInfo.Utc);
        foreach (var entry in entries)
        {
            chart.Put(entry);
        }

        return chart;
    }

    internal static IReadOnlyList<string> Find(Chart chart, string type, params SearchParameter[] parameters)
    {
        var ids = new List<string>();
        ChartPosition? next = null;
        do
        {
            var page = chart.Search(Read(type, parameters), next, _ => true);
            ids.AddRange(page.Matches.Select(m => m.Id));
            next = page.Next;
        }
        while (next is not null);
        return ids;
    }

    internal static ChartQuery Read(string type, params SearchParameter[] parameters)
    {
        var context = new ChartContext(TimeZoneInfo.Utc, DateTimeOffset.UnixEpoch, "https://gateway/fhir/st-mary");
        ChartQuery.TryParse(type, parameters, context, SearchHandling.Strict, out var query, out var issues)
            .ShouldBeTrue(string.Join("; ", issues.Select(i => i.Diagnostics)));
        return query!;
    }

    // Questions whose answers are in the data, and how the judge answers them.
    private static IEnumerable<(SearchParameter Query, Func<IReadOnlyList<Base>, bool> Matches)> Questions(SearchDefinition definition, IReadOnlyList<Base> values)
    {
        var name = definition.Name;
        if (definition.Default is null)
        {
            yield return (new(name + ":missing", "true"), own => !own.Any(IsOf(definition)));
            yield return (new(name + ":missing", "false"), own => own.Any(IsOf(definition)));
        }

        foreach (var question in definition.Kind switch
        {
            SearchKind.Token => Tokens(name, values),
            SearchKind.Reference => References(name, values),
            SearchKind.Text => Strings(name, values),
            SearchKind.Date => Dates(name, values),
            SearchKind.Quantity => Quantities(name, values),
            SearchKind.Uri => Some(values.Select(NaiveSearch.Text).OfType<string>()).Select(uri =>
                (new SearchParameter(name, Escaped(uri)), (Func<IReadOnlyList<Base>, bool>)(own => own.Any(v => NaiveSearch.Text(v) == uri)))),
            _ => [],
        })
        {
            yield return question;
        }
    }

    private static Func<Base, bool> IsOf(SearchDefinition definition) => value => definition.Kind switch
    {
        SearchKind.Reference => value is ResourceReference { Reference: { } url } && !url.StartsWith('#') || value is Canonical or FhirUri,
        SearchKind.Token => value is not (Hl7.Fhir.Model.Quantity or CodeableConcept { Coding.Count: 0 }),
        SearchKind.Date => value is not (FhirString or Timing { EventElement.Count: 0, Repeat.Bounds: null }),
        SearchKind.Quantity => value is not SampledData,
        _ => true,
    };

    private static IEnumerable<(SearchParameter, Func<IReadOnlyList<Base>, bool>)> Tokens(string name, IReadOnlyList<Base> values)
    {
        foreach (var (system, code) in Some(values.SelectMany(Codes)))
        {
            yield return (new(name, Escaped(code)), own => own.Any(v => NaiveSearch.Token(v, null, code)));
            yield return (new(name, Escaped(code).ToUpperInvariant()), own => own.Any(v => NaiveSearch.Token(v, null, code)));
            yield return (new(name + ":not", Escaped(code)), own => !own.Any(v => NaiveSearch.Token(v, null, code)));
            if (system is not null)
            {
                yield return (new(name, $"{Escaped(system)}|{Escaped(code)}"), own => own.Any(v => NaiveSearch.Token(v, system, code)));
                yield return (new(name, $"|{Escaped(code)}"), own => own.Any(v => NaiveSearch.Token(v, "", code)));
                yield return (new(name, $"urn:other|{Escaped(code)},urn:none|x"), own => own.Any(v => NaiveSearch.Token(v, "urn:other", code)));
            }
        }

        foreach (var words in Some(values.OfType<CodeableConcept>().Select(c => c.Text ?? c.Coding.FirstOrDefault()?.Display).OfType<string>()))
        {
            var start = words[..Math.Max(1, words.Length / 2)];
            yield return (new(name + ":text", Escaped(start)), own => own.Any(v => NaiveSearch.Words(v, start)));
        }
    }

    private static IEnumerable<(string? System, string Code)> Codes(Base value) => value switch
    {
        CodeableConcept concept => concept.Coding.SelectMany(Codes),
        Coding { Code: { } code } coding => [(coding.System, code)],
        Identifier { Value: { } id } identifier => [(identifier.System, id)],
        ContactPoint { Value: { } number } => [(null, number)],
        _ => NaiveSearch.Text(value) is { } text ? [(null, text)] : [],
    };

    private static IEnumerable<(SearchParameter, Func<IReadOnlyList<Base>, bool>)> References(string name, IReadOnlyList<Base> values)
    {
        var urls = values.OfType<ResourceReference>().Select(r => r.Reference).OfType<string>().Where(u => u.Split('/').Length == 2 && u[0] != '#');
        foreach (var parts in Some(urls).Select(url => url.Split('/')))
        {
            var (type, id) = (parts[0], parts[1]);
            Func<IReadOnlyList<Base>, bool> points = own => own.Any(v => NaiveSearch.Reference(v, type, id));
            yield return (new(name, $"{type}/{id}"), points);
            yield return (new($"{name}:{type}", id), points);
            yield return (new(name, $"https://gateway/fhir/st-mary/{type}/{id}"), points);
            yield return (new(name, id), own => own.Any(v => v is ResourceReference { Reference: { } u } && u.EndsWith("/" + id, StringComparison.Ordinal)));
            yield return (new(name, $"https://elsewhere/fhir/{type}/{id}"), _ => false);
        }
    }

    private static IEnumerable<(SearchParameter, Func<IReadOnlyList<Base>, bool>)> Strings(string name, IReadOnlyList<Base> values)
    {
        foreach (var text in Some(values.SelectMany(NaiveSearch.Strings)))
        {
            var start = text[..Math.Max(1, text.Length - 2)];
            var inside = text[(text.Length / 3)..];
            yield return (new(name, Escaped(start).ToUpperInvariant()), own => own.SelectMany(NaiveSearch.Strings).Any(s => NaiveSearch.Begins(s, start)));
            yield return (new(name + ":exact", Escaped(text)), own => own.SelectMany(NaiveSearch.Strings).Any(s => s == text));
            yield return (
                new(name + ":contains", Escaped(inside)),
                own => own.SelectMany(NaiveSearch.Strings).Any(s => s.Contains(inside.Trim(), StringComparison.OrdinalIgnoreCase)));
        }
    }

    private static IEnumerable<(SearchParameter, Func<IReadOnlyList<Base>, bool>)> Dates(string name, IReadOnlyList<Base> values)
    {
        var texts = values.SelectMany(v => v is Period p ? new[] { p.Start, p.End } : [NaiveSearch.Text(v)]).OfType<string>();
        foreach (var text in Some(texts))
        {
            foreach (var wanted in DateLengths.Where(l => l <= text.Length || l == int.MaxValue).Select(l => text[..Math.Min(l, text.Length)]))
            {
                foreach (var prefix in DatePrefixes)
                {
                    yield return (new(name, prefix + wanted), own => own.Any(v => NaiveSearch.Date(v, prefix, wanted)));
                }
            }
        }
    }

    private static IEnumerable<(SearchParameter, Func<IReadOnlyList<Base>, bool>)> Quantities(string name, IReadOnlyList<Base> values)
    {
        foreach (var quantity in Some(values.OfType<Quantity>().Where(q => q.Value is not null)))
        {
            var number = Math.Round(quantity.Value!.Value, 1);
            var text = number.ToString("0.0", CultureInfo.InvariantCulture);
            foreach (var prefix in DatePrefixes)
            {
                yield return (new(name, prefix + text), own => own.Any(v => NaiveSearch.Quantity(v, prefix, number, 0.05m, null)));
                yield return (
                    new(name, $"{prefix}{text}||{Escaped(quantity.Unit)}"),
                    own => own.Any(v => NaiveSearch.Quantity(v, prefix, number, 0.05m, quantity.Unit)));
            }
        }
    }

    private static IEnumerable<T> Some<T>(IEnumerable<T> values) => values.Distinct().Take(ValuesOfEach);

    private static string Escaped(string? text) => (text ?? "").Replace(@"\", @"\\", StringComparison.Ordinal).Replace(",", @"\,", StringComparison.Ordinal)
        .Replace("|", @"\|", StringComparison.Ordinal).Replace("$", @"\$", StringComparison.Ordinal);
}
