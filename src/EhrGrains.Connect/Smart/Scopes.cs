using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.Smart;

/// <summary>Which scopes are asked for (SMART App Launch 2.2, scopes-and-launch-context).</summary>
internal static class Scopes
{
    /// <summary>
    /// What the operator stated for the connection; else what the vendor profile can serve, written as the vendor writes it: version 1 or
    /// 2, one wildcard or one scope a type.
    /// </summary>
    public static string Compose(ConnectionSpec connection, VendorProfile profile)
    {
        if (connection.Scopes.Length > 0)
        {
            return string.Join(' ', connection.Scopes);
        }

        var version1 = profile.Auth.ScopeVersion == ScopeVersion.V1;
        if (profile.Auth.WildcardScopes)
        {
            return version1 ? "system/*.read" : "system/*.rs";
        }

        var scopes = profile.Resources
            .Where(static r => r.Value.Read || r.Value.Search.Count > 0)
            .OrderBy(static r => r.Key, StringComparer.Ordinal)
            .Select(r => $"system/{r.Key}.{(version1 ? "read" : Letters(r.Value))}");
        return string.Join(' ', scopes);
    }

    private static string Letters(ResourceRules rules) => (rules.Read ? "r" : "") + (rules.Search.Count > 0 ? "s" : "");
}
