using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace EhrGrains.Contracts.Client;

/// <summary>A certificate, its key and the authorities of its peers as PEM files, read again when one of them changed.</summary>
internal sealed class CertificateFiles
{
    private readonly Lock gate = new();
    private readonly string certificate;
    private readonly string key;
    private readonly string? authority;
    private Loaded loaded;

    /// <exception cref="ProblemException">Invalid: a file is missing or not what it should be.</exception>
    internal CertificateFiles(string certificate, string key, string? authority)
    {
        this.certificate = certificate;
        this.key = key;
        this.authority = authority;
        try
        {
            loaded = Load(Stamp());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new ProblemException(
                ProblemKind.Invalid, "EHR-TLS-001", "tls", $"The TLS files cannot be used ({e.GetType().Name}): give a PEM certificate, its key and its authority.");
        }
    }

    internal sealed record Loaded(SslStreamCertificateContext Context, X509Certificate2Collection Authorities, string Stamp);

    internal Loaded Current()
    {
        lock (gate)
        {
            var stamp = Stamp();
            if (stamp == loaded.Stamp)
            {
                return loaded;
            }

            try
            {
                loaded = Load(stamp);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
            {
                // A renewal replaces three files one after the other; until all fit, the previous ones are used.
            }

            return loaded;
        }
    }

    private string Stamp() =>
        string.Join('|', new[] { certificate, key, authority }.OfType<string>().Select(path => File.GetLastWriteTimeUtc(path).Ticks));

    private Loaded Load(string stamp)
    {
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(certificate);
        var authorities = new X509Certificate2Collection();
        if (authority is not null)
        {
            authorities.ImportFromPemFile(authority);
        }

        var own = X509Certificate2.CreateFromPemFile(certificate, key);
        return new Loaded(SslStreamCertificateContext.Create(own, chain, offline: true), authorities, stamp);
    }
}
