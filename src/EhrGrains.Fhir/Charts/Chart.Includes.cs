namespace EhrGrains.Fhir.Charts;

public sealed partial class Chart
{
    /// <summary>
    /// <c>_include</c> and <c>_revinclude</c> (R4 search.html#include) inside one chart, where references resolve. With
    /// <c>:iterate</c> what was included is looked at again, until nothing new comes or the bound is reached.
    /// </summary>
    private sealed class Inclusion(Chart chart, ChartQuery query, Func<string, bool> mayInclude)
    {
        private readonly HashSet<(string Type, string Id)> known = [];
        private readonly List<ChartEntry> included = [];

        internal List<ChartEntry> Of(IReadOnlyList<ChartEntry> matches)
        {
            known.UnionWith(matches.Select(match => (match.Type, match.Id)));
            var ring = matches;
            for (var first = true; ring.Count > 0 && included.Count < IncludedMax; first = false)
            {
                var before = included.Count;
                foreach (var rule in query.Includes.Where(rule => first || rule.Iterate))
                {
                    if (rule.Reverse)
                    {
                        AddReferringTo(ring, rule);
                    }
                    else
                    {
                        AddReferredBy(ring, rule);
                    }
                }

                ring = included.GetRange(before, included.Count - before);
            }

            return included;
        }

        private void AddReferredBy(IReadOnlyList<ChartEntry> ring, IncludeRule rule)
        {
            foreach (var group in ring.Where(entry => rule.Source is null || entry.Type == rule.Source).GroupBy(entry => entry.Type, StringComparer.Ordinal))
            {
                var shelf = chart.ShelfOf(group.Key);
                foreach (var column in References(shelf, group.Key, rule))
                {
                    foreach (var entry in group)
                    {
                        foreach (var value in column[shelf.SlotOf(entry.Id)!.Value])
                        {
                            Add(chart.texts[value.System], chart.texts[value.Code], rule.Target);
                        }
                    }
                }
            }
        }

        private void AddReferringTo(IReadOnlyList<ChartEntry> ring, IncludeRule rule)
        {
            foreach (var (type, shelf) in chart.shelves.Where(s => (rule.Source is null || s.Key == rule.Source) && mayInclude(s.Key)))
            {
                var columns = References(shelf, type, rule);
                var wanted = ring.Where(entry => rule.Target is null || entry.Type == rule.Target)
                    .Select(entry => new TokenValue(chart.texts.Find(entry.Type), chart.texts.Find(entry.Id))).ToHashSet();
                foreach (var slot in shelf.Order)
                {
                    if (Array.Exists(columns, column => column[slot].ContainsAny(wanted)))
                    {
                        Add(type, shelf[slot].Id, null);
                    }
                }
            }
        }

        private void Add(string type, string id, string? target)
        {
            if (included.Count < IncludedMax && (target is null || type == target) && mayInclude(type)
                && chart.Find(type, id) is { } entry && known.Add((type, id)))
            {
                included.Add(entry);
            }
        }

        private Column<TokenValue>[] References(Shelf shelf, string type, IncludeRule rule)
        {
            var definitions = rule.Definition is { } one ? [one] : SearchDefinitions.Of(type).Where(d => d.Kind == SearchKind.Reference);
            return [.. chart.Columns(shelf, [.. definitions.Select(d => new ColumnKey(d, Aspect.Value))]).Cast<Column<TokenValue>>()];
        }
    }
}

/// <summary>Looks for wanted references among values.</summary>
file static class Spans
{
    internal static bool ContainsAny(this ReadOnlySpan<TokenValue> values, HashSet<TokenValue> wanted)
    {
        foreach (var value in values)
        {
            if (wanted.Contains(value))
            {
                return true;
            }
        }

        return false;
    }
}
