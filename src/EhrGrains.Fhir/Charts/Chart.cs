namespace EhrGrains.Fhir.Charts;

/// <summary>
/// One patient's current resources as UTF-8, with small indexes that are made when a search first needs them and given back when they
/// outgrow the resources. A grain's: not thread-safe.
/// </summary>
/// <param name="zone">The hospital's zone: dates without an offset mean it.</param>
public sealed partial class Chart(TimeZoneInfo zone)
{
    /// <summary>Indexes beyond this part of the resources' bytes are dropped, to be made again by the next search.</summary>
    internal const int IndexPart = 4;

    /// <summary>Below this the part does not count.</summary>
    internal const int IndexBytesFree = 64 * 1024;

    private readonly SortedDictionary<string, Shelf> shelves = new(StringComparer.Ordinal);
    private readonly Texts texts = new();

    /// <summary>The resources in it.</summary>
    public int Count { get; private set; }

    /// <summary>The bytes of the resources' JSON.</summary>
    public long Bytes { get; private set; }

    /// <summary>The types in it, in order.</summary>
    public IEnumerable<string> Types => shelves.Where(shelf => shelf.Value.Count > 0).Select(shelf => shelf.Key);

    /// <summary>What its indexes take now, in bytes, nearly.</summary>
    internal long IndexBytes => shelves.Values.Sum(shelf => shelf.ColumnBytes) + texts.Bytes;

    /// <summary>Takes a resource, in place of the version of it that is there.</summary>
    public void Put(ChartEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        if (!shelves.TryGetValue(entry.Type, out var shelf))
        {
            shelf = new Shelf();
            shelves.Add(entry.Type, shelf);
        }

        var before = shelf.Put(entry);
        Count += before is null ? 1 : 0;
        Bytes += entry.Json.Length - (before?.Json.Length ?? 0);
    }

    /// <summary>Takes a resource out; false when it is not there.</summary>
    public bool Remove(string type, string id)
    {
        if (!shelves.TryGetValue(type, out var shelf) || shelf.Remove(id) is not { } entry)
        {
            return false;
        }

        Count--;
        Bytes -= entry.Json.Length;
        return true;
    }

    /// <summary>A resource; null when it is not there.</summary>
    public ChartEntry? Find(string type, string id) => shelves.TryGetValue(type, out var shelf) ? shelf.Find(id) : null;

    /// <summary>All resources of a type, by id.</summary>
    public IEnumerable<ChartEntry> Of(string type) => shelves.TryGetValue(type, out var shelf) ? shelf.InOrder() : [];

    private Shelf ShelfOf(string type) => shelves.GetValueOrDefault(type) ?? new Shelf();

    // The columns that a search needs, filled in one pass over the type's resources.
    private Column[] Columns(Shelf shelf, IReadOnlyList<ColumnKey> keys) => shelf.Columns(keys, key => ColumnKinds.Make(key, texts, zone));

    private void BoundIndexes()
    {
        if (IndexBytes > Math.Max(IndexBytesFree, Bytes / IndexPart))
        {
            foreach (var shelf in shelves.Values)
            {
                shelf.DropColumns();
            }

            texts.Clear();
        }
    }
}
