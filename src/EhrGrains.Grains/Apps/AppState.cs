using EhrGrains.Contracts.Apps;

namespace EhrGrains.Grains.Apps;

/// <summary>What is stored of an app.</summary>
[GenerateSerializer, Immutable, Alias("ehr.state.App")]
internal sealed record AppState
{
    /// <summary>What it is; null before it is registered.</summary>
    [Id(0)]
    public AppSpec? Spec { get; init; }

    /// <summary>HMAC-SHA-256 of the client secret; null for private_key_jwt.</summary>
    [Id(1)]
    public byte[]? SecretHash { get; init; }

    [Id(2)]
    public bool Disabled { get; init; }
}
