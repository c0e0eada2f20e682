using EhrGrains.Contracts.Tokens;

namespace EhrGrains.Grains.Tokens;

/// <summary>What is stored of a token session, so that an activation that moved does not ask the hospital again.</summary>
[GenerateSerializer, Immutable, Alias("ehr.state.TokenSession")]
internal sealed record TokenSessionState
{
    /// <summary>Tokens fetched in the session's life. Goes on after a reset, so that a serial never names two tokens.</summary>
    [Id(0)]
    public long Serial { get; init; }

    [Id(1)]
    public AccessToken? Token { get; init; }

    /// <summary>The credential that the token was got with.</summary>
    [Id(2)]
    public int? CredentialVersion { get; init; }
}
