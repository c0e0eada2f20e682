namespace EhrGrains.Fhir.Charts;

/// <summary>
/// <c>_sort</c> (R4 search.html#sort): of several values the smallest counts when ascending and the largest when descending; resources
/// without one come last; what is equal by all keys is in the order of the ids.
/// </summary>
internal static class SortOrder
{
    internal static ColumnKey ColumnOf(SortKey key) => new(key.Definition, Aspect.Value);

    internal static void Sort(int[] slots, IReadOnlyList<SortKey> keys, Column[] columns, Texts texts)
    {
        var comparisons = keys.Select((key, i) => By(columns[i], key.Descending, texts)).ToArray();
        var places = new Dictionary<int, int>(slots.Length);
        for (var i = 0; i < slots.Length; i++)
        {
            places[slots[i]] = i;
        }

        Array.Sort(slots, (a, b) =>
        {
            foreach (var comparison in comparisons)
            {
                if (comparison(a, b) is not 0 and var difference)
                {
                    return difference;
                }
            }

            return places[a].CompareTo(places[b]);
        });
    }

    private static Comparison<int> By(Column column, bool descending, Texts texts) => column switch
    {
        Column<TimeRange> dates => Of(dates, (a, b) => descending ? a.To.CompareTo(b.To) : a.From.CompareTo(b.From), descending),
        Column<QuantityValue> numbers => Of(numbers, (a, b) => descending ? a.High.CompareTo(b.High) : a.Low.CompareTo(b.Low), descending),
        Column<string> words => Of(words, string.CompareOrdinal, descending),
        Column<TokenValue> tokens => Of(tokens, (a, b) => string.CompareOrdinal(texts[a.Code], texts[b.Code]), descending),
        _ => throw new InvalidOperationException("There is no such kind of column."),
    };

    private static Comparison<int> Of<T>(Column<T> column, Comparison<T> compare, bool descending) => (a, b) =>
    {
        var left = column[a];
        var right = column[b];
        return left.IsEmpty || right.IsEmpty
            ? left.IsEmpty.CompareTo(right.IsEmpty)
            : descending ? compare(Best(right, compare, descending), Best(left, compare, descending))
            : compare(Best(left, compare, descending), Best(right, compare, descending));
    };

    private static T Best<T>(ReadOnlySpan<T> values, Comparison<T> compare, bool largest)
    {
        var best = values[0];
        foreach (var value in values[1..])
        {
            var compared = compare(value, best);
            best = largest ? (compared > 0 ? value : best) : (compared < 0 ? value : best);
        }

        return best;
    }
}
