namespace EhrGrains.Fhir.Charts;

/// <summary>Where a search goes on. Either after a resource, in the order of types and ids, or with the resources that are left of an order once made.</summary>
/// <param name="AfterType">The type of the last match.</param>
/// <param name="AfterId">The id of the last match.</param>
/// <param name="Rest">The ids that are left of a sorted search, in order; null when it is not sorted.</param>
public sealed record ChartPosition(string? AfterType, string? AfterId, IReadOnlyList<string>? Rest = null);

/// <summary>One page of a search over a chart.</summary>
/// <param name="Matches">The matches of this page, in order.</param>
/// <param name="Included">What comes along with them, each once, none that is a match of this page.</param>
/// <param name="Total">All matches now; null when that is not asked for, or when the search goes on with a rest.</param>
/// <param name="Next">Where the next page begins; null on the last.</param>
public sealed record ChartPage(IReadOnlyList<ChartEntry> Matches, IReadOnlyList<ChartEntry> Included, int? Total, ChartPosition? Next);

public sealed partial class Chart
{
    /// <summary>The most resources that come along with one page.</summary>
    public const int IncludedMax = 2000;

    /// <summary>
    /// Searches one type. Without <c>_sort</c> the order is that of the ids, which never change: pages that follow each other hold every
    /// resource that was there all the while exactly once, whatever else changes. A sorted search is put in order once, and its later
    /// pages take what is left of that order.
    /// </summary>
    /// <param name="query">What to search.</param>
    /// <param name="from">Where to go on; null: from the start.</param>
    /// <param name="mayInclude">Which types may come along.</param>
    public ChartPage Search(ChartQuery query, ChartPosition? from, Func<string, bool> mayInclude)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentNullException.ThrowIfNull(mayInclude);
        var shelf = ShelfOf(query.Type);
        var (matches, total, next) = from?.Rest is { } rest ? TakeRest(shelf, query, rest)
            : query.IsSorted ? Sorted(shelf, query)
            : InIdOrder(shelf, query, from?.AfterId);
        var included = query.Includes.Count == 0 || matches.Count == 0 ? [] : new Inclusion(this, query, mayInclude).Of(matches);
        BoundIndexes();
        return new ChartPage(matches, included, query.WithTotal || query.Count == 0 ? total : null, next);
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
            for (var place = 0; place < shelf.Order.Count; place++)
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

    private (List<ChartEntry> Matches, int? Total, ChartPosition? Next) InIdOrder(Shelf shelf, ChartQuery query, string? after)
    {
        var matches = new List<ChartEntry>();
        var test = Test(shelf, query);
        var place = query.WithTotal || query.Count == 0 ? 0 : shelf.After(after);
        var first = shelf.After(after);
        var total = 0;
        var more = false;
        for (; place < shelf.Order.Count; place++)
        {
            var slot = shelf.Order[place];
            if (!test(slot))
            {
                continue;
            }

            total++;
            if (place >= first && matches.Count < query.Count)
            {
                matches.Add(shelf[slot]);
            }
            else if (place >= first)
            {
                more = true;
                if (!query.WithTotal && query.Count > 0)
                {
                    break;
                }
            }
        }

        return (matches, total, more && query.Count > 0 ? new ChartPosition(query.Type, matches[^1].Id) : null);
    }

    private (List<ChartEntry> Matches, int? Total, ChartPosition? Next) Sorted(Shelf shelf, ChartQuery query)
    {
        var test = Test(shelf, query);
        var slots = shelf.Order.Where(test).ToArray();
        SortOrder.Sort(slots, query.Sort, Columns(shelf, [.. query.Sort.Select(SortOrder.ColumnOf)]), texts);
        var matches = slots.Take(query.Count).Select(slot => shelf[slot]).ToList();
        var rest = slots.Skip(query.Count).Select(slot => shelf[slot].Id).ToArray();
        return (matches, slots.Length, rest.Length > 0 && query.Count > 0 ? new ChartPosition(query.Type, null, rest) : null);
    }

    // What was deleted meanwhile is not there any more; what has changed is given as it is now.
    private static (List<ChartEntry> Matches, int? Total, ChartPosition? Next) TakeRest(Shelf shelf, ChartQuery query, IReadOnlyList<string> rest)
    {
        var matches = rest.Take(query.Count).Select(shelf.Find).OfType<ChartEntry>().ToList();
        return (matches, null, rest.Count > query.Count ? new ChartPosition(query.Type, null, [.. rest.Skip(query.Count)]) : null);
    }

    private Func<int, bool> Test(Shelf shelf, ChartQuery query)
    {
        var columns = Columns(shelf, [.. query.Criteria.Select(criterion => criterion.Column)]);
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
