using EhrGrains.Contracts.Callers;
using Orleans.Concurrency;

namespace EhrGrains.Contracts.Apps;

/// <summary>What a client of the gateway is.</summary>
[GenerateSerializer, Alias("ehr.AppRole")]
public enum AppRole
{
    /// <summary>Queries FHIR at the tenants where it has a grant; nothing else.</summary>
    Application = 0,

    /// <summary>Onboards and watches tenants; sees no PHI.</summary>
    Operator = 1,

    /// <summary>An operator who also manages credentials, apps and grants.</summary>
    Admin = 2,
}

/// <summary>One app: how it authenticates at our token endpoint and what it is. Key: <see cref="GrainKeys.App"/>.</summary>
[Alias("ehr.IAppGrain")]
public interface IAppGrain : IGrainWithStringKey
{
    /// <summary>Registers the app, or replaces its registration. A client secret is made here and returned this once.</summary>
    /// <exception cref="ProblemException">Invalid: all errors by path.</exception>
    [Alias("Register"), Requires(Permission.Administer)]
    Task<AppRegistration> RegisterAsync(AppSpec spec, CancellationToken cancellationToken);

    /// <summary>Describes the app; null if it is not registered.</summary>
    [Alias("Describe"), Requires(Permission.Operate)]
    Task<AppSpec?> DescribeAsync(CancellationToken cancellationToken);

    /// <summary>Ends the app: it gets no new tokens and those it has are refused within 60 s.</summary>
    [Alias("Disable"), Requires(Permission.Administer)]
    Task DisableAsync(CancellationToken cancellationToken);

    /// <summary>What the token endpoint checks a client against; null if the app is not registered or disabled.</summary>
    [Alias("GetClient"), Requires(Permission.Internal), AlwaysInterleave]
    Task<AppClient?> GetClientAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Registers the app only if it does not exist yet; how a silo makes its first administrator from a key that its
    /// configuration names.
    /// </summary>
    [Alias("Bootstrap"), Requires(Permission.Internal)]
    Task BootstrapAsync(AppSpec spec, CancellationToken cancellationToken);
}

/// <summary>What an app is.</summary>
[GenerateSerializer, Immutable, Alias("ehr.AppSpec")]
public sealed record AppSpec
{
    /// <summary>The app's id and OAuth client id.</summary>
    [Id(0)]
    public required AppId App { get; init; }

    /// <summary>Its name, for people. 1–200 characters.</summary>
    [Id(1)]
    public required string DisplayName { get; init; }

    /// <summary>What it may be used for.</summary>
    [Id(2)]
    public AppRole Role { get; init; }

    /// <summary>Its public keys (a JWKS, RFC 7517) when it authenticates with private_key_jwt; null: it gets a client secret.</summary>
    [Id(3)]
    public string? JsonWebKeySet { get; init; }
}

/// <summary>The result of a registration.</summary>
/// <param name="App">The app.</param>
/// <param name="ClientSecret">The new client secret, shown this once; null for private_key_jwt.</param>
[GenerateSerializer, Immutable, Alias("ehr.AppRegistration")]
public sealed record AppRegistration([property: Id(0)] AppId App, [property: Id(1)] SecretText? ClientSecret);

/// <summary>An app as the token endpoint sees it.</summary>
/// <param name="Spec">What it is.</param>
/// <param name="SecretHash">HMAC-SHA-256 of the client secret; null for private_key_jwt.</param>
[GenerateSerializer, Immutable, Alias("ehr.AppClient")]
public sealed record AppClient([property: Id(0)] AppSpec Spec, [property: Id(1)] byte[]? SecretHash);
