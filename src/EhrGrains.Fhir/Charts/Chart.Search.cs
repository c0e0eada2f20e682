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

    /// <summary>All resources of the chart, by type and id (R4 patient-operation-everything.html).</summary>
    /// <param name="mayRead">Which types are given.</param>
    /// <param name="since">Only what has changed since then; null: everything.</param>
    /// <param name="within">Whether a resource belongs to the time that is asked for.</param>
    /// <param name="count">The resources of one page.</param>
    /// <param name="from">Where to go on; null: from the start.</param>
    public ChartPage Everything(
        Func<string, bool> mayRead, DateTimeOffset? since, Func<ChartEntry, bool> within, int count, ChartPosition? from)
    {
        ArgumentNullException.ThrowIfNull(mayRead);
        ArgumentNullException.ThrowIfNull(within);
        var page = new List<ChartEntry>();
        var total = 0;
        foreach (var (type, shelf) in shelves.Where(shelf => mayRead(shelf.Key)))
        {
            var wanted = shelf.InOrder().Where(entry => (since is null || entry.LastUpdated >= since) && within(entry)).ToList();
            total += wanted.Count;
            var compared = from is null ? 1 : string.CompareOrdinal(type, from.AfterType);
            page.AddRange(compared > 0 ? wanted : compared < 0 ? [] : wanted.Where(entry => string.CompareOrdinal(entry.Id, from!.AfterId) > 0));
        }

        var more = page.Count > count;
        page.RemoveRange(Math.Min(count, page.Count), Math.Max(0, page.Count - count));
        return new ChartPage(page, [], total, more && count > 0 ? new ChartPosition(page[^1].Type, page[^1].Id) : null);
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
            _ => slot => Array.TrueForAll(tests, test => test(slot)),
        };
    }
}
