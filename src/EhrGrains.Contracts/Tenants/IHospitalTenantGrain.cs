using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Credentials;
using Orleans.Concurrency;

namespace EhrGrains.Contracts.Tenants;

/// <summary>One hospital tenant: its connection, lifecycle, credential versions and grants. Key: <see cref="GrainKeys.Tenant"/>.</summary>
[Alias("ehr.IHospitalTenantGrain")]
public interface IHospitalTenantGrain : IGrainWithStringKey
{
    /// <summary>
    /// States what the tenant is: creates it as draft, or updates it to <paramref name="spec"/>. Idempotent. With
    /// <paramref name="dryRun"/> nothing is changed and the differences are those that would be made.
    /// </summary>
    /// <exception cref="ProblemException">Invalid: the spec has errors, all of them listed by path.</exception>
    [Alias("Register"), Requires(Permission.Operate)]
    Task<TenantChange> RegisterAsync(TenantSpec spec, bool dryRun, CancellationToken cancellationToken);

    /// <summary>Replaces the connection alone.</summary>
    [Alias("UpdateConnection"), Requires(Permission.Operate)]
    Task<TenantChange> UpdateConnectionAsync(ConnectionSpec connection, CancellationToken cancellationToken);

    /// <summary>Describes the tenant.</summary>
    /// <exception cref="ProblemException">NotFound: not registered.</exception>
    [Alias("Describe"), Requires(Permission.Operate), AlwaysInterleave]
    Task<TenantDescription> DescribeAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Moves the tenant on. Allowed: draft → sandbox → uat → live, any of them (and draft) one or more steps forward when an
    /// active credential exists; any → suspended; suspended → where it was or back to draft; any → offboarded, which cannot be
    /// undone and destroys the tenant's keys.
    /// </summary>
    [Alias("ChangeLifecycle"), Requires(Permission.Operate)]
    Task<TenantDescription> ChangeLifecycleAsync(Lifecycle lifecycle, string reason, CancellationToken cancellationToken);

    /// <summary>Gives an app rights here, replacing those it had. Scopes are SMART v2 system scopes.</summary>
    [Alias("Grant"), Requires(Permission.Administer)]
    Task GrantAsync(AppId app, string[] scopes, CancellationToken cancellationToken);

    /// <summary>Takes an app's rights here away; effective on every silo within 5 s.</summary>
    [Alias("Revoke"), Requires(Permission.Administer)]
    Task RevokeAsync(AppId app, CancellationToken cancellationToken);

    /// <summary>
    /// Adds a credential and leaves it staged. For a private key the key pair is made here and its public half is published
    /// at once in the tenant's JWKS; for a client secret the secret is the one given.
    /// </summary>
    [Alias("AddCredential"), Requires(Permission.Administer)]
    Task<CredentialSummary> AddCredentialAsync(NewCredential credential, CancellationToken cancellationToken);

    /// <summary>
    /// Checks a staged credential with a real token request and, when the hospital takes it, makes it the active one.
    /// </summary>
    /// <exception cref="ProblemException">CheckFailed: the hospital refused it; it stays staged.</exception>
    [Alias("ActivateCredential"), Requires(Permission.Administer), ResponseTimeout("00:05:00")]
    Task<CredentialSummary> ActivateCredentialAsync(int version, CancellationToken cancellationToken);

    /// <summary>
    /// The whole walk: stage a new credential, publish it, verify it with a real token request, make it active, keep the
    /// previous one as fall-back until the overlap is over. When verification fails the previous credential stays active and
    /// the receipt says why.
    /// </summary>
    [Alias("RotateCredential"), Requires(Permission.Administer), ResponseTimeout("00:05:00")]
    Task<RotationReceipt> RotateCredentialAsync(NewCredential credential, CancellationToken cancellationToken);

    /// <summary>The tenant's public keys (RFC 7517), as UTF-8 JSON: staged, verified, active and retiring ones.</summary>
    [Alias("GetJsonWebKeySet"), Requires(Permission.Public), AlwaysInterleave]
    Task<byte[]> GetJsonWebKeySetAsync(CancellationToken cancellationToken);

    /// <summary>What the silo needs to serve queries; cached per silo for at most 5 s.</summary>
    [Alias("GetSnapshot"), Requires(Permission.Internal), AlwaysInterleave]
    Task<TenantSnapshot> GetSnapshotAsync(CancellationToken cancellationToken);

    /// <summary>The usable credentials in order of use (active, then retiring), their secrets still sealed under the tenant's key.</summary>
    [Alias("GetSealedCredentials"), Requires(Permission.Internal), AlwaysInterleave]
    Task<SealedCredential[]> GetSealedCredentialsAsync(CancellationToken cancellationToken);

    /// <summary>Pins the token endpoint that discovery found; a different one later is refused until an operator updates the connection.</summary>
    [Alias("PinTokenEndpoint"), Requires(Permission.Internal), AlwaysInterleave]
    Task<string> PinTokenEndpointAsync(string tokenEndpoint, CancellationToken cancellationToken);

    /// <summary>Makes what a look at the site found hold (<see cref="TenantSnapshot.ProbedProfile"/>); null: the vendor profile as it is.</summary>
    [Alias("AdoptProbedProfile"), Requires(Permission.Internal), AlwaysInterleave]
    Task AdoptProbedProfileAsync(string? profile, CancellationToken cancellationToken);
}

/// <summary>The part of a tenant that serving a query needs.</summary>
[GenerateSerializer, Immutable, Alias("ehr.TenantSnapshot")]
public sealed record TenantSnapshot
{
    /// <summary>What the operator stated.</summary>
    [Id(0)]
    public required TenantSpec Spec { get; init; }

    /// <summary>Where the tenant is.</summary>
    [Id(1)]
    public required Lifecycle Lifecycle { get; init; }

    /// <summary>Which apps may do what here.</summary>
    [Id(2)]
    public required Grant[] Grants { get; init; }

    /// <summary>The tenant's version.</summary>
    [Id(3)]
    public required long Version { get; init; }

    /// <summary>The token endpoint that was discovered and pinned; null before the first discovery.</summary>
    [Id(4)]
    public string? PinnedTokenEndpoint { get; init; }

    /// <summary>What a look at the site found to differ from the vendor profile, in the form of <see cref="ConnectionSpec.Profile"/>; null: nothing.</summary>
    [Id(5)]
    public string? ProbedProfile { get; init; }
}
