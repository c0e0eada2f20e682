using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;

namespace EhrGrains.Contracts.Client;

/// <summary>Registers the Orleans client of a cluster.</summary>
public static class ClientServices
{
    /// <summary>The largest message between an app and the cluster: one page of FHIR at its bound, and what goes with it.</summary>
    public const int MessageBodyBytesMax = 40 * 1024 * 1024;

    /// <summary>
    /// The largest page or resource that is answered; a larger one is refused with what to do, by HTTP and to Orleans clients alike.
    /// Above what a hospital may answer (32 MiB), because a normalized page is larger.
    /// </summary>
    public const int AnswerBytesMax = MessageBodyBytesMax - (1024 * 1024);

    /// <summary>The largest message header: the access token of 16 KiB is the only large thing in it.</summary>
    public const int MessageHeaderBytesMax = 256 * 1024;

    /// <summary>
    /// Adds <see cref="IClusterClient"/>, which connects when the host starts. Every call carries the token that
    /// <see cref="EhrGrainsClientOptions.AccessToken"/> gives, and the silo validates it on every call.
    /// </summary>
    /// <exception cref="ArgumentException">The options lack gateways, cluster id or service id; all that lack are named.</exception>
    public static IServiceCollection AddEhrGrainsClient(this IServiceCollection services, Action<EhrGrainsClientOptions> configure)
    {
        var options = new EhrGrainsClientOptions();
        configure(options);
        ThrowIfIncomplete(options);
        return services.AddOrleansClient(client =>
        {
            client.UseStaticClustering([.. options.Gateways]);
            client.Configure<ClusterOptions>(cluster =>
            {
                cluster.ClusterId = options.ClusterId;
                cluster.ServiceId = options.ServiceId;
            });
            client.Configure<ClientMessagingOptions>(messaging =>
            {
                messaging.ResponseTimeout = options.ResponseTimeout;
                messaging.MaxMessageBodySize = MessageBodyBytesMax;
                messaging.MaxMessageHeaderSize = MessageHeaderBytesMax;
            });
            client.AddActivityPropagation();
            if (options.AccessToken is { } accessToken)
            {
                client.AddOutgoingGrainCallFilter(new AccessTokenFilter(accessToken));
            }

            if (options.Tls is { } tls)
            {
                client.Configure<ClientConnectionOptions>(connection => connection.ConfigureConnection(
                    builder => builder.UseMiddleware(MutualTls.ForClient(tls))));
            }
        });
    }

    private static void ThrowIfIncomplete(EhrGrainsClientOptions options)
    {
        string?[] missing =
        [
            options.Gateways.Count == 0 ? nameof(options.Gateways) : null,
            options.ClusterId.Length == 0 ? nameof(options.ClusterId) : null,
            options.ServiceId.Length == 0 ? nameof(options.ServiceId) : null,
        ];
        if (missing.Any(name => name is not null))
        {
            throw new ArgumentException($"Set {string.Join(", ", missing.Where(name => name is not null))}.", nameof(options));
        }
    }
}
