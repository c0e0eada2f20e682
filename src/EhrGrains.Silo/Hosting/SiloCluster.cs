using System.Net;
using EhrGrains.Contracts.Client;
using EhrGrains.Grains;
using EhrGrains.Grains.Callers;
using EhrGrains.Silo.Configuration;
using EhrGrains.Storage.GrainStorage;
using Orleans.Configuration;
using SiloOptions = EhrGrains.Silo.Configuration.SiloOptions;

namespace EhrGrains.Silo.Hosting;

/// <summary>The Orleans silo: who is in the cluster, how soon a dead silo is noticed, and what its ports take.</summary>
internal static class SiloCluster
{
    // A grain that is asked faster than it answers refuses early instead of growing until the process dies.
    private const int EnqueuedRequestsMax = 20_000;

    internal static void AddSiloCluster(this WebApplicationBuilder builder, SiloOptions options)
    {
        builder.UseOrleans(silo =>
        {
            if (options.Mode == SiloMode.Embedded)
            {
                silo.UseLocalhostClustering(options.Silo.Port, options.Silo.GatewayPort, null, options.Cluster.Service!, options.Cluster.Id!);
            }
            else
            {
                silo.UseEhrGrainsClustering();
                silo.Configure<ClusterOptions>(cluster => (cluster.ClusterId, cluster.ServiceId) = (options.Cluster.Id!, options.Cluster.Service!));
                silo.Configure<EndpointOptions>(endpoint => SetEndpoints(endpoint, options.Silo));
                silo.Configure<ClusterMembershipOptions>(SetFailureDetection);
            }

            silo.Configure<SiloMessagingOptions>(messaging =>
            {
                messaging.MaxMessageBodySize = ClientServices.MessageBodyBytesMax;
                messaging.MaxMessageHeaderSize = ClientServices.MessageHeaderBytesMax;
                messaging.MaxEnqueuedRequestsHardLimit = EnqueuedRequestsMax;
                messaging.MaxEnqueuedRequestsHardLimit_StatelessWorker = EnqueuedRequestsMax;
            });
            silo.Configure<ConnectionOptions>(connection => connection.OpenConnectionTimeout = TimeSpan.FromSeconds(2));
            silo.Services.PostConfigure<AccessTokenOptions>(tokens =>
            {
                tokens.Issuer = options.Auth.Issuer;
                tokens.Audience = options.Auth.Audience;
            });
            silo.AddEhrGrainsStorage();
            silo.AddActivityPropagation();
            silo.AddEhrGrains();
            if (options.Tls.IsSet)
            {
                silo.UseMutualTls(new MutualTlsOptions(options.Tls.Certificate!, options.Tls.Key!, options.Tls.Authority!, options.Cluster.Id!));
            }
        });
    }

    private static void SetEndpoints(EndpointOptions endpoint, SiloEndpointOptions options)
    {
        endpoint.AdvertisedIPAddress = IPAddress.Parse(options.Address!);
        endpoint.SiloPort = options.Port;
        endpoint.GatewayPort = options.GatewayPort;
        endpoint.SiloListeningEndpoint = new IPEndPoint(endpoint.AdvertisedIPAddress, options.Port);
        endpoint.GatewayListeningEndpoint = new IPEndPoint(endpoint.AdvertisedIPAddress, options.GatewayPort);
    }

    // A silo that is killed or hangs is out after about three seconds, where the defaults take up to twenty (and do not evict a
    // hung one in thirty). Three missed probes, not one: a long garbage collection is not a death. A paused silo that wakes finds
    // itself declared dead and stops; what it still tries to write is fenced by version.
    private static void SetFailureDetection(ClusterMembershipOptions membership)
    {
        membership.ProbeTimeout = TimeSpan.FromSeconds(1);
        membership.NumMissedProbesLimit = 3;
        membership.NumVotesForDeathDeclaration = 2;
        membership.TableRefreshTimeout = TimeSpan.FromSeconds(10);
        membership.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(5);
    }

    private static void UseMutualTls(this ISiloBuilder silo, MutualTlsOptions tls) =>
        silo.Configure<SiloConnectionOptions>(connections =>
        {
            connections.ConfigureSiloInboundConnection(builder => builder.UseMiddleware(MutualTls.ForSiloInbound(tls)));
            connections.ConfigureSiloOutboundConnection(builder => builder.UseMiddleware(MutualTls.ForSiloOutbound(tls)));
            connections.ConfigureGatewayInboundConnection(builder => builder.UseMiddleware(MutualTls.ForGateway(tls)));
        });
}
