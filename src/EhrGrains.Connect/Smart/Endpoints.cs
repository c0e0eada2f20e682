using EhrGrains.Connect.Egress;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Connect.Smart;

/// <summary>Which URLs may be a token endpoint: credentials are sent there.</summary>
internal static class Endpoints
{
    /// <summary>
    /// Null when the URL may be used, else why not. Its host need not be the FHIR server's: athenahealth's issuer is at Okta.
    /// </summary>
    public static Problem? Check(string url, ConnectionSpec connection) =>
        Origin.TryParse(url, out _) && EgressGuard.AllowsScheme(new Uri(url), AddressRules.For(connection.PrivateNetworks))
            ? null
            : new Problem(
                "EHR-TOK-020",
                "connection.tokenEndpoint",
                "The token endpoint is not an absolute https URL. State the right one in connection.tokenEndpoint.");
}
