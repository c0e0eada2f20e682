namespace EhrGrains.Grains.Webhooks;

/// <summary>How patiently deliveries are tried; published in docs/webhooks.md. Pure.</summary>
internal static class DeliveryPolicy
{
    /// <summary>After this long of failing a webhook gives up: it waits for somebody, and so do its changes.</summary>
    internal static readonly TimeSpan GiveUpAfter = TimeSpan.FromHours(72);

    /// <summary>The longest that a receiver's Retry-After is followed.</summary>
    internal static readonly TimeSpan RetryAfterMax = TimeSpan.FromHours(1);

    /// <summary>The waits after the first failure, the second, and so on.</summary>
    internal static readonly TimeSpan[] Delays =
    [
        TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(15),
        TimeSpan.FromHours(1), TimeSpan.FromHours(2), TimeSpan.FromHours(4), TimeSpan.FromHours(8),
    ];

    /// <summary>
    /// The wait after that many failures in a row, a fifth more or less by chance (<paramref name="chance"/>, 0–1), so that what failed
    /// together does not come back together; not shorter than the receiver asks for.
    /// </summary>
    internal static TimeSpan Delay(int failures, TimeSpan? retryAfter, double chance)
    {
        var delay = Delays[Math.Clamp(failures - 1, 0, Delays.Length - 1)] * (0.8 + (0.4 * chance));
        var asked = retryAfter is { } wait && wait > TimeSpan.Zero ? (wait < RetryAfterMax ? wait : RetryAfterMax) : TimeSpan.Zero;
        return asked > delay ? asked : delay;
    }
}
