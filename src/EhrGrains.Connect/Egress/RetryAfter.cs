using System.Globalization;

namespace EhrGrains.Connect.Egress;

/// <summary>Reads <c>Retry-After</c> (RFC 9110 §10.2.3): seconds or an HTTP date, and whatever else servers write there.</summary>
internal static class RetryAfter
{
    /// <summary>No server is waited for longer on its own word; a maintenance of hours is asked after every ten minutes.</summary>
    public static readonly TimeSpan Max = TimeSpan.FromMinutes(10);

    private const NumberStyles Seconds = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint;

    /// <summary>The wait, within 0 and <see cref="Max"/>; null when the header is absent or says nothing.</summary>
    public static TimeSpan? Of(HttpResponseMessage response, DateTimeOffset now) =>
        response.Headers.TryGetValues("Retry-After", out var values)
            ? Parse(values.FirstOrDefault(), response.Headers.Date ?? now)
            : null;

    /// <summary>Reads the header's value; a date is compared with the server's own clock (<c>Date</c>) when it told the time.</summary>
    public static TimeSpan? Parse(string? value, DateTimeOffset serverNow)
    {
        value = value?.Trim();
        if (string.IsNullOrEmpty(value))
        {
            return null;
        }

        if (double.TryParse(value, Seconds, CultureInfo.InvariantCulture, out var seconds)
            && !double.IsNaN(seconds))
        {
            return TimeSpan.FromSeconds(Math.Clamp(seconds, 0, Max.TotalSeconds));
        }

        return DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var date)
            ? Clamp(date - serverNow)
            : null;
    }

    private static TimeSpan Clamp(TimeSpan wait) => wait < TimeSpan.Zero ? TimeSpan.Zero : wait > Max ? Max : wait;
}
