using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Storage.SigningKeys;

/// <summary>A key that our own token endpoint signs with. Prints without the key.</summary>
/// <param name="KeyId">Its id: a digest of the public key.</param>
/// <param name="Pkcs8">The private key: ECDSA, P-256.</param>
/// <param name="CreatedAt">When it was made.</param>
public sealed record SigningKey(string KeyId, byte[] Pkcs8, DateTimeOffset CreatedAt)
{
    /// <inheritdoc/>
    public override string ToString() => $"SigningKey {KeyId}";
}

/// <summary>The keys that our own token endpoint signs with, the same on every silo and sealed in the database.</summary>
public sealed class SigningKeyTable(Database database, KeyRing keys)
{
    private const int FirstSlot = 1;

    /// <summary>The keys, newest first; makes the first one. Of silos that race to make it, one wins and all get the same.</summary>
    public async Task<IReadOnlyList<SigningKey>> GetAsync(CancellationToken cancellationToken)
    {
        var found = await ReadAsync(cancellationToken);
        if (found.Count > 0)
        {
            return found;
        }

        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var keyId = Base64Url.EncodeToString(SHA256.HashData(ecdsa.ExportSubjectPublicKeyInfo()).AsSpan(0, 16));
        var pkcs8 = ecdsa.ExportPkcs8PrivateKey();
        var record = await keys.SealAsync(KeyRing.ClusterScope, KeyClass.Signing, pkcs8, AssociatedData(keyId), cancellationToken);
        CryptographicOperations.ZeroMemory(pkcs8);
        var insert = new Statement(
            "INSERT INTO signing_key (slot, key_id, created_at_us, pkcs8) VALUES ($1, $2, $3, $4) ON CONFLICT (slot) DO NOTHING")
            .With(FirstSlot).With(keyId).With(database.Time.GetUtcNow().ToMicroseconds()).With(record);
        await database.ExecuteAsync(TenantScope.None, [insert], cancellationToken);
        return await ReadAsync(cancellationToken);
    }

    private async Task<List<SigningKey>> ReadAsync(CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            TenantScope.None,
            new Statement("SELECT key_id, pkcs8, created_at_us FROM signing_key ORDER BY slot DESC"),
            r => new SigningKey(r.GetString(0), (byte[])r.GetValue(1), Microseconds.FromMicroseconds(r.GetInt64(2))),
            cancellationToken);
        for (var i = 0; i < rows.Count; i++)
        {
            var pkcs8 = await keys.OpenAsync(
                KeyRing.ClusterScope, KeyClass.Signing, rows[i].Pkcs8, AssociatedData(rows[i].KeyId), cancellationToken);
            rows[i] = rows[i] with { Pkcs8 = pkcs8 };
        }

        return rows;
    }

    private static byte[] AssociatedData(string keyId) => Encoding.UTF8.GetBytes($"signing_key\0{keyId}");
}
