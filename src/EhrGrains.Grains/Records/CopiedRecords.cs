namespace EhrGrains.Grains.Records;

/// <summary>
/// The records that are in this silo's memory for nothing but that their patients are being copied. The ones that were copied into last
/// stay, up to a bound, so that copying a million patients takes no more memory than copying a hundred. Thread-safe.
/// </summary>
internal sealed class CopiedRecords(RecordBounds bounds)
{
    private readonly Lock gate = new();
    private readonly LinkedList<Copied> order = new();
    private readonly Dictionary<object, LinkedListNode<Copied>> nodes = new(ReferenceEqualityComparer.Instance);
    private long total;

    /// <summary>Something was copied into a record: it is the last to go, and others may have to.</summary>
    /// <param name="record">Which.</param>
    /// <param name="bytes">How large it is now.</param>
    /// <param name="letGo">Takes it out of memory; called outside of the lock.</param>
    internal void Touch(object record, long bytes, Action letGo)
    {
        var over = new List<Copied>();
        lock (gate)
        {
            Take(record);
            nodes[record] = order.AddLast(new Copied(record, bytes, letGo));
            total += bytes;

            // One is always there: it is being copied into.
            while (total > bounds.CopiedBytesMax && order.Count > 1)
            {
                over.Add(order.First!.Value);
                Take(order.First.Value.Record);
            }
        }

        over.ForEach(static copied => copied.LetGo());
    }

    /// <summary>Somebody else uses the record, or it is no longer in memory.</summary>
    internal void Forget(object record)
    {
        lock (gate)
        {
            Take(record);
        }
    }

    private void Take(object record)
    {
        if (nodes.Remove(record, out var node))
        {
            order.Remove(node);
            total -= node.Value.Bytes;
        }
    }

    private sealed record Copied(object Record, long Bytes, Action LetGo);
}
