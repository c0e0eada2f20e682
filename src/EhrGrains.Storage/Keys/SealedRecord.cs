using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace EhrGrains.Storage.Keys;

/// <summary>
/// The bytes of something sealed: <c>version 1 | algorithm 1 | key id 4 | nonce 12 | ciphertext | tag 16</c>. Version, algorithm,
/// key id, scope and class are authenticated along with the caller's associated data: AES-GCM does not commit to its key, so a
/// record must say which key it is under, and no other is ever tried.
/// </summary>
internal static class SealedRecord
{
    internal const int KeyLength = 32;
    internal const int TagLength = 16;

    private const byte Version = 1;
    private const byte Aes256Gcm = 1;
    private const int HeaderLength = 6;
    private const int NonceLength = 12;
    private const int Overhead = HeaderLength + NonceLength + TagLength;

    internal static byte[] Seal(
        ReadOnlySpan<byte> key, int keyId, string scope, KeyClass keyClass, ReadOnlySpan<byte> plaintext, ReadOnlySpan<byte> associatedData)
    {
        using var cipher = new AesGcm(key, TagLength);
        return Seal(cipher, keyId, scope, keyClass, plaintext, associatedData);
    }

    internal static byte[] Open(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> record, string scope, KeyClass keyClass, ReadOnlySpan<byte> associatedData)
    {
        using var cipher = new AesGcm(key, TagLength);
        return Open(cipher, record, scope, keyClass, associatedData);
    }

    internal static byte[] Seal(
        AesGcm cipher, int keyId, string scope, KeyClass keyClass, ReadOnlySpan<byte> plaintext, ReadOnlySpan<byte> associatedData)
    {
        var record = new byte[Overhead + plaintext.Length];
        record[0] = Version;
        record[1] = Aes256Gcm;
        BinaryPrimitives.WriteInt32BigEndian(record.AsSpan(2), keyId);
        var nonce = record.AsSpan(HeaderLength, NonceLength);
        RandomNumberGenerator.Fill(nonce);
        cipher.Encrypt(
            nonce,
            plaintext,
            record.AsSpan(HeaderLength + NonceLength, plaintext.Length),
            record.AsSpan(record.Length - TagLength),
            Bind(record.AsSpan(0, HeaderLength), scope, keyClass, associatedData));
        return record;
    }

    internal static byte[] Open(
        AesGcm cipher, ReadOnlySpan<byte> record, string scope, KeyClass keyClass, ReadOnlySpan<byte> associatedData)
    {
        var plaintext = new byte[record.Length - Overhead];
        cipher.Decrypt(
            record.Slice(HeaderLength, NonceLength),
            record[(HeaderLength + NonceLength)..^TagLength],
            record[^TagLength..],
            plaintext,
            Bind(record[..HeaderLength], scope, keyClass, associatedData));
        return plaintext;
    }

    /// <exception cref="CryptographicException">This is not a sealed record.</exception>
    internal static int ReadKeyId(ReadOnlySpan<byte> record) =>
        record.Length >= Overhead && record[0] == Version && record[1] == Aes256Gcm
            ? BinaryPrimitives.ReadInt32BigEndian(record[2..])
            : throw new CryptographicException("This is not a sealed record: it is too short or of an unknown version.");

    private static byte[] Bind(ReadOnlySpan<byte> header, string scope, KeyClass keyClass, ReadOnlySpan<byte> associatedData)
    {
        var scopeLength = Encoding.UTF8.GetByteCount(scope);
        var bound = new byte[HeaderLength + 4 + scopeLength + 4 + associatedData.Length];
        header.CopyTo(bound);
        BinaryPrimitives.WriteInt32BigEndian(bound.AsSpan(HeaderLength), scopeLength);
        Encoding.UTF8.GetBytes(scope, bound.AsSpan(HeaderLength + 4));
        BinaryPrimitives.WriteInt32BigEndian(bound.AsSpan(HeaderLength + 4 + scopeLength), (int)keyClass);
        associatedData.CopyTo(bound.AsSpan(HeaderLength + 8 + scopeLength));
        return bound;
    }
}
