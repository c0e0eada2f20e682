namespace EhrGrains.Fhir.Charts;

/// <summary>One condition of a search; all of its conditions must hold. Immutable, and the same for every chart.</summary>
internal abstract record Criterion(ColumnKey Column)
{
    /// <summary>The test of the condition on the resources of a type, by slot.</summary>
    internal abstract Func<int, bool> On(Column column, Texts texts);

    /// <summary>The slots that may pass the test, in any order; null: nothing is known without testing.</summary>
    internal virtual HashSet<int>? Candidates(Column column, Texts texts, int countMax) => null;
}

/// <summary><c>:missing</c>: whether there is any value.</summary>
internal sealed record MissingCriterion(ColumnKey Column, bool Missing) : Criterion(Column)
{
    internal override Func<int, bool> On(Column column, Texts texts) => slot => column.Has(slot) != Missing;
}

/// <summary>One token of a search (R4 search.html#token): <c>code</c>, <c>system|code</c>, <c>|code</c> or <c>system|</c>.</summary>
/// <param name="System">The system; empty: there must be none; null: any.</param>
/// <param name="Code">The code, in the form that the column has; null: any.</param>
internal readonly record struct TokenWanted(string? System, string? Code);

/// <summary>Tokens and, as type and id, references.</summary>
internal sealed record TokenCriterion(ColumnKey Column, IReadOnlyList<TokenWanted> AnyOf, bool Not = false) : Criterion(Column)
{
    internal override Func<int, bool> On(Column column, Texts texts)
    {
        var tokens = (Column<TokenValue>)column;
        var wanted = AnyOf
            .Select(w => new TokenValue(w.System is null ? Texts.Any : texts.Find(w.System), w.Code is null ? Texts.Any : texts.Find(w.Code)))
            .Where(w => w.Code != Texts.Unknown)
            .ToArray();
        return slot => Matches(tokens[slot], wanted) != Not;
    }

    internal override HashSet<int>? Candidates(Column column, Texts texts, int countMax)
    {
        if (Not || AnyOf.Any(wanted => wanted.Code is null))
        {
            return null;
        }

        var slots = new HashSet<int>();
        foreach (var code in AnyOf.Select(wanted => texts.Find(wanted.Code)).Where(code => code != Texts.Unknown))
        {
            var having = ((Column<TokenValue>)column).Having(code);
            if (slots.Count + having.Length > countMax)
            {
                return null;
            }

            foreach (var posting in having)
            {
                slots.Add((int)(posting & uint.MaxValue));
            }
        }

        return slots;
    }

    private static bool Matches(ReadOnlySpan<TokenValue> values, TokenValue[] wanted)
    {
        foreach (var value in values)
        {
            foreach (var want in wanted)
            {
                if ((want.Code == Texts.Any || want.Code == value.Code)
                    && (want.System == Texts.Any || want.System == value.System || value.System == Texts.Any))
                {
                    return true;
                }
            }
        }

        return false;
    }
}

/// <summary>How a text is compared.</summary>
internal enum TextMatch
{
    Starts,
    Contains,
    Equals,
}

/// <summary>Texts; the wanted ones in the form that the column has.</summary>
internal sealed record TextCriterion(ColumnKey Column, IReadOnlyList<string> AnyOf, TextMatch How) : Criterion(Column)
{
    internal override Func<int, bool> On(Column column, Texts texts)
    {
        var values = (Column<string>)column;
        return slot =>
        {
            foreach (var value in values[slot])
            {
                foreach (var want in AnyOf)
                {
                    if (Matches(value, want))
                    {
                        return true;
                    }
                }
            }

            return false;
        };
    }

    private bool Matches(string value, string want) => How switch
    {
        TextMatch.Starts => value.StartsWith(want, StringComparison.Ordinal),
        TextMatch.Contains => value.Contains(want, StringComparison.Ordinal),
        _ => value.Equals(want, StringComparison.Ordinal),
    };
}

/// <summary>The prefixes of ordered values (R4 search.html#prefix).</summary>
internal enum Prefix
{
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
}

/// <summary>A date of a search with its prefix; for <see cref="Prefix.Ap"/> the range is widened already.</summary>
internal readonly record struct DateWanted(Prefix Prefix, TimeRange Range)
{
    internal bool Matches(TimeRange value) => Prefix switch
    {
        Prefix.Eq => Range.Contains(value),
        Prefix.Ne => !Range.Contains(value),
        Prefix.Gt => value.To > Range.To,
        Prefix.Lt => value.From < Range.From,
        Prefix.Ge => value.To > Range.To || Range.Contains(value),
        Prefix.Le => value.From < Range.From || Range.Contains(value),
        Prefix.Sa => value.From >= Range.To,
        Prefix.Eb => value.To <= Range.From,
        _ => Range.Overlaps(value),
    };
}

/// <summary>Dates and periods.</summary>
internal sealed record DateCriterion(ColumnKey Column, IReadOnlyList<DateWanted> AnyOf) : Criterion(Column)
{
    internal override Func<int, bool> On(Column column, Texts texts)
    {
        var values = (Column<TimeRange>)column;
        return slot =>
        {
            foreach (var value in values[slot])
            {
                foreach (var want in AnyOf)
                {
                    if (want.Matches(value))
                    {
                        return true;
                    }
                }
            }

            return false;
        };
    }
}

/// <summary>An amount of a search with its prefix, the range that its digits stand for, and its unit (R4 search.html#quantity).</summary>
/// <param name="Prefix">The prefix.</param>
/// <param name="Value">The number.</param>
/// <param name="Half">Half of what its last digit stands for; for <see cref="Prefix.Ap"/> a tenth of the number.</param>
/// <param name="System">The unit's system; empty or null: any.</param>
/// <param name="Unit">The unit's code, or its text when no system is given; null: any.</param>
internal readonly record struct QuantityWanted(Prefix Prefix, decimal Value, decimal Half, string? System, string? Unit)
{
    internal bool Matches(in QuantityValue value) => Prefix switch
    {
        Prefix.Eq => Within(value),
        Prefix.Ne => !Within(value),
        Prefix.Gt => value.High > Value,
        Prefix.Lt => value.Low < Value,
        Prefix.Ge => value.High >= Value,
        Prefix.Le => value.Low <= Value,
        Prefix.Sa => value.Low > Value,
        Prefix.Eb => value.High < Value,
        _ => value.High >= Value - Half && value.Low <= Value + Half,
    };

    private bool Within(in QuantityValue value) => value.Low >= Value - Half && value.High < Value + Half;
}

/// <summary>Quantities and numbers.</summary>
internal sealed record QuantityCriterion(ColumnKey Column, IReadOnlyList<QuantityWanted> AnyOf) : Criterion(Column)
{
    internal override Func<int, bool> On(Column column, Texts texts)
    {
        var values = (Column<QuantityValue>)column;
        var units = AnyOf.Select(want => (System: texts.Find(want.System), Unit: texts.Find(want.Unit))).ToArray();
        return slot =>
        {
            foreach (ref readonly var value in values[slot])
            {
                for (var i = 0; i < units.Length; i++)
                {
                    var (system, unit) = units[i];
                    if ((system == Texts.None || system == value.System)
                        && (unit == Texts.None || unit == value.Code || (system == Texts.None && unit == value.Unit))
                        && AnyOf[i].Matches(value))
                    {
                        return true;
                    }
                }
            }

            return false;
        };
    }
}
