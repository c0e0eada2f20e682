using System.Text;
using EhrGrains.Fhir.V2.Compiling;

namespace EhrGrains.Fhir.V2.Running;

/// <summary>Values: into which element, and as what.</summary>
internal sealed partial class MappingRun
{
    private SiteCodes siteCodes = SiteCodes.None;

    /// <summary>A line of a value that is there or not.</summary>
    private void Write(LinePlan line, SourcePlan source, scoped ref Frame frame)
    {
        if (frame.Value.IsNull)
        {
            Take(frame.Value, line.Place, Name(line, frame), PartOutcome.Mapped);
            Delete(line, frame);
            Step(line, frame, RuleFinding.Deleted);
        }
        else if (!HasText(frame.Value))
        {
            if (!frame.Value.Raw.ContainsAnyExcept((byte)' '))
            {
                Take(frame.Value, line.Place, "blank", PartOutcome.Ignored);
            }

            Step(line, frame, RuleFinding.Empty);
        }
        else
        {
            WriteWhole(line, source, ref frame);
        }
    }

    private void WriteWhole(LinePlan line, SourcePlan source, scoped ref Frame frame)
    {
        if (Open(line, frame, out var other) is not { } node)
        {
            AlreadySet(line, source, other, frame);
            return;
        }

        var (parent, around, before) = (frame.Node, frame.Block, line.Joined is null ? null : node.Text);
        if (line.Block is { } block)
        {
            frame.Node = node;
            frame.Block = ++blocks;
            RunLines(block, ref frame);
            (frame.Node, frame.Block) = (parent, around);
            if (source.Kind == SourceKind.Segment && !node.HasContent && node.HasKept && line.Path is not [.., { Url: not null }])
            {
                node.Keep();
            }
        }
        else if (line.Map is { } map && line.Refers)
        {
            WriteReference(map, node, ref frame);
        }
        else if (line.Map is { } own)
        {
            WriteMapped(line, source, own, node, ref frame);
        }
        else
        {
            WritePlain(line, source, node, frame);
        }

        if (before is not null && !ReferenceEquals(before, node.Text))
        {
            node.Text = $"{before}{line.Joined}{node.Text}";
        }

        Step(line, frame, node.HasContent ? RuleFinding.Written : RuleFinding.Refused);
    }

    /// <summary>The element that a line fills, made with all on the way to it; null when it is set already, to <paramref name="other"/>.</summary>
    private Node? Open(LinePlan line, scoped in Frame frame, out Node? other)
    {
        other = null;
        var node = frame.Node;
        for (var i = 0; i < line.Path.Length; i++)
        {
            ref readonly var step = ref line.Path[i];
            var isLast = i == line.Path.Length - 1;
            var found = IsNewItem(line, i) ? null : node.Find(step.Element, step.Slice, step.Element.IsList ? frame.Block : 0);
            other = found is null && !step.Element.IsList ? node.Find(step.Element.Order)
                : isLast && line.Block is null && found is { HasContent: true } ? found : null;
            if (other is not null)
            {
                return line.Joined is not null && other.Line == line ? other : null;
            }

            if (found is null)
            {
                found = pool.Take(step.Element, step.Element.Type, node, step.Slice, isLast && step.Slice is null ? 0 : frame.Block);
                found.Line = isLast ? line : null;
                node.Insert(found);
                if (step.Url is { } url)
                {
                    var name = step.Element.Type["url"];
                    var own = pool.Take(name, name.Type, found, null, 0);
                    own.Text = url;
                    found.Insert(own);
                    own.KeepUrl();
                }
            }

            node = found;
        }

        return line.Path.Length == 0 && line.Block is null && line.Refers && node.HasContent ? null : node;
    }

    // A list without a name, and an extension that a block is for, is a new item for every value.
    private static bool IsNewItem(LinePlan line, int step) =>
        step == line.Path.Length - 1 && line.Path[step] is { Element.IsList: true } last && (last.Slice is null || (last.Url is not null && line.Block is not null));

    // That another line was first is no fault: lines of one element are alternatives. The same line a second time is a second value.
    private void AlreadySet(LinePlan line, SourcePlan source, Node? other, scoped in Frame frame)
    {
        if (other?.Line == line && line.Block is null)
        {
            Take(frame.Value, line.Place, Name(line, frame), PartOutcome.Exception);
            Report(
                MappingExceptionKinds.TooMany, At(frame.Value),
                $"{FullName(line, frame)} has room for one value: the others are only in the journal.");
        }
        else if (line.Path.Length > 0 && line.Block is null)
        {
            Take(frame.Value, line.Place, "superseded: another rule set the element", PartOutcome.Ignored);
        }

        Step(line, frame, RuleFinding.AlreadySet);
    }

    private void WriteMapped(LinePlan line, SourcePlan source, MapPlan map, Node node, scoped ref Frame frame)
    {
        if (map.When is { } when && !Holds(when, frame))
        {
            return;
        }

        var (parent, block) = (frame.Node, frame.Block);
        if (node.Type.Name == "CodeableConcept" && siteCodes.TryFind(source, ids[frame.Position], frame.Value, out var code))
        {
            AddCoding(node, code);
        }

        frame.Node = node;
        frame.Block = ++blocks;
        RunLines(map.Lines, ref frame);
        TakeIgnored(map.Ignores, frame);
        (frame.Node, frame.Block) = (parent, block);
        if (line.Table is { } table)
        {
            Recode(table, node, frame);
        }
    }

    private void WriteReference(MapPlan map, Node node, scoped ref Frame frame)
    {
        if (map.When is { } when && !Holds(when, frame))
        {
            return;
        }

        var (parent, block, owner) = (frame.Node, frame.Block, frame.Resource);
        var made = Make(map, frame);
        frame.Node = made.Node;
        frame.Resource = made;
        frame.Block = ++blocks;
        RunLines(map.Lines, ref frame);
        TakeIgnored(map.Ignores, frame);
        (frame.Node, frame.Block, frame.Resource) = (parent, block, owner);
        if (made.Node.HasContent)
        {
            SetReference(node, made);
            node.MarkContent();
        }
    }

    private void WritePlain(LinePlan line, SourcePlan source, Node node, scoped in Frame frame)
    {
        var outcome = OutcomeOf(line);
        if (line.Type.Name is "code" or "Coding" or "CodeableConcept" && siteCodes.TryFind(source, ids[frame.Position], frame.Value, out var code))
        {
            SetCode(node, code);
        }
        else if (line.Table is { } table)
        {
            outcome = WriteByTable(line, source, table, node, frame);
        }
        else if (line.By is { } by)
        {
            // Lines of several conversions are alternatives; what none of them can convert is nobody's.
            if (by.Convert(frame.Value, frame.Depth > 0, tables) is not { } made || Primitives.Check(made, line.Type, node.Element, out _) is not { } checkedText)
            {
                return;
            }

            node.Text = checkedText;
            node.MarkContent();
        }
        else if (Primitives.TextOf(frame.Value, line.Type, node.Element, tables.Zone, out var wrong) is { } text)
        {
            node.Text = text;
            node.MarkContent();
        }
        else
        {
            outcome = PartOutcome.Exception;
            Report(wrong, At(frame.Value), $"{FullName(line, frame)} is a {line.Type.Name}, which this is not.");
        }

        Take(frame.Value, line.Place, Name(line, frame), outcome);
    }

    private PartOutcome WriteByTable(LinePlan line, SourcePlan source, CodeTable table, Node node, scoped in Frame frame)
    {
        if (!table.TryFind(CodeOf(frame), out var entry))
        {
            Report(MappingExceptionKinds.UnknownCode, At(frame.Value), $"Table {table.Name} does not have this code: map it in the site layer.");
            return PartOutcome.Exception;
        }

        if (entry.Code is null)
        {
            return PartOutcome.Ignored;
        }

        SetCode(node, entry);
        return OutcomeOf(line);
    }

    // The code itself where the value has parts: a CWE's first component.
    private static string CodeOf(scoped in Frame frame) =>
        (frame.Depth switch
        {
            0 => frame.Value.Component(1),
            1 => frame.Value.Subcomponent(1),
            _ => frame.Value,
        }).GetString().Trim();

    private void WriteText(LinePlan line, SourcePlan source, scoped ref Frame frame)
    {
        if (!AreValued(source.Holes, frame))
        {
            Step(line, frame, RuleFinding.Empty);
            return;
        }

        if (Open(line, frame, out _) is not { } node || node.IsWanted)
        {
            Step(line, frame, RuleFinding.AlreadySet);
            return;
        }

        var text = source.Texts[0];
        if (source.Holes.Length > 0)
        {
            var joined = new StringBuilder(text);
            for (var i = 0; i < source.Holes.Length; i++)
            {
                var value = Get(source.Holes[i], frame);
                Take(value, line.Place, Name(line, frame), OutcomeOf(line));
                joined.Append(value.GetString().Trim()).Append(source.Texts[i + 1]);
            }

            text = joined.ToString();
        }

        if (node.Type.IsPrimitive)
        {
            node.Text = source.Holes.Length == 0 || line.By is not null ? text : Primitives.Check(text, node.Type, node.Element, out _);
            if (node.Text is null)
            {
                Step(line, frame, RuleFinding.Refused);
                return;
            }
        }
        else
        {
            SetConstant(node, line.Constant.Code, line.Constant.Words);
        }

        if (source.Holes.Length > 0)
        {
            node.MarkContent();
        }
        else
        {
            node.Keep();
        }

        Step(line, frame, RuleFinding.Written);
    }

    private void WriteLink(LinePlan line, SourcePlan source, scoped ref Frame frame)
    {
        if (Open(line, frame, out _) is not { } node)
        {
            Step(line, frame, RuleFinding.AlreadySet);
            return;
        }

        node.Keep();
        links.Add((node, source, line, frame.Position, frame.Resource));
        Step(line, frame, RuleFinding.Written);
    }

    private static PartOutcome OutcomeOf(LinePlan line) => line.IsExtension ? PartOutcome.Extension : PartOutcome.Mapped;

    private static void Delete(LinePlan line, scoped in Frame frame)
    {
        if (line.Path is [{ Url: null } first, ..] && frame.Node == frame.Resource.Node)
        {
            (frame.Resource.Deleted ??= []).Add(first.Element);
        }
    }
}
