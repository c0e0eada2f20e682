using EhrGrains.Connect.Smart;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Tenants;
using EhrGrains.Grains.Tokens;
using Microsoft.Extensions.Options;

namespace EhrGrains.Grains.Credentials;

/// <summary>How a hospital took a credential.</summary>
/// <param name="TokenEndpoint">Where it was tried; null when no token endpoint was found.</param>
/// <param name="Attempts">Token requests sent.</param>
/// <param name="Failure">Why it was not taken; null when it was.</param>
internal sealed record CredentialVerdict(string? TokenEndpoint, int Attempts, Problem? Failure);

/// <summary>
/// Tries a credential with a real token request. A new key is tried again while the hospital does not know it: hospitals keep
/// our JWKS for a while, and SMART App Launch 2.2 lets them.
/// </summary>
internal sealed class CredentialCheck(
    TokenRequests requests, SmartDiscovery discovery, IOptions<CredentialOptions> options, TimeProvider time, GrainMetrics metrics)
{
    internal async Task<CredentialVerdict> RunAsync(
        TenantId tenant,
        ConnectionSpec connection,
        string? pinnedTokenEndpoint,
        SealedCredential credential,
        CancellationToken cancellationToken)
    {
        var verdict = await TryAllAsync(tenant, connection, pinnedTokenEndpoint, credential, cancellationToken);
        metrics.CredentialVerified(VendorRules.MethodName(credential.Method), verdict.Failure is null ? "taken" : "refused");
        return verdict;
    }

    private async Task<CredentialVerdict> TryAllAsync(
        TenantId tenant,
        ConnectionSpec connection,
        string? pinnedTokenEndpoint,
        SealedCredential credential,
        CancellationToken cancellationToken)
    {
        var endpoint = connection.TokenEndpoint ?? pinnedTokenEndpoint;
        if (endpoint is null)
        {
            var found = await discovery.DiscoverAsync(tenant, connection, cancellationToken);
            if (found.TokenEndpoint is null)
            {
                return new CredentialVerdict(null, 0, found.Failure);
            }

            endpoint = found.TokenEndpoint;
        }

        var profile = VendorProfiles.For(connection)!;
        var delay = options.Value.VerifyDelay;
        for (var attempt = 1; ; attempt++)
        {
            var answer = await requests.SendAsync(tenant, connection, profile, endpoint, credential, cancellationToken);
            var again = answer.Transient || (answer.InvalidClient && credential.KeyId is not null);
            if (answer.Failure is null || !again || attempt == options.Value.VerifyAttempts)
            {
                return new CredentialVerdict(endpoint, attempt, answer.Failure);
            }

            var wait = answer.RetryAfter > delay ? answer.RetryAfter.Value : delay;
            await Task.Delay(wait < options.Value.VerifyDelayMax ? wait : options.Value.VerifyDelayMax, time, cancellationToken);
            delay *= 2;
        }
    }
}
