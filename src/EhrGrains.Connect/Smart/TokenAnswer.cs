namespace EhrGrains.Connect.Smart;

/// <summary>What a token endpoint answered: a token, or why there is none. Prints without the token.</summary>
public sealed record TokenAnswer
{
    /// <summary>The bearer token; null when there is none.</summary>
    public string? AccessToken { get; init; }

    /// <summary>
    /// How long it holds, counted from when it was asked for: the answer's <c>expires_in</c>, within 1 s and a day; the vendor profile's
    /// default when the answer has none or one that cannot be.
    /// </summary>
    public TimeSpan? ExpiresIn { get; init; }

    /// <summary>
    /// The granted scopes, which may be fewer than were asked for; those asked for when the answer names none (RFC 6749 §5.1).
    /// </summary>
    public string? Scope { get; init; }

    /// <summary>The header of an API key that goes with every request beside the token; null where the vendor wants none.</summary>
    public string? ApiKeyHeader { get; init; }

    /// <summary>That key, which was given with the client secret.</summary>
    public string? ApiKey { get; init; }

    /// <summary>Why there is no token; null on success. Never holds text of the answer.</summary>
    public Problem? Failure { get; init; }

    /// <summary>True when the hospital does not take the credential: another one may help, the same one will not.</summary>
    public bool InvalidClient { get; init; }

    /// <summary>True when the same request may succeed later.</summary>
    public bool Transient { get; init; }

    /// <summary>How long the hospital asked us to wait; null when it did not say.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Failure is null ? "TokenAnswer" : $"TokenAnswer {Failure.Code}";
}
