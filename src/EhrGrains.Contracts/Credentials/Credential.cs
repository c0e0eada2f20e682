namespace EhrGrains.Contracts.Credentials;

/// <summary>How a client proves itself at a token endpoint (OAuth 2.0, OpenID Connect Core §9, SMART App Launch 2.2).</summary>
[GenerateSerializer, Alias("ehr.ClientAuthMethod")]
public enum ClientAuthMethod
{
    /// <summary><c>private_key_jwt</c> signed with ES384.</summary>
    PrivateKeyJwtEs384 = 0,

    /// <summary><c>private_key_jwt</c> signed with RS384.</summary>
    PrivateKeyJwtRs384 = 1,

    /// <summary><c>client_secret_basic</c>.</summary>
    ClientSecretBasic = 2,

    /// <summary><c>client_secret_post</c>.</summary>
    ClientSecretPost = 3,
}

/// <summary>Where a credential is in its life.</summary>
[GenerateSerializer, Alias("ehr.CredentialState")]
public enum CredentialState
{
    /// <summary>Made and, for a key, published; not yet tried.</summary>
    Staged = 0,

    /// <summary>The hospital took it in a real token request.</summary>
    Verified = 1,

    /// <summary>The one that tokens are asked with.</summary>
    Active = 2,

    /// <summary>The previous one: still published and the fall-back until the overlap ends.</summary>
    Retiring = 3,

    /// <summary>Out of use; its secret is destroyed.</summary>
    Retired = 4,
}

/// <summary>What can be said of a credential.</summary>
[GenerateSerializer, Immutable, Alias("ehr.CredentialSummary")]
public sealed record CredentialSummary
{
    /// <summary>Counts the tenant's credentials, from 1.</summary>
    [Id(0)]
    public required int Version { get; init; }

    /// <summary>How it authenticates.</summary>
    [Id(1)]
    public required ClientAuthMethod Method { get; init; }

    /// <summary>Where it is in its life.</summary>
    [Id(2)]
    public required CredentialState State { get; init; }

    /// <summary>The key id in the tenant's JWKS; null for a client secret.</summary>
    [Id(3)]
    public string? KeyId { get; init; }

    /// <summary>When it was made.</summary>
    [Id(4)]
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it became active; null if it never was.</summary>
    [Id(5)]
    public DateTimeOffset? ActivatedAt { get; init; }

    /// <summary>When it was (or, while retiring, will be) retired.</summary>
    [Id(6)]
    public DateTimeOffset? RetiredAt { get; init; }

    /// <summary>Why it is where it is, when that needs saying: for example what the hospital answered.</summary>
    [Id(7)]
    public string? Note { get; init; }
}

/// <summary>A credential to add.</summary>
[GenerateSerializer, Immutable, Alias("ehr.NewCredential")]
public sealed record NewCredential
{
    /// <summary>How it authenticates.</summary>
    [Id(0)]
    public required ClientAuthMethod Method { get; init; }

    /// <summary>The secret that the hospital issued; only, and always, for the client secret methods.</summary>
    [Id(1)]
    public SecretText? Secret { get; init; }
}

/// <summary>What a rotation did, step by step.</summary>
[GenerateSerializer, Immutable, Alias("ehr.RotationReceipt")]
public sealed record RotationReceipt
{
    /// <summary>The credential that was active before; null if there was none.</summary>
    [Id(0)]
    public int? Previous { get; init; }

    /// <summary>The credential that is active now.</summary>
    [Id(1)]
    public int? Active { get; init; }

    /// <summary>True when the new credential is the active one.</summary>
    [Id(2)]
    public required bool Succeeded { get; init; }

    /// <summary>What happened in order; the last one is the outcome.</summary>
    [Id(3)]
    public required RotationStep[] Steps { get; init; }
}

/// <summary>One step of a rotation.</summary>
[GenerateSerializer, Immutable, Alias("ehr.RotationStep")]
public sealed record RotationStep([property: Id(0)] DateTimeOffset At, [property: Id(1)] string What);

/// <summary>
/// A credential as it travels between grains: its secret (PKCS#8 or UTF-8 text) sealed under the tenant's credential key with
/// the tenant and version as associated data, so that only a silo can open it and only as what it is.
/// </summary>
[GenerateSerializer, Immutable, Alias("ehr.SealedCredential")]
public sealed record SealedCredential(
    [property: Id(0)] int Version,
    [property: Id(1)] ClientAuthMethod Method,
    [property: Id(2)] CredentialState State,
    [property: Id(3)] string? KeyId,
    [property: Id(4)] byte[] SealedSecret);
