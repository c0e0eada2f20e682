using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Credentials;

namespace EhrGrains.Contracts.Tenants;

/// <summary>All that can be said of a tenant without a secret.</summary>
[GenerateSerializer, Immutable, Alias("ehr.TenantDescription")]
public sealed record TenantDescription
{
    /// <summary>What the operator stated.</summary>
    [Id(0)]
    public required TenantSpec Spec { get; init; }

    /// <summary>Where the tenant is.</summary>
    [Id(1)]
    public required Lifecycle Lifecycle { get; init; }

    /// <summary>Its credentials, newest first. Retired ones are kept as a record without key material.</summary>
    [Id(2)]
    public required CredentialSummary[] Credentials { get; init; }

    /// <summary>Which apps may do what here.</summary>
    [Id(3)]
    public required Grant[] Grants { get; init; }

    /// <summary>Counts every committed change of the tenant, from 1.</summary>
    [Id(4)]
    public required long Version { get; init; }

    /// <summary>The token endpoint that was discovered and pinned; null before the first discovery.</summary>
    [Id(5)]
    public string? PinnedTokenEndpoint { get; init; }

    /// <summary>What a look at the site found to differ from the vendor profile, in the form of <see cref="ConnectionSpec.Profile"/>; null: nothing.</summary>
    [Id(6)]
    public string? ProbedProfile { get; init; }
}

/// <summary>An app's rights at one tenant.</summary>
/// <param name="App">The app.</param>
/// <param name="Scopes">SMART v2 system scopes, for example <c>system/Patient.rs</c>.</param>
[GenerateSerializer, Immutable, Alias("ehr.Grant")]
public sealed record Grant([property: Id(0)] AppId App, [property: Id(1)] string[] Scopes);

/// <summary>One line of the tenant directory.</summary>
[GenerateSerializer, Immutable, Alias("ehr.TenantListing")]
public sealed record TenantListing(
    [property: Id(0)] TenantId Tenant,
    [property: Id(1)] string DisplayName,
    [property: Id(2)] string Vendor,
    [property: Id(3)] TenantEnvironment Environment,
    [property: Id(4)] Lifecycle Lifecycle);

/// <summary>What a register or update did: the differences by path, secrets left out.</summary>
/// <param name="Created">True when the tenant did not exist before.</param>
/// <param name="Differences">What changed; empty: nothing.</param>
/// <param name="Version">The tenant's version now.</param>
[GenerateSerializer, Immutable, Alias("ehr.TenantChange")]
public sealed record TenantChange(
    [property: Id(0)] bool Created,
    [property: Id(1)] Difference[] Differences,
    [property: Id(2)] long Version);

/// <summary>One changed setting.</summary>
[GenerateSerializer, Immutable, Alias("ehr.Difference")]
public sealed record Difference([property: Id(0)] string Path, [property: Id(1)] string? Before, [property: Id(2)] string? After);
