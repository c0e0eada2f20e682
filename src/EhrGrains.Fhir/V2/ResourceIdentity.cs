using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace EhrGrains.Fhir.V2;

/// <summary>
/// Makes logical ids out of what identifies a thing at its hospital: an HMAC under a key of the tenant, so that the same thing gets
/// the same id in every message and an id says nothing to who has not the key. Safe for use by several threads.
/// </summary>
public sealed class ResourceIdentity
{
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz234567";
    private const int IdBytes = 16;
    private const int IdLength = 26;
    private readonly byte[] key;

    // To make an HMAC of a key costs several times what it costs to use one, and a message has dozens of ids.
    private readonly ConcurrentBag<HMACSHA256> hashes = [];

    /// <summary>Makes ids under <paramref name="key"/>: at least 16 bytes.</summary>
    public ResourceIdentity(ReadOnlySpan<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(key.Length, IdBytes, nameof(key));
        this.key = key.ToArray();
    }

    /// <summary>For conversions without a tenant: a key that anybody can know, so that the ids are no secret.</summary>
    public static ResourceIdentity Offline { get; } = new("ehrgrains offline conversion"u8);

    /// <summary>The id of a thing: 128 bits in 26 letters and digits, which a FHIR id, a file and a grain key can all hold.</summary>
    /// <param name="type">The resource type, or another name for the kind of thing.</param>
    /// <param name="businessKey">What identifies it within its type.</param>
    public string IdOf(string type, string businessKey)
    {
        var text = $"{type}|{businessKey}";
        var length = Encoding.UTF8.GetByteCount(text);
        var bytes = length <= 512 ? stackalloc byte[length] : new byte[length];
        Encoding.UTF8.GetBytes(text, bytes);
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        if (!hashes.TryTake(out var hmac))
        {
            hmac = new HMACSHA256(key);
        }

        hmac.TryComputeHash(bytes, hash, out _);
        hashes.Add(hmac);
        return ToBase32(hash[..IdBytes]);
    }

    // RFC 4648 §6 without padding, in small letters.
    private static string ToBase32(ReadOnlySpan<byte> bytes)
    {
        Span<char> text = stackalloc char[IdLength];
        int bits = 0, held = 0, next = 0;
        foreach (var b in bytes)
        {
            bits = ((bits & 0xFF) << 8) | b;
            for (held += 8; held >= 5; held -= 5)
            {
                text[next++] = Alphabet[(bits >> (held - 5)) & 31];
            }
        }

        text[next] = Alphabet[(bits << (5 - held)) & 31];
        return new string(text);
    }
}
