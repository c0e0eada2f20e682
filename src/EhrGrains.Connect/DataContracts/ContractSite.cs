using EhrGrains.Contracts.DataContracts;
using EhrGrains.Contracts.Scopes;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.DataContracts;
using EhrGrains.Fhir.Sites;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.DataContracts;

/// <summary>A data contract against what one site says and grants. Pure.</summary>
public static class ContractSite
{
    private static readonly (Interactions Interaction, string Code)[] Codes =
        [(Interactions.Create, "create"), (Interactions.Update, "update"), (Interactions.Delete, "delete")];

    /// <summary>
    /// What the site's CapabilityStatement does not name. Never more than a warning: statements leave out much that works, and a
    /// request that is really refused says so itself (decision 0018).
    /// </summary>
    public static IEnumerable<ContractFinding> Compare(DataContract contract, VendorProfile profile, SiteStatement statement)
    {
        ArgumentNullException.ThrowIfNull(contract);
        ArgumentNullException.ThrowIfNull(profile);
        ArgumentNullException.ThrowIfNull(statement);
        foreach (var (feature, need) in contract.Needs)
        {
            if (!statement.Resources.TryGetValue(need.Type, out var named))
            {
                yield return new(
                    "EHR-DCT-020", false, feature.Name, need.Type,
                    $"The site's CapabilityStatement does not name {need.Type}: ask the hospital whether it is switched on.");
                continue;
            }

            // What the vendor does not take either has been told by the plan.
            var searched = profile.Resources.GetValueOrDefault(need.Type)?.Search ?? [];
            string[] unnamed = [.. need.Searches.SelectMany(s => s.Parameters).Select(p => p.Key.Split(':')[0]).Distinct().Except(named.Search).Intersect(searched)];
            if (named.Search.Count > 0 && unnamed.Length > 0)
            {
                yield return new(
                    "EHR-DCT-021", false, feature.Name, need.Type,
                    $"The site's CapabilityStatement does not name the search parameters {string.Join(", ", unnamed)}; the vendor's documents do.");
            }

            foreach (var (write, code) in Codes)
            {
                if (need.Writes.HasFlag(write) && !named.Interactions.Contains(code) && ContractScopes.At(profile, need.Type, write) != Interactions.None)
                {
                    yield return new(
                        "EHR-DCT-022", false, feature.Name, need.Type,
                        $"The site's CapabilityStatement does not name the interaction {code}; the vendor's documents do.");
                }
            }
        }
    }

    /// <summary>What the scopes that were granted do not allow.</summary>
    public static IEnumerable<ContractFinding> CompareScopes(DataContract contract, VendorProfile profile, ConnectionSpec connection, IReadOnlyList<string> granted)
    {
        ArgumentNullException.ThrowIfNull(contract);
        ArgumentNullException.ThrowIfNull(connection);
        ArgumentNullException.ThrowIfNull(granted);
        foreach (var (feature, type, needed, isMust) in Needed(contract, profile))
        {
            if (Missing(granted, type, needed) is not Interactions.None and var missing)
            {
                var isAsked = connection.Scopes.Length == 0 || Missing(connection.Scopes, type, needed) == Interactions.None;
                yield return new(
                    "EHR-DCT-023", isMust, feature, type,
                    isAsked
                        ? $"The site did not grant: {ContractPlanner.Words(missing)}. The hospital adds it to the app's registration."
                        : $"Not granted, nor asked for: {ContractPlanner.Words(missing)}. State it in connection.scopes, where the hospital has it in the app's registration.");
            }
        }
    }

    /// <summary>What the app's own grants at the tenant do not allow.</summary>
    public static IEnumerable<ContractFinding> CompareGrants(DataContract contract, VendorProfile profile, IReadOnlyList<Grant> grants)
    {
        ArgumentNullException.ThrowIfNull(contract);
        ArgumentNullException.ThrowIfNull(grants);
        if (contract.App is not { } app)
        {
            yield break;
        }

        IReadOnlyList<string> granted = grants.FirstOrDefault(grant => grant.App.Value == app)?.Scopes ?? [];
        foreach (var (feature, type, needed, isMust) in Needed(contract, profile))
        {
            if (Missing(granted, type, needed) is not Interactions.None and var missing)
            {
                yield return new("EHR-DCT-024", isMust, feature, type, $"The app {app} has no grant here to: {ContractPlanner.Words(missing)}. Give it with «ehrgrains grant».");
            }
        }
    }

    private static IEnumerable<(string Feature, string Type, Interactions Needed, bool IsMust)> Needed(DataContract contract, VendorProfile profile) =>
        contract.Needs.Select(need => (
            need.Feature.Name,
            need.Resource.Type,
            ContractScopes.At(profile, need.Resource.Type, need.Resource.Writes | Interactions.Read | Interactions.Search),
            need.Resource.IsMust));

    private static Interactions Missing(IReadOnlyList<string> scopes, string type, Interactions needed)
    {
        var missing = Interactions.None;
        for (var one = Interactions.Create; one <= Interactions.Search; one = (Interactions)((int)one << 1))
        {
            missing |= needed.HasFlag(one) && !SmartScope.AnyAllows(scopes, type, one) ? one : Interactions.None;
        }

        return missing;
    }
}
