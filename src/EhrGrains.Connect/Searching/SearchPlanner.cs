using EhrGrains.Connect.Ehr;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.Searching;

/// <summary>
/// Decides what is sent to an EHR for a query, by its vendor profile; or says everything that is wrong before anything is sent. Pure.
/// </summary>
public static class SearchPlanner
{
    /// <summary>Plans a search.</summary>
    /// <param name="search">The search; its cursor is not looked at.</param>
    /// <param name="tenant">The tenant asked.</param>
    /// <param name="profile">The vendor profile of its connection.</param>
    /// <param name="alias">The EHR's id behind an alias, or null; only asked for those that <see cref="AliasesIn"/> names.</param>
    public static SearchPlan Plan(FhirSearch search, TenantSpec tenant, VendorProfile profile, Func<string, string?>? alias = null)
    {
        ArgumentNullException.ThrowIfNull(search);
        ArgumentNullException.ThrowIfNull(tenant);
        ArgumentNullException.ThrowIfNull(profile);
        if (!profile.Resources.TryGetValue(search.Type, out var rules))
        {
            return Refuse(PlanIssues.UnknownType(search.Type));
        }

        return rules.Search.Count == 0
            ? Refuse(PlanIssues.NotSearchable(search.Type))
            : new SearchDraft(search, tenant, profile, rules, Ids(search.GatewayBase, alias)).Plan();
    }

    /// <summary>Plans a read.</summary>
    /// <param name="read">The read.</param>
    /// <param name="tenant">The tenant asked.</param>
    /// <param name="profile">The vendor profile of its connection.</param>
    /// <param name="alias">The EHR's id behind an alias, or null.</param>
    public static SearchPlan PlanRead(FhirRead read, TenantSpec tenant, VendorProfile profile, Func<string, string?>? alias = null)
    {
        ArgumentNullException.ThrowIfNull(read);
        ArgumentNullException.ThrowIfNull(tenant);
        ArgumentNullException.ThrowIfNull(profile);
        if (!profile.Resources.TryGetValue(read.Type, out var rules))
        {
            return Refuse(PlanIssues.UnknownType(read.Type));
        }

        if (!rules.Read)
        {
            return Refuse(PlanIssues.NotReadable(read.Type));
        }

        // Dots alone would be a step up the path, not an id, to whoever reads the URL.
        if (Ids(read.GatewayBase, alias).ToOriginal(read.Id) is not { Length: > 0 } id || id.All(static c => c == '.'))
        {
            return Refuse(PlanIssues.UnknownId("_id"));
        }

        if (OfAnotherTenant(id, tenant, profile) is { } problem)
        {
            return Refuse(problem);
        }

        return new SearchPlan
        {
            Request = new EhrRequest
            {
                Method = HttpMethod.Get,
                Url = $"{tenant.Connection.BaseUrl.TrimEnd('/')}/{read.Type}/{Uri.EscapeDataString(id)}",
                Op = "read",
                ResourceType = read.Type,
            },
        };
    }

    /// <summary>
    /// Plans the next page, where the EHR's own link leads: only to the same server, under its FHIR base URL, for the same tenant.
    /// </summary>
    public static SearchPlan PlanNext(string nextUrl, TenantSpec tenant, VendorProfile profile)
    {
        ArgumentNullException.ThrowIfNull(nextUrl);
        ArgumentNullException.ThrowIfNull(tenant);
        ArgumentNullException.ThrowIfNull(profile);
        return NextLink.Plan(nextUrl, tenant, profile);
    }

    /// <summary>What has the form of an alias in a search, to be looked up before it is planned.</summary>
    public static IReadOnlyList<string> AliasesIn(FhirSearch search)
    {
        ArgumentNullException.ThrowIfNull(search);
        var ids = Ids(search.GatewayBase, null);
        return
        [
            .. search.Parameters.SelectMany(p => ids.AliasesIn(p.Value)).Distinct(StringComparer.Ordinal),
        ];
    }

    // Where one server serves many tenants, a read has nothing but the id to say whose it is (I4).
    private static OutcomeIssue? OfAnotherTenant(string id, TenantSpec tenant, VendorProfile profile)
    {
        var own = profile.OwnIds.Count == 0;
        foreach (var template in profile.OwnIds)
        {
            if (AlwaysParameters.Fill(template, tenant.Connection.Settings, out var missing) is not { } form)
            {
                return PlanIssues.NoSetting(missing);
            }

            own |= form.EndsWith('*') ? id.StartsWith(form[..^1], StringComparison.Ordinal) : id == form;
        }

        return own ? null : PlanIssues.UnknownId("_id");
    }

    internal static SearchPlan Refuse(OutcomeIssue problem) => new() { Problems = [problem] };

    private static IdTranslation Ids(string gatewayBase, Func<string, string?>? alias) => new(gatewayBase, alias ?? (static _ => null));
}

/// <summary>A search parameter's name and modifier: <c>name:exact</c>.</summary>
internal readonly record struct ParameterName(string Base, string? Modifier)
{
    /// <summary>True when the modifier names a resource type: <c>subject:Patient</c>.</summary>
    public bool IsTyped => Modifier is { Length: > 0 } && char.IsAsciiLetterUpper(Modifier[0]) && Modifier.All(char.IsAsciiLetter);

    public static ParameterName Of(string name)
    {
        var colon = name.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? new ParameterName(name, null) : new ParameterName(name[..colon], name[(colon + 1)..]);
    }
}
