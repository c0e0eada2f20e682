using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Orleans.Runtime.Messaging;

namespace EhrGrains.Contracts.Client;

/// <summary>
/// Mutual TLS for Orleans connections: nothing of the Orleans protocol is said or listened to before both sides have shown a
/// certificate of the cluster. Orleans authenticates neither its silos nor its clients; whoever reaches a port is inside.
/// </summary>
public sealed class MutualTls : IConnectionMiddleware
{
    private static readonly TimeSpan HandshakeTimeout = TimeSpan.FromSeconds(5);

    private readonly CertificateFiles files;
    private readonly string clusterName;
    private readonly bool isServer;
    private readonly string[] peerUsages;
    private readonly TimeProvider time;

    private MutualTls(MutualTlsOptions options, bool isServer, string[] peerUsages, TimeProvider time)
    {
        files = new CertificateFiles(options.Certificate, options.Key, options.Authority);
        clusterName = options.ClusterName;
        this.isServer = isServer;
        this.peerUsages = peerUsages;
        this.time = time;
    }

    /// <summary>For an application that connects to a gateway: the peer must be a silo of the cluster.</summary>
    public static MutualTls ForClient(MutualTlsOptions options) => new(options, false, Usages.Silo, TimeProvider.System);

    /// <summary>For a gateway port: the peer must be a client (or a silo) of the cluster.</summary>
    public static MutualTls ForGateway(MutualTlsOptions options) => new(options, true, Usages.Client, TimeProvider.System);

    /// <summary>For a silo port: the peer must be a silo of the cluster; a client's certificate is not enough.</summary>
    public static MutualTls ForSiloInbound(MutualTlsOptions options) => new(options, true, Usages.Silo, TimeProvider.System);

    /// <summary>For the way out to another silo.</summary>
    public static MutualTls ForSiloOutbound(MutualTlsOptions options) => new(options, false, Usages.Silo, TimeProvider.System);

    /// <inheritdoc/>
    public async Task OnConnectionAsync(ConnectionContext context, ConnectionDelegate next)
    {
        var plain = context.Transport;
        var ssl = new SslStream(new DuplexPipeStream(plain), leaveInnerStreamOpen: false);
        await using (ssl)
        {
            if (!await TryHandshakeAsync(ssl, context))
            {
                return;
            }

            var leaveOpen = new StreamPipeReaderOptions(leaveOpen: true);
            context.Transport = new SecuredPipe(
                PipeReader.Create(ssl, leaveOpen), PipeWriter.Create(ssl, new StreamPipeWriterOptions(leaveOpen: true)));
            try
            {
                await next(context);
            }
            finally
            {
                await context.Transport.Input.CompleteAsync();
                await context.Transport.Output.CompleteAsync();
                context.Transport = plain;
            }
        }
    }

    private async Task<bool> TryHandshakeAsync(SslStream ssl, ConnectionContext context)
    {
        using var timeout = new CancellationTokenSource(HandshakeTimeout, time);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, context.ConnectionClosed);
        try
        {
            var current = files.Current();
            await (isServer
                ? ssl.AuthenticateAsServerAsync(ServerOptions(current), ended.Token)
                : ssl.AuthenticateAsClientAsync(ClientOptions(current), ended.Token));
            return true;
        }
        catch (Exception e) when (e is AuthenticationException or IOException or OperationCanceledException)
        {
            context.Abort(new ConnectionAbortedException("The peer showed no valid certificate of this cluster in time.", e));
            return false;
        }
    }

    private SslServerAuthenticationOptions ServerOptions(CertificateFiles.Loaded current) => new()
    {
        ServerCertificateContext = current.Context,
        ClientCertificateRequired = true,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        AllowRenegotiation = false,
        CertificateChainPolicy = ChainPolicy(current),

        // SslStream compares names for clients only; which cluster a client belongs to is checked here.
        RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
            errors == SslPolicyErrors.None && certificate is X509Certificate2 peer
            && peer.MatchesHostname(clusterName, allowWildcards: false, allowCommonName: false),
    };

    private SslClientAuthenticationOptions ClientOptions(CertificateFiles.Loaded current) => new()
    {
        TargetHost = clusterName,
        ClientCertificateContext = current.Context,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        AllowRenegotiation = false,
        CertificateChainPolicy = ChainPolicy(current),
        RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
            errors == SslPolicyErrors.None && certificate is X509Certificate2 peer
            && peer.MatchesHostname(clusterName, allowWildcards: false, allowCommonName: false),
    };

    private X509ChainPolicy ChainPolicy(CertificateFiles.Loaded current)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(current.Authorities);
        foreach (var usage in peerUsages)
        {
            policy.ApplicationPolicy.Add(new System.Security.Cryptography.Oid(usage));
        }

        return policy;
    }

    /// <summary>Extended key usages (RFC 5280 §4.2.1.12) that make a peer what it says it is.</summary>
    private static class Usages
    {
        private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
        private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

        internal static readonly string[] Client = [ClientAuthentication];
        internal static readonly string[] Silo = [ServerAuthentication, ClientAuthentication];
    }

    private sealed class SecuredPipe(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input { get; } = input;

        public PipeWriter Output { get; } = output;
    }
}
