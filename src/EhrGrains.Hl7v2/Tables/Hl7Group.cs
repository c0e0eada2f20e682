using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Tables;

/// <summary>
/// Segments that belong together, as the message structure groups them: an order with its observations, a patient with a visit.
/// Holds positions, not content: <see cref="Hl7Message.Segment"/> gives the segment at one.
/// </summary>
public sealed class Hl7Group
{
    private readonly List<int> segments = [];
    private readonly List<Hl7Group> groups = [];

    internal Hl7Group(Hl7Structure structure) => Structure = structure;

    /// <summary>The group's name; for the whole message the structure's, for example ORU_R01.</summary>
    public string Name => Structure.Name;

    /// <summary>The positions of the segments that stand directly in this group, in order, unexpected ones included.</summary>
    public IReadOnlyList<int> Segments => segments;

    /// <summary>The groups within this one, in order.</summary>
    public IReadOnlyList<Hl7Group> Groups => groups;

    /// <summary>The groups of a name, at any depth, in order.</summary>
    public IEnumerable<Hl7Group> All(string name)
    {
        foreach (var group in groups)
        {
            if (group.Name == name)
            {
                yield return group;
            }

            foreach (var inner in group.All(name))
            {
                yield return inner;
            }
        }
    }

    /// <summary>
    /// Groups the segments of a message. Tolerant: what the structure has no place for (a Z-segment, one out of order) stays in the
    /// group that was open, and is named in <paramref name="unexpected"/>; a group whose first segment is nowhere in the
    /// message is begun by one that can only belong there. Null when the structure of the message is not known.
    /// </summary>
    public static Hl7Group? Of(Hl7Message message, out IReadOnlyList<int> unexpected)
    {
        ArgumentNullException.ThrowIfNull(message);
        unexpected = [];
        if (Hl7Tables.StructureOf(message) is not { } name || Hl7Tables.Structure(name) is not { } structure)
        {
            return null;
        }

        var ids = new string[message.SegmentCount];
        for (var i = 0; i < ids.Length; i++)
        {
            ids[i] = System.Text.Encoding.ASCII.GetString(message.Segment(i).Id).ToUpperInvariant();
        }

        var grouping = new Grouping(structure, ids);
        for (var i = 0; i < ids.Length; i++)
        {
            grouping.Take(ids[i], i);
        }

        unexpected = grouping.Unexpected;
        return grouping.Root;
    }

    internal Hl7Structure Structure { get; }

    /// <summary>The position of its first segment, at any depth; 0 when it has none.</summary>
    internal int First => segments.Concat(groups.Select(group => group.First)).DefaultIfEmpty().Min();

    internal void Add(int segment) => segments.Add(segment);

    internal void Add(Hl7Group group) => groups.Add(group);
}

/// <summary>Where in the structure the grouping stands: the open groups, and how far each has come.</summary>
internal sealed class Grouping
{
    private readonly List<Open> open = [];
    private readonly HashSet<string> present;
    private readonly Dictionary<string, int> occurrences = new(StringComparer.Ordinal);

    internal Grouping(Hl7Structure structure, IEnumerable<string> ids)
    {
        present = new HashSet<string>(ids, StringComparer.Ordinal);
        Root = new Hl7Group(structure);
        open.Add(new Open(Root, 0, 0));
        Count(structure);
    }

    // A group that is open: the child at which it stands, and how often that child has been taken.
    private sealed record Open(Hl7Group Group, int Child, int Taken);

    internal Hl7Group Root { get; }

    internal List<int> Unexpected { get; } = [];

    internal void Take(string id, int position)
    {
        if (!TryTake(id, position, isLenient: false) && !(occurrences.GetValueOrDefault(id) == 1 && TryTake(id, position, isLenient: true)))
        {
            open[^1].Group.Add(position);
            Unexpected.Add(position);
        }
    }

    // From the innermost open group outwards: on from where it stands, else begun anew if it repeats and the segment can begin it.
    private bool TryTake(string id, int position, bool isLenient)
    {
        for (var level = open.Count - 1; level >= 0; level--)
        {
            var at = open[level];
            var children = at.Group.Structure.Children;
            for (var child = at.Child; child < children.Count; child++)
            {
                var taken = child == at.Child ? at.Taken : 0;
                if ((taken == 0 || children[child].Repeats) && CanBegin(children[child], id, isLenient))
                {
                    open.RemoveRange(level + 1, open.Count - level - 1);
                    open[level] = at with { Child = child, Taken = taken + 1 };
                    Enter(children[child], id, position, isLenient);
                    return true;
                }
            }
        }

        return false;
    }

    private void Enter(Hl7Structure node, string id, int position, bool isLenient)
    {
        while (node.IsGroup)
        {
            var group = new Hl7Group(node);
            open[^1].Group.Add(group);
            var child = 0;
            while (!CanBegin(node.Children[child], id, isLenient))
            {
                child++;
            }

            open.Add(new Open(group, child, 1));
            node = node.Children[child];
        }

        open[^1].Group.Add(position);
    }

    // A segment begins a group when nothing that has to be there comes before it; leniently, also when that is nowhere in the message.
    private bool CanBegin(Hl7Structure node, string id, bool isLenient)
    {
        if (!node.IsGroup)
        {
            return node.Name == id;
        }

        foreach (var child in node.Children)
        {
            if (CanBegin(child, id, isLenient))
            {
                return true;
            }

            if (child.IsRequired && (!isLenient || child.IsGroup || present.Contains(child.Name)))
            {
                return false;
            }
        }

        return false;
    }

    private void Count(Hl7Structure node)
    {
        if (!node.IsGroup)
        {
            occurrences[node.Name] = occurrences.GetValueOrDefault(node.Name) + 1;
        }

        foreach (var child in node.Children)
        {
            Count(child);
        }
    }
}
