using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace EhrGrains.Contracts.Client;

/// <summary>The certificate, key and authorities of <see cref="MutualTlsOptions"/>, read again when one of the files changed.</summary>
internal sealed class MutualTlsFiles
{
    private readonly Lock gate = new();
    private readonly MutualTlsOptions options;
    private Loaded loaded;

    /// <exception cref="ProblemException">Invalid: a file is missing or not what it should be.</exception>
    internal MutualTlsFiles(MutualTlsOptions options)
    {
        this.options = options;
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
        string.Join('|', new[] { options.Certificate, options.Key, options.Authority }.Select(path => File.GetLastWriteTimeUtc(path).Ticks));

    private Loaded Load(string stamp)
    {
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(options.Certificate);
        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPemFile(options.Authority);
        var certificate = X509Certificate2.CreateFromPemFile(options.Certificate, options.Key);
        return new Loaded(SslStreamCertificateContext.Create(certificate, chain, offline: true), authorities, stamp);
    }
}
