using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Tables;

namespace EhrGrains.Fhir.V2.Running;

/// <summary>A group of the message, as a place to look for segments and resources.</summary>
internal sealed class Scope(string name, Scope? parent)
{
    private readonly int depth = parent is null ? 0 : parent.depth + 1;

    private string Name => name;

    private Scope? Parent => parent;

    /// <summary>The groups of all segments, by position. A message of unknown structure is one group.</summary>
    internal static void ReadAll(Hl7Message message, out string structure, Span<Scope> scopes)
    {
        var root = Hl7Group.Of(message, out _);
        structure = root?.Name ?? "";
        var whole = new Scope(structure, null);
        scopes.Fill(whole);
        if (root is not null)
        {
            Take(root, whole, scopes);
        }
    }

    /// <summary>
    /// How near something in <paramref name="other"/> is to this group: the depth of the group that holds both. -1 when it is not to
    /// be seen from here: it is in another repetition of the group that this one is in.
    /// </summary>
    internal int NearnessOf(Scope other)
    {
        if (other == this)
        {
            return depth;
        }

        var (own, theirs) = (this, other);
        Scope? ownChild = null, theirChild = null;
        while (own != theirs)
        {
            if (own.depth >= theirs.depth)
            {
                (ownChild, own) = (own, own.Parent!);
            }
            else
            {
                (theirChild, theirs) = (theirs, theirs.Parent!);
            }
        }

        return ownChild is not null && theirChild is not null && ownChild.Name == theirChild.Name ? -1 : own.depth;
    }



    private static void Take(Hl7Group group, Scope scope, Span<Scope> scopes)
    {
        foreach (var position in group.Segments)
        {
            scopes[position] = scope;
        }

        foreach (var inner in group.Groups)
        {
            Take(inner, new Scope(inner.Name, scope), scopes);
        }
    }
}
