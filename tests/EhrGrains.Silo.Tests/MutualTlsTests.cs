using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using EhrGrains.Contracts.Client;
using EhrGrains.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;

namespace EhrGrains.Silo.Tests;

/// <summary>Nobody joins or calls the cluster without a certificate of it.</summary>
public sealed class MutualTlsTests : IAsyncLifetime
{
    private const string Cluster = "test-cluster";
    private readonly TempDirectory directory = new();
    private readonly int siloPort = Ports.Free();
    private readonly int gatewayPort = Ports.Free();
    private TestCertificates ours = null!;
    private TestCertificates foreign = null!;
    private IHost silo = null!;

    public async ValueTask InitializeAsync()
    {
        ours = new TestCertificates(directory.Path, "ours");
        foreign = new TestCertificates(directory.Path, "foreign");
        silo = SiloOf(siloPort, gatewayPort, siloPort, ours.Silo(Cluster));
        await silo.StartAsync(TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await silo.StopAsync(CancellationToken.None);
        silo.Dispose();
        ours.Dispose();
        foreign.Dispose();
        directory.Dispose();
    }

    [Fact]
    public async Task A_client_with_a_certificate_of_the_cluster_is_served()
    {
        using var client = ClientOf(gatewayPort, ours.Client(Cluster));
        await client.StartAsync(TestContext.Current.CancellationToken);

        var answer = await client.Services.GetRequiredService<IClusterClient>().GetGrain<IEchoGrain>("one").EchoAsync(new string('x', 200_000));

        answer.Length.ShouldBe(200_000);
        await client.StopAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Two_silos_form_a_cluster_and_call_each_other()
    {
        var secondPort = Ports.Free();
        using var second = SiloOf(secondPort, Ports.Free(), siloPort, ours.Silo(Cluster));
        await second.StartAsync(TestContext.Current.CancellationToken);
        var grains = second.Services.GetRequiredService<IGrainFactory>();

        var hosts = new HashSet<string>();
        for (var i = 0; i < 200 && hosts.Count < 2; i++)
        {
            hosts.Add(await grains.GetGrain<IEchoGrain>($"grain-{i}").WhereAsync());
        }

        hosts.Count.ShouldBe(2, "random placement puts grains on both silos, and each call over the wire was mutual TLS");
        await second.StopAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_client_without_tls_is_refused()
    {
        using var client = ClientOf(gatewayPort, null);

        await Should.ThrowAsync<Exception>(client.StartAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_client_that_does_not_trust_the_silos_authority_refuses_it()
    {
        using var client = ClientOf(gatewayPort, ours.Client(Cluster) with { Authority = foreign.AuthorityFile });

        await Should.ThrowAsync<Exception>(client.StartAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task The_silo_port_says_nothing_to_a_peer_without_tls()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, siloPort), TestContext.Current.CancellationToken);

        // Without the middleware Orleans sends its preamble here; with it, the handshake runs out of time after 5 s.
        var received = await socket.ReceiveAsync(new byte[1], TestContext.Current.CancellationToken);

        received.ShouldBe(0);
    }

    [Theory]
    [InlineData("silo", true)]
    [InlineData("client", false)]
    [InlineData("none", false)]
    [InlineData("foreign", false)]
    [InlineData("expired", false)]
    [InlineData("other-cluster", false)]
    [InlineData("server-only", false)]
    public async Task The_silo_port_talks_only_with_silos_of_the_cluster(string who, bool served)
    {
        (await ReadsPreambleAsync(siloPort, CertificateOf(who))).ShouldBe(served);
    }

    [Theory]
    [InlineData("client", true)]
    [InlineData("silo", true)]
    [InlineData("none", false)]
    [InlineData("foreign", false)]
    [InlineData("expired", false)]
    [InlineData("other-cluster", false)]
    [InlineData("server-only", false)]
    public async Task The_gateway_port_talks_only_with_clients_of_the_cluster(string who, bool served)
    {
        var options = CertificateOf(who);
        if (options is null)
        {
            (await ReadsPreambleAsync(gatewayPort, null)).ShouldBeFalse();
            return;
        }

        using var client = ClientOf(gatewayPort, options with { Authority = ours.AuthorityFile, ClusterName = Cluster });
        if (served)
        {
            await client.StartAsync(TestContext.Current.CancellationToken);
            await client.StopAsync(TestContext.Current.CancellationToken);
        }
        else
        {
            await Should.ThrowAsync<Exception>(client.StartAsync(TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public async Task Tls_1_1_is_refused()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, gatewayPort), TestContext.Current.CancellationToken);
        await using var ssl = new SslStream(new NetworkStream(socket));
#pragma warning disable SYSLIB0039, CA5397 // The point of the test.
        var old = new SslClientAuthenticationOptions { TargetHost = Cluster, EnabledSslProtocols = SslProtocols.Tls11 };
#pragma warning restore SYSLIB0039, CA5397

        await Should.ThrowAsync<Exception>(ssl.AuthenticateAsClientAsync(old, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Renewed_certificates_are_used_without_a_restart()
    {
        var files = ours.Client(Cluster);
        var middleware = new CertificateFiles(files.Certificate, files.Key, files.Authority);
        var before = middleware.Current().Context.TargetCertificate.SerialNumber;
        var renewed = ours.Client(Cluster);
        File.Copy(renewed.Certificate, files.Certificate, overwrite: true);
        File.Copy(renewed.Key, files.Key, overwrite: true);
        File.SetLastWriteTimeUtc(files.Key, DateTime.UtcNow.AddSeconds(1));

        middleware.Current().Context.TargetCertificate.SerialNumber.ShouldNotBe(before);

        await File.WriteAllTextAsync(files.Key, "half of a key", TestContext.Current.CancellationToken);
        File.SetLastWriteTimeUtc(files.Key, DateTime.UtcNow.AddSeconds(2));
        middleware.Current().Context.TargetCertificate.HasPrivateKey.ShouldBeTrue("a half-written file leaves the previous certificate in use");
    }

    private MutualTlsOptions? CertificateOf(string who) => who switch
    {
        "silo" => ours.Silo(Cluster),
        "client" => ours.Client(Cluster),
        "foreign" => foreign.Silo(Cluster),
        "expired" => ours.Expired(Cluster),
        "other-cluster" => ours.Silo("other-cluster"),
        "server-only" => ours.Issue(Cluster, ["1.3.6.1.5.5.7.3.1"]),
        _ => null,
    };

    // In TLS 1.3 the server judges the client after the client is done: only what it says afterwards shows the verdict.
    private static async Task<bool> ReadsPreambleAsync(int port, MutualTlsOptions? options)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), TestContext.Current.CancellationToken);
        await using var ssl = new SslStream(new NetworkStream(socket));
        try
        {
            await ssl.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = Cluster,
                    ClientCertificates = options is null
                        ? null
                        : [X509Certificate2.CreateFromPemFile(options.Certificate, options.Key)],
#pragma warning disable CA5359 // Whether the silo is trusted is not what this asks.
                    RemoteCertificateValidationCallback = (_, _, _, _) => true,
#pragma warning restore CA5359
                },
                TestContext.Current.CancellationToken);
            return await ssl.ReadAsync(new byte[1], TestContext.Current.CancellationToken) > 0;
        }
        catch (Exception e) when (e is IOException or AuthenticationException)
        {
            return false;
        }
    }

    private static IHost SiloOf(int siloPort, int gatewayPort, int primaryPort, MutualTlsOptions tls)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.UseOrleans(silo =>
        {
            silo.UseLocalhostClustering(siloPort, gatewayPort, new IPEndPoint(IPAddress.Loopback, primaryPort), "test", Cluster);
            silo.Configure<SiloConnectionOptions>(connections =>
            {
                connections.ConfigureSiloInboundConnection(b => b.UseMiddleware(MutualTls.ForSiloInbound(tls)));
                connections.ConfigureSiloOutboundConnection(b => b.UseMiddleware(MutualTls.ForSiloOutbound(tls)));
                connections.ConfigureGatewayInboundConnection(b => b.UseMiddleware(MutualTls.ForGateway(tls)));
            });
        });
        return builder.Build();
    }

    private static IHost ClientOf(int gatewayPort, MutualTlsOptions? tls)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddEhrGrainsClient(client =>
        {
            client.Gateways.Add(new IPEndPoint(IPAddress.Loopback, gatewayPort));
            (client.ClusterId, client.ServiceId, client.Tls) = (Cluster, "test", tls);
        });
        builder.Services.AddSingleton<IClientConnectionRetryFilter, Once>();
        return builder.Build();
    }

    // By default a client tries for a quarter of a minute, which is right for an application and long for a test.
    private sealed class Once : IClientConnectionRetryFilter
    {
        public Task<bool> ShouldRetryConnectionAttempt(Exception exception, CancellationToken cancellationToken) => Task.FromResult(false);
    }
}

/// <summary>A grain to call.</summary>
[Alias("test.IEchoGrain")]
public interface IEchoGrain : IGrainWithStringKey
{
    [Alias("Echo")]
    Task<string> EchoAsync(string text);

    [Alias("Where")]
    Task<string> WhereAsync();
}

/// <inheritdoc/>
[GrainType("test.echo"), Orleans.Placement.RandomPlacement]
public sealed class EchoGrain(ILocalSiloDetails details) : Grain, IEchoGrain
{
    public Task<string> EchoAsync(string text) => Task.FromResult(text);

    public Task<string> WhereAsync() => Task.FromResult(details.SiloAddress.ToString());
}
