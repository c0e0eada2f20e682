using EhrGrains.Fhir.V2.Compiling;

namespace EhrGrains.Fhir.V2.Running;

/// <summary>An element of a resource that is being made. Children stand in the order of the specification.</summary>
internal sealed class Node
{
    internal FhirElement? Element { get; private set; }

    internal FhirType Type { get; private set; } = null!;

    internal Node? Parent { get; private set; }

    internal Node? First { get; private set; }

    internal Node? Next { get; private set; }

    /// <summary>A primitive's value as JSON has it, without quotation marks.</summary>
    internal string? Text { get; set; }

    /// <summary>Which item of a list this is to the block that made it.</summary>
    internal string? Slice { get; private set; }

    /// <summary>The block that made it.</summary>
    internal int Block { get; private set; }

    /// <summary>The line that made it, where it is the end of the line's path.</summary>
    internal LinePlan? Line { get; set; }

    /// <summary>Whether something of the message is in it.</summary>
    internal bool HasContent { get; private set; }

    /// <summary>Whether a rule wants it although only constants or references are in it, if what holds it is wanted.</summary>
    internal bool IsKept { get; private set; }

    internal bool IsWanted => HasContent || IsKept;

    /// <summary>Whether a constant or a reference is directly in it.</summary>
    internal bool HasKept
    {
        get
        {
            for (var child = First; child is not null; child = child.Next)
            {
                if (child.IsKept)
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>Whether anything wanted is directly in it.</summary>
    internal bool HasWanted
    {
        get
        {
            for (var child = First; child is not null; child = child.Next)
            {
                if (child.IsWanted)
                {
                    return true;
                }
            }

            return false;
        }
    }

    private Node? Last { get; set; }

    internal void Begin(FhirElement? element, FhirType type, Node? parent, string? slice, int block)
    {
        (Element, Type, Parent, Slice, Block) = (element, type, parent, slice, block);
        (First, Last, Next, Text, Line, HasContent, IsKept) = (null, null, null, null, null, false, false);
    }

    /// <summary>Puts a child at its place: after what comes before it in the specification and after earlier items of its list.</summary>
    internal void Insert(Node child)
    {
        child.Parent = this;
        child.Next = null;
        if (Last is null)
        {
            First = Last = child;
        }
        else if (Last.Element!.Order <= child.Element!.Order)
        {
            Last = Last.Next = child;
        }
        else
        {
            Node? before = null;
            for (var at = First; at is not null && at.Element!.Order <= child.Element.Order; at = at.Next)
            {
                before = at;
            }

            child.Next = before is null ? First : before.Next;
            _ = before is null ? First = child : before.Next = child;
        }

        if (child.HasContent)
        {
            MarkContent();
        }
    }

    /// <summary>The first wanted child of an element or of another type of the same choice.</summary>
    internal Node? Find(int order)
    {
        for (var child = First; child is not null && child.Element!.Order <= order; child = child.Next)
        {
            if (child.Element.Order == order && child.IsWanted)
            {
                return child;
            }
        }

        return null;
    }

    /// <summary>The child that is this element, as the block knows it.</summary>
    internal Node? Find(FhirElement element, string? slice, int block)
    {
        for (var child = First; child is not null && child.Element!.Order <= element.Order; child = child.Next)
        {
            if (child.Element == element && (!element.IsList || (child.Slice == slice && (child.Block == block || (slice is not null && Parent is null)))))
            {
                return child;
            }
        }

        return null;
    }

    internal void MarkContent()
    {
        for (var at = this; at is { HasContent: false }; at = at.Parent)
        {
            at.HasContent = true;
        }
    }

    /// <summary>
    /// Marks as wanted by a constant. Goes up through what can be there only once, and extensions: another item of a list that has
    /// nothing but constants is not wanted, as the field that it is for is empty.
    /// </summary>
    internal void Keep()
    {
        IsKept = true;
        for (var at = Parent; at is { IsKept: false, Element: { } element } && (!element.IsList || element.Type.Name == "Extension"); at = at.Parent)
        {
            at.IsKept = true;
        }
    }

    /// <summary>Marks the URL of an extension, which does not make the extension wanted.</summary>
    internal void KeepUrl() => IsKept = true;

    internal void Drop() => (IsKept, HasContent) = (false, false);

    /// <summary>Takes over the elements of another that this one has not: two fields said of the same thing. A list is taken whole.</summary>
    internal void Merge(Node other)
    {
        var taken = -1;
        for (var child = other.First; child is not null;)
        {
            var next = child.Next;
            var order = child.Element!.Order;
            if (child.IsWanted && (order == taken || Find(order) is null))
            {
                taken = order;
                Insert(child);
            }

            child = next;
        }
    }
}

/// <summary>Nodes, used again for one message after another.</summary>
internal sealed class NodePool
{
    // What an ADT of an ordinary size needs many times over; the nodes of a giant are left to the collector.
    private const int KeptMax = 1 << 14;
    private readonly List<Node> nodes = [];
    private int used;

    internal Node Take(FhirElement? element, FhirType type, Node? parent, string? slice, int block)
    {
        if (used == nodes.Count)
        {
            nodes.Add(new Node());
        }

        var node = nodes[used++];
        node.Begin(element, type, parent, slice, block);
        return node;
    }

    internal void Clear()
    {
        if (nodes.Count > KeptMax)
        {
            nodes.RemoveRange(KeptMax, nodes.Count - KeptMax);
            nodes.TrimExcess();
        }

        used = 0;
    }
}
