using System.Text.Json;

namespace EhrGrains.Fhir.Charts;

/// <summary>The resources of one type: each in a slot of its own, found by id through the slots in order of their ids.</summary>
internal sealed class Shelf
{
    private readonly List<int> order = [];
    private readonly Stack<int> free = [];
    private readonly Dictionary<ColumnKey, Column> columns = [];
    private ChartEntry?[] slots = [];
    private int used;

    internal int Count => order.Count;

    internal long ColumnBytes => columns.Values.Sum(column => column.Bytes);

    internal ChartEntry this[int slot] => slots[slot]!;

    /// <summary>The slots in order of the ids.</summary>
    internal IReadOnlyList<int> Order => order;

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

    internal void DropColumns() => columns.Clear();

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
