using EhrGrains.Contracts.Tokens;

namespace EhrGrains.Grains.Tokens;

/// <summary>What a token is good for now.</summary>
internal enum TokenUse
{
    /// <summary>Use it.</summary>
    Fresh,

    /// <summary>Use it, and fetch the next one meanwhile.</summary>
    Due,

    /// <summary>There is none that can be used: wait for the next one.</summary>
    Gone,
}

/// <summary>When tokens are refreshed, and when a hospital that gives none is asked again. Pure.</summary>
internal static class TokenPolicy
{
    /// <summary>How often a hospital that refuses tokens it has just issued is asked for another.</summary>
    internal static readonly TimeSpan RejectionInterval = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan MarginMax = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan BackOffMax = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan RetryAfterMax = TimeSpan.FromMinutes(10);

    /// <summary>How long before its end a token is refreshed: 60 s, or a fifth of a short life.</summary>
    internal static TimeSpan Margin(TimeSpan life) => TimeSpan.FromTicks(Math.Min(MarginMax.Ticks, life.Ticks / 5));

    /// <summary>What a token is good for. Its last tenth of the margin is not used: the request must still arrive in time.</summary>
    internal static TokenUse Judge(AccessToken? token, long rejectedSerial, DateTimeOffset now)
    {
        if (token is null || token.Serial <= rejectedSerial)
        {
            return TokenUse.Gone;
        }

        return now < token.RefreshAt ? TokenUse.Fresh
            : now < token.ExpiresAt - ((token.ExpiresAt - token.RefreshAt) / 10) ? TokenUse.Due
            : TokenUse.Gone;
    }

    /// <summary>
    /// How long a hospital is left alone after so many failures in a row: 1 s, 2 s, 4 s … 1 min, or what it asked for up to
    /// 10 minutes; then up to a quarter more, so that silos do not come back together.
    /// </summary>
    /// <param name="failures">Failures in a row, from 1.</param>
    /// <param name="retryAfter">What the hospital asked for.</param>
    /// <param name="jitter">0 to 1.</param>
    internal static TimeSpan BackOff(int failures, TimeSpan? retryAfter, double jitter)
    {
        var grown = TimeSpan.FromSeconds(Math.Min(BackOffMax.TotalSeconds, Math.Pow(2, Math.Clamp(failures - 1, 0, 10))));
        var asked = retryAfter is { } wanted ? TimeSpan.FromTicks(Math.Clamp(wanted.Ticks, 0, RetryAfterMax.Ticks)) : TimeSpan.Zero;
        return (asked > grown ? asked : grown) * (1 + (0.25 * jitter));
    }
}
