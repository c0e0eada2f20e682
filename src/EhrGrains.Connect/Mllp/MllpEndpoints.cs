using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EhrGrains.Contracts.Client;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace EhrGrains.Connect.Mllp;

/// <summary>
/// TLS of the MLLP listener. The files are PEM and are read again when they change.
/// </summary>
/// <param name="Certificate">Path of the certificate, intermediates after it.</param>
/// <param name="Key">Path of its private key.</param>
/// <param name="Authority">
/// Path of the authorities that issue senders' certificates; null: senders' certificates are known by their SHA-256 in the feeds
/// alone, and what issued them does not matter (hospitals' interface engines often have self-signed ones).
/// </param>
/// <param name="ClientCertificateRequired">Whether a sender that shows no certificate is let in.</param>
public sealed record MllpTlsOptions(string Certificate, string Key, string? Authority = null, bool ClientCertificateRequired = false);

/// <summary>Registration of the MLLP listener, and its endpoints in Kestrel.</summary>
public static class MllpEndpoints
{
    // The transport reads ahead this much of a connection; it would be 1 MB, which ten thousand senders can fill.
    private const int ReadAheadBytesMax = 64 * 1024;

    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2"; // id-kp-clientAuth, RFC 5280 §4.2.1.12

    /// <summary>
    /// Adds the listener. Options come from the section <c>EhrGrains:Mllp:Limits</c>. Needs <see cref="MllpReceiver"/> in the container,
    /// and <see cref="UseMllp"/> or <see cref="UseMllpTls"/> on an endpoint of Kestrel.
    /// </summary>
    public static IServiceCollection AddMllpListener(this IServiceCollection services)
    {
        services.AddOptions<MllpOptions>().BindConfiguration("EhrGrains:Mllp:Limits").ValidateOnStart();
        services.TryAddSingleton<IValidateOptions<MllpOptions>, MllpOptionsValidator>();
        services.TryAddSingleton(static provider => provider.GetRequiredService<IOptions<MllpOptions>>().Value);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<ConnectMetrics>();
        services.TryAddSingleton<MllpListener>();
        services.Configure<SocketTransportOptions>(static transport => transport.MaxReadBufferSize = ReadAheadBytesMax);
        return services;
    }

    /// <summary>Makes an endpoint an MLLP listener without TLS: for a private network or a VPN.</summary>
    public static ListenOptions UseMllp(this ListenOptions listen)
    {
        ArgumentNullException.ThrowIfNull(listen);
        listen.UseConnectionHandler<MllpListener>();
        return listen;
    }

    /// <summary>Makes an endpoint an MLLP listener with TLS 1.2 or 1.3, and client certificates where senders show one.</summary>
    /// <exception cref="ProblemException">Invalid: a file is missing or not what it should be.</exception>
    public static ListenOptions UseMllpTls(this ListenOptions listen, MllpTlsOptions tls)
    {
        ArgumentNullException.ThrowIfNull(listen);
        ArgumentNullException.ThrowIfNull(tls);
        var files = new CertificateFiles(tls.Certificate, tls.Key, tls.Authority);
        var options = listen.ApplicationServices.GetRequiredService<MllpOptions>();
        listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            HandshakeTimeout = options.HandshakeTimeout,
            OnConnection = context =>
            {
                context.AllowDelayedClientCertificateNegotation = false;
                return ValueTask.FromResult(ServerOptions(files.Current(), tls));
            },
        });
        return listen.UseMllp();
    }

    private static SslServerAuthenticationOptions ServerOptions(CertificateFiles.Loaded files, MllpTlsOptions tls) => new()
    {
        ServerCertificateContext = files.Context,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        AllowRenegotiation = false,
        ClientCertificateRequired = true, // asked for; whether one must be shown is decided below
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        CertificateChainPolicy = ChainPolicy(files.Authorities),
        RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
            certificate is X509Certificate2 shown ? IsTrusted(shown, errors, tls) : !tls.ClientCertificateRequired,
    };

    // Without authorities the chain cannot be judged: the certificate counts for what its digest opens, while it is valid.
    private static bool IsTrusted(X509Certificate2 shown, SslPolicyErrors errors, MllpTlsOptions tls)
    {
        var now = TimeProvider.System.GetLocalNow().DateTime; // NotBefore and NotAfter are local times
        return tls.Authority is null ? shown.NotBefore <= now && now <= shown.NotAfter : errors == SslPolicyErrors.None;
    }

    private static X509ChainPolicy ChainPolicy(X509Certificate2Collection authorities)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.ApplicationPolicy.Add(new Oid(ClientAuthentication));
        policy.CustomTrustStore.AddRange(authorities);
        return policy;
    }
}
