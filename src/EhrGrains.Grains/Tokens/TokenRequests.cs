using EhrGrains.Connect.Smart;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Credentials;

namespace EhrGrains.Grains.Tokens;

/// <summary>One token request with one credential, whose secret is open for its duration alone.</summary>
internal sealed class TokenRequests(TokenClient client, CredentialSecrets secrets)
{
    internal Task<TokenAnswer> SendAsync(
        TenantId tenant, ConnectionSpec connection, VendorProfile profile, string tokenEndpoint, SealedCredential credential,
        CancellationToken cancellationToken) =>
        secrets.UseAsync(
            tenant,
            credential,
            secret => client.RequestAsync(
                tenant, connection, profile, tokenEndpoint, credential.Method, credential.KeyId, secret, cancellationToken),
            cancellationToken);
}
