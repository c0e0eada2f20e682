using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Silo.Gateway;

/// <summary>
/// <c>/tenants/{tenant}/jwks.json</c>: the public keys that we sign client assertions for the hospital with. Its authorization
/// server reads them here, and learns of a rotation within a minute.
/// </summary>
internal static class TenantKeys
{
    internal static void MapTenantKeys(this IEndpointRouteBuilder endpoints) =>
        endpoints.MapGet("/tenants/{tenant}/jwks.json", GetAsync)
            .AllowAnonymous().WithName("GetTenantKeys").WithTags("Tenants").WithSummary("The tenant's public keys (RFC 7517).");

    private static async Task<IResult> GetAsync(TenantId tenant, HttpContext context, IGrainFactory grains)
    {
        var keys = await grains.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(tenant)).GetJsonWebKeySetAsync(context.RequestAborted);
        context.Response.Headers.CacheControl = "public, max-age=60";
        context.Response.Headers.Pragma = default;
        return Results.Bytes(keys, "application/jwk-set+json");
    }
}
