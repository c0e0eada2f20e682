using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EhrGrains.Contracts.Client;

namespace EhrGrains.Silo.Tests;

/// <summary>A certificate authority that writes PEM files.</summary>
internal sealed class TestCertificates : IDisposable
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 authority;
    private readonly string directory;
    private int issued;

    internal TestCertificates(string directory, string name)
    {
        this.directory = Directory.CreateDirectory(Path.Combine(directory, name)).FullName;
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-2), DateTimeOffset.UtcNow.AddDays(2));
        File.WriteAllText(AuthorityFile, authority.ExportCertificatePem());
    }

    internal string AuthorityFile => Path.Combine(directory, "authority.pem");

    internal MutualTlsOptions Silo(string cluster) => Issue(cluster, [ServerAuthentication, ClientAuthentication]);

    internal MutualTlsOptions Client(string cluster) => Issue(cluster, [ClientAuthentication]);

    internal MutualTlsOptions Expired(string cluster) => Issue(cluster, [ServerAuthentication, ClientAuthentication], DateTimeOffset.UtcNow.AddMinutes(-1));

    internal MutualTlsOptions Issue(string cluster, string[] usages, DateTimeOffset? notAfter = null)
    {
        using var leaf = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=leaf", leaf, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(cluster);
        request.CertificateExtensions.Add(names.Build());
        var oids = new OidCollection();
        foreach (var usage in usages)
        {
            oids.Add(new Oid(usage));
        }

        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(oids, true));
        var number = ++issued;
        using var certificate = request.Create(
            authority, DateTimeOffset.UtcNow.AddDays(-1), notAfter ?? DateTimeOffset.UtcNow.AddDays(1), BitConverter.GetBytes(number));
        var options = new MutualTlsOptions(
            Path.Combine(directory, $"{number}.pem"), Path.Combine(directory, $"{number}.key"), AuthorityFile, cluster);
        File.WriteAllText(options.Certificate, certificate.ExportCertificatePem());
        File.WriteAllText(options.Key, leaf.ExportPkcs8PrivateKeyPem());
        return options;
    }

    public void Dispose()
    {
        authority.Dispose();
        key.Dispose();
    }
}
