using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EhrGrains.Connect.Preflight;
using EhrGrains.Connect.Tests.Peers;

namespace EhrGrains.Connect.Tests.Preflight;

/// <summary>What a probe sees of the way to a host: real sockets, real handshakes.</summary>
public sealed class NetworkProbeTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_good_host_is_seen_step_by_step()
    {
        using var authority = new TestAuthority("Hospital");
        using var server = new TlsServer(authority.Issue("localhost", notAfterDays: 20));

        var facts = await LookAsync($"https://localhost:{server.Port}", authority.Pem);

        (facts.Authority, facts.Connected is not null).ShouldBe(($"localhost:{server.Port}", true));
        (facts.IPv4 > 0, facts.Allowed > 0, facts.Private).ShouldBe((true, true, facts.Allowed));
        var tls = facts.Tls.ShouldNotBeNull();
        (tls.IsComplete, tls.HasCertificate, tls.IsForHost, tls.IsStrong, tls.Sent).ShouldBe((true, true, true, true, 1));
        tls.ChainProblems.ShouldBeEmpty();
        (tls.Protocol, tls.Application, tls.Key).ShouldBe(("Tls13", "http/1.1", "EC 256"));
        tls.NamesRevocation.ShouldBeFalse();

        // That of the authority ends later: the first to end counts.
        (tls.NotAfter - DateTimeOffset.UtcNow).TotalDays.ShouldBeInRange(19.5, 20.5);
        tls.Life.TotalDays.ShouldBe(34, 0.1);
    }

    [Fact]
    public async Task What_is_wrong_with_a_certificate_is_told_apart()
    {
        using var authority = new TestAuthority("Hospital");
        using var expired = new TlsServer(authority.Issue("localhost", notAfterDays: -1));
        using var misnamed = new TlsServer(authority.Issue("other.example"));
        using var good = new TlsServer(authority.Issue("localhost"));
        using var selfSigned = new TlsServer(SelfSigned("localhost"));

        var ofExpired = await TlsAsync(expired, authority.Pem);
        var ofMisnamed = await TlsAsync(misnamed, authority.Pem);
        var ofUntrusted = await TlsAsync(good, null);
        var ofSelfSigned = await TlsAsync(selfSigned, null);

        new[] { ofExpired, ofMisnamed, ofUntrusted, ofSelfSigned }.ShouldAllBe(tls => !tls.IsComplete && tls.HasCertificate);
        (ofExpired.IsForHost, ofExpired.ChainProblems.Single()).ShouldBe((true, "NotTimeValid"));
        ofExpired.NotAfter.ShouldBeLessThan(DateTimeOffset.UtcNow);
        (ofMisnamed.IsForHost, ofMisnamed.ChainProblems.Count).ShouldBe((false, 0));
        (ofUntrusted.IsForHost, ofUntrusted.ChainProblems.Single()).ShouldBe((true, "PartialChain"));
        (ofSelfSigned.IsForHost, ofSelfSigned.ChainProblems.Contains("UntrustedRoot")).ShouldBe((true, true));
    }

    [Fact]
    public async Task Where_revocation_is_told_is_seen()
    {
        using var server = new TlsServer(SelfSigned("localhost", revocable: true));

        var tls = await TlsAsync(server, null);

        (tls.Key, tls.IsStrong, tls.NamesRevocation).ShouldBe(("RSA 2048", true, true));
    }

    [Theory]
    [InlineData("\u0015\u0003\u0001\0\u0002\u0002\u0046")] // protocol_version (RFC 8446 §6.2): a host of TLS 1.1 and before
    [InlineData("HTTP/1.1 400 Bad Request\r\n\r\n")] // the port of plain http
    [InlineData("")]
    public async Task A_host_without_TLS_of_today_shows_no_certificate(string answer)
    {
        await using var host = new RawPeer(answer);

        var facts = await LookAsync(host.Url.Replace("http:", "https:", StringComparison.Ordinal), null);

        facts.Connected.ShouldNotBeNull();
        (facts.Tls.ShouldNotBeNull().IsComplete, facts.Tls.HasCertificate, facts.Tls.Protocol).ShouldBe((false, false, null));
    }

    [Fact]
    public async Task It_goes_no_further_than_it_may()
    {
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0)); // and nobody listens
        var port = ((IPEndPoint)taken.LocalEndPoint!).Port;

        var nowhere = await LookAsync("https://no-such-host.invalid", null);
        var shut = await NetworkProbe.LookAsync(Rig.Connection("https://10.1.2.3"), new Uri("https://10.1.2.3"), new ConnectOptions(), TimeProvider.System, Ct);
        var silent = await LookAsync($"https://127.0.0.1:{port}", null);

        (nowhere.IPv4, nowhere.IPv6, nowhere.Allowed).ShouldBe((0, 0, 0));
        (shut.IPv4, shut.Allowed, shut.Connected).ShouldBe((1, 0, null));
        (silent.Allowed, silent.Connected, silent.Tls).ShouldBe((1, null, null));
    }

    private static Task<NetworkFacts> LookAsync(string url, string? trusted) => NetworkProbe.LookAsync(
        Rig.Connection(url, "127.0.0.0/8", "::1/128") with { TrustedCertificates = trusted }, new Uri(url), new ConnectOptions(), TimeProvider.System, Ct);

    private static async Task<TlsFacts> TlsAsync(TlsServer server, string? trusted) =>
        (await LookAsync($"https://localhost:{server.Port}", trusted)).Tls.ShouldNotBeNull();

    private static X509Certificate2 SelfSigned(string host, bool revocable = false)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest($"CN={host}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(host);
        request.CertificateExtensions.Add(names.Build());
        if (revocable)
        {
            request.CertificateExtensions.Add(CertificateRevocationListBuilder.BuildCrlDistributionPointExtension(["http://ca.example/list.crl"]));
        }

        using var made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(90));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    /// <summary>A host that does nothing but the handshake.</summary>
    private sealed class TlsServer : IDisposable
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);
        private readonly SslServerAuthenticationOptions options;

        public TlsServer(X509Certificate2 certificate)
        {
            options = new SslServerAuthenticationOptions
            {
                ServerCertificate = certificate,
                ApplicationProtocols = [SslApplicationProtocol.Http11],
            };
            listener.Start();
            _ = ServeAsync();
        }

        public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

        public void Dispose()
        {
            listener.Stop();
            ((X509Certificate2)options.ServerCertificate!).Dispose();
        }

        private async Task ServeAsync()
        {
            try
            {
                while (true)
                {
                    using var client = await listener.AcceptTcpClientAsync(Ct);
                    await using var tls = new SslStream(client.GetStream());
                    try
                    {
                        await tls.AuthenticateAsServerAsync(options, Ct);
                        _ = await tls.ReadAsync(new byte[1], Ct);
                    }
                    catch (Exception e) when (e is AuthenticationException or IOException)
                    {
                        // The other side did not like it.
                    }
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
            {
                // Stopped.
            }
        }
    }
}
