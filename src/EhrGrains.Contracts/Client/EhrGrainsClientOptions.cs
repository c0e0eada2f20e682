using System.Net;

namespace EhrGrains.Contracts.Client;

/// <summary>How an application reaches a cluster as an Orleans client.</summary>
public sealed class EhrGrainsClientOptions
{
    /// <summary>Gateway endpoints of the cluster's silos; at least one. The client balances over them and leaves out dead ones.</summary>
    public IList<IPEndPoint> Gateways { get; } = [];

    /// <summary>The cluster's id, as its silos have it.</summary>
    public string ClusterId { get; set; } = "";

    /// <summary>The service id, as its silos have it.</summary>
    public string ServiceId { get; set; } = "";

    /// <summary>
    /// Gives the app's access token for one call; called before each, so it should answer from memory and get a new token from
    /// the token endpoint only when the one in hand is about to expire. Null: calls are made as nobody, and only what is public
    /// is answered.
    /// </summary>
    public Func<CancellationToken, ValueTask<string>>? AccessToken { get; set; }

    /// <summary>Mutual TLS with the gateways; null: plain, which a cluster takes on loopback alone.</summary>
    public MutualTlsOptions? Tls { get; set; }

    /// <summary>How long a call may take when its method does not say. Default 30 s.</summary>
    public TimeSpan ResponseTimeout { get; set; } = TimeSpan.FromSeconds(30);
}
