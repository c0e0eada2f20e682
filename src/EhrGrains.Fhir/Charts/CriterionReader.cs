using System.Globalization;
using EhrGrains.Contracts.Query;
using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Fhir.Charts;

/// <summary>Reads one search parameter with its modifier and values: commas are an or, backslashes escape (R4 search.html#escaping).</summary>
internal sealed class CriterionReader(SearchDefinition definition, string? modifier, SearchParameter parameter, ChartContext context)
{
    private const int ValuesMax = 256;

    /// <summary>Why there is no criterion.</summary>
    internal OutcomeIssue? Problem { get; private set; }

    internal Criterion? Read()
    {
        if (modifier == "missing")
        {
            return parameter.Value switch
            {
                "true" => new MissingCriterion(new ColumnKey(definition, Aspect.Value), Missing: true),
                "false" => new MissingCriterion(new ColumnKey(definition, Aspect.Value), Missing: false),
                _ => Refuse(SearchIssues.BadValue(parameter.Name, "true or false")),
            };
        }

        var values = SearchValue.Split(parameter.Value, ',');
        if (values.Count > ValuesMax || values.Any(value => value.Length == 0))
        {
            return Refuse(SearchIssues.BadValue(parameter.Name, $"1 to {ValuesMax} values between commas, none of them empty"));
        }

        return (definition.Kind, modifier) switch
        {
            (SearchKind.Token, null) => Tokens(values, not: false),
            (SearchKind.Token, "not") => Tokens(values, not: true),
            (SearchKind.Token, "text") => Words(values, Aspect.Words, TextMatch.Starts),
            (SearchKind.Token, "of-type" or "ofType") when definition.Paths.Any(path => path.DataType == "Identifier") => OfType(values),
            (SearchKind.Reference, "identifier") => Identifiers(values),
            (SearchKind.Reference, _) when modifier is null || ResourceTypes.All.Contains(modifier) => References(values),
            (SearchKind.Text, null) => Words(values, Aspect.Value, TextMatch.Starts),
            (SearchKind.Text, "contains") => Words(values, Aspect.Value, TextMatch.Contains),
            (SearchKind.Text, "exact") => new TextCriterion(
                new ColumnKey(definition, Aspect.Exact), [.. values.Select(SearchValue.Unescape)], TextMatch.Equals),
            (SearchKind.Date, null) => Dates(values),
            (SearchKind.Quantity or SearchKind.Number, null) => Quantities(values),
            (SearchKind.Uri, null) => new TokenCriterion(
                new ColumnKey(definition, Aspect.Value), [.. values.Select(value => new TokenWanted(null, SearchValue.Unescape(value)))]),
            _ => Refuse(SearchIssues.BadModifier(parameter.Name)),
        };
    }

    private TokenCriterion? Tokens(IReadOnlyList<string> values, bool not)
    {
        var wanted = values.Select(Token).ToArray();
        return Array.TrueForAll(wanted, w => w is not null)
            ? new TokenCriterion(new ColumnKey(definition, Aspect.Value), [.. wanted.Select(w => w!.Value)], not)
            : Refuse<TokenCriterion>(SearchIssues.BadValue(parameter.Name, "code, system|code, |code or system|"));
    }

    private TokenCriterion? Identifiers(IReadOnlyList<string> values) =>
        Tokens(values, not: false) is { } tokens ? tokens with { Column = new ColumnKey(definition, Aspect.Identifier) } : null;

    private TokenWanted? Token(string value)
    {
        var parts = SearchValue.Split(value, '|');
        var code = parts.Count <= 2 ? SearchValue.Unescape(parts[^1]) : null;
        return parts.Count > 2 || value == "|" ? null : new TokenWanted(
            parts.Count == 1 ? null : SearchValue.Unescape(parts[0]),
            code!.Length == 0 ? null : definition.IsCaseSensitive && modifier != "identifier" ? code : code.ToLowerInvariant());
    }

    // R4 search.html#modifiers, :of-type: the type's system, the type's code, the identifier's value.
    private TokenCriterion? OfType(IReadOnlyList<string> values)
    {
        var wanted = new List<TokenWanted>();
        foreach (var parts in values.Select(value => SearchValue.Split(value, '|')))
        {
            if (parts.Count != 3 || parts[1].Length == 0 || parts[2].Length == 0)
            {
                return Refuse<TokenCriterion>(SearchIssues.BadValue(parameter.Name, "type-system|type-code|value"));
            }

            wanted.Add(new TokenWanted(
                parts[0].Length == 0 ? null : SearchValue.Unescape(parts[0]),
                LeafReaders.OfType(SearchValue.Unescape(parts[1]), SearchValue.Unescape(parts[2]))));
        }

        return new TokenCriterion(new ColumnKey(definition, Aspect.OfType), wanted);
    }

    private TokenCriterion? References(IReadOnlyList<string> values)
    {
        var wanted = new List<TokenWanted>();
        foreach (var value in values.Select(SearchValue.Unescape))
        {
            var own = context.GatewayBase.Length > 0 && value.StartsWith(context.GatewayBase + "/", StringComparison.Ordinal)
                ? value[(context.GatewayBase.Length + 1)..]
                : value;
            if (own.Contains('/', StringComparison.Ordinal) || own.Contains(':', StringComparison.Ordinal))
            {
                if (ReferenceTo.Read(own) is not { } reference || (modifier is not null && reference.Type != modifier))
                {
                    return Refuse<TokenCriterion>(SearchIssues.BadValue(parameter.Name, "an id, Type/id or an absolute URL, of the modifier's type"));
                }

                wanted.Add(new TokenWanted(reference.IsRelative ? reference.Type : "", reference.Id));
            }
            else if (own.Length > 64)
            {
                return Refuse<TokenCriterion>(SearchIssues.BadValue(parameter.Name, "an id, Type/id or an absolute URL"));
            }
            else
            {
                wanted.Add(new TokenWanted(modifier, own));
            }
        }

        return new TokenCriterion(new ColumnKey(definition, Aspect.Value), wanted);
    }

    private TextCriterion Words(IReadOnlyList<string> values, Aspect aspect, TextMatch how) =>
        new(new ColumnKey(definition, aspect), [.. values.Select(value => SearchText.Fold(SearchValue.Unescape(value)))], how);

    private DateCriterion? Dates(IReadOnlyList<string> values)
    {
        var wanted = new List<DateWanted>();
        foreach (var value in values)
        {
            var (prefix, text) = SearchValue.Prefixed(value);
            if (!FhirTime.TryRead(text, context.Zone, out var range))
            {
                return Refuse<DateCriterion>(SearchIssues.BadValue(
                    parameter.Name, "a date like 2024, 2024-05, 2024-05-31 or 2024-05-31T13:28:17Z, with or without a prefix like ge"));
            }

            wanted.Add(new DateWanted(prefix, prefix == Prefix.Ap ? Widened(range) : range));
        }

        return new DateCriterion(new ColumnKey(definition, Aspect.Value), wanted);
    }

    // R4 search.html#prefix: a tenth of the distance from now, to both sides.
    private TimeRange Widened(TimeRange range)
    {
        var margin = Math.Abs(context.Now.UtcTicks - range.From) / 10;
        return new TimeRange(range.From - margin, range.To + margin);
    }

    private QuantityCriterion? Quantities(IReadOnlyList<string> values)
    {
        var wanted = new List<QuantityWanted>();
        foreach (var value in values)
        {
            var parts = SearchValue.Split(value, '|');
            var (prefix, text) = SearchValue.Prefixed(parts[0]);
            if (parts.Count is not (1 or 3) || (definition.Kind == SearchKind.Number && parts.Count > 1)
                || !decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) || Math.Abs(number) > SearchValue.NumberMax)
            {
                return Refuse<QuantityCriterion>(SearchIssues.BadValue(
                    parameter.Name, "a number like 5.4, with or without a prefix like ge" + (definition.Kind == SearchKind.Number ? "" : ", or number|system|code")));
            }

            var half = prefix == Prefix.Ap ? Math.Abs(number) / 10 : SearchValue.HalfOfLastDigit(text);
            wanted.Add(new QuantityWanted(
                prefix, number, half, parts.Count == 3 ? SearchValue.Unescape(parts[1]) : null, parts.Count == 3 ? SearchValue.Unescape(parts[2]) : null));
        }

        return new QuantityCriterion(new ColumnKey(definition, Aspect.Value), wanted);
    }

    private Criterion? Refuse(OutcomeIssue problem) => Refuse<Criterion>(problem);

    private T? Refuse<T>(OutcomeIssue problem)
        where T : Criterion
    {
        Problem = problem;
        return null;
    }
}

/// <summary>The syntax of search values.</summary>
internal static class SearchValue
{
    /// <summary>Beyond it a decimal has no room for what its last digit stands for.</summary>
    internal const decimal NumberMax = 1e24m;

    /// <summary>Splits at a separator that is not escaped; the parts keep their escapes.</summary>
    internal static IReadOnlyList<string> Split(string text, char separator)
    {
        if (!text.Contains(separator, StringComparison.Ordinal))
        {
            return [text];
        }

        var parts = new List<string>();
        var start = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\')
            {
                i++;
            }
            else if (text[i] == separator)
            {
                parts.Add(text[start..i]);
                start = i + 1;
            }
        }

        parts.Add(text[start..]);
        return parts;
    }

    /// <summary>Undoes <c>\,</c>, <c>\|</c>, <c>\$</c> and <c>\\</c>.</summary>
    internal static string Unescape(string text)
    {
        if (!text.Contains('\\', StringComparison.Ordinal))
        {
            return text;
        }

        var plain = new System.Text.StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\' && i + 1 < text.Length && text[i + 1] is ',' or '|' or '$' or '\\')
            {
                i++;
            }

            plain.Append(text[i]);
        }

        return plain.ToString();
    }

    internal static (Prefix Prefix, string Text) Prefixed(string value)
    {
        if (value.Length > 2 && char.IsAsciiLetterLower(value[0]) && Enum.TryParse<Prefix>(value[..2], ignoreCase: true, out var prefix))
        {
            return (prefix, value[2..]);
        }

        return (Prefix.Eq, value);
    }

    /// <summary>Half of what the last digit of a number stands for: 0.05 for 5.4, 0.5 for 100, 50 for 1e2 (R4 search.html#number).</summary>
    internal static decimal HalfOfLastDigit(string number)
    {
        var e = number.AsSpan().IndexOfAny('e', 'E');
        var mantissa = e < 0 ? number.AsSpan() : number.AsSpan(0, e);
        var exponent = e < 0 ? 0 : int.Parse(number.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        var point = mantissa.IndexOf('.');
        var power = exponent - (point < 0 ? 0 : mantissa.Length - point - 1);
        var half = 0.5m;
        for (; power > 0 && half < NumberMax; power--)
        {
            half *= 10;
        }

        for (; power < 0 && half > 0; power++)
        {
            half /= 10;
        }

        return half;
    }
}
