using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace EhrGrains.Storage.Keys;

/// <summary>
/// The unwrapped tenant keys of one scope and the data keys derived from them, until they are erased. Users copy a key out under
/// the lock, or borrow a cipher that has it, so that erasing cannot turn a key into zeros while it is used.
/// </summary>
internal sealed class ScopeKeys
{
    /// <summary>Ciphers kept of a key. Making one costs more than sealing a row with it.</summary>
    private const int CiphersMax = 4;

    private readonly Lock gate = new();
    private readonly Dictionary<int, byte[]> tenantKeys;
    private readonly Dictionary<(int Version, string Purpose), byte[]> dataKeys = [];
    private readonly Dictionary<(int Version, string Purpose), Stack<AesGcm>> ciphers = [];
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
            if (Find(version, purpose) is not { } key)
            {
                return false;
            }

            key.CopyTo(destination);
            return true;
        }
    }

    /// <summary>
    /// Borrows a cipher of the data key of one version for one purpose, for one caller at a time; null if it was erased or there is no
    /// such version. To be given back with <see cref="Return"/>.
    /// </summary>
    internal AesGcm? TryBorrow(int version, string purpose)
    {
        lock (gate)
        {
            return Find(version, purpose) is not { } key ? null
                : ciphers.TryGetValue((version, purpose), out var free) && free.TryPop(out var cipher) ? cipher
                : new AesGcm(key, SealedRecord.TagLength);
        }
    }

    /// <summary>Gives a cipher back.</summary>
    internal void Return(int version, string purpose, AesGcm cipher)
    {
        lock (gate)
        {
            if (!erased)
            {
                ref var free = ref CollectionsMarshal.GetValueRefOrAddDefault(ciphers, (version, purpose), out _);
                if ((free ??= []).Count < CiphersMax)
                {
                    free.Push(cipher);
                    return;
                }
            }
        }

        cipher.Dispose();
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

            foreach (var cipher in ciphers.Values.SelectMany(free => free))
            {
                cipher.Dispose();
            }

            ciphers.Clear();
        }
    }

    private byte[]? Find(int version, string purpose)
    {
        if (erased || !tenantKeys.TryGetValue(version, out var tenantKey))
        {
            return null;
        }

        if (!dataKeys.TryGetValue((version, purpose), out var dataKey))
        {
            dataKey = HKDF.DeriveKey(HashAlgorithmName.SHA256, tenantKey, SealedRecord.KeyLength, info: Encoding.UTF8.GetBytes(purpose));
            dataKeys.Add((version, purpose), dataKey);
        }

        return dataKey;
    }
}
