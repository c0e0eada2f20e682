using System.Runtime.InteropServices;
using System.Text.Json;

namespace EhrGrains.Fhir.Charts;

/// <summary>The resources of one type: each in a slot of its own, found by id through the slots in order of their ids.</summary>
internal sealed class Shelf
{
    /// <summary>Orders by other keys than the id that are kept until a resource changes; more are made again.</summary>
    private const int SortedMax = 4;

    private readonly List<int> order = [];
    private readonly Dictionary<string, int[]> sorted = new(StringComparer.Ordinal);
    private readonly Stack<int> free = [];
    private readonly Dictionary<ColumnKey, Column> columns = [];
    private ChartEntry?[] slots = [];
    private int used;

    internal int Count => order.Count;

    internal long ColumnBytes => columns.Values.Sum(column => column.Bytes) + sorted.Values.Sum(slots => slots.Length * 4L);

    internal ChartEntry this[int slot] => slots[slot]!;

    /// <summary>The slots in order of the ids.</summary>
    internal ReadOnlySpan<int> Order => CollectionsMarshal.AsSpan(order);

    /// <summary>Takes an entry and gives the one that it replaces.</summary>
    internal ChartEntry? Put(ChartEntry entry)
    {
        var place = PlaceOf(entry.Id);
        ChartEntry? before = null;
        int slot;
        if (place >= 0)
        {
            slot = order[place];
            before = slots[slot];
        }
        else
        {
            slot = free.TryPop(out var gap) ? gap : used++;
            if (slot >= slots.Length)
            {
                Array.Resize(ref slots, Math.Max(8, slots.Length + (slots.Length / 2)));
            }

            order.Insert(~place, slot);
        }

        slots[slot] = entry;
        sorted.Clear();
        Fill(columns.Values, slot);
        return before;
    }

    internal ChartEntry? Remove(string id)
    {
        var place = PlaceOf(id);
        if (place < 0)
        {
            return null;
        }

        var slot = order[place];
        var entry = slots[slot];
        order.RemoveAt(place);
        slots[slot] = null;
        free.Push(slot);
        sorted.Clear();
        foreach (var column in columns.Values)
        {
            column.Clear(slot);
        }

        return entry;
    }

    internal ChartEntry? Find(string id) => SlotOf(id) is { } slot ? slots[slot] : null;

    internal int? SlotOf(string id) => PlaceOf(id) is >= 0 and var place ? order[place] : null;

    /// <summary>Where the ids after one begin, in <see cref="Order"/>.</summary>
    internal int After(string? id)
    {
        var place = id is null ? -1 : PlaceOf(id);
        return place >= 0 ? place + 1 : id is null ? 0 : ~place;
    }

    internal IEnumerable<ChartEntry> InOrder() => order.Select(slot => slots[slot]!);

    internal Column[] Columns(IReadOnlyList<ColumnKey> keys, Func<ColumnKey, Column> make)
    {
        var missing = new List<Column>();
        foreach (var key in keys)
        {
            if (!columns.ContainsKey(key))
            {
                var column = make(key);
                columns.Add(key, column);
                missing.Add(column);
            }
        }

        if (missing.Count > 0)
        {
            foreach (var slot in order)
            {
                Fill(missing, slot);
            }
        }

        return [.. keys.Select(key => columns[key])];
    }

    /// <summary>Slots in the order of their ids.</summary>
    internal int[] InOrder(HashSet<int> some)
    {
        var places = some.Select(slot => PlaceOf(slots[slot]!.Id)).ToArray();
        Array.Sort(places);
        return Array.ConvertAll(places, place => order[place]);
    }

    /// <summary>All slots in an order by other keys, which is made when it is first asked for after a change.</summary>
    internal int[] Sorted(string by, Action<int[]> sort)
    {
        if (sorted.TryGetValue(by, out var known))
        {
            return known;
        }

        if (sorted.Count == SortedMax)
        {
            sorted.Clear();
        }

        var made = order.ToArray();
        sort(made);
        sorted.Add(by, made);
        return made;
    }

    internal void DropColumns()
    {
        columns.Clear();
        sorted.Clear();
    }

    private void Fill(IReadOnlyCollection<Column> some, int slot)
    {
        if (some.Count == 0)
        {
            return;
        }

        using var document = JsonDocument.Parse(slots[slot]!.Json);
        foreach (var column in some)
        {
            column.Set(slot, document.RootElement);
        }
    }

    // The place in the order, or the complement of where it would be.
    private int PlaceOf(string id)
    {
        var (low, high) = (0, order.Count - 1);
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            var compared = string.CompareOrdinal(slots[order[middle]]!.Id, id);
            if (compared == 0)
            {
                return middle;
            }

            (low, high) = compared < 0 ? (middle + 1, high) : (low, middle - 1);
        }

        return ~low;
    }
}
