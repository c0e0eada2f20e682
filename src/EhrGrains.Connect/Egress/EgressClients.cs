using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using EhrGrains.Connect.Ehr;
using EhrGrains.Contracts.Tenants;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Connect.Egress;

/// <summary>
/// Deals out the HTTP clients that talk with hospitals and webhooks: one connection pool per tenant, purpose and content of its egress rules, so that
/// pools, TLS sessions and trust never mix tenants, and a changed rule never meets an old connection. Thread-safe.
/// </summary>
public sealed partial class EgressClients : IDisposable
{
    private static readonly TimeSpan SweepPeriod = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<PoolKey, Pool> pools = new();
    private readonly ConcurrentQueue<(HttpClient Client, DateTimeOffset At)> retired = new();
    private readonly Func<string, CancellationToken, Task<IPAddress[]>> resolve;
    private readonly ConnectOptions options;
    private readonly TimeProvider time;
    private readonly ConnectMetrics metrics;
    private readonly ILogger<EgressClients> log;
    private readonly ITimer sweep;

    /// <summary>Creates the clients; they resolve names as the machine does.</summary>
    public EgressClients(ConnectOptions options, TimeProvider time, ConnectMetrics metrics, ILogger<EgressClients> log)
        : this(options, time, metrics, log, Dns.GetHostAddressesAsync)
    {
    }

    internal EgressClients(
        ConnectOptions options,
        TimeProvider time,
        ConnectMetrics metrics,
        ILogger<EgressClients> log,
        Func<string, CancellationToken, Task<IPAddress[]>> resolve)
    {
        this.options = options;
        this.time = time;
        this.metrics = metrics;
        this.log = log;
        this.resolve = resolve;
        sweep = time.CreateTimer(static state => ((EgressClients)state!).Sweep(), this, SweepPeriod, SweepPeriod);
    }

    internal int Count => pools.Count;

    /// <summary>
    /// The client of a tenant's connection. It follows no redirects, keeps no cookies, uses no proxy and adds no header of its own.
    /// Do not dispose of it, and ask again for the next request.
    /// </summary>
    /// <exception cref="ProblemException">Invalid: the private networks or trusted certificates cannot be read.</exception>
    public HttpClient For(TenantId tenant, ConnectionSpec connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        return For(tenant, EgressPurpose.Hospital, connection.PrivateNetworks, connection.TrustedCertificates);
    }

    /// <summary>The client of a tenant's webhooks, whose receivers are the operator's: other connections than those to the hospital.</summary>
    /// <exception cref="ProblemException">Invalid: the private networks cannot be read.</exception>
    public HttpClient ForWebhooks(TenantId tenant, IReadOnlyList<string> privateNetworks, string? trustedCertificates) =>
        For(tenant, EgressPurpose.Webhook, privateNetworks, trustedCertificates);

    /// <inheritdoc/>
    public void Dispose()
    {
        sweep.Dispose();
        foreach (var pool in pools.Values)
        {
            pool.Client.Dispose();
        }

        while (retired.TryDequeue(out var old))
        {
            old.Client.Dispose();
        }
    }

    private HttpClient For(TenantId tenant, EgressPurpose purpose, IReadOnlyList<string> privateNetworks, string? trustedCertificates)
    {
        var key = new PoolKey(tenant, purpose, string.Join(',', privateNetworks), trustedCertificates);
        if (!pools.TryGetValue(key, out var pool))
        {
            pool = Add(key, privateNetworks);
        }

        pool.LastUsed = time.GetUtcNow();
        return pool.Client;
    }

    private Pool Add(PoolKey key, IReadOnlyList<string> privateNetworks)
    {
        if (pools.Count >= options.PoolsMax && pools.MinBy(static p => p.Value.LastUsed) is { Value: not null } oldest)
        {
            Retire(oldest.Key, "full");
        }

        var made = new Pool(Create(privateNetworks, key.TrustedCertificates), time.GetUtcNow());
        var pool = pools.GetOrAdd(key, made);
        if (!ReferenceEquals(pool, made))
        {
            made.Client.Dispose();
        }

        return pool;
    }

    private HttpClient Create(IReadOnlyList<string> privateNetworks, string? trustedCertificates)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false, // a redirect would carry the request, and its header, to another host (I7)
            UseCookies = false,
            UseProxy = false,
            Credentials = null,
            AutomaticDecompression = DecompressionMethods.None, // bytes on the wire are the bytes that are counted
            RequestHeaderEncodingSelector = BudgetPermit.OnHeaderWritten,
            ActivityHeadersPropagator = null, // no traceparent, tracestate or baggage to a hospital
            ConnectTimeout = options.ConnectTimeout,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5), // names are resolved anew
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
            MaxConnectionsPerServer = options.ConnectionsPerServerMax,
            MaxResponseHeadersLength = options.ResponseHeadersMaxKilobytes,
            MaxResponseDrainSize = 64 * 1024,
            ResponseDrainTimeout = TimeSpan.FromSeconds(2),
            SslOptions = new SslClientAuthenticationOptions
            {
                // Named on purpose: a machine's configuration must not allow less.
                EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                CertificateChainPolicy = TenantTrust.ChainPolicy(trustedCertificates),
            },
        };
        var guard = new EgressGuard(AddressRules.For(privateNetworks), handler, resolve, time);
        return new HttpClient(guard, disposeHandler: true)
        {
            Timeout = Timeout.InfiniteTimeSpan, // each caller has its own deadline, on the injected clock
            MaxResponseContentBufferSize = options.TokenAnswerBytesMax, // for answers read whole by the OAuth client
        };
    }

    private void Sweep()
    {
        var now = time.GetUtcNow();
        foreach (var (key, pool) in pools)
        {
            if (now - pool.LastUsed >= options.PoolIdle)
            {
                Retire(key, "idle");
            }
        }

        // What was dealt out may still be in use: a client is closed only after every request on it must have ended.
        while (retired.TryPeek(out var old) && now - old.At >= options.TotalTimeout + options.BodyTimeout && retired.TryDequeue(out old))
        {
            old.Client.Dispose();
        }
    }

    private void Retire(PoolKey key, string reason)
    {
        if (pools.TryRemove(key, out var pool))
        {
            retired.Enqueue((pool.Client, time.GetUtcNow()));
            metrics.PoolRetired(reason);
            PoolWasRetired(log, key.Tenant, reason);
        }
    }

    [LoggerMessage(2501, LogLevel.Debug, "Connections of tenant {Tenant} were closed: {Reason}")]
    private static partial void PoolWasRetired(ILogger logger, TenantId tenant, string reason);

    private enum EgressPurpose
    {
        Hospital,
        Webhook,
    }

    private sealed record PoolKey(TenantId Tenant, EgressPurpose Purpose, string PrivateNetworks, string? TrustedCertificates);

    private sealed class Pool(HttpClient client, DateTimeOffset lastUsed)
    {
        private long lastUsedTicks = lastUsed.UtcTicks;

        public HttpClient Client { get; } = client;

        public DateTimeOffset LastUsed
        {
            get => new(Volatile.Read(ref lastUsedTicks), TimeSpan.Zero);
            set => Volatile.Write(ref lastUsedTicks, value.UtcTicks);
        }
    }
}
