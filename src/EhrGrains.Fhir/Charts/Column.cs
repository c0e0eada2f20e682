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
internal sealed class Column<T>(Action<JsonElement, List<T>> read, int valueBytes) : Column
{
    private readonly List<T> fresh = [];
    private (int Start, int Count)[] spans = [];
    private T[] values = [];
    private int used;
    private int live;

    internal override long Bytes => ((long)spans.Length * 8) + ((long)values.Length * valueBytes);

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

    internal override void Clear(int slot)
    {
        if (slot < spans.Length)
        {
            live -= spans[slot].Count;
            spans[slot] = default;
        }
    }

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
