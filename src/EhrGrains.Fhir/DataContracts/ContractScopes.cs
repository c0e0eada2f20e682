using EhrGrains.Contracts.Scopes;
using EhrGrains.Fhir.Charts;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Fhir.DataContracts;

/// <summary>The SMART scopes that a contract comes to: no more than it needs, written as the vendor writes them.</summary>
public static class ContractScopes
{
    private const Interactions Reading = Interactions.Read | Interactions.Search;

    /// <summary>
    /// The scopes to request at the vendor's EHR (SMART App Launch 2.2, scopes-and-launch-context), in order of type. Types that the EHR does
    /// not have are left out: an authorization server may refuse all for one that it does not know.
    /// </summary>
    public static IReadOnlyList<string> For(DataContract contract, VendorProfile profile)
    {
        ArgumentNullException.ThrowIfNull(contract);
        ArgumentNullException.ThrowIfNull(profile);
        return
        [
            .. Needed(contract)
                .Where(need => profile.Resources.ContainsKey(need.ResourceType))
                .SelectMany(need => Write(need.ResourceType, At(profile, need.ResourceType, need.Interactions), profile.Auth.ScopeVersion)),
        ];
    }

    /// <summary>What the contract needs of each type, in order of type.</summary>
    public static IEnumerable<SmartScope> Needed(DataContract contract)
    {
        ArgumentNullException.ThrowIfNull(contract);
        return contract.Needs
            .GroupBy(need => need.Resource.Type, need => need.Resource.Writes | Reading, StringComparer.Ordinal)
            .OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => new SmartScope(group.Key, group.Aggregate((one, other) => one | other)));
    }

    /// <summary>What of it the vendor's EHR has at all: some types can be read and not searched.</summary>
    public static Interactions At(VendorProfile profile, string type, Interactions interactions)
    {
        ArgumentNullException.ThrowIfNull(profile);
        var rules = profile.Resources.GetValueOrDefault(type);
        var writes = profile.Writes;
        var has = Has(Interactions.Read, rules is { Read: true }) | Has(Interactions.Search, rules is { Search.Count: > 0 })
            | Has(Interactions.Create, writes.Create.Contains(type))
            | Has(Interactions.Update, writes.Update.Contains(type) || writes.Patch.Contains(type))
            | Has(Interactions.Delete, writes.Delete.Contains(type));
        return interactions & has;

        static Interactions Has(Interactions interaction, bool condition) => condition ? interaction : Interactions.None;
    }

    /// <summary>Whether a search of the type can be one in a single patient's data.</summary>
    public static bool IsOfPatient(string type) => SearchDefinitions.Find(type, "patient") is not null;

    private static IEnumerable<string> Write(string type, Interactions interactions, ScopeVersion version)
    {
        if (version == ScopeVersion.V2)
        {
            // "cruds", in this order.
            var letters = string.Concat("cruds".Where((_, i) => interactions.HasFlag((Interactions)(1 << i))));
            return letters.Length > 0 ? [$"system/{type}.{letters}"] : [];
        }

        string?[] both = [(interactions & Reading) != Interactions.None ? "read" : null, (interactions & ~Reading) != Interactions.None ? "write" : null];
        return both.OfType<string>().Select(word => $"system/{type}.{word}");
    }
}
