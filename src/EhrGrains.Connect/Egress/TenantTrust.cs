using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace EhrGrains.Connect.Egress;

/// <summary>Which certificate authorities a tenant's servers are trusted by.</summary>
internal static class TenantTrust
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1"; // id-kp-serverAuth, RFC 5280 §4.2.1.12

    /// <summary>
    /// The chain policy: the authorities in the PEM text alone, or the machine's when there is none. Nothing is fetched while a chain is
    /// built (no AIA, CRL or OCSP download): the URLs would come from the other side's certificate and pass by the egress guard.
    /// </summary>
    /// <exception cref="ProblemException">The PEM text holds no certificate.</exception>
    public static X509ChainPolicy ChainPolicy(string? trustedCertificates)
    {
        var policy = new X509ChainPolicy { RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true };
        policy.ApplicationPolicy.Add(new Oid(ServerAuthentication));
        if (trustedCertificates is null)
        {
            return policy;
        }

        policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        foreach (var certificate in Read(trustedCertificates))
        {
            // An authority below the root helps to build the chain but is no anchor by itself.
            var isRoot = certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData);
            (isRoot ? policy.CustomTrustStore : policy.ExtraStore).Add(certificate);
        }

        return policy;
    }

    private static X509Certificate2Collection Read(string pem)
    {
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(pem);
        }
        catch (CryptographicException)
        {
            certificates.Clear();
        }

        return certificates.Count > 0
            ? certificates
            : throw new ProblemException(
                ProblemKind.Invalid,
                "EHR-CON-031",
                "connection.trustedCertificates",
                "No certificate could be read. Give the hospital's certificate authority as PEM text (-----BEGIN CERTIFICATE-----).");
    }
}
