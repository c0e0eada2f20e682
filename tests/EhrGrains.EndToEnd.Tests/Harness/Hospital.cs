using System.Net.Http.Json;
using System.Text.Json;
using EhrGrains.Sandbox;

namespace EhrGrains.EndToEnd.Tests.Harness;

/// <summary>What a hospital itself counted: the oracle outside of the product.</summary>
internal sealed record HospitalCounters(
    long Searches, long Pages, long Reads, long TokenRequests, long TokensIssued, long Throttled, long Unauthorized, int RequestsInAnySecondMax, int ConcurrentMax);

internal static class Hospital
{
    private static readonly HttpClient Http = new();

    internal static async Task<HospitalCounters> CountersAsync(this SandboxSite site, CancellationToken cancellationToken) =>
        (await Http.GetFromJsonAsync<HospitalCounters>($"{site.AdminUrl}/counters", JsonSerializerOptions.Web, cancellationToken))!;

    internal static async Task ResetAsync(this SandboxSite site, CancellationToken cancellationToken)
    {
        using var answer = await Http.DeleteAsync(new Uri($"{site.AdminUrl}/counters"), cancellationToken);
        answer.EnsureSuccessStatusCode();
    }

    /// <summary>From now on the hospital knows none of the access tokens that it has issued.</summary>
    internal static async Task RevokeTokensAsync(this SandboxSite site, CancellationToken cancellationToken)
    {
        using var answer = await Http.PutAsJsonAsync(
            $"{site.AdminUrl}/faults", new { faults = new[] { new { kind = "token-revoked" } } }, cancellationToken);
        answer.EnsureSuccessStatusCode();
    }
}
