using EhrGrains.Contracts.Callers;

namespace EhrGrains.Contracts.Tokens;

/// <summary>
/// One OAuth session with a hospital: refreshes ahead of expiry, once for any number of callers.
/// Key: <see cref="GrainKeys.TokenSession"/>.
/// </summary>
[Alias("ehr.ITokenSessionGrain")]
public interface ITokenSessionGrain : IGrainWithStringKey
{
    /// <summary>
    /// A token that is still good, or why there is none. One that is due for refresh is answered at once, while the next one is
    /// fetched for those who come later.
    /// </summary>
    /// <param name="rejectedSerial">
    /// The serial of a token that is not wanted: the EHR answered 401 to it, or the caller has it and comes back for the next
    /// one; or 0. Only if it is still the current one a new one is fetched, and the answer waits for that.
    /// </param>
    /// <param name="cancellationToken">Ends the wait, not the refresh that others wait for.</param>
    [Alias("GetToken"), Requires(Permission.Internal)]
    Task<TokenResult> GetTokenAsync(long rejectedSerial, CancellationToken cancellationToken);

    /// <summary>What can be said of the session without the token.</summary>
    [Alias("Describe"), Requires(Permission.Operate)]
    Task<TokenSessionDescription> DescribeAsync(CancellationToken cancellationToken);

    /// <summary>Forgets the current token, so that the next caller gets a new one; used after the connection changed.</summary>
    [Alias("Reset"), Requires(Permission.Internal)]
    Task ResetAsync(CancellationToken cancellationToken);
}

/// <summary>An access token of a hospital. Prints without the token itself.</summary>
[GenerateSerializer, Immutable, Alias("ehr.AccessToken")]
public sealed class AccessToken(string value, long serial, DateTimeOffset refreshAt, DateTimeOffset expiresAt, string scope, string origin)
{
    /// <summary>The bearer token; only ever sent to <see cref="Origin"/> (I7).</summary>
    [Id(0)]
    public string Value { get; } = value;

    /// <summary>Counts the tokens of the session, from 1.</summary>
    [Id(1)]
    public long Serial { get; } = serial;

    /// <summary>When holders should come back for a new one.</summary>
    [Id(2)]
    public DateTimeOffset RefreshAt { get; } = refreshAt;

    /// <summary>When the EHR stops taking it.</summary>
    [Id(3)]
    public DateTimeOffset ExpiresAt { get; } = expiresAt;

    /// <summary>The scopes that were granted, which may be fewer than were asked for.</summary>
    [Id(4)]
    public string Scope { get; } = scope;

    /// <summary>The origin it may be sent to: scheme, host and port of the FHIR base URL.</summary>
    [Id(5)]
    public string Origin { get; } = origin;

    /// <summary>The header of a key that goes with every request beside the token; null where the vendor wants none.</summary>
    [Id(6)]
    public string? ApiKeyHeader { get; init; }

    /// <summary>That key; as the token, only ever sent to <see cref="Origin"/>.</summary>
    [Id(7)]
    public string? ApiKey { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"AccessToken #{Serial}";
}

/// <summary>A token or the reason there is none; exactly one of the two is set.</summary>
[GenerateSerializer, Immutable, Alias("ehr.TokenResult")]
public sealed record TokenResult
{
    /// <summary>The token.</summary>
    [Id(0)]
    public AccessToken? Token { get; init; }

    /// <summary>Why there is none.</summary>
    [Id(1)]
    public Problem? Failure { get; init; }

    /// <summary>True when asking again later may help.</summary>
    [Id(2)]
    public bool Transient { get; init; }
}

/// <summary>What can be said of a token session.</summary>
[GenerateSerializer, Immutable, Alias("ehr.TokenSessionDescription")]
public sealed record TokenSessionDescription
{
    /// <summary>Tokens fetched in this session's life.</summary>
    [Id(0)]
    public required long Serial { get; init; }

    /// <summary>When the current token ends; null if there is none.</summary>
    [Id(1)]
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>The granted scopes.</summary>
    [Id(2)]
    public string? Scope { get; init; }

    /// <summary>Why the last request for a token failed; null if it did not.</summary>
    [Id(3)]
    public Problem? LastFailure { get; init; }

    /// <summary>The version of the credential that the current token was got with.</summary>
    [Id(4)]
    public int? CredentialVersion { get; init; }
}
