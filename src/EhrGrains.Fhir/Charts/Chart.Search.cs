namespace EhrGrains.Fhir.Charts;

/// <summary>Where a search goes on: after a resource, in the order of types and ids or in that of a sorted search.</summary>
/// <param name="AfterType">The type of the last match.</param>
/// <param name="AfterId">The id of the last match.</param>
/// <param name="AsOf">The time of which the order of a sorted search is; null: the search begins, or is not sorted.</param>
public sealed record ChartPosition(string? AfterType, string? AfterId, DateTimeOffset? AsOf = null);

/// <summary>One page of a search over a chart.</summary>
/// <param name="Matches">The matches of this page, in order.</param>
/// <param name="Included">What comes along with them, each once, none that is a match of this page.</param>
/// <param name="Total">All matches; null when that is not asked for.</param>
/// <param name="Next">Where the next page begins; null on the last.</param>
public sealed record ChartPage(IReadOnlyList<ChartEntry> Matches, IReadOnlyList<ChartEntry> Included, int? Total, ChartPosition? Next);

public sealed partial class Chart
{
    /// <summary>The most resources that come along with one page.</summary>
    public const int IncludedMax = 2000;

    /// <summary>
    /// Searches one type. Without <c>_sort</c> the order is that of the ids, which never change: pages that follow each other hold every
    /// resource that was there all the while exactly once, whatever else changes. A sorted search goes on in the order that there was
    /// when it began, with the resources as they are now; what was deleted is left out, what came since is for the next search.
    /// </summary>
    /// <param name="query">What to search.</param>
    /// <param name="from">Where to go on; null: from the start.</param>
    /// <param name="mayInclude">Which types may come along.</param>
    /// <param name="before">
    /// For a sorted search that goes on: the resources of <see cref="NamesChangedSince"/> as they were then, so far as they were.
    /// </param>
    public ChartPage Search(ChartQuery query, ChartPosition? from, Func<string, bool> mayInclude, IReadOnlyCollection<ChartEntry>? before = null)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentNullException.ThrowIfNull(mayInclude);
        var shelf = ShelfOf(query.Type);
        var chart = query.IsSorted && from?.AsOf is { } at ? AsOf(query.Type, at, before ?? []) : this;
        var (matches, total, more) = chart.Walk(chart.ShelfOf(query.Type), query, from?.AfterId);
        var next = more && query.Count > 0 ? new ChartPosition(query.Type, matches[^1].Id, from?.AsOf) : null;
        if (chart != this)
        {
            matches = [.. matches.Select(match => shelf.Find(match.Id)).OfType<ChartEntry>()];
        }

        var included = query.Includes.Count == 0 || matches.Count == 0 ? [] : new Inclusion(this, query, mayInclude).Of(matches);
        BoundIndexes();
        return new ChartPage(matches, included, query.WithTotal || query.Count == 0 ? total : null, next);
    }

    /// <summary>The ids of resources of a type that a sorted search has to have as they were, to go on in the order of a time.</summary>
    public IReadOnlyList<string> NamesChangedSince(string type, ChartPosition from)
    {
        ArgumentNullException.ThrowIfNull(from);
        var changed = Of(type).Where(entry => entry.LastUpdated > from.AsOf).Select(entry => entry.Id).ToList();
        if (from.AfterId is { } last && Find(type, last) is null)
        {
            changed.Add(last);
        }

        return changed;
    }

    /// <summary>
    /// Everything in the chart, by type and id (R4 patient-operation-everything.html). What has no date of care belongs to any time.
    /// </summary>
    /// <param name="window">Which part.</param>
    /// <param name="mayRead">Which types are given.</param>
    /// <param name="from">Where to go on; null: from the start.</param>
    public ChartPage Everything(ChartWindow window, Func<string, bool> mayRead, ChartPosition? from)
    {
        ArgumentNullException.ThrowIfNull(window);
        ArgumentNullException.ThrowIfNull(mayRead);
        var page = new List<ChartEntry>();
        var total = 0;
        var more = false;
        foreach (var (type, shelf) in shelves.Where(shelf => window.Has(shelf.Key) && mayRead(shelf.Key)))
        {
            var behind = from is null ? 1 : string.CompareOrdinal(type, from.AfterType);
            var first = behind > 0 ? 0 : behind < 0 ? int.MaxValue : shelf.After(from!.AfterId);
            var test = CareTest(shelf, type, window);
            for (var place = 0; place < shelf.Order.Length; place++)
            {
                var slot = shelf.Order[place];
                if ((window.Since is { } since && shelf[slot].LastUpdated < since) || !test(slot))
                {
                    continue;
                }

                total++;
                if (place >= first && page.Count < window.Count)
                {
                    page.Add(shelf[slot]);
                }
                else if (place >= first)
                {
                    more = true;
                }
            }
        }

        BoundIndexes();
        return new ChartPage(page, [], total, more && page.Count > 0 ? new ChartPosition(page[^1].Type, page[^1].Id) : null);
    }

    private Func<int, bool> CareTest(Shelf shelf, string type, ChartWindow window)
    {
        if (window.Care == TimeRange.Always || ChartWindow.CareDateOf(type) is not { } definition)
        {
            return static _ => true;
        }

        var dates = (Column<TimeRange>)Columns(shelf, [new ColumnKey(definition, Aspect.Value)])[0];
        return slot =>
        {
            foreach (var date in dates[slot])
            {
                if (date.Overlaps(window.Care))
                {
                    return true;
                }
            }

            return dates[slot].IsEmpty;
        };
    }

    // The chart's resources of a type as they were: those that have changed since are not the same ones, and are put where they belonged.
    private Chart AsOf(string type, DateTimeOffset at, IReadOnlyCollection<ChartEntry> before)
    {
        if (before.Count == 0 && !Of(type).Any(entry => entry.LastUpdated > at))
        {
            return this;
        }

        var then = new Chart(zone);
        foreach (var entry in Of(type).Where(entry => entry.LastUpdated <= at).Concat(before))
        {
            then.Put(entry);
        }

        return then;
    }

    private (List<ChartEntry> Matches, int Total, bool More) Walk(Shelf shelf, ChartQuery query, string? after)
    {
        var columns = Columns(shelf, [.. query.Criteria.Select(criterion => criterion.Column)]);
        var slots = Slots(shelf, query, columns);
        var test = Test(query, columns);
        var first = after is null ? 0 : query.IsSorted ? slots.IndexOf(shelf.SlotOf(after) ?? -1) + 1 : FirstAfter(shelf, slots, after);
        var counts = query.WithTotal || query.Count == 0;
        var matches = new List<ChartEntry>();
        var total = 0;
        var more = false;
        for (var place = counts ? 0 : first; place < slots.Length && (counts || !more); place++)
        {
            if (!test(slots[place]))
            {
                continue;
            }

            total++;
            if (place >= first && matches.Count < query.Count)
            {
                matches.Add(shelf[slots[place]]);
            }
            else if (place >= first)
            {
                more = true;
            }
        }

        return (matches, total, more);
    }

    // The slots that may match, in the order of the search. Where a condition leaves few, the others need not be looked at.
    private ReadOnlySpan<int> Slots(Shelf shelf, ChartQuery query, Column[] columns)
    {
        HashSet<int>? few = null;
        foreach (var (i, criterion) in query.Criteria.Index())
        {
            few = criterion.Candidates(columns[i], texts, (few?.Count ?? shelf.Count / 2) - 1) ?? few;
        }

        if (!query.IsSorted)
        {
            return few is null ? shelf.Order : shelf.InOrder(few);
        }

        var keys = Columns(shelf, [.. query.Sort.Select(SortOrder.ColumnOf)]);
        if (few is null)
        {
            return shelf.Sorted(SortOrder.NameOf(query.Sort), slots => SortOrder.Sort(slots, query.Sort, keys, texts));
        }

        var sorted = shelf.InOrder(few);
        SortOrder.Sort(sorted, query.Sort, keys, texts);
        return sorted;
    }

    private static int FirstAfter(Shelf shelf, ReadOnlySpan<int> slots, string after)
    {
        var (low, high) = (0, slots.Length);
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            (low, high) = string.CompareOrdinal(shelf[slots[middle]].Id, after) <= 0 ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    private Func<int, bool> Test(ChartQuery query, Column[] columns)
    {
        var tests = query.Criteria.Select((criterion, i) => criterion.On(columns[i], texts)).ToArray();
        return tests.Length switch
        {
            0 => static _ => true,
            1 => tests[0],
            _ => slot => AllPass(tests, slot),
        };
    }

    private static bool AllPass(Func<int, bool>[] tests, int slot)
    {
        foreach (var test in tests)
        {
            if (!test(slot))
            {
                return false;
            }
        }

        return true;
    }
}
