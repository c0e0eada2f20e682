using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace EhrGrains.Grains.Webhooks;

/// <summary>
/// Signatures of the Standard Webhooks specification 1.0: HMAC-SHA-256 over <c>id.timestamp.body</c>, one for each secret that holds.
/// </summary>
internal static class WebhookSignatures
{
    private const int SecretBytes = 32;
    private const string SecretPrefix = "whsec_";

    internal static byte[] NewSecret() => RandomNumberGenerator.GetBytes(SecretBytes);

    /// <summary>A secret as its receiver gets it.</summary>
    internal static string Write(ReadOnlySpan<byte> secret) => SecretPrefix + Convert.ToBase64String(secret);

    /// <summary>The value of <c>webhook-signature</c>.</summary>
    internal static string Sign(IEnumerable<ReadOnlyMemory<byte>> secrets, string id, long timestamp, ReadOnlySpan<byte> body)
    {
        var head = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}.{timestamp}."));
        var signatures = new List<string>();
        foreach (var secret in secrets)
        {
            using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, secret.Span);
            hash.AppendData(head);
            hash.AppendData(body);
            signatures.Add("v1," + Convert.ToBase64String(hash.GetHashAndReset()));
        }

        return string.Join(' ', signatures);
    }
}
