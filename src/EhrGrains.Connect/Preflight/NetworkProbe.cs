using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using EhrGrains.Connect.Egress;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Connect.Preflight;

/// <summary>
/// Looks at the way to a host step by step: its name, the connection, the certificate. Under the same egress rules and the same trust as
/// requests; nothing but the handshake is sent.
/// </summary>
public static class NetworkProbe
{
    private const string RevocationLists = "2.5.29.31"; // cRLDistributionPoints, RFC 5280 §4.2.1.13
    private const string AuthorityAccess = "1.3.6.1.5.5.7.1.1"; // authorityInfoAccess, RFC 5280 §4.2.2.1
    private static readonly byte[] Ocsp = [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01]; // 1.3.6.1.5.5.7.48.1

    /// <summary>Looks at the host of a URL.</summary>
    /// <exception cref="ProblemException">Invalid: the private networks or trusted certificates cannot be read.</exception>
    public static async Task<NetworkFacts> LookAsync(
        ConnectionSpec connection, Uri url, ConnectOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ArgumentNullException.ThrowIfNull(url);
        ArgumentNullException.ThrowIfNull(options);
        var rules = AddressRules.For(connection.PrivateNetworks);
        var facts = new NetworkFacts { Authority = $"{url.IdnHost}:{url.Port}" };
        var addresses = await ResolveAsync(url.IdnHost, options, time, cancellationToken);

        var allowed = addresses.Where(rules.Allow).ToArray();
        facts = facts with
        {
            IPv4 = addresses.Count(static a => a.AddressFamily == AddressFamily.InterNetwork),
            IPv6 = addresses.Count(static a => a.AddressFamily == AddressFamily.InterNetworkV6),
            Allowed = allowed.Length,
            Private = allowed.Count(rules.IsNamed),
        };
        if (allowed.Length == 0)
        {
            return facts;
        }

        try
        {
            var started = time.GetTimestamp();
            using var socket = await EgressSockets.ConnectAsync([.. allowed.Take(4)], url.Port, options.ConnectTimeout, time, cancellationToken);
            facts = facts with { Connected = time.GetElapsedTime(started) };
            return url.Scheme == Uri.UriSchemeHttps ? facts with { Tls = await ShakeHandsAsync(connection, url, socket, options, time, cancellationToken) } : facts;
        }
        catch (HttpRequestException)
        {
            return facts;
        }
    }

    // Empty: there are none, or the resolver said nothing in time.
    private static async Task<IPAddress[]> ResolveAsync(string host, ConnectOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(options.ConnectTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        try
        {
            return IPAddress.TryParse(host, out var literal) ? [literal] : await Dns.GetHostAddressesAsync(host, either.Token);
        }
        catch (Exception e) when (e is SocketException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return [];
        }
    }

    private static async Task<TlsFacts> ShakeHandsAsync(
        ConnectionSpec connection, Uri url, Socket socket, ConnectOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(options.ConnectTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        var seen = new TlsFacts();
        var policy = TenantTrust.ChainPolicy(connection.TrustedCertificates);
        var stated = policy.ExtraStore.Count;
        await using var tls = new SslStream(new NetworkStream(socket, ownsSocket: false));
        try
        {
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = url.IdnHost,
                    EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                    ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
                    CertificateChainPolicy = policy,
                    RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                    {
                        seen = certificate is X509Certificate2 shown ? Read(shown, chain, stated, errors) : seen;
                        return errors == SslPolicyErrors.None;
                    },
                },
                either.Token);
            var application = tls.NegotiatedApplicationProtocol.Protocol.IsEmpty ? null : tls.NegotiatedApplicationProtocol.ToString();
            return seen with { IsComplete = true, Protocol = tls.SslProtocol.ToString(), Application = application };
        }
        catch (Exception e) when (e is AuthenticationException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return seen;
        }
    }

    private static TlsFacts Read(X509Certificate2 shown, X509Chain? chain, int stated, SslPolicyErrors errors)
    {
        var built = chain?.ChainElements.Select(static e => e.Certificate).ToArray() ?? [];
        return new TlsFacts
        {
            HasCertificate = true,
            IsForHost = (errors & SslPolicyErrors.RemoteCertificateNameMismatch) == SslPolicyErrors.None,
            ChainProblems = chain is null || (errors & SslPolicyErrors.RemoteCertificateChainErrors) == SslPolicyErrors.None
                ? []
                : [.. chain.ChainStatus.Select(static s => s.Status.ToString()).Distinct(StringComparer.Ordinal)],
            Sent = 1 + (chain?.ChainPolicy.ExtraStore.Count(c => !c.RawData.AsSpan().SequenceEqual(shown.RawData)) ?? stated) - stated,
            NotAfter = new DateTimeOffset(built.Append(shown).Min(static c => c.NotAfter)),
            Life = shown.NotAfter - shown.NotBefore,
            Key = KeyOf(shown, out var isStrong),
            IsStrong = isStrong && !IsSha1(shown),
            NamesRevocation = shown.Extensions.Any(static e => e.Oid?.Value == RevocationLists
                || (e.Oid?.Value == AuthorityAccess && e.RawData.AsSpan().IndexOf(Ocsp) >= 0)),
        };
    }

    private static bool IsSha1(X509Certificate2 certificate) =>
        certificate.SignatureAlgorithm.Value is "1.2.840.113549.1.1.5" or "1.2.840.10045.4.1" or "1.2.840.113549.1.1.4";

    private static string KeyOf(X509Certificate2 certificate, out bool isStrong)
    {
        using var rsa = certificate.GetRSAPublicKey();
        using var ec = certificate.GetECDsaPublicKey();
        isStrong = rsa?.KeySize >= 2048 || ec?.KeySize >= 256;
        return rsa is not null ? $"RSA {rsa.KeySize}" : ec is not null ? $"EC {ec.KeySize}" : certificate.PublicKey.Oid.FriendlyName ?? "of a kind that is not known";
    }
}
