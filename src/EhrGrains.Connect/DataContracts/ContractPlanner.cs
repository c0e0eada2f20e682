using EhrGrains.Connect.Searching;
using EhrGrains.Contracts.DataContracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Scopes;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.DataContracts;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.DataContracts;

/// <summary>
/// What a vendor's EHR makes of a data contract: which scopes to request, how each search is answered, what cannot be had and why. By the
/// same planner as real queries, so that what is told here is what will happen. Pure.
/// </summary>
public static class ContractPlanner
{
    private const string Patient = "{patient}";
    private const string NoGateway = "https://gateway.invalid/fhir";

    /// <summary>Plans a contract for a vendor's EHR as its profile describes it.</summary>
    public static ContractCheck Plan(DataContract contract, VendorProfile profile)
    {
        ArgumentNullException.ThrowIfNull(profile);
        return Plan(contract, Example(profile), profile) with { Tenant = null };
    }

    /// <summary>Plans a contract for a site.</summary>
    /// <param name="contract">The contract.</param>
    /// <param name="tenant">The tenant.</param>
    /// <param name="profile">Its site's profile.</param>
    public static ContractCheck Plan(DataContract contract, TenantSpec tenant, VendorProfile profile)
    {
        ArgumentNullException.ThrowIfNull(contract);
        ArgumentNullException.ThrowIfNull(tenant);
        ArgumentNullException.ThrowIfNull(profile);
        var queries = new List<ContractQuery>();
        var findings = new List<ContractFinding>();
        foreach (var (feature, need) in contract.Needs)
        {
            ContractSearch[] searches = need.Searches.Count > 0 ? [.. need.Searches] : [new ContractSearch(need.Type, [])];
            foreach (var search in searches)
            {
                var query = Plan(feature.Name, search, tenant, profile);
                queries.Add(query);
                if (query.Way == QueryWay.None)
                {
                    findings.Add(new("EHR-DCT-010", need.IsMust, feature.Name, query.Search, $"{query.Why} A copy does not answer it either."));
                }
                else if (query.Way == QueryWay.Copy && !search.IsOfPatient)
                {
                    findings.Add(new(
                        "EHR-DCT-014", false, feature.Name, query.Search,
                        $"{query.Why} Only a copy answers this, and it knows the patients on a roster and nobody else."));
                }
                else if (query.Way == QueryWay.Copy && tenant.Sync.Types is { Length: > 0 } copied && !copied.Contains(need.Type))
                {
                    findings.Add(new(
                        "EHR-DCT-011", need.IsMust, feature.Name, query.Search,
                        $"Only a copy answers this, and {need.Type} is not copied: state it in sync.types of the tenant."));
                }
            }

            if (Writes(feature.Name, need, profile) is { } finding)
            {
                findings.Add(finding);
            }
        }

        return new ContractCheck
        {
            Contract = contract.Name,
            Vendor = profile.Id,
            Tenant = tenant.Tenant,
            Scopes = [.. ContractScopes.For(contract, profile)],
            Queries = [.. queries],
            Findings = InOrder(findings),
        };
    }

    /// <summary>Findings as they are told: the worst first.</summary>
    public static ContractFinding[] InOrder(IEnumerable<ContractFinding> findings) => [.. findings.OrderByDescending(finding => finding.IsUnmet)];

    private static ContractQuery Plan(string feature, ContractSearch search, TenantSpec tenant, VendorProfile profile)
    {
        if (search is { IsOfPatient: false, Parameters.Count: 0 } && SearchPlanner.PlanRead(Read(search.Type), tenant, Unowned(profile)) is { Request: not null })
        {
            return Answered(QueryWay.Ehr, [$"{search.Type}/{{id}}"], null);
        }

        var wanted = search.For(Patient);
        var direct = Ask(search.Type, wanted, tenant, profile);
        if (Request(direct) is { } request)
        {
            return Answered(QueryWay.Ehr, [request], null);
        }

        var why = string.Join(' ', direct.Problems.Select(problem => problem.Diagnostics));
        if (profile.Sync.Types.GetValueOrDefault(search.Type) is not { } copied)
        {
            return Answered(QueryWay.None, [], why);
        }

        // What the copy asks finds everything of a patient: so do its parts of a search.
        string?[] parts =
        [
            .. copied.Searches.Select(part => Request(Ask(
                search.Type, [.. wanted, .. part.Where(p => wanted.All(w => w.Name != p.Key)).Select(p => new SearchParameter(p.Key, p.Value))], tenant, profile))),
        ];
        return parts.Length > 0 && parts.All(part => part is not null) ? Answered(QueryWay.EhrInParts, [.. parts.OfType<string>().Distinct()], why)
            : !search.IsOfRecord ? Answered(QueryWay.None, [], why)
            : Answered(QueryWay.Copy, Copying(search.Type, copied, tenant, profile), why);

        ContractQuery Answered(QueryWay way, string[] requests, string? reason) =>
            new() { Feature = feature, Search = search.ToString(), Way = way, Requests = requests, Why = reason };
    }

    private static string[] Copying(string type, SyncTypeRules rules, TenantSpec tenant, VendorProfile profile) => rules.Strategy == SyncStrategy.ByReference
        ? [$"{type}/{{id}}"]
        :
        [
            .. rules.Searches.Select(part => Request(Ask(
                type, [new SearchParameter(rules.PatientParameter, Patient), .. part.Select(p => new SearchParameter(p.Key, p.Value))], tenant, profile))).OfType<string>(),
        ];

    // Strict: to leave out what the EHR does not know would find something else than the app needs.
    private static SearchPlan Ask(string type, SearchParameter[] parameters, TenantSpec tenant, VendorProfile profile) => SearchPlanner.Plan(
        new FhirSearch { Type = type, Parameters = parameters, Handling = SearchHandling.Strict, GatewayBase = NoGateway }, tenant, profile);

    private static string? Request(SearchPlan plan)
    {
        if (plan.Request is not { } request)
        {
            return null;
        }

        var url = request.Url;
        var path = url[(url.LastIndexOf('/') + 1)..];
        return request.Form is not { } form
            ? Uri.UnescapeDataString(path)
            : $"{request.ResourceType}?{string.Join('&', form.Select(p => $"{p.Name}={p.Value}"))}";
    }

    private static FhirRead Read(string type) => new() { Type = type, Id = "id", GatewayBase = NoGateway };

    // Whose an id is decides over one read, not over whether the type can be read.
    private static VendorProfile Unowned(VendorProfile profile) => profile.OwnIds.Count == 0 ? profile : profile with { OwnIds = [] };

    private static ContractFinding? Writes(string feature, ContractResource need, VendorProfile profile)
    {
        var taken = ContractScopes.At(profile, need.Type, need.Writes);
        if (taken != need.Writes)
        {
            return new(
                "EHR-DCT-012", need.IsMust, feature, need.Type,
                $"By its documents the EHR does not take: {Words(need.Writes & ~taken)} of {need.Type} over FHIR.");
        }

        return need.Writes != Interactions.None && profile.Writes.Disputed
            ? new("EHR-DCT-013", false, feature, need.Type, "The vendor's documents contradict each other about writing: only a try at the site can tell.")
            : null;
    }

    internal static string Words(Interactions interactions) => interactions.ToString().ToLowerInvariant();

    // A site as a vendor's documents describe one: settings are called by their names.
    private static TenantSpec Example(VendorProfile profile)
    {
        var settings = profile.Search.Always.Values.SelectMany(template => template.Split('{').Skip(1)).Select(rest => rest.Split('}')[0]).Distinct();
        return new TenantSpec
        {
            Tenant = "example",
            DisplayName = profile.Name,
            TimeZone = "Etc/UTC",
            Connection = new ConnectionSpec
            {
                Vendor = profile.Id,
                BaseUrl = "https://ehr.invalid/fhir",
                ClientId = "example",
                Settings = settings.ToDictionary(name => name, name => name, StringComparer.Ordinal),
            },
        };
    }
}
