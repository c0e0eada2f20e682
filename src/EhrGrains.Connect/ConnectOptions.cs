using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace EhrGrains.Connect;

/// <summary>The bounds of everything that is said to and heard from a hospital. Section <c>EhrGrains:Connect</c>.</summary>
public sealed class ConnectOptions
{
    /// <summary>
    /// How long opening a connection may take, TLS included. 1 s – 30 s; default 5 s: a hospital behind a VPN answers in less.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:00:30")]
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long the EHR may take to begin its answer, each time it is asked. 1 s – 2 min; default 20 s: a wide search takes several.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:02:00")]
    public TimeSpan AttemptTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// How long one request may take with its waits, tries and body. 1 s – 5 min; default 60 s: below the 90 s after which the
    /// caller of a query gives up.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan TotalTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a body may take from its first to its last byte. 1 s – 2 min; default 30 s.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:02:00")]
    public TimeSpan BodyTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The slowest body in bytes per second that is waited for, once <see cref="BodyGrace"/> is over. 1 – 1,000,000; default 1,024: less
    /// is a stuck line or a peer that holds connections on purpose.
    /// </summary>
    [Range(1, 1_000_000)]
    public int BodyBytesPerSecondMin { get; set; } = 1024;

    /// <summary>How long a body may be slow. 0.1 s – 1 min; default 5 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:01:00")]
    public TimeSpan BodyGrace { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// The largest answer in bytes. 1 kB – 32 MB; default 32 MB: a page of 1,000 resources with notes. What is made of it has to fit
    /// into one message to an Orleans client.
    /// </summary>
    [Range(1024, 32 * 1024 * 1024)]
    public int BodyBytesMax { get; set; } = 32 * 1024 * 1024;

    /// <summary>The largest discovery document in bytes. 1 kB – 32 MB; default 4 MB: a large CapabilityStatement has 1 to 2.</summary>
    [Range(1024, 32 * 1024 * 1024)]
    public int DiscoveryBytesMax { get; set; } = 4 * 1024 * 1024;

    /// <summary>The largest answer of a token endpoint in bytes. 1 kB – 1 MB; default 64 kB: tokens with many scopes have 20.</summary>
    [Range(1024, 1024 * 1024)]
    public int TokenAnswerBytesMax { get; set; } = 64 * 1024;

    /// <summary>The longest line of a bulk file in bytes. 1 kB – 32 MB; default 16 MB: a longer one is left and counted.</summary>
    [Range(1024, 32 * 1024 * 1024)]
    public int BulkLineBytesMax { get; set; } = 16 * 1024 * 1024;

    /// <summary>The largest bulk file in bytes, unpacked. 1 MB – 1 TB; default 64 GB: vendors cut at some thousand resources a file.</summary>
    [Range(1024L * 1024, 1L << 40)]
    public long BulkFileBytesMax { get; set; } = 64L << 30;

    /// <summary>How long a token request or one step of discovery may take. 1 s – 1 min; default 20 s.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:01:00")]
    public TimeSpan TokenTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// How long a client assertion holds. 30 s – 5 min (SMART App Launch 2.2: at most five minutes); default 2 min: a hospital's clock
    /// may be two minutes ahead of ours or three behind.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:30", "00:05:00")]
    public TimeSpan AssertionLifetime { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>
    /// How often a safe request is tried again. 0 – 5; default 2: more would spend the site budget on a hospital that is down.
    /// </summary>
    [Range(0, 5)]
    public int RetriesMax { get; set; } = 2;

    /// <summary>
    /// The first wait before another try; each further one is about twice as long, with jitter. 10 ms – 10 s; default 250 ms.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.01", "00:00:10")]
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// The longest Retry-After that is waited for inside a request; a longer one is handed to the caller. 0 – 1 min; default 10 s:
    /// someone waits for the answer.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:01:00")]
    public TimeSpan RetryAfterWaitMax { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Requests within <see cref="CircuitWindow"/> before a tenant's circuit may open. 2 – 1,000; default 10.</summary>
    [Range(2, 1000)]
    public int CircuitRequestsMin { get; set; } = 10;

    /// <summary>The share of failed requests that opens the circuit. 0.01 – 1; default 0.5.</summary>
    [Range(0.01, 1.0)]
    public double CircuitFailureRatio { get; set; } = 0.5;

    /// <summary>The window that failures are counted in. 1 s – 10 min; default 30 s.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan CircuitWindow { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long an open circuit lets nothing through before one request probes the hospital. 1 s – 10 min; default 30 s.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan CircuitBreak { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Tenants whose circuit is remembered. 1 – 100,000; default 10,000; the longest unused is forgotten first, that is, closed.
    /// </summary>
    [Range(1, 100_000)]
    public int CircuitsMax { get; set; } = 10_000;

    /// <summary>Connection pools kept. 1 – 100,000; default 2,000; the longest unused is closed first.</summary>
    [Range(1, 100_000)]
    public int PoolsMax { get; set; } = 2_000;

    /// <summary>After how long an unused connection pool is closed. 1 min – 1 day; default 10 min.</summary>
    [Range(typeof(TimeSpan), "00:01:00", "1.00:00:00")]
    public TimeSpan PoolIdle { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>Connections to one server of a tenant. 1 – 10,000; default 64; the site budget is what really bounds them.</summary>
    [Range(1, 10_000)]
    public int ConnectionsPerServerMax { get; set; } = 64;

    /// <summary>The longest response headers in kB. 1 – 1,024; default 32.</summary>
    [Range(1, 1024)]
    public int ResponseHeadersMaxKilobytes { get; set; } = 32;
}

[OptionsValidator]
internal sealed partial class ConnectOptionsValidator : IValidateOptions<ConnectOptions>;
