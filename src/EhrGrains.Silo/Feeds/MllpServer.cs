using System.Net;
using EhrGrains.Connect.Mllp;
using EhrGrains.Silo.Configuration;
using EhrGrains.Silo.Telemetry;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;

namespace EhrGrains.Silo.Feeds;

/// <summary>
/// The MLLP ports. A Kestrel of its own beside the one for HTTP: their limits on connections, and what they listen on, have nothing
/// to do with each other. Started last, when messages can be kept, and stopped first: connections are drained while the journal runs.
/// </summary>
internal sealed class MllpServer(
    SiloOptions options, IServiceProvider services, IOptions<SocketTransportOptions> transport, ILoggerFactory logs, ILogger<MllpServer> log)
    : IHostedService, IDisposable
{
    private readonly KestrelServer server = new(
        Options.Create(Configure(options.Mllp, services)), new SocketTransportFactory(transport, logs), logs);

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await server.StartAsync(new NoHttp(), cancellationToken);
        log.ListensForFeeds(
            $"{options.Mllp.PlainAddress}:{options.Mllp.Port}", options.Mllp.HasTls ? $"{options.Mllp.Address}:{options.Mllp.TlsPort}" : "none");
    }

    public Task StopAsync(CancellationToken cancellationToken) => server.StopAsync(cancellationToken);

    public void Dispose() => server.Dispose();

    private static KestrelServerOptions Configure(MllpListenerOptions mllp, IServiceProvider services)
    {
        // The listener has its own bound, and refuses by a rule of its own.
        var kestrel = new KestrelServerOptions { ApplicationServices = services };
        kestrel.Limits.MaxConcurrentConnections = null;
        kestrel.Listen(IPAddress.Parse(mllp.PlainAddress), mllp.Port, listen => listen.UseMllp());
        if (mllp.HasTls)
        {
            var tls = new MllpTlsOptions(
                mllp.Certificate!, mllp.Key!, mllp.ClientAuthorities, ClientCertificateRequired: mllp.ClientAuthorities is not null);
            kestrel.Listen(IPAddress.Parse(mllp.Address), mllp.TlsPort, listen => listen.UseMllpTls(tls));
        }

        return kestrel;
    }

    // Every endpoint has a handler of its own; no connection gets as far as HTTP.
    private sealed class NoHttp : IHttpApplication<IFeatureCollection>
    {
        public IFeatureCollection CreateContext(IFeatureCollection contextFeatures) => contextFeatures;

        public Task ProcessRequestAsync(IFeatureCollection context) => Task.CompletedTask;

        public void DisposeContext(IFeatureCollection context, Exception? exception)
        {
        }
    }
}

internal static class MllpServices
{
    internal static void AddMllp(this IServiceCollection services, SiloOptions options)
    {
        services.AddSingleton(options.Mllp.Limits);
        services.AddMllpListener();
        services.AddSingleton<FeedIntake>();
        services.AddSingleton(provider => provider.GetRequiredService<FeedIntake>().Receiver);
        services.AddHostedService<MllpServer>();
    }
}
