using System.Globalization;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Vendors;

namespace EhrGrains.Sandbox.Searching;

/// <summary>A search that the hospital has agreed to: what to look through, by which criteria, and how much to show.</summary>
internal sealed record SearchPlan(SearchRequest Request, IReadOnlyList<Criterion> Before, IReadOnlyList<Criterion> After, int Count)
{
    /// <summary>Either a plan or the reason why there is none.</summary>
    public static SearchPlan? Make(SearchRequest request, IVendor vendor, TimeZoneInfo zone, out Finding? refusal)
    {
        var rules = vendor.Searches;
        var type = rules.Types[request.Type];
        if ((refusal = vendor.Check(request) ?? CheckDeclared(request, rules, type)) is not null)
        {
            return null;
        }

        if (!TryCount(request, type, out var count))
        {
            refusal = new Finding(Trouble.BadValue, "_count");
            return null;
        }

        var before = new List<Criterion>();
        var after = new List<Criterion>();
        foreach (var parameter in request.Parameters)
        {
            if (!Criterion.TryRead(parameter, rules, zone, out var criterion))
            {
                refusal = new Finding(Trouble.BadValue, parameter.Name);
                return null;
            }

            (rules.FiltersAfter.Contains(parameter.Name) ? after : before).Add(criterion!);
        }

        return new SearchPlan(request, before, after, count);
    }

    /// <summary>Everything that matches before the filters that are applied to single pages.</summary>
    public StoredResource[] Run(ChartStore charts)
    {
        var patient = Request.First("patient") ?? Request.First("subject") ?? Request.First("beneficiary");
        var candidates = patient is not null && !patient.Contains(',', StringComparison.Ordinal)
            ? charts.OfPatient(Request.Type, SearchRequest.IdOf(patient))
            : charts.OfType(Request.Type);
        return Array.FindAll(candidates, resource => Holds(Before, resource));
    }

    public static bool Holds(IReadOnlyList<Criterion> criteria, StoredResource resource)
    {
        for (var i = 0; i < criteria.Count; i++)
        {
            if (!criteria[i].Matches(resource))
            {
                return false;
            }
        }

        return true;
    }

    private static Finding? CheckDeclared(SearchRequest request, SearchRules rules, TypeRules type)
    {
        foreach (var unknown in request.Parameters.FindAll(parameter => !type.Parameters.Contains(parameter.Name)))
        {
            switch (rules.UnknownParameters)
            {
                case Unknown.Refuse:
                    return new Finding(Trouble.ParameterUnknown, unknown.Name);
                case Unknown.Note:
                    request.Ignore(unknown);
                    break;
                default:
                    request.Parameters.Remove(unknown);
                    break;
            }
        }

        if (type.RequiredAnyOf.Any(set => set.All(request.Has)))
        {
            return null;
        }

        return request.Parameters.Count == 0
            ? new Finding(Trouble.NoParameters)
            : new Finding(Trouble.RequiredMissing, string.Join('+', type.RequiredAnyOf[^1]));
    }

    private static bool TryCount(SearchRequest request, TypeRules type, out int count)
    {
        count = type.CountDefault;
        if (request.Count is null || type.CountMax == 0)
        {
            return true;
        }

        // Digits only, so that no sign passes; more than fits is more than the largest page.
        if (request.Count.Length == 0 || request.Count.AsSpan().IndexOfAnyExceptInRange('0', '9') >= 0)
        {
            return false;
        }

        count = long.TryParse(request.Count, CultureInfo.InvariantCulture, out var asked)
            ? (int)Math.Min(asked, type.CountMax)
            : type.CountMax;
        return count > 0;
    }
}
