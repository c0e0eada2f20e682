using System.Security.Claims;
using EhrGrains.Contracts.Apps;
using EhrGrains.Silo.Configuration;
using EhrGrains.Silo.Telemetry;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace EhrGrains.Silo.OAuth;

/// <summary>Says what the access token of an authenticated client holds.</summary>
internal sealed class TokenHandler(SiloOptions options, SiloMetrics metrics) : IOpenIddictServerHandler<HandleTokenRequestContext>
{
    public ValueTask HandleAsync(HandleTokenRequestContext context)
    {
        var client = (AppClient)context.Transaction.Properties[ClientAuthenticationHandler.ClientProperty]!;
        var scopes = GrantableScopes.Narrow(client.Spec.Role, context.Request.GetScopes());
        if (scopes.Length == 0)
        {
            metrics.TokenRefused(Errors.InvalidScope);
            context.Reject(Errors.InvalidScope, GrantableScopes.Hint(client.Spec.Role));
            return ValueTask.CompletedTask;
        }

        var identity = new ClaimsIdentity("client_credentials", Claims.Name, Claims.Role);
        identity.SetClaim(Claims.Subject, client.Spec.App.Value);
        identity.SetClaim(Claims.Role, client.Spec.Role.ToString().ToLowerInvariant());
        identity.SetScopes(scopes);
        identity.SetAudiences(options.Auth.Audience);
        identity.SetDestinations(static _ => [Destinations.AccessToken]);
        metrics.TokenIssued(client.Spec.JsonWebKeySet is null ? "client_secret" : "private_key_jwt");
        context.SignIn(new ClaimsPrincipal(identity));
        return ValueTask.CompletedTask;
    }
}
