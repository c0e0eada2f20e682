using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Grains.Feeds;

/// <summary>
/// The TLS client certificates of outbound feeds: checked when they are given, sealed under the tenant's key and bound to the feed,
/// opened for each connection.
/// </summary>
internal sealed class SenderCertificates(KeyRing keys, TimeProvider time)
{
    private const int PemLengthMax = 65_536;

    /// <summary>What can be said of a certificate.</summary>
    /// <exception cref="ProblemException">Invalid: not a certificate with its key, or out of date.</exception>
    internal FeedCertificate Check(string pem)
    {
        using var certificate = pem.Length <= PemLengthMax ? Load(pem) : throw NotOne();
        return certificate.NotAfter.ToUniversalTime() > time.GetUtcNow().UtcDateTime
            ? new FeedCertificate(certificate.GetCertHashString(HashAlgorithmName.SHA256), new DateTimeOffset(certificate.NotAfter))
            : throw new ProblemException(ProblemKind.Invalid, "EHR-FED-121", "certificate", "The certificate has ended. Ask for a new one.");
    }

    internal ValueTask<byte[]> SealAsync(TenantId tenant, FeedId feed, string pem, CancellationToken cancellationToken) =>
        keys.SealAsync(tenant.Value, KeyClass.Credential, Encoding.UTF8.GetBytes(pem), BoundTo(tenant, feed), cancellationToken);

    /// <summary>The certificate with its key; to be disposed with the connection that it is for.</summary>
    internal async ValueTask<X509Certificate2> OpenAsync(TenantId tenant, FeedId feed, ReadOnlyMemory<byte> sealedPem, CancellationToken cancellationToken)
    {
        var pem = await keys.OpenAsync(tenant.Value, KeyClass.Credential, sealedPem, BoundTo(tenant, feed), cancellationToken);
        try
        {
            return Load(Encoding.UTF8.GetString(pem));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(pem);
        }
    }

    private static X509Certificate2 Load(string pem)
    {
        try
        {
            return X509Certificate2.CreateFromPem(pem, pem);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw NotOne();
        }
    }

    private static ProblemException NotOne() => new(
        ProblemKind.Invalid, "EHR-FED-120", "certificate",
        "Give one PEM file, at most 64 KiB, with the certificate and its unencrypted private key, which belong together.");

    private static byte[] BoundTo(TenantId tenant, FeedId feed) => Encoding.UTF8.GetBytes($"feed-certificate|{tenant.Value}|{feed.Value}");
}
