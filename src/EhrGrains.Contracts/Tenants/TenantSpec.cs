using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Sync;

namespace EhrGrains.Contracts.Tenants;

/// <summary>What kind of hospital system the tenant is.</summary>
[GenerateSerializer, Alias("ehr.TenantEnvironment")]
public enum TenantEnvironment
{
    /// <summary>A vendor's sandbox or a simulated hospital: no real patients.</summary>
    Sandbox = 0,

    /// <summary>Real patients.</summary>
    Production = 1,
}

/// <summary>Where a tenant is on its way to real traffic. Queries are served in sandbox, uat and live.</summary>
[GenerateSerializer, Alias("ehr.Lifecycle")]
public enum Lifecycle
{
    /// <summary>Registered; nothing is sent to the hospital except credential checks.</summary>
    Draft = 0,

    /// <summary>Open for the operator's own tests.</summary>
    Sandbox = 1,

    /// <summary>Open for acceptance tests with the hospital.</summary>
    Uat = 2,

    /// <summary>In production.</summary>
    Live = 3,

    /// <summary>Stopped for now; nothing is sent to the hospital. Can go back to where it was.</summary>
    Suspended = 4,

    /// <summary>Ended for good; its keys are destroyed.</summary>
    Offboarded = 5,
}

/// <summary>
/// Everything that an operator states about a tenant: the content of its YAML file and of <c>tenant add</c>. Secrets are not
/// part of it. <c>TenantSpecRules</c> is the one validator on every path.
/// </summary>
[GenerateSerializer, Immutable, Alias("ehr.TenantSpec")]
public sealed record TenantSpec
{
    /// <summary>The tenant's id.</summary>
    [Id(0)]
    public required string Tenant { get; init; }

    /// <summary>The hospital's name, for people. 1–200 characters.</summary>
    [Id(1)]
    public required string DisplayName { get; init; }

    /// <summary>Sandbox or production.</summary>
    [Id(2)]
    public TenantEnvironment Environment { get; init; }

    /// <summary>IANA zone of the hospital's clocks, for example <c>America/Chicago</c>: dates without a zone mean this one.</summary>
    [Id(3)]
    public required string TimeZone { get; init; }

    /// <summary>The FHIR endpoint.</summary>
    [Id(4)]
    public required ConnectionSpec Connection { get; init; }

    /// <summary>What the hospital's contract allows.</summary>
    [Id(5)]
    public BudgetSpec Budget { get; init; } = new();

    /// <summary>The HL7 v2 feeds; at most 100.</summary>
    [Id(6)]
    public FeedSpec[] Feeds { get; init; } = [];

    /// <summary>What the hospital's HL7 v2 messages mean beyond the standard.</summary>
    [Id(7)]
    public MappingSpec Mapping { get; init; } = new();

    /// <summary>
    /// How old the patient record may be, in seconds, to answer in place of the EHR: a default for the <c>max-age</c> of queries that
    /// state none. 0–31,536,000; default 0: the EHR is asked.
    /// </summary>
    [Id(8)]
    public int RecordAgeMaxSeconds { get; init; }

    /// <summary>What is copied of the tenant's patients.</summary>
    [Id(9)]
    public SyncSpec Sync { get; init; } = new();
}

/// <summary>The tenant's FHIR endpoint, its vendor profile, its trust and egress rules.</summary>
[GenerateSerializer, Immutable, Alias("ehr.ConnectionSpec")]
public sealed record ConnectionSpec
{
    /// <summary>
    /// Id of the vendor profile: <c>epic</c>, <c>oracle-health</c>, <c>athenahealth</c>, <c>meditech</c>, <c>veradigm</c>, <c>modmed</c>,
    /// <c>modmed-ema</c>, or <c>us-core</c> for any other certified EHR.
    /// </summary>
    [Id(0)]
    public required string Vendor { get; init; }

    /// <summary>The FHIR base URL exactly as the hospital published it; https, except on loopback in a sandbox.</summary>
    [Id(1)]
    public required string BaseUrl { get; init; }

    /// <summary>The client id that the hospital or its vendor gave us.</summary>
    [Id(2)]
    public required string ClientId { get; init; }

    /// <summary>How we authenticate at the token endpoint.</summary>
    [Id(3)]
    public ClientAuthMethod AuthMethod { get; init; } = ClientAuthMethod.PrivateKeyJwtEs384;

    /// <summary>Scopes to ask for, as this EHR writes them. Empty: what the vendor profile asks for.</summary>
    [Id(4)]
    public string[] Scopes { get; init; } = [];

    /// <summary>
    /// The token endpoint when discovery cannot be trusted or is absent; null: from <c>.well-known/smart-configuration</c>, else
    /// the CapabilityStatement. Once discovered it is pinned: another endpoint later is refused.
    /// </summary>
    [Id(5)]
    public string? TokenEndpoint { get; init; }

    /// <summary>The <c>aud</c> of client assertions; null: the token endpoint (SMART App Launch 2.2, client-confidential-asymmetric).</summary>
    [Id(6)]
    public string? AssertionAudience { get; init; }

    /// <summary>Vendor settings that the profile's templates use, for example <c>practice</c> at athenahealth.</summary>
    [Id(7)]
    public Dictionary<string, string> Settings { get; init; } = [];

    /// <summary>CIDR ranges outside the public internet that this tenant may be reached at (a VPN), for example <c>10.20.0.0/16</c>.</summary>
    [Id(8)]
    public string[] PrivateNetworks { get; init; } = [];

    /// <summary>PEM certificates of the hospital's own certificate authority; null: the public ones.</summary>
    [Id(9)]
    public string? TrustedCertificates { get; init; }

    /// <summary>
    /// What differs at this site from the vendor profile, as YAML in the profile's own form; null: nothing. Mappings are merged,
    /// everything else replaces what the profile says.
    /// </summary>
    [Id(10)]
    public string? Profile { get; init; }
}

/// <summary>What a hospital's contract allows, counted over all silos.</summary>
[GenerateSerializer, Immutable, Alias("ehr.BudgetSpec")]
public sealed record BudgetSpec
{
    /// <summary>Requests allowed in any window of <see cref="WindowSeconds"/>. 1–100,000; default 10.</summary>
    [Id(0)]
    public int Requests { get; init; } = 10;

    /// <summary>Length of the window in seconds. 1–3,600; default 1.</summary>
    [Id(1)]
    public int WindowSeconds { get; init; } = 1;

    /// <summary>Requests under way at one time. 1–10,000; default 8.</summary>
    [Id(2)]
    public int Concurrency { get; init; } = 8;

    /// <summary>Requests per UTC day; null: no daily quota.</summary>
    [Id(3)]
    public long? DailyQuota { get; init; }
}
