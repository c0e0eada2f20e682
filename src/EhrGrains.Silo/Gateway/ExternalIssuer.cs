using EhrGrains.Contracts;
using EhrGrains.Silo.Configuration;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace EhrGrains.Silo.Gateway;

/// <summary>Where apps get tokens when another authorization server issues them: what its own metadata says.</summary>
internal sealed class ExternalIssuer : IDisposable
{
    private readonly HttpClient http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ActivityHeadersPropagator = null })
    {
        Timeout = TimeSpan.FromSeconds(10),
        MaxResponseContentBufferSize = 1 << 20,
    };

    private readonly ConfigurationManager<OpenIdConnectConfiguration> metadata;

    public ExternalIssuer(SiloOptions options)
    {
        var issuer = new Uri(options.Auth.ExternalIssuer!);
        metadata = new ConfigurationManager<OpenIdConnectConfiguration>(
            $"{issuer.AbsoluteUri.TrimEnd('/')}/.well-known/openid-configuration",
            new OpenIdConnectConfigurationRetriever(),
            new HttpDocumentRetriever(http) { RequireHttps = !issuer.IsLoopback });
    }

    public void Dispose() => http.Dispose();

    /// <exception cref="ProblemException">Unavailable: the issuer does not answer.</exception>
    internal async Task<string> GetTokenEndpointAsync(CancellationToken cancellationToken)
    {
        try
        {
            return (await metadata.GetConfigurationAsync(cancellationToken)).TokenEndpoint;
        }
        catch (InvalidOperationException)
        {
            throw new ProblemException(ProblemKind.Unavailable, "EHR-GTW-009", "", "The authorization server's metadata cannot be read now; try again.");
        }
    }
}
