using System.Globalization;
using EhrGrains.Contracts.Query;
using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Fhir.Charts;

/// <summary>Reads the parameters of one search into a <see cref="ChartQuery"/>, or says everything that is wrong with them.</summary>
internal sealed class ChartQueryReader(string type, ChartContext context, SearchHandling handling)
{
    private const int ParametersMax = 64;
    private const int ValueLengthMax = 4096;
    private const int SortKeysMax = 8;

    private readonly List<SearchParameter> used = [];
    private readonly List<Criterion> criteria = [];
    private readonly List<SortKey> sort = [];
    private readonly List<IncludeRule> includes = [];
    private readonly List<string> elements = [];
    private readonly List<OutcomeIssue> issues = [];
    private int count = ChartQuery.CountDefault;
    private bool withTotal = true;
    private ChartDetail detail;

    internal IReadOnlyList<OutcomeIssue> Issues => issues;

    internal ChartQuery? Read(IReadOnlyList<SearchParameter> parameters)
    {
        if (parameters.Count > ParametersMax)
        {
            issues.Add(SearchIssues.TooMany(ParametersMax));
            return null;
        }

        foreach (var parameter in parameters)
        {
            Take(parameter);
        }

        return issues.Exists(issue => issue.Severity == "error") ? null : new ChartQuery
        {
            Type = type,
            Zone = context.Zone,
            Used = used,
            Count = count,
            WithTotal = withTotal,
            Detail = detail,
            Elements = elements,
            Criteria = criteria,
            Sort = sort,
            Includes = includes,
        };
    }

    private void Take(SearchParameter parameter)
    {
        var colon = parameter.Name.IndexOf(':', StringComparison.Ordinal);
        var (name, modifier) = colon < 0 ? (parameter.Name, null) : (parameter.Name[..colon], parameter.Name[(colon + 1)..]);
        if (parameter.Value.Length > ValueLengthMax)
        {
            issues.Add(SearchIssues.TooLong(parameter.Name, ValueLengthMax));
            return;
        }

        if (string.IsNullOrWhiteSpace(parameter.Value))
        {
            issues.Add(SearchIssues.NoValue(parameter.Name));
            return;
        }

        if (TakeControl(parameter, name, modifier))
        {
            return;
        }

        if (SearchDefinitions.Find(type, name) is { } definition)
        {
            var read = new CriterionReader(definition, modifier, parameter, context);
            if (read.Read() is { } criterion)
            {
                criteria.Add(criterion);
                used.Add(parameter);
            }
            else
            {
                issues.Add(read.Problem!);
            }
        }
        else
        {
            // R4 search.html#errors: left out, and said so, unless the client wants it refused.
            issues.Add(SearchIssues.Unknown(parameter.Name, type, handling == SearchHandling.Strict));
        }
    }

    // The parameters that say how to answer (R4 search.html#return).
    private bool TakeControl(SearchParameter parameter, string name, string? modifier)
    {
        var known = issues.Count;
        switch (name)
        {
            case "_count":
                TakeCount(parameter);
                break;
            case "_sort":
                TakeSort(parameter);
                break;
            case "_include" or "_revinclude":
                TakeInclude(parameter, name == "_revinclude", modifier);
                break;
            case "_summary":
                TakeSummary(parameter);
                break;
            case "_elements":
                TakeElements(parameter);
                break;
            case "_total":
                withTotal = parameter.Value != "none";
                AddProblemUnless(parameter.Value is "none" or "estimate" or "accurate", parameter, "none, estimate or accurate");
                break;
            default:
                return false;
        }

        if (issues.Count == known)
        {
            used.Add(name == "_count" ? new SearchParameter("_count", count.ToString(CultureInfo.InvariantCulture)) : parameter);
        }

        return true;
    }

    private void TakeCount(SearchParameter parameter)
    {
        if (!parameter.Value.All(char.IsAsciiDigit) || used.Exists(p => p.Name == "_count"))
        {
            issues.Add(SearchIssues.BadValue(parameter.Name, "one whole number, zero or more"));
            return;
        }

        var wanted = int.TryParse(parameter.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : int.MaxValue;
        count = Math.Min(wanted, ChartQuery.CountMax);
    }

    private void TakeSort(SearchParameter parameter)
    {
        foreach (var key in parameter.Value.Split(','))
        {
            var descending = key.StartsWith('-');
            if (SearchDefinitions.Find(type, descending ? key[1..] : key) is { } definition && sort.Count < SortKeysMax)
            {
                sort.Add(new SortKey(definition, descending));
            }
            else
            {
                issues.Add(SearchIssues.BadValue(parameter.Name, $"up to {SortKeysMax} search parameters of {type}, each with or without a leading -"));
                return;
            }
        }
    }

    private void TakeSummary(SearchParameter parameter)
    {
        switch (parameter.Value)
        {
            case "true":
                detail = ChartDetail.Summary;
                break;
            case "text":
                detail = ChartDetail.Text;
                break;
            case "data":
                detail = ChartDetail.Data;
                break;
            case "count":
                count = 0;
                break;
            case "false":
                break;
            default:
                issues.Add(SearchIssues.BadValue(parameter.Name, "true, text, data, count or false"));
                break;
        }
    }

    private void TakeElements(SearchParameter parameter)
    {
        foreach (var element in parameter.Value.Split(','))
        {
            // [base element], with or without the type before it.
            var name = element.StartsWith(type + ".", StringComparison.Ordinal) ? element[(type.Length + 1)..] : element;
            AddProblemUnless(name.Length > 0 && name.All(char.IsAsciiLetterOrDigit), parameter, "element names of the type, separated by commas");
            elements.Add(name);
        }

        detail = ChartDetail.Elements;
    }

    // Type:parameter[:TargetType], Type:*, or * for everything (R4 search.html#include).
    private void TakeInclude(SearchParameter parameter, bool reverse, string? modifier)
    {
        const string Expected = "Type:parameter or Type:parameter:TargetType with a reference parameter of that type, Type:* or *";
        var iterate = modifier is "iterate" or "recurse";
        if (modifier is not null && !iterate)
        {
            issues.Add(SearchIssues.BadModifier(parameter.Name));
            return;
        }

        if (parameter.Value == "*")
        {
            includes.Add(new IncludeRule(reverse, reverse ? null : iterate ? null : type, null, reverse ? type : null, iterate));
            return;
        }

        var parts = parameter.Value.Split(':');
        var definition = parts.Length > 1 ? SearchDefinitions.Find(parts[0], parts[1]) : null;
        var target = parts.ElementAtOrDefault(2);
        var valid = parts.Length is 2 or 3 && ResourceTypes.All.Contains(parts[0])
            && (parts[1] == "*" || definition is { Kind: SearchKind.Reference }) && (target is null || ResourceTypes.All.Contains(target));
        if (valid)
        {
            includes.Add(new IncludeRule(reverse, parts[0], definition, target, iterate));
        }
        else
        {
            issues.Add(SearchIssues.BadValue(parameter.Name, Expected));
        }
    }

    private void AddProblemUnless(bool valid, SearchParameter parameter, string expected)
    {
        if (!valid)
        {
            issues.Add(SearchIssues.BadValue(parameter.Name, expected));
        }
    }
}
