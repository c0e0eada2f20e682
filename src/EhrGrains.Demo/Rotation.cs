using EhrGrains.Cli.Contexts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Demo;

/// <summary>Rotates a tenant's key while an application keeps asking; not one query may fail.</summary>
internal static class Rotation
{
    private const int Callers = 6;

    /// <summary>Answers before the rotation starts, and after it is done: so there is load before, during and after it.</summary>
    private const int QueriesAround = 30;

    internal static async Task<string> UnderLoadAsync(
        ClusterConnection admin, Application app, TenantId tenant, string query, CancellationToken cancellationToken)
    {
        var before = await ActiveAsync(admin, tenant, cancellationToken);
        var answered = 0;
        var failed = 0;
        var end = int.MaxValue;
        var warm = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        async Task AskAsync()
        {
            while (Volatile.Read(ref answered) < Volatile.Read(ref end))
            {
                var (status, _) = await app.GetAsync($"/fhir/{tenant}/{query}", cancellationToken);
                Interlocked.Add(ref failed, status == 200 ? 0 : 1);
                if (Interlocked.Increment(ref answered) == QueriesAround)
                {
                    warm.TrySetResult();
                }
            }
        }

        var load = Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => AskAsync()));
        await Task.WhenAny(warm.Task, load);
        RotationReceipt receipt;
        try
        {
            receipt = await admin.Tenant(tenant).RotateCredentialAsync(new NewCredential { Method = ClientAuthMethod.PrivateKeyJwtEs384 }, cancellationToken);
        }
        finally
        {
            Volatile.Write(ref end, Volatile.Read(ref answered) + QueriesAround);
        }

        await load;
        CheckFailedException.Unless(receipt.Succeeded, $"{tenant} did not take the new key: {receipt.Steps[^1].What}");
        CheckFailedException.Unless(failed == 0, $"{failed} of {answered} queries failed while the key of {tenant} was rotated.");
        var after = await ActiveAsync(admin, tenant, cancellationToken);
        CheckFailedException.Unless(after.Version == receipt.Active && after.KeyId != before.KeyId, $"{tenant} still uses the previous key.");
        return $"key {before.Version} → {after.Version} of {tenant} while it was queried: {answered} queries answered, {failed} failed";
    }

    private static async Task<CredentialSummary> ActiveAsync(ClusterConnection admin, TenantId tenant, CancellationToken cancellationToken) =>
        (await admin.Tenant(tenant).DescribeAsync(cancellationToken)).Credentials.Single(credential => credential.State == CredentialState.Active);
}
