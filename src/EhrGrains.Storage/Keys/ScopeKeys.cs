using System.Security.Cryptography;
using System.Text;

namespace EhrGrains.Storage.Keys;

/// <summary>
/// The unwrapped tenant keys of one scope and the data keys derived from them, until they are erased. Users copy a key out under
/// the lock, so that erasing cannot turn a key into zeros while it is used.
/// </summary>
internal sealed class ScopeKeys
{
    private readonly Lock gate = new();
    private readonly Dictionary<int, byte[]> tenantKeys;
    private readonly Dictionary<(int Version, string Purpose), byte[]> dataKeys = [];
    private bool erased;

    /// <param name="tenantKeys">By version, from 1 without gaps; never empty. Owned by this object from here on.</param>
    /// <param name="expiresAt">A timestamp of the clock, after which they are to be read again.</param>
    internal ScopeKeys(Dictionary<int, byte[]> tenantKeys, long expiresAt)
    {
        this.tenantKeys = tenantKeys;
        ExpiresAt = expiresAt;
        Newest = tenantKeys.Keys.Max();
    }

    internal long ExpiresAt { get; }

    internal int Newest { get; }

    /// <summary>Copies out the data key of one version for one purpose; false if it was erased or there is no such version.</summary>
    internal bool TryCopy(int version, string purpose, Span<byte> destination)
    {
        lock (gate)
        {
            if (erased || !tenantKeys.TryGetValue(version, out var tenantKey))
            {
                return false;
            }

            if (!dataKeys.TryGetValue((version, purpose), out var dataKey))
            {
                dataKey = HKDF.DeriveKey(
                    HashAlgorithmName.SHA256, tenantKey, SealedRecord.KeyLength, info: Encoding.UTF8.GetBytes(purpose));
                dataKeys.Add((version, purpose), dataKey);
            }

            dataKey.CopyTo(destination);
            return true;
        }
    }

    internal void Erase()
    {
        lock (gate)
        {
            erased = true;
            foreach (var key in tenantKeys.Values.Concat(dataKeys.Values))
            {
                CryptographicOperations.ZeroMemory(key);
            }
        }
    }
}
