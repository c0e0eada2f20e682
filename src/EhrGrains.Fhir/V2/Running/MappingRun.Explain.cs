using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Fhir.V2.Running;

/// <summary>The accounting of a message, part by part, for people.</summary>
internal sealed partial class MappingRun
{
    private Accounting Account()
    {
        var uses = new UsesInOrder(ledger.Uses);
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

    private void AccountFor(Hl7Address at, Hl7Value repetition, UsesInOrder uses, List<AccountedPart> parts)
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

    private AccountedPart PartOf(Hl7Address at, Hl7Value leaf, UsesInOrder uses)
    {
        var start = Ledger.OffsetOf(message.Segment(0), leaf.Raw);
        var all = uses.Of(start, leaf.Raw.Length).ToList();
        var outcome = all.Count == 0 ? PartOutcome.Exception : all.Min(use => use.Outcome);

        // What a rule would ignore and another one maps is mapped.
        var own = all.Where(use => use.Outcome == outcome || (outcome == PartOutcome.Mapped && use.Outcome == PartOutcome.Extension))
            .Select(use => new PartUse(use.Rule.File is null ? "" : use.Rule.ToString(), use.Text)).Distinct();
        var text = at.ToString();
        return new AccountedPart(at.Repetition == 1 && at.Component == 0 ? text.Replace("[1]", "", StringComparison.Ordinal) : text, outcome, [.. own]);
    }

    /// <summary>Uses by where they begin: the parts of a message are asked for in order, so that those that have ended are left behind.</summary>
    private sealed class UsesInOrder(IReadOnlyList<Ledger.Use> uses)
    {
        private readonly Ledger.Use[] ordered = [.. uses.OrderBy(use => use.Start)];
        private readonly List<Ledger.Use> open = [];
        private int next;

        internal IEnumerable<Ledger.Use> Of(int start, int length)
        {
            open.RemoveAll(use => use.Start + use.Length <= start);
            for (; next < ordered.Length && ordered[next].Start <= start; next++)
            {
                open.Add(ordered[next]);
            }

            return open.Where(use => use.Start + use.Length >= start + length);
        }
    }
}
