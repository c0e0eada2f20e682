using EhrGrains.Contracts.Apps;
using EhrGrains.Silo.Telemetry;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace EhrGrains.Silo.OAuth;

/// <summary>Authenticates the client of a token request: by its assertion, checked before, or by its secret.</summary>
internal sealed class ClientAuthenticationHandler(AppDirectory apps, SiloMetrics metrics, ILogger<ClientAuthenticationHandler> log)
    : IOpenIddictServerHandler<ValidateTokenRequestContext>
{
    internal const string ClientProperty = "ehrgrains.client";

    public async ValueTask HandleAsync(ValidateTokenRequestContext context)
    {
        // That a client is unknown, disabled or uses the other method is not told apart from a wrong secret.
        var client = AppId.TryParse(context.ClientId, out var app) ? await apps.FindAsync(app, context.CancellationToken) : null;
        var usesAssertion = !string.IsNullOrEmpty(context.Request.ClientAssertion);
        var authenticated = usesAssertion
            ? client?.Spec.JsonWebKeySet is not null
            : apps.IsSecretOf(client, context.Request.ClientSecret);
        if (!authenticated || client is null)
        {
            metrics.TokenRefused(Errors.InvalidClient);
            log.ClientAuthenticationFailed(app.ToString(), usesAssertion ? "private_key_jwt" : "client_secret");
            context.Reject(Errors.InvalidClient, "The client is not known or its credentials are wrong.");
            return;
        }

        context.Transaction.Properties[ClientProperty] = client;
    }
}
