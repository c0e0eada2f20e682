using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;

namespace EhrGrains.Grains.Apps;

/// <summary>
/// Makes and checks the client secrets of apps. A secret has 256 random bits and is never stored: what is stored is its HMAC
/// under a key of the cluster, bound to the app. Thread-safe.
/// </summary>
/// <param name="key">32 bytes, the same on every silo, derived for <see cref="KeyPurpose"/>.</param>
public sealed class AppSecrets(byte[] key)
{
    /// <summary>What the key is derived for.</summary>
    public const string KeyPurpose = "app-client-secret/1";

    private const int SecretBytes = 32;
    private const int SecretLengthMax = 128;

    /// <summary>True when <paramref name="presented"/> is the client secret of the app. Takes the same time whatever differs.</summary>
    public bool Matches(AppClient client, string? presented) =>
        client.SecretHash is { } expected
        && presented is { Length: >= 1 and <= SecretLengthMax }
        && CryptographicOperations.FixedTimeEquals(expected, Hash(client.Spec.App, presented));

    internal (SecretText Secret, byte[] Hash) Create(AppId app)
    {
        var secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes));
        return (new SecretText(secret), Hash(app, secret));
    }

    private byte[] Hash(AppId app, string secret) => HMACSHA256.HashData(key, Encoding.UTF8.GetBytes($"{app.Value}|{secret}"));
}
