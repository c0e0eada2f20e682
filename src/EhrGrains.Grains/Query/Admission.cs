using EhrGrains.Contracts.Scopes;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;

namespace EhrGrains.Grains.Query;

/// <summary>Whether a caller may do something at a tenant, and with what.</summary>
internal static class Admission
{
    /// <summary>Why the caller may not; null when it may. What a token allows and what the tenant granted must both allow it (I4).</summary>
    internal static QueryAnswer? Refuse(Caller caller, TenantSnapshot? tenant, string type, Interactions interaction)
    {
        if (!IsTypeName(type))
        {
            return QueryAnswer.Refuse(404, "not-supported", "EHR-QRY-013", "This is not the name of a resource type.");
        }

        if (tenant is null or { Lifecycle: Lifecycle.Offboarded } || GrantOf(caller, tenant) is not { } grant)
        {
            return QueryAnswer.Refuse(404, "not-found", "EHR-QRY-001", "There is no such tenant, or this app has no grant there.");
        }

        if (tenant.Lifecycle is not (Lifecycle.Sandbox or Lifecycle.Uat or Lifecycle.Live))
        {
            return QueryAnswer.Refuse(
                503, "transient", "EHR-QRY-002", "The tenant is not open for queries now. Its operator can open it.", TimeSpan.FromMinutes(1));
        }

        if (!Allows(caller, grant, type, interaction))
        {
            var letter = interaction switch
            {
                Interactions.Search => 's',
                Interactions.Create => 'c',
                Interactions.Update => 'u',
                _ => 'r',
            };
            var needed = $"system/{type}.{letter}";
            return QueryAnswer.Refuse(
                403, "forbidden", "EHR-QRY-003", $"This needs the scope {needed}, in the access token and in the app's grant at the tenant.");
        }

        return null;
    }

    /// <summary>The types that may come along with a search: those that the caller might have read by themselves.</summary>
    internal static Func<string, bool> MayInclude(Caller caller, TenantSnapshot tenant) =>
        type => GrantOf(caller, tenant) is { } grant && Allows(caller, grant, type, Interactions.Read);

    private static Grant? GrantOf(Caller caller, TenantSnapshot tenant) =>
        caller.IsSystem ? null : Array.Find(tenant.Grants, grant => grant.App == caller.App);

    private static bool Allows(Caller caller, Grant grant, string type, Interactions interaction) =>
        SmartScope.AnyAllows(caller.Scopes, type, interaction) && SmartScope.AnyAllows(grant.Scopes, type, interaction);

    private static bool IsTypeName(string type) => type.Length is > 0 and <= 64 && type.All(char.IsAsciiLetter);
}
