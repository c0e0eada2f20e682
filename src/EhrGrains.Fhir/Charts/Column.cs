using System.Text.Json;

namespace EhrGrains.Fhir.Charts;

/// <summary>Which of a parameter's values a column holds.</summary>
internal enum Aspect
{
    /// <summary>What the parameter searches without a modifier.</summary>
    Value,

    /// <summary><c>:text</c>: the words for a code.</summary>
    Words,

    /// <summary><c>:of-type</c>: an identifier with its type.</summary>
    OfType,

    /// <summary><c>:identifier</c>: the identifier in a reference.</summary>
    Identifier,

    /// <summary><c>:exact</c>: a text as it is written.</summary>
    Exact,
}

/// <summary>Names a column among those of a resource type.</summary>
internal readonly record struct ColumnKey(SearchDefinition Definition, Aspect Aspect);

/// <summary>The values of one search parameter, resource by resource of a type, packed into one array.</summary>
internal abstract class Column
{
    /// <summary>What it takes, in bytes, nearly.</summary>
    internal abstract long Bytes { get; }

    /// <summary>Takes the values of the resource in a slot, in place of those it had.</summary>
    internal abstract void Set(int slot, JsonElement resource);

    /// <summary>Forgets the values of a slot.</summary>
    internal abstract void Clear(int slot);

    /// <summary>Whether the resource in a slot has any value.</summary>
    internal abstract bool Has(int slot);
}

/// <summary>A column of one kind of values.</summary>
/// <param name="read">Reads the values of a resource.</param>
/// <param name="valueBytes">What a value takes, in bytes, nearly.</param>
/// <param name="keyOf">The part of a value by which slots are looked up; null: they are not.</param>
internal sealed class Column<T>(Action<JsonElement, List<T>> read, int valueBytes, Func<T, int>? keyOf = null) : Column
{
    private readonly List<T> fresh = [];
    private (int Start, int Count)[] spans = [];
    private T[] values = [];
    private ulong[]? postings;
    private int used;
    private int live;

    internal override long Bytes => ((long)spans.Length * 8) + ((long)values.Length * valueBytes) + ((postings?.Length ?? 0) * 8L);

    internal ReadOnlySpan<T> this[int slot] => slot < spans.Length ? values.AsSpan(spans[slot].Start, spans[slot].Count) : [];

    internal override bool Has(int slot) => slot < spans.Length && spans[slot].Count > 0;

    internal override void Set(int slot, JsonElement resource)
    {
        fresh.Clear();
        read(resource, fresh);
        Clear(slot);
        if (fresh.Count == 0)
        {
            return;
        }

        if (slot >= spans.Length)
        {
            Array.Resize(ref spans, Grown(spans.Length, slot + 1));
        }

        if (used + fresh.Count > values.Length)
        {
            MakeRoom(fresh.Count);
        }

        fresh.CopyTo(values, used);
        spans[slot] = (used, fresh.Count);
        used += fresh.Count;
        live += fresh.Count;
    }

    /// <summary>
    /// The slots that have a value with this key, ascending in the lower half of each number; a slot comes as often as it has one. They
    /// are put in order when they are first asked for after a change.
    /// </summary>
    internal ReadOnlySpan<ulong> Having(int key)
    {
        postings ??= Post();
        var first = Posting(key, 0);
        var from = Array.BinarySearch(postings, first);
        from = from < 0 ? ~from : from;
        var to = Array.BinarySearch(postings, from, postings.Length - from, first | uint.MaxValue);
        return postings.AsSpan(from, ~to - from);
    }

    internal override void Clear(int slot)
    {
        postings = null;
        if (slot < spans.Length)
        {
            live -= spans[slot].Count;
            spans[slot] = default;
        }
    }

    private ulong[] Post()
    {
        var all = new ulong[live];
        var next = 0;
        for (var slot = 0; slot < spans.Length; slot++)
        {
            foreach (var value in this[slot])
            {
                all[next++] = Posting(keyOf!(value), slot);
            }
        }

        Array.Sort(all);
        return all;
    }

    private static ulong Posting(int key, int slot) => ((ulong)unchecked((uint)key) << 32) | (uint)slot;

    // Values of resources that changed are left behind; they go when half of the array is theirs.
    private void MakeRoom(int more)
    {
        var target = live + more > used / 2 ? new T[Grown(values.Length, used + more)] : new T[values.Length];
        var next = 0;
        for (var slot = 0; slot < spans.Length; slot++)
        {
            var (start, count) = spans[slot];
            values.AsSpan(start, count).CopyTo(target.AsSpan(next));
            spans[slot] = (next, count);
            next += count;
        }

        (values, used) = (target, next);
    }

    private static int Grown(int length, int needed) => Math.Max(needed, length + (length / 4) + 8);
}
