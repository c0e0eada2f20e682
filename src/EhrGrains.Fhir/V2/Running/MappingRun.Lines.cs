using EhrGrains.Fhir.V2.Compiling;
using EhrGrains.Fhir.V2.Language;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Fhir.V2.Running;

/// <summary>Lines: where a value comes from, and whether a rule applies.</summary>
internal sealed partial class MappingRun
{
    private void RunLines(LinePlan[] lines, scoped ref Frame frame)
    {
        // What a line looks for is mostly not there: that is seen before anything else, unless each line has to give account.
        var parts = steps is null ? PartCount(frame.Value, frame.Depth) : int.MaxValue;
        foreach (var line in lines)
        {
            if (line.NeedsPart <= parts
                && (steps is not null || line.NeedsField == 0 || line.NeedsField == frame.Field || !frame.Segment[line.NeedsField].IsEmpty))
            {
                RunLine(line, ref frame);
            }
        }
    }

    private int PartCount(Hl7Value value, int depth) => depth switch
    {
        0 => value.Raw.Count(message.Delimiters.Component) + 1,
        1 => value.Raw.Count(message.Delimiters.Subcomponent) + 1,
        _ => 1,
    };

    private void RunLine(LinePlan line, scoped ref Frame frame)
    {
        if (line.When is { } when && !Holds(when, frame))
        {
            Step(line, frame, RuleFinding.NotNow);
            return;
        }

        var source = Choose(line, frame);
        switch (source.Kind)
        {
            case SourceKind.Text:
                WriteText(line, source, ref frame);
                break;
            case SourceKind.Resource or SourceKind.Self:
                WriteLink(line, source, ref frame);
                break;
            case SourceKind.Part:
                WritePart(line, source, frame.Value, frame.Depth, ref frame);
                break;
            case SourceKind.Segment:
                WriteWhole(line, source, ref frame);
                break;
            default:
                RunField(line, source, ref frame);
                break;
        }
    }

    // The first alternative that is valued; what the others hold is superseded, which is accounted for.
    private SourcePlan Choose(LinePlan line, scoped in Frame frame)
    {
        var sources = line.Sources;
        if (sources.Length == 1)
        {
            return sources[0];
        }

        SourcePlan? chosen = null;
        foreach (var source in sources)
        {
            if (chosen is null && IsValued(source, frame))
            {
                chosen = source;
            }
            else if (chosen is not null && source.Kind is SourceKind.Field or SourceKind.Part)
            {
                Take(Get(source, frame), line.Place, "superseded", PartOutcome.Ignored);
            }
        }

        return chosen ?? sources[0];
    }

    // A frame is large: it is changed for the line and put back, rather than copied for each.
    private void WritePart(LinePlan line, SourcePlan source, Hl7Value of, int depth, scoped ref Frame frame)
    {
        var valueBefore = frame.Value;
        var depthBefore = frame.Depth;
        frame.Value = Part(of, depth, source.Component, source.Subcomponent);
        frame.Depth = DepthOf(depth, source.Component, source.Subcomponent);
        Write(line, source, ref frame);
        frame.Value = valueBefore;
        frame.Depth = depthBefore;
    }

    private void RunField(LinePlan line, SourcePlan source, scoped ref Frame frame)
    {
        if (source.Slot == slots[frame.Position] && source.Field == frame.Field)
        {
            WritePart(line, source, frame.Repetition, 0, ref frame);
            return;
        }

        var position = source.Slot == slots[frame.Position] ? frame.Position : FindSegment(source.Slot, frame.Position);
        if (position < 0)
        {
            Step(line, frame, RuleFinding.Empty);
            return;
        }

        var isOwn = position == frame.Position;
        var field = isOwn ? frame.Segment[source.Field] : message.Segment(position)[source.Field];
        if (field.IsEmpty)
        {
            Step(line, frame, RuleFinding.Empty);
            return;
        }

        var fieldBefore = frame.Field;
        var repetitionBefore = frame.Repetition;
        frame.Field = isOwn ? source.Field : frame.Field;
        foreach (var repetition in field.Repetitions)
        {
            if (!repetition.IsEmpty)
            {
                frame.Repetition = isOwn ? repetition : repetitionBefore;
                WritePart(line, source, repetition, 0, ref frame);
            }
        }

        frame.Field = fieldBefore;
        frame.Repetition = repetitionBefore;
    }

    private static Hl7Value Part(Hl7Value value, int depth, int component, int subcomponent)
    {
        if (component == 0)
        {
            return value;
        }

        var part = depth switch
        {
            0 => value.Component(component),
            1 => value.Subcomponent(component),
            _ => component == 1 ? value : default,
        };
        return subcomponent == 0 ? part : depth == 0 ? part.Subcomponent(subcomponent) : subcomponent == 1 ? part : default;
    }

    private static int DepthOf(int depth, int component, int subcomponent) =>
        Math.Min(2, depth + (component > 0 ? 1 : 0) + (subcomponent > 0 ? 1 : 0));

    /// <summary>The one value of a source: of a field its first repetition, or the current one.</summary>
    private Hl7Value Get(SourcePlan source, scoped in Frame frame)
    {
        if (source.Kind == SourceKind.Part)
        {
            return Part(frame.Value, frame.Depth, source.Component, source.Subcomponent);
        }

        if (source.Kind != SourceKind.Field)
        {
            return default;
        }

        if (source.Slot != slots[frame.Position])
        {
            var position = FindSegment(source.Slot, frame.Position);
            return position < 0 ? default : Part(message.Segment(position)[source.Field].Repetition(1), 0, source.Component, source.Subcomponent);
        }

        return Part(source.Field == frame.Field ? frame.Repetition : frame.Segment[source.Field].Repetition(1), 0, source.Component, source.Subcomponent);
    }

    private bool IsValued(SourcePlan source, scoped in Frame frame) => source.Kind switch
    {
        SourceKind.Segment => FindSegment(source.Slot, frame.Position) >= 0,
        SourceKind.Resource => FindResource(source.Slot, frame.Position) is not null,
        SourceKind.Text => AreValued(source.Holes, frame),
        SourceKind.Self => true,
        _ => HasText(Get(source, frame)),
    };

    private bool AreValued(SourcePlan[] sources, scoped in Frame frame)
    {
        foreach (var source in sources)
        {
            if (!IsValued(source, frame))
            {
                return false;
            }
        }

        return true;
    }

    // "^^" is populated by nothing but separators, and "  " by nothing.
    private bool HasText(Hl7Value value)
    {
        if (!value.HasValue)
        {
            return false;
        }

        var delimiters = message.Delimiters;
        return value.Raw.ContainsAnyExcept([delimiters.Component, delimiters.Subcomponent, delimiters.Repetition, (byte)' ']);
    }

    private bool Holds(ConditionPlan condition, scoped in Frame frame)
    {
        foreach (var tests in condition.Any)
        {
            var holds = true;
            foreach (var test in tests)
            {
                if (Holds(test, frame) == test.Not)
                {
                    holds = false;
                    break;
                }
            }

            if (holds)
            {
                return true;
            }
        }

        return false;
    }

    private bool Holds(TestPlan test, scoped in Frame frame)
    {
        switch (test.Kind)
        {
            case TestKind.Valued:
                return IsValued(test.Source, frame);
            case TestKind.Longer:
                return Get(test.Source, frame).Raw.Length > test.Length;
            case TestKind.After:
                return IsAfter(test.Values, frame.Position);
            case TestKind.Repeats:
                return test.Source.Kind == SourceKind.Field && FindSegment(test.Source.Slot, frame.Position) is >= 0 and var position
                    && message.Segment(position)[test.Source.Field].RepetitionCount > 1;
            default:
                var value = Get(test.Source, frame);
                foreach (var wanted in test.Values)
                {
                    if (value.Is(wanted))
                    {
                        Take(value, default, "decides", PartOutcome.Mapped);
                        return true;
                    }
                }

                return false;
        }
    }

    // Remarks and participations follow what they are of, one after the other.
    private bool IsAfter(string[] segments, int position)
    {
        do
        {
            position--;
        }
        while (position >= 0 && ids[position] is "NTE" or "PRT");
        return position >= 0 && segments.Contains(ids[position]);
    }

    /// <summary>The segment that a rule means: in the nearest group, the last before, else the first after; -1 when there is none.</summary>
    private int FindSegment(int slot, int position)
    {
        if (slot < 0)
        {
            return -1;
        }

        if (slots[position] == slot)
        {
            return position;
        }

        var (best, nearest) = (-1, -1);
        foreach (var candidate in bySlot[slot])
        {
            var nearness = scopes[position].NearnessOf(scopes[candidate]);
            if (nearness > nearest || (nearness == nearest && nearness >= 0 && candidate < position))
            {
                (best, nearest) = (candidate, nearness);
            }
        }

        return best;
    }

    /// <summary>The resource that a rule means, by the same rule; null when there is none.</summary>
    private MadeResource? FindResource(int name, int position)
    {
        MadeResource? best = null;
        var nearest = -1;
        var candidates = byName[name];
        for (var i = candidates.Count - 1; i >= 0; i--)
        {
            var candidate = candidates[i];
            var nearness = scopes[position].NearnessOf(scopes[candidate.Position]);
            if (nearness > nearest || (nearness == nearest && nearness >= 0 && best!.Position > position))
            {
                (best, nearest) = (candidate, nearness);
                if (candidate.Position <= position && ReferenceEquals(scopes[position], scopes[candidate.Position]))
                {
                    break;
                }
            }
        }

        return best;
    }
}
