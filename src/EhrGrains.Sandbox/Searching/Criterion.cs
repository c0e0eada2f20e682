using EhrGrains.Sandbox.Charts;

namespace EhrGrains.Sandbox.Searching;

/// <summary>One parameter of a search, ready to be held against resources.</summary>
internal sealed class Criterion
{
    private readonly string name;
    private readonly string?[] systems;
    private readonly string[] values;
    private readonly bool exact;
    private readonly TimeSpanTest? time;

    private Criterion(Parameter parameter, TimeSpanTest? time)
    {
        name = parameter.Name;
        exact = parameter.Modifier == "exact";
        this.time = time;
        values = parameter.Value.Split(',');
        systems = new string?[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            var bar = values[i].LastIndexOf('|');
            if (bar >= 0)
            {
                systems[i] = values[i][..bar];
                values[i] = values[i][(bar + 1)..];
            }
        }
    }

    /// <summary>False when a date cannot be read or has a prefix that the vendor does not take.</summary>
    public static bool TryRead(Parameter parameter, SearchRules rules, TimeZoneInfo zone, out Criterion? criterion)
    {
        criterion = null;
        if (!IsTime(parameter.Name))
        {
            criterion = new Criterion(parameter, null);
        }
        else if (TimeSpanTest.TryRead(parameter.Value, rules.DatePrefixes, zone, out var test))
        {
            criterion = new Criterion(parameter, test);
        }

        return criterion is not null;
    }

    // Loops and no lambdas: this runs for every resource of a type, and a closure for each would cost more than the comparison.
    public bool Matches(StoredResource resource)
    {
        if (name == "_id")
        {
            return values.AsSpan().Contains(resource.Id);
        }

        if (name is "patient" or "subject" or "beneficiary")
        {
            return MatchesPatient(resource.Patient);
        }

        if (time is { } test)
        {
            foreach (ref readonly var found in resource.Times.AsSpan())
            {
                if (found.Parameter == name && test.Holds(found))
                {
                    return true;
                }
            }

            return false;
        }

        foreach (ref readonly var text in resource.Texts.AsSpan())
        {
            if (text.Parameter == name && MatchesText(text.Text))
            {
                return true;
            }
        }

        foreach (ref readonly var token in resource.Tokens.AsSpan())
        {
            if (token.Parameter == name && MatchesToken(token))
            {
                return true;
            }
        }

        return false;
    }

    private bool MatchesPatient(string? patient)
    {
        foreach (var value in values)
        {
            if (SearchRequest.IdOf(value) == patient)
            {
                return true;
            }
        }

        return false;
    }

    // String search is a prefix match that does not care for case.
    private bool MatchesText(string text)
    {
        foreach (var value in values)
        {
            if (exact ? text == value : text.StartsWith(value, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    private bool MatchesToken(IndexedToken token)
    {
        for (var i = 0; i < values.Length; i++)
        {
            var code = name == "encounter" ? SearchRequest.IdOf(values[i]) : values[i];
            var found = name == "encounter" ? SearchRequest.IdOf(token.Code) : token.Code;
            if (code == found && (systems[i] is null || systems[i] == (token.System ?? "")))
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsTime(string name) =>
        name is "date" or "birthdate" or "issued" or "period" or "_lastUpdated" or "onset-date" or "recorded-date" or "authoredon";
}

/// <summary>A date parameter (FHIR R4 search.html#date): a prefix and the stretch of time that its value means.</summary>
internal readonly record struct TimeSpanTest(string Prefix, DateTime From, DateTime To)
{
    public static bool TryRead(string value, IReadOnlyList<string> prefixes, TimeZoneInfo zone, out TimeSpanTest test)
    {
        var hasPrefix = value.Length > 2 && char.IsAsciiLetterLower(value[0]) && char.IsAsciiLetterLower(value[1]);
        var prefix = hasPrefix ? value[..2] : "eq";
        if (prefixes.Contains(prefix) && FhirTime.TryParse(hasPrefix ? value[2..] : value, zone, out var from, out var to))
        {
            test = new TimeSpanTest(prefix, from, to);
            return true;
        }

        test = default;
        return false;
    }

    public bool Holds(IndexedTime time)
    {
        var equal = From <= time.From && time.To <= To;
        return Prefix switch
        {
            "eq" => equal,
            "ne" => !equal,
            "gt" => time.To > To,
            "lt" => time.From < From,
            "ge" => equal || time.To > To,
            _ => equal || time.From < From,
        };
    }
}
