using System.ComponentModel.DataAnnotations;
using EhrGrains.Connect;
using EhrGrains.Connect.Mllp;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Credentials;
using EhrGrains.Grains.Webhooks;
using EhrGrains.Storage.Databases;
using Microsoft.Extensions.Options;

namespace EhrGrains.Silo.Configuration;

/// <summary>How a silo runs.</summary>
public enum SiloMode
{
    /// <summary>One process on loopback with a SQLite file; makes its own keys and its first administrator.</summary>
    Embedded,

    /// <summary>One of several silos over PostgreSQL; every key and certificate is given.</summary>
    Cluster,
}

/// <summary>
/// The settings of a silo, section <c>EhrGrains</c>. Read from appsettings.json, environment (<c>EhrGrains__Silo__Port</c>) and
/// command line (<c>--EhrGrains:Silo:Port=…</c>), later ones first. docs/reference/configuration.md is made from this class.
/// </summary>
public sealed class SiloOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "EhrGrains";

    /// <summary>Embedded or cluster. Default embedded.</summary>
    public SiloMode Mode { get; set; } = SiloMode.Embedded;

    /// <summary>Embedded mode: where the database, the root key and operator.json are. Default <c>ehrgrains-data</c>.</summary>
    [Required]
    public string DataDirectory { get; set; } = "ehrgrains-data";

    /// <summary>File of the root key. Default in embedded mode: <c>root.key</c> in the data directory, made if missing.</summary>
    public string? RootKeyFile { get; set; }

    /// <summary>HTTP: FHIR, admin, OAuth, health.</summary>
    [ValidateObjectMembers]
    public HttpOptions Http { get; set; } = new();

    /// <summary>The Orleans ports.</summary>
    [ValidateObjectMembers]
    public SiloEndpointOptions Silo { get; set; } = new();

    /// <summary>The database.</summary>
    public DatabaseOptions Database { get; set; } = new();

    /// <summary>Mutual TLS on the Orleans ports.</summary>
    public TlsOptions Tls { get; set; } = new();

    /// <summary>What the cluster is called.</summary>
    public ClusterIdOptions Cluster { get; set; } = new();

    /// <summary>
    /// Whose access tokens are taken. Default issuer: the public URL, or <c>Http:Url</c>; default audience <c>ehrgrains</c>. With
    /// an external issuer there is no <c>/oauth/token</c> here.
    /// </summary>
    [ValidateObjectMembers]
    public AccessTokenOptions Auth { get; set; } = new();

    /// <summary>The first administrator.</summary>
    public BootstrapOptions Bootstrap { get; set; } = new();

    /// <summary>Bounds of the FHIR gateway.</summary>
    [ValidateObjectMembers]
    public GatewayOptions Gateway { get; set; } = new();

    /// <summary>The MLLP listeners of HL7 v2 feeds.</summary>
    [ValidateObjectMembers]
    public MllpListenerOptions Mllp { get; set; } = new();

    /// <summary>How hospitals are talked with.</summary>
    [ValidateObjectMembers]
    public ConnectOptions Connect { get; set; } = new();

    /// <summary>How credentials are rotated.</summary>
    [ValidateObjectMembers]
    public CredentialOptions Credentials { get; set; } = new();

    /// <summary>Where webhooks may be delivered.</summary>
    public WebhookOptions Webhooks { get; set; } = new();
}

/// <summary>HTTP settings.</summary>
public sealed class HttpOptions
{
    /// <summary>What to listen on. Port 0: any free one. Default <c>http://127.0.0.1:8080</c>.</summary>
    [Required]
    public string Url { get; set; } = "http://127.0.0.1:8080";

    /// <summary>
    /// How clients reach it, when a proxy is in front: links in answers begin with it. Default: as the request says. Required to
    /// be https (or loopback) when <see cref="Url"/> is plain http on more than loopback.
    /// </summary>
    public string? PublicUrl { get; set; }

    /// <summary>
    /// Seconds to go on serving after readiness has turned false and before connections are closed, so that load balancers
    /// notice. 0–300. Default 0 embedded, 5 in a cluster.
    /// </summary>
    [Range(0, 300)]
    public int? DrainSeconds { get; set; }
}

/// <summary>
/// MLLP listeners. Plain MLLP has neither secrecy nor a sender that can be known, so it stays on loopback until
/// <see cref="PlainAddress"/> says otherwise: a VPN ends on that address, or a stunnel on this machine.
/// </summary>
public sealed class MllpListenerOptions
{
    /// <summary>The IP address that the TLS listener is bound to. Default 127.0.0.1.</summary>
    [Required]
    public string Address { get; set; } = "127.0.0.1";

    /// <summary>The IP address that the plain listener is bound to. Default 127.0.0.1.</summary>
    [Required]
    public string PlainAddress { get; set; } = "127.0.0.1";

    /// <summary>Port of the plain listener. 0: any free one. Default 2575.</summary>
    [Range(0, 65535)]
    public int Port { get; set; } = 2575;

    /// <summary>Port of the TLS listener, which is there when <see cref="Certificate"/> is set. 0: any free one. Default 2576.</summary>
    [Range(0, 65535)]
    public int TlsPort { get; set; } = 2576;

    /// <summary>PEM file of the TLS listener's certificate, intermediates after it. Default: no TLS listener.</summary>
    public string? Certificate { get; set; }

    /// <summary>PEM file of its private key.</summary>
    public string? Key { get; set; }

    /// <summary>
    /// PEM file of the authorities whose client certificates are taken; every client must then show one. Default: a client
    /// certificate is optional and need not be issued by anybody: feeds know it by its SHA-256.
    /// </summary>
    public string? ClientAuthorities { get; set; }

    /// <summary>Bounds of both listeners.</summary>
    [ValidateObjectMembers]
    public MllpOptions Limits { get; set; } = new();

    /// <summary>Whether there is a TLS listener.</summary>
    internal bool HasTls => !string.IsNullOrWhiteSpace(Certificate);
}

/// <summary>Orleans ports.</summary>
public sealed class SiloEndpointOptions
{
    /// <summary>The IP address that silos and clients reach this silo at. Default: <c>POD_IP</c>, or 127.0.0.1.</summary>
    public string? Address { get; set; }

    /// <summary>Port between silos. 0: any free one. Default 11111.</summary>
    [Range(0, 65535)]
    public int Port { get; set; } = 11111;

    /// <summary>Port for Orleans clients. 0: any free one. Default 30000.</summary>
    [Range(0, 65535)]
    public int GatewayPort { get; set; } = 30000;
}

/// <summary>Database settings.</summary>
public sealed class DatabaseOptions
{
    /// <summary>Sqlite or PostgreSql. Default Sqlite embedded, PostgreSql in a cluster.</summary>
    public DatabaseKind? Kind { get; set; }

    /// <summary>ADO.NET connection string. Default in embedded mode: <c>ehrgrains.db</c> in the data directory.</summary>
    public string? ConnectionString { get; set; }
}

/// <summary>PEM files for mutual TLS on the Orleans ports; all three or none. Required off loopback.</summary>
public sealed class TlsOptions
{
    /// <summary>Certificate, intermediates after it; names the cluster id as a DNS name.</summary>
    public string? Certificate { get; set; }

    /// <summary>Its private key.</summary>
    public string? Key { get; set; }

    /// <summary>The certificates that are trusted as issuers.</summary>
    public string? Authority { get; set; }

    /// <summary>Whether mutual TLS is configured.</summary>
    internal bool IsSet => !string.IsNullOrWhiteSpace(Certificate);
}

/// <summary>Cluster identity.</summary>
public sealed class ClusterIdOptions
{
    /// <summary>Cluster id: who is in the cluster. Default: <c>ORLEANS_CLUSTER_ID</c>, or <c>ehrgrains</c> in embedded mode.</summary>
    public string? Id { get; set; }

    /// <summary>Service id: scopes stored state, never changed. Default: <c>ORLEANS_SERVICE_ID</c>, or <c>ehrgrains</c> in embedded mode.</summary>
    public string? Service { get; set; }
}

/// <summary>The first administrator.</summary>
public sealed class BootstrapOptions
{
    /// <summary>App id of the first administrator. Default <c>operator</c>.</summary>
    public string App { get; set; } = "operator";

    /// <summary>File with its public keys (JWKS). Required in a cluster; embedded mode makes a key and writes operator.json.</summary>
    public string? JwksFile { get; set; }
}

/// <summary>Bounds of the FHIR gateway.</summary>
public sealed class GatewayOptions
{
    /// <summary>
    /// Requests of one app under way on this silo; more are answered 429 at once. A coarse shield for this process: the
    /// hospital's contract is kept by the site budget. 1–10,000. Default 256.
    /// </summary>
    [Range(1, 10_000)]
    public int ConcurrentRequestsPerApp { get; set; } = 256;

    /// <summary>Bytes of a request body: a search form, a token request, a tenant. 1,024–10,485,760. Default 1 MiB.</summary>
    [Range(1_024, 10_485_760)]
    public int RequestBodyBytesMax { get; set; } = 1_048_576;
}
