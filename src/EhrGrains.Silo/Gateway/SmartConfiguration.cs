using System.Text.Json;
using EhrGrains.Silo.Configuration;
using EhrGrains.Silo.OAuth;

namespace EhrGrains.Silo.Gateway;

/// <summary>
/// <c>[base]/.well-known/smart-configuration</c> (SMART App Launch 2.2, conformance): where apps get tokens and how they prove
/// themselves there. The same for every tenant, and anonymous.
/// </summary>
internal static class SmartConfiguration
{
    internal static void MapSmartConfiguration(this IEndpointRouteBuilder endpoints)
    {
        foreach (var path in new[] { "/fhir/{tenant}/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration" })
        {
            endpoints.MapGet(path, GetAsync).AllowAnonymous().ExcludeFromDescription();
        }
    }

    private static async Task<IResult> GetAsync(HttpContext context, SiloOptions options) =>
        Results.Json(Document(await TokenEndpointAsync(context, options)), JsonSerializerOptions.Web, "application/json");

    internal static async Task<string> TokenEndpointAsync(HttpContext context, SiloOptions options) => options.Auth.ExternalIssuer is null
        ? new Uri(new Uri(options.Auth.Issuer), AuthorizationServer.TokenPath).AbsoluteUri
        : await context.RequestServices.GetRequiredService<ExternalIssuer>().GetTokenEndpointAsync(context.RequestAborted);

    private static Dictionary<string, object> Document(string tokenEndpoint) => new(StringComparer.Ordinal)
    {
        ["token_endpoint"] = tokenEndpoint,
        ["grant_types_supported"] = new[] { "client_credentials" },
        ["code_challenge_methods_supported"] = new[] { "S256" },
        ["capabilities"] = new[] { "client-confidential-asymmetric", "client-confidential-symmetric", "permission-v2", "permission-v1" },
        ["scopes_supported"] = new[] { "system/*.rs", "system/*.r", "system/*.s", GrantableScopes.Operate, GrantableScopes.Administer },
        ["token_endpoint_auth_methods_supported"] = new[] { "private_key_jwt", "client_secret_basic", "client_secret_post" },
        ["token_endpoint_auth_signing_alg_values_supported"] = new[] { "ES384", "RS384" },
    };
}
