using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.Searching;

/// <summary>
/// The parameters that a vendor needs on every search, filled in from the tenant's settings: at athenahealth, which hospital of all those
/// on one server is meant. Only the tenant's settings decide that, never a caller (I4).
/// </summary>
internal static class AlwaysParameters
{
    public static IReadOnlyList<SearchParameter> Of(TenantSpec tenant, VendorProfile profile, ICollection<OutcomeIssue> problems)
    {
        var parameters = new List<SearchParameter>(profile.Search.Always.Count);
        foreach (var (name, template) in profile.Search.Always)
        {
            if (Fill(template, tenant.Connection.Settings, out var missing) is { } value)
            {
                parameters.Add(new SearchParameter(name, value));
            }
            else
            {
                problems.Add(PlanIssues.NoSetting(missing));
            }
        }

        return parameters;
    }

    /// <summary>The template with the tenant's settings in it; null when one is missing or would be more than a text.</summary>
    public static string? Fill(string template, Dictionary<string, string> settings, out string missing)
    {
        missing = "";
        while (template.IndexOf('{', StringComparison.Ordinal) is >= 0 and var open && template.IndexOf('}', open) is > 0 and var close)
        {
            missing = template[(open + 1)..close];
            if (!settings.TryGetValue(missing, out var setting) || setting.Length == 0 || setting.AsSpan().ContainsAny('{', '}', ','))
            {
                return null;
            }

            template = template[..open] + setting + template[(close + 1)..];
        }

        return template;
    }
}
