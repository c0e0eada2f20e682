using System.Collections.Frozen;
using System.Globalization;
using EhrGrains.Connect.Ehr;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.Searching;

/// <summary>One search on its way to a plan: each parameter is sent, left out with a warning, or a problem.</summary>
internal sealed class SearchDraft(FhirSearch search, TenantSpec tenant, VendorProfile profile, ResourceRules rules, IdTranslation ids)
{
    private const int ParametersMax = 64;
    private const int ValueLengthMax = 4096;

    // Where a vendor names no largest page: a page of more would be held in memory for nothing.
    private const int CountMaxDefault = 1000;

    // FHIR R4 search.html#modifiers, and those of _include; a type name is a modifier of references.
    private static readonly FrozenSet<string> Modifiers = FrozenSet.ToFrozenSet(
        [
            "missing", "exact", "contains", "text", "in", "below", "above", "not-in", "not", "identifier",
            "of-type", "ofType", "iterate", "recurse",
        ],
        StringComparer.Ordinal);

    // Say how to answer, not about whom: these alone may stand in a URL, which servers and proxies write to their logs.
    private static readonly FrozenSet<string> Impersonal = FrozenSet.ToFrozenSet(
        ["_id", "_count", "_include", "_revinclude", "_lastUpdated", "_sort", "_summary", "_elements", "_total", "_contained"],
        StringComparer.Ordinal);

    private readonly List<SearchParameter> used = [];
    private readonly List<SearchParameter> sent = [];
    private readonly List<OutcomeIssue> warnings = [];
    private readonly List<OutcomeIssue> problems = [];
    private readonly HashSet<string> given = new(StringComparer.Ordinal);
    private bool counted;
    private bool personal;

    public SearchPlan Plan()
    {
        if (search.Parameters.Length > ParametersMax)
        {
            return SearchPlanner.Refuse(PlanIssues.TooMany(ParametersMax));
        }

        foreach (var parameter in search.Parameters)
        {
            Take(parameter);
        }

        if (rules.RequiredAnyOf.Count > 0 && !rules.RequiredAnyOf.Any(combination => combination.All(given.Contains)))
        {
            problems.Add(PlanIssues.Missing(search.Type, rules.RequiredAnyOf));
        }

        CheckTogether();
        if (!counted && rules.CountDefault > 0 && !IsById)
        {
            sent.Add(new SearchParameter(profile.Search.CountParameter, rules.CountDefault.ToString(CultureInfo.InvariantCulture)));
        }

        sent.AddRange(AlwaysParameters.Of(tenant, profile, problems));
        return new SearchPlan { Request = problems.Count > 0 ? null : Request(), Used = used, Warnings = warnings, Problems = problems };
    }

    // By id there are no pages: where the EHR takes little beside _id, no page size is sent.
    private bool IsById => given.Contains("_id") && profile.Search.IdWith.Count > 0;

    private void CheckTogether()
    {
        foreach (var exclusive in rules.Exclusive.Where(exclusive => exclusive.Count(given.Contains) > 1))
        {
            problems.Add(PlanIssues.NotTogether(exclusive.Last(given.Contains), exclusive));
        }

        if (IsById)
        {
            problems.AddRange(used.Select(static p => ParameterName.Of(p.Name).Base).Distinct(StringComparer.Ordinal)
                .Where(name => name is not ("_id" or "_count") && !profile.Search.IdWith.Contains(name))
                .Select(name => PlanIssues.NotWithId(name, profile.Search.IdWith)));
            sent.RemoveAll(p => p.Name == profile.Search.CountParameter);
        }
    }

    private void Take(SearchParameter parameter)
    {
        var name = ParameterName.Of(parameter.Name);
        if (name.Base is "_format" or "_pretty")
        {
            return; // how the gateway writes its answer, which is JSON
        }

        if (name.Modifier != "missing")
        {
            given.Add(name.Base); // also when its value turns out wrong: that is then what is said, not that it is missing
        }

        if (profile.Search.Always.ContainsKey(name.Base))
        {
            problems.Add(PlanIssues.Reserved(parameter.Name));
        }
        else if (parameter.Value.Length > ValueLengthMax)
        {
            problems.Add(PlanIssues.TooLong(parameter.Name, ValueLengthMax));
        }
        else if (string.IsNullOrWhiteSpace(parameter.Value))
        {
            problems.Add(PlanIssues.NoValue(parameter.Name));
        }
        else if (name.Base == "_count")
        {
            TakeCount(parameter.Value);
        }
        else if (!rules.Search.Contains(name.Base, StringComparer.Ordinal))
        {
            var refused = search.Handling == SearchHandling.Strict;
            (refused ? problems : warnings).Add(PlanIssues.Unknown(parameter.Name, search.Type, refused));
        }
        else if (name.Modifier is { } modifier && !Modifiers.Contains(modifier) && !name.IsTyped)
        {
            // To leave it out would widen the search: FHIR R4 wants it refused.
            problems.Add(PlanIssues.UnknownModifier(parameter.Name));
        }
        else if (name.Base is "_include" or "_revinclude")
        {
            TakeInclude(parameter, name);
        }
        else
        {
            TakeKnown(parameter, name);
        }
    }

    private void TakeKnown(SearchParameter parameter, ParameterName name)
    {
        var value = HoldsIds(name) ? ids.Translate(parameter.Value) : parameter.Value;
        if (value is null)
        {
            problems.Add(PlanIssues.UnknownId(parameter.Name));
            return;
        }

        used.Add(parameter);
        sent.Add(new SearchParameter(parameter.Name, value));
        personal |= !Impersonal.Contains(name.Base);
    }

    private void TakeInclude(SearchParameter parameter, ParameterName name)
    {
        var reverse = name.Base == "_revinclude";
        var offered = reverse ? rules.RevInclude : rules.Include;
        if (IncludeProblem(parameter, name, reverse) is { } problem)
        {
            problems.Add(problem);
        }
        else if (!offered.Any(o => o == "*" || o == parameter.Value || parameter.Value.StartsWith(o + ":", StringComparison.Ordinal)))
        {
            var refused = search.Handling == SearchHandling.Strict;
            (refused ? problems : warnings).Add(PlanIssues.NotIncluded(parameter.Name, offered, refused));
        }
        else
        {
            TakeKnown(parameter, name);
        }
    }

    // FHIR R4 search.html#revinclude: Type:parameter[:TargetType], or * for everything.
    private OutcomeIssue? IncludeProblem(SearchParameter parameter, ParameterName name, bool reverse)
    {
        if (parameter.Value == "*")
        {
            return null;
        }

        var parts = parameter.Value.Split(':');
        if (parts.Length is < 2 or > 3 || parts[1].Length == 0 || !ResourceTypes.All.Contains(parts[0]) || (parts.Length == 3 && !ResourceTypes.All.Contains(parts[2])))
        {
            return PlanIssues.BadInclude(parameter.Name);
        }

        if (SearchParameterTypes.Find(parts[0], parts[1], profile.Search.OwnParameters) is not (null or "reference"))
        {
            return PlanIssues.NoReference(parameter.Name);
        }

        var here = reverse ? parts.ElementAtOrDefault(2) ?? search.Type : parts[0];
        return here == search.Type || name.Modifier is "iterate" or "recurse" ? null : PlanIssues.ElsewhereInclude(parameter.Name, search.Type);
    }

    private void TakeCount(string value)
    {
        if (counted || !value.All(char.IsAsciiDigit) || value.All(static c => c == '0'))
        {
            problems.Add(PlanIssues.BadCount());
            return;
        }

        counted = true;
        if (!rules.Count)
        {
            warnings.Add(PlanIssues.CountNotTaken(search.Type));
            return;
        }

        var max = rules.CountMax > 0 ? rules.CountMax : CountMaxDefault;
        var wanted = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : int.MaxValue;
        if (wanted > max)
        {
            warnings.Add(PlanIssues.CountLowered(max));
        }

        var text = Math.Min(wanted, max).ToString(CultureInfo.InvariantCulture);
        used.Add(new SearchParameter("_count", text));
        sent.Add(new SearchParameter(profile.Search.CountParameter, text));
    }

    private EhrRequest Request()
    {
        var url = $"{tenant.Connection.BaseUrl.TrimEnd('/')}/{search.Type}";
        if (personal && profile.Search.Post)
        {
            // Everything goes in the body and nothing in the URL: servers differ on which of the two they read when both are given.
            return Request(HttpMethod.Post, url + "/_search", sent);
        }

        var query = string.Join('&', sent.Select(static p => $"{Uri.EscapeDataString(p.Name)}={Uri.EscapeDataString(p.Value)}"));
        return Request(HttpMethod.Get, query.Length > 0 ? $"{url}?{query}" : url, null);
    }

    private EhrRequest Request(HttpMethod method, string url, List<SearchParameter>? form) =>
        new() { Method = method, Url = url, Form = form, Op = "search", ResourceType = search.Type };

    // Other modifiers say that the value is something else than an id: :identifier, :missing.
    private bool HoldsIds(ParameterName name) =>
        (name.Modifier is null || name.IsTyped)
        && (name.Base == "_id" || SearchParameterTypes.Find(search.Type, name.Base, profile.Search.OwnParameters) == "reference");
}
