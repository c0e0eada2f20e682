using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Grains.Credentials;

/// <summary>
/// Seals the secrets of credentials under the tenant's key, bound to tenant, version and method: a sealed secret opens as what
/// it is and as nothing else. Opened ones live for one use.
/// </summary>
internal sealed class CredentialSecrets(KeyRing keys)
{
    internal ValueTask<byte[]> SealAsync(
        TenantId tenant, int version, ClientAuthMethod method, ReadOnlyMemory<byte> secret, CancellationToken cancellationToken) =>
        keys.SealAsync(tenant.Value, KeyClass.Credential, secret, BoundTo(tenant, version, method), cancellationToken);

    /// <summary>Opens a secret for one use and wipes it afterwards.</summary>
    internal async Task<T> UseAsync<T>(
        TenantId tenant, SealedCredential credential, Func<ReadOnlyMemory<byte>, Task<T>> use, CancellationToken cancellationToken)
    {
        var secret = await keys.OpenAsync(
            tenant.Value,
            KeyClass.Credential,
            credential.SealedSecret,
            BoundTo(tenant, credential.Version, credential.Method),
            cancellationToken);
        try
        {
            return await use(secret);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    /// <summary>Destroys all keys of the tenant: nothing that was sealed for it can be read again, backups included (I6).</summary>
    internal Task DestroyAsync(TenantId tenant, CancellationToken cancellationToken) => keys.DestroyAsync(tenant.Value, cancellationToken);

    private static byte[] BoundTo(TenantId tenant, int version, ClientAuthMethod method) =>
        Encoding.UTF8.GetBytes(
            string.Create(System.Globalization.CultureInfo.InvariantCulture, $"credential|{tenant.Value}|{version}|{(int)method}"));
}
