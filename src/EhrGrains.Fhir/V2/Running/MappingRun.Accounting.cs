using System.Text;
using EhrGrains.Fhir.V2.Compiling;
using EhrGrains.Fhir.V2.Language;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Fhir.V2.Running;

/// <summary>Accounting: what rules took, and what is left over.</summary>
internal sealed partial class MappingRun
{
    private void Take(Hl7Value value, RulePlace place, string text, PartOutcome outcome)
    {
        if (!value.IsEmpty)
        {
            var start = Ledger.OffsetOf(message.Segment(0), value.Raw);
            ledger.Take(start, value.Raw.Length);
            if (steps is not null)
            {
                ledger.Note(new Ledger.Use(start, value.Raw.Length, place, text, outcome));
            }
        }
    }

    private void TakeIgnored(IgnorePlan[] ignores, scoped in Frame frame)
    {
        foreach (var ignore in ignores)
        {
            foreach (var source in ignore.Sources)
            {
                var to = Math.Max(source.To, source.Kind == SourceKind.Field ? source.Field : source.Component);
                if (source.Kind == SourceKind.Segment)
                {
                    TakeWhole(frame.Position, ignore.Place, ignore.Reason);
                }
                else if (source.Kind == SourceKind.Part)
                {
                    to = Math.Min(to, PartCount(frame.Value, frame.Depth));
                    for (var part = source.Component; part <= to; part++)
                    {
                        Take(Part(frame.Value, frame.Depth, part, source.Subcomponent), ignore.Place, ignore.Reason, PartOutcome.Ignored);
                    }
                }
                else if (source.Slot == slots[frame.Position])
                {
                    to = Math.Min(to, frame.Segment.FieldCount);
                    for (var field = source.Field; field <= to; field++)
                    {
                        TakeRepetitions(frame.Segment[field], source, ignore);
                    }
                }
            }
        }
    }

    private void TakeRepetitions(Hl7Value field, SourcePlan source, IgnorePlan ignore)
    {
        foreach (var repetition in field.Repetitions)
        {
            Take(Part(repetition, 0, source.Component, source.Subcomponent), ignore.Place, ignore.Reason, PartOutcome.Ignored);
        }
    }

    private void TakeWhole(int position, RulePlace place, string reason)
    {
        var segment = message.Segment(position);
        for (var field = 1; field <= segment.FieldCount; field++)
        {
            Take(segment[field], place, reason, PartOutcome.Ignored);
        }
    }

    /// <summary>What no rule took is an exception: nothing is lost in silence.</summary>
    private void FindUntaken()
    {
        for (var position = 0; position < count; position++)
        {
            if (IsLeftOut(position))
            {
                continue;
            }

            if (plan.IgnoredSegments.TryGetValue(ids[position], out var ignored))
            {
                TakeWhole(position, ignored.Place, ignored.Reason);
            }
            else if (slots[position] < 0 || plan.BySegment[slots[position]].Length == 0)
            {
                Report(
                    MappingExceptionKinds.UnmappedSegment, ids[position],
                    ids[position][0] == 'Z' ? "There are no rules for this segment: write them in the site layer, or ignore it there." : "There are no rules for this segment.");
            }
            else
            {
                FindUntaken(position);
            }
        }

        if (resources.Exists(static resource => resource.Patient < 0 && !MessageSegments.Contains(resource.Map.Rule.Source) && resource.Map.ResourceSlot >= 0))
        {
            Report(MappingExceptionKinds.NoPatient, "PID", "What the message says is of no patient: it has no PID segment.");
        }
    }

    private void FindUntaken(int position)
    {
        var segment = message.Segment(position);
        for (var field = segment.IsHeader ? 3 : 1; field <= segment.FieldCount; field++)
        {
            foreach (var repetition in segment[field].Repetitions)
            {
                if (IsTaken(repetition))
                {
                    continue;
                }

                var component = 0;
                foreach (var part in repetition.Components)
                {
                    component++;
                    FindUntaken(position, field, component, part);
                }
            }
        }
    }

    private bool IsTaken(Hl7Value value) => value.IsEmpty || ledger.IsTaken(Ledger.OffsetOf(message.Segment(0), value.Raw), value.Raw.Length);

    private void FindUntaken(int position, int field, int component, Hl7Value part)
    {
        foreach (var leaf in part.Subcomponents)
        {
            if (!IsTaken(leaf))
            {
                var whole = message.Segment(position)[field];
                var location = whole.RepetitionCount <= 1 && whole.Raw.Length == part.Raw.Length ? $"{ids[position]}-{field}" : $"{ids[position]}-{field}.{component}";
                Report(MappingExceptionKinds.UnmappedField, location, "No rule maps this: map it in the site layer, or ignore it there with a reason.");
                return;
            }
        }
    }

    private void Step(LinePlan line, scoped in Frame frame, RuleFinding finding) => steps?.Add(new RuleStep(
        line.Place.ToString(), string.Join('|', line.Sources.Select(source => source.Text)), FullName(line, frame), Segment(frame.Position), finding));

    private void SkipMap(MapPlan map, scoped in Frame frame)
    {
        if (steps is not null)
        {
            foreach (var line in map.Lines)
            {
                steps.Add(new RuleStep(
                    line.Place.ToString(), string.Join('|', line.Sources.Select(source => source.Text)), $"{map.Target.Name}.{line.Element}",
                    Segment(frame.Position), RuleFinding.NotNow));
            }
        }
    }

    private string Name(LinePlan line, scoped in Frame frame) => steps is null ? line.Element : FullName(line, frame);

    private static string FullName(LinePlan line, scoped in Frame frame) =>
        line.Path.Length == 0 ? PathOf(frame.Node) : $"{PathOf(frame.Node)}.{line.Element}";

    private static string PathOf(Node node)
    {
        if (node.Element is null)
        {
            return node.Type.Name;
        }

        var text = new StringBuilder();
        for (var at = node; at is not null; at = at.Parent)
        {
            text.Insert(0, at.Element is null ? at.Type.Name : "." + at.Element.Name);
        }

        return text.ToString();
    }

    /// <summary>Where a value stands, as the standard writes it: found by its bytes, whichever rule has come to it.</summary>
    private string At(Hl7Value value)
    {
        if (exceptions.Count >= ExceptionsMax)
        {
            return "";
        }

        var first = message.Segment(0);
        var start = Ledger.OffsetOf(first, value.Raw);
        for (var position = count - 1; position >= 0; position--)
        {
            var segment = message.Segment(position);
            if (Ledger.OffsetOf(first, segment.Raw) > start)
            {
                continue;
            }

            var field = segment.FieldCount;
            while (field > 1 && (segment[field].IsEmpty || Ledger.OffsetOf(first, segment[field].Raw) > start))
            {
                field--;
            }

            var before = segment[field].Raw[..(start - Ledger.OffsetOf(first, segment[field].Raw))];
            var repetition = before.Count(message.Delimiters.Repetition);
            var component = before[(before.LastIndexOf(message.Delimiters.Repetition) + 1)..].Count(message.Delimiters.Component);
            var isWhole = component == 0 && value.Raw.Length == segment[field].Repetition(repetition + 1).Raw.Length;
            return At(position, field, isWhole ? 0 : component + 1);
        }

        return "";
    }
}
