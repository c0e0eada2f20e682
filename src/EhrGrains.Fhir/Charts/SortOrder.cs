namespace EhrGrains.Fhir.Charts;

/// <summary>
/// <c>_sort</c> (R4 search.html#sort): of several values the smallest counts when ascending and the largest when descending; resources
/// without one come last; what is equal by all keys is in the order of the ids.
/// </summary>
internal static class SortOrder
{
    internal static ColumnKey ColumnOf(SortKey key) => new(key.Definition, Aspect.Value);

    /// <summary>Names the order by some keys.</summary>
    internal static string NameOf(IReadOnlyList<SortKey> keys) => string.Join(',', keys.Select(key => key.Descending ? '-' + key.Definition.Name : key.Definition.Name));

    internal static void Sort(int[] slots, IReadOnlyList<SortKey> keys, Column[] columns, Texts texts)
    {
        var comparisons = keys.Select((key, i) => By(columns[i], slots, key.Descending, texts)).ToArray();
        var places = Enumerable.Range(0, slots.Length).ToArray();
        Array.Sort(places, (a, b) =>
        {
            foreach (var comparison in comparisons)
            {
                if (comparison(a, b) is not 0 and var difference)
                {
                    return difference;
                }
            }

            return a.CompareTo(b);
        });
        Array.ConvertAll(places, place => slots[place]).CopyTo(slots, 0);
    }

    private static Comparison<int> By(Column column, int[] slots, bool descending, Texts texts) => column switch
    {
        Column<TimeRange> dates => Of(dates, slots, date => descending ? date.To : date.From, Comparer<long>.Default, descending),
        Column<QuantityValue> numbers => Of(numbers, slots, number => descending ? number.High : number.Low, Comparer<decimal>.Default, descending),
        Column<string> words => Of(words, slots, word => word, StringComparer.Ordinal, descending),
        Column<TokenValue> tokens => Of(tokens, slots, token => texts[token.Code], StringComparer.Ordinal, descending),
        _ => throw new InvalidOperationException("There is no such kind of column."),
    };

    // The key of each place is looked up once, not at every comparison.
    private static Comparison<int> Of<T, TKey>(Column<T> column, int[] slots, Func<T, TKey> keyOf, IComparer<TKey> comparer, bool descending)
    {
        var keys = new TKey[slots.Length];
        var missing = new bool[slots.Length];
        for (var place = 0; place < slots.Length; place++)
        {
            var values = column[slots[place]];
            missing[place] = values.IsEmpty;
            for (var i = 0; i < values.Length; i++)
            {
                var key = keyOf(values[i]);
                if (i == 0 || (descending ? comparer.Compare(key, keys[place]) > 0 : comparer.Compare(key, keys[place]) < 0))
                {
                    keys[place] = key;
                }
            }
        }

        return (a, b) => missing[a] || missing[b] ? missing[a].CompareTo(missing[b])
            : descending ? comparer.Compare(keys[b], keys[a])
            : comparer.Compare(keys[a], keys[b]);
    }
}
