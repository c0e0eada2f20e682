using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Fhir.V2.Running;

/// <summary>The accounting of a message, part by part, for people.</summary>
internal sealed partial class MappingRun
{
    private Accounting Account()
    {
        var uses = ledger.Uses.OrderBy(use => use.Start).ToList();
        var parts = new List<AccountedPart>();
        for (var position = 0; position < count; position++)
        {
            var segment = message.Segment(position);
            for (var field = segment.IsHeader ? 3 : 1; field <= segment.FieldCount; field++)
            {
                var repetition = 0;
                foreach (var value in segment[field].Repetitions)
                {
                    repetition++;
                    AccountFor(new Hl7Address(ids[position], OccurrenceOf(position), field, repetition, 0, 0), value, uses, parts);
                }
            }
        }

        return new Accounting(parts, [.. steps!]);
    }

    private int OccurrenceOf(int position) => ids.AsSpan(0, position + 1).Count(ids[position]);

    private void AccountFor(Hl7Address at, Hl7Value repetition, List<Ledger.Use> uses, List<AccountedPart> parts)
    {
        var component = 0;
        foreach (var part in repetition.Components)
        {
            component++;
            var subcomponent = 0;
            foreach (var leaf in part.Subcomponents)
            {
                subcomponent++;
                if (!leaf.IsEmpty)
                {
                    var isWhole = leaf.Raw.Length == part.Raw.Length;
                    var place = at with
                    {
                        Component = component == 1 && part.Raw.Length == repetition.Raw.Length && isWhole ? 0 : component,
                        Subcomponent = isWhole ? 0 : subcomponent,
                    };
                    parts.Add(PartOf(place, leaf, uses));
                }
            }
        }
    }

    private AccountedPart PartOf(Hl7Address at, Hl7Value leaf, List<Ledger.Use> uses)
    {
        var start = Ledger.OffsetOf(message.Segment(0), leaf.Raw);
        var own = new List<PartUse>();
        var outcome = PartOutcome.Exception;
        foreach (var use in uses)
        {
            if (use.Start > start)
            {
                break;
            }

            if (use.Start + use.Length >= start + leaf.Raw.Length)
            {
                own.Add(new PartUse(use.Rule.File is null ? "" : use.Rule.ToString(), use.Text));
                outcome = own.Count == 1 || use.Outcome < outcome ? use.Outcome : outcome;
            }
        }

        var text = at.ToString();
        return new AccountedPart(at.Repetition == 1 && at.Component == 0 ? text.Replace("[1]", "", StringComparison.Ordinal) : text, outcome, [.. own.Distinct()]);
    }
}
