using EhrGrains.Silo.Configuration;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace EhrGrains.Silo.OAuth;

/// <summary>
/// The embedded authorization server: OAuth 2.0 client credentials for apps (SMART App Launch 2.2, backend services).
/// OpenIddict speaks the protocol; who a client is and what it may ask for is decided by its app grain.
/// docs/decisions/0003-authorization-server.md says why it runs without OpenIddict's own stores.
/// </summary>
internal static class AuthorizationServer
{
    internal const string TokenPath = "/oauth/token";
    internal const string JwksPath = "/.well-known/jwks.json";
    internal const string ConfigurationPath = "/.well-known/openid-configuration";

    /// <summary>How long an access token is good for (SMART App Launch 2.2 §5.1.5: at most five minutes is advised).</summary>
    internal static readonly TimeSpan AccessTokenLifetime = TimeSpan.FromSeconds(300);

    /// <summary>Whether a request may be for the authorization server.</summary>
    internal static bool Serves(HttpContext context) =>
        context.Request.Path.StartsWithSegments("/oauth", StringComparison.OrdinalIgnoreCase)
        || context.Request.Path.StartsWithSegments("/.well-known", StringComparison.OrdinalIgnoreCase);

    internal static IServiceCollection AddAuthorizationServer(this IServiceCollection services, SiloOptions options)
    {
        services.AddSingleton<SigningKeys>();
        services.AddSingleton<IConfigureOptions<OpenIddictServerOptions>>(provider => provider.GetRequiredService<SigningKeys>());
        services.AddSingleton<IOptionsChangeTokenSource<OpenIddictServerOptions>>(provider => provider.GetRequiredService<SigningKeys>());
        services.AddHostedService(provider => provider.GetRequiredService<SigningKeys>());
        services.AddSingleton<AppDirectory>();
        services.AddOpenIddict().AddServer(server =>
        {
            server.EnableDegradedMode();
            server.SetIssuer(options.Auth.Issuer);
            server.SetTokenEndpointUris(TokenPath);
            server.SetJsonWebKeySetEndpointUris(JwksPath);
            server.SetConfigurationEndpointUris(ConfigurationPath);
            server.AllowClientCredentialsFlow();
            server.SetAccessTokenLifetime(AccessTokenLifetime);
            server.DisableAccessTokenEncryption();
            server.DisableScopeValidation();

            // OpenIddict wants an encryption key for token kinds that a client credentials server never makes.
            server.AddEncryptionKey(new SymmetricSecurityKey(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32)));
            server.AddEventHandler<ValidateTokenContext>(handler => handler
                .UseSingletonHandler<ClientAssertionHandler>()
                .SetOrder(OpenIddictServerHandlers.Protection.ValidateIdentityModelToken.Descriptor.Order - 1));
            server.AddEventHandler<ValidateTokenRequestContext>(handler => handler
                .UseSingletonHandler<ClientAuthenticationHandler>()
                .SetOrder(OpenIddictServerHandlers.Exchange.ValidateAuthentication.Descriptor.Order + 1));
            server.AddEventHandler<HandleTokenRequestContext>(handler => handler.UseSingletonHandler<TokenHandler>());
            server.AddEventHandler<GenerateTokenContext>(handler => handler
                .UseSingletonHandler<CurrentKeyHandler>()
                .SetOrder(OpenIddictServerHandlers.Protection.AttachSecurityCredentials.Descriptor.Order + 1));

            // SiloOptionsRules demands https wherever the ports can be reached from outside; a proxy may end it before us.
            server.UseAspNetCore().DisableTransportSecurityRequirement();
        });
        return services;
    }
}
