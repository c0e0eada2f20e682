using System.Security.Cryptography.X509Certificates;

namespace EhrGrains.Sandbox;

/// <summary>What the simulated hospitals are made of. Bound from the section <c>Sandbox</c> when the sandbox runs by itself.</summary>
public sealed record SandboxOptions
{
    /// <summary>The EHR products that there are hospitals of, in order of port.</summary>
    public static IReadOnlyList<string> Products { get; } = [.. SandboxHost.Known.Select(hospital => hospital.Vendor.Facts.Vendor)];

    /// <summary>The products whose hospitals are opened; null: all of <see cref="Products"/>.</summary>
    public IReadOnlyList<string>? Vendors { get; init; }

    /// <summary>
    /// Port of the first hospital; each product has its place after it. 0: the operating system chooses each. Default 9101.
    /// </summary>
    public int BasePort { get; init; } = 9101;

    /// <summary>
    /// The IP address to listen on. Default 127.0.0.1; the admin endpoints answer loopback callers only, whatever this is.
    /// </summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>The host name in the URLs that the hospitals publish; null: <see cref="Host"/>.</summary>
    public string? PublicHost { get; init; }

    /// <summary>Serves HTTPS with this certificate; null: plain HTTP.</summary>
    public X509Certificate2? Certificate { get; init; }

    /// <summary>The same seed makes the same patients, byte for byte. Default 1.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>
    /// Synthetic patients per hospital, 0–20,000; 0 with <see cref="DataDirectory"/> set: only those of the folder. Default 220.
    /// </summary>
    public int Patients { get; init; } = 220;

    /// <summary>
    /// A folder of FHIR JSON (resources, collection or transaction Bundles) and NDJSON files that every hospital serves besides
    /// the synthetic patients. References to <c>urn:uuid:</c> are rewritten to the resource they mean. Null: none.
    /// </summary>
    public string? DataDirectory { get; init; }

    /// <summary>
    /// Where the hospitals fetch our public keys: <c>{JwksBase}/tenants/{tenant}/jwks.json</c>. Default http://127.0.0.1:8080.
    /// </summary>
    public string JwksBase { get; init; } = "http://127.0.0.1:8080";

    /// <summary>When the sandbox runs by itself: port of an application that takes webhooks. 0: there is none. Default 9104.</summary>
    public int WebhookPort { get; init; } = 9104;

    /// <summary>Settings of single hospitals by vendor, one of <see cref="Products"/>.</summary>
    public IReadOnlyDictionary<string, SiteOptions> Sites { get; init; } = new Dictionary<string, SiteOptions>();

    /// <summary>The hospitals' clock: token and search session expiry, rate limits. The charts do not depend on it.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>Settings of one simulated hospital; null: what its vendor does.</summary>
public sealed record SiteOptions
{
    /// <summary>FHIR requests that the contract allows in any second; more are answered 429. 0: unlimited.</summary>
    public int? RequestsPerSecond { get; init; }

    /// <summary>Lifetime of access tokens in seconds.</summary>
    public int? TokenLifetimeSeconds { get; init; }

    /// <summary>A search with more matches than this is refused as too large, where the product does that.</summary>
    public int? MatchesMax { get; init; }

    /// <summary>How many questions about a bulk export are answered that it is being prepared. Default 2.</summary>
    public int? ExportPolls { get; init; }

    /// <summary>What <c>Retry-After</c> says then, in seconds. Default 1; the products say ten minutes and more.</summary>
    public int? ExportRetryAfterSeconds { get; init; }

    /// <summary>How long after an export of a group the next one of it is allowed, in seconds.</summary>
    public int? ExportEverySeconds { get; init; }

    /// <summary>How long a <c>next</c> link works, in seconds.</summary>
    public int? SearchSessionSeconds { get; init; }

    /// <summary>How long after a look at a client's keys an unknown key id makes the hospital look again, in seconds. 0: at once. Default 1.</summary>
    public int? KeyRefetchSeconds { get; init; }
}
