using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using EhrGrains.Contracts.Credentials;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Connect.Smart;

/// <summary>A key pair made for one credential. Prints without the key.</summary>
public sealed class NewClientKey(byte[] pkcs8, string keyId)
{
    /// <summary>The private key as PKCS#8 (RFC 5958); seal it before it is kept.</summary>
    public byte[] Pkcs8 { get; } = pkcs8;

    /// <summary>The key id: the RFC 7638 thumbprint of the public key, so that two keys never share one.</summary>
    public string KeyId { get; } = keyId;

    /// <inheritdoc/>
    public override string ToString() => $"NewClientKey {KeyId}";
}

/// <summary>
/// Makes the key pairs that client assertions are signed with and writes their public halves. SMART App Launch 2.2
/// (client-confidential-asymmetric) wants of a client both ES384 and RS384.
/// </summary>
public static class ClientKeys
{
    private const int RsaBits = 3072;

    /// <summary>Makes a key pair: ECDSA on P-384 for ES384, RSA of 3,072 bits for RS384.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The method uses no key.</exception>
    public static NewClientKey Create(ClientAuthMethod method)
    {
        using AsymmetricAlgorithm key = method switch
        {
            ClientAuthMethod.PrivateKeyJwtEs384 => ECDsa.Create(ECCurve.NamedCurves.nistP384),
            ClientAuthMethod.PrivateKeyJwtRs384 => RSA.Create(RsaBits),
            _ => throw NoKey(method),
        };
        return new NewClientKey(key.ExportPkcs8PrivateKey(), Base64UrlEncoder.Encode(Public(key).ComputeJwkThumbprint()));
    }

    /// <summary>The public half as a JWK (RFC 7517) with <c>kid</c>, <c>alg</c> and <c>use</c>.</summary>
    /// <exception cref="CryptographicException">The bytes are not a key of the method.</exception>
    public static string PublicJwk(ClientAuthMethod method, string kid, ReadOnlySpan<byte> pkcs8)
    {
        using var key = Import(method, pkcs8);
        var jwk = Public(key);
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("kty", jwk.Kty);
            if (key is ECDsa)
            {
                json.WriteString("crv", jwk.Crv);
                json.WriteString("x", jwk.X);
                json.WriteString("y", jwk.Y);
            }
            else
            {
                json.WriteString("n", jwk.N);
                json.WriteString("e", jwk.E);
            }

            json.WriteString("kid", kid);
            json.WriteString("alg", Algorithm(method));
            json.WriteString("use", "sig");
            json.WriteStartArray("key_ops"); // SMART servers may look at key_ops where others look at use
            json.WriteStringValue("verify");
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>The JWK set (RFC 7517 §5) of these keys as UTF-8 JSON.</summary>
    public static byte[] WriteJwks(IEnumerable<string> publicJwks)
    {
        ArgumentNullException.ThrowIfNull(publicJwks);
        var buffer = new ArrayBufferWriter<byte>(2048);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("keys");
            foreach (var jwk in publicJwks)
            {
                json.WriteRawValue(jwk);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>The JWS algorithm (RFC 7518 §3.1) of a method.</summary>
    internal static string Algorithm(ClientAuthMethod method) => method switch
    {
        ClientAuthMethod.PrivateKeyJwtEs384 => SecurityAlgorithms.EcdsaSha384,
        ClientAuthMethod.PrivateKeyJwtRs384 => SecurityAlgorithms.RsaSha384,
        _ => throw NoKey(method),
    };

    /// <summary>Reads a private key.</summary>
    internal static AsymmetricAlgorithm Import(ClientAuthMethod method, ReadOnlySpan<byte> pkcs8)
    {
        AsymmetricAlgorithm key = method switch
        {
            ClientAuthMethod.PrivateKeyJwtEs384 => ECDsa.Create(),
            ClientAuthMethod.PrivateKeyJwtRs384 => RSA.Create(),
            _ => throw NoKey(method),
        };
        try
        {
            key.ImportPkcs8PrivateKey(pkcs8, out _);
            return key;
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    private static JsonWebKey Public(AsymmetricAlgorithm key) => key switch
    {
        ECDsa ec => JsonWebKeyConverter.ConvertFromECDsaSecurityKey(new ECDsaSecurityKey(ECDsa.Create(ec.ExportParameters(false)))),
        RSA rsa => JsonWebKeyConverter.ConvertFromRSASecurityKey(new RsaSecurityKey(rsa.ExportParameters(false))),
        _ => throw new ArgumentException("Neither an ECDSA nor an RSA key.", nameof(key)),
    };

    private static ArgumentOutOfRangeException NoKey(ClientAuthMethod method) =>
        new(nameof(method), method, "This method authenticates with a client secret, not with a key.");
}
