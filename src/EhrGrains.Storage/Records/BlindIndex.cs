using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Storage.Records;

/// <summary>Keyed hashes under which something is looked up that must not be readable in the database (I6).</summary>
internal sealed class BlindIndex(KeyRing keys)
{
    private const int Length = 16;

    /// <summary>The hashes of texts, in order. Equal texts of one tenant and purpose have equal hashes, and nothing else does.</summary>
    internal async ValueTask<byte[][]> OfAsync(TenantId tenant, string purpose, IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        if (texts.Count == 0)
        {
            return [];
        }

        var key = await keys.DeriveAsync(tenant.Value, KeyClass.Identity, cancellationToken);
        var hashes = new byte[texts.Count][];
        for (var i = 0; i < hashes.Length; i++)
        {
            hashes[i] = Hash(key, $"{purpose}\0{texts[i]}");
        }

        CryptographicOperations.ZeroMemory(key);
        return hashes;
    }

    private static byte[] Hash(byte[] key, string text)
    {
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text), hash);
        return hash[..Length].ToArray();
    }
}
