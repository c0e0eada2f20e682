using System.Globalization;

namespace EhrGrains.Sandbox.Charts;

/// <summary>Reads FHIR date, dateTime and instant (R4 datatypes) as the stretch of time that they mean.</summary>
internal static class FhirTime
{
    private static readonly (string Format, Func<DateTime, DateTime> Next)[] Local =
    [
        ("yyyy", time => time.AddYears(1)),
        ("yyyy-MM", time => time.AddMonths(1)),
        ("yyyy-MM-dd", time => time.AddDays(1)),
        ("yyyy-MM-ddTHH:mm", time => time.AddMinutes(1)),
        ("yyyy-MM-ddTHH:mm:ss", time => time.AddSeconds(1)),
    ];

    /// <summary>Without an offset the hospital's zone is meant.</summary>
    public static bool TryParse(string text, TimeZoneInfo zone, out DateTime from, out DateTime to)
    {
        foreach (var (format, next) in Local)
        {
            if (text.Length == format.Length
                && DateTime.TryParseExact(text, format, CultureInfo.InvariantCulture, DateTimeStyles.None, out var local))
            {
                from = ToUtc(local, zone);
                to = local.Year == 9999 ? DateTime.MaxValue : ToUtc(next(local), zone);
                return true;
            }
        }

        if (text.Contains('T', StringComparison.Ordinal)
            && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var instant))
        {
            from = instant.UtcDateTime;
            to = text.Contains('.', StringComparison.Ordinal) ? from.AddMilliseconds(1) : from.AddSeconds(1);
            return true;
        }

        from = to = default;
        return false;
    }

    private static DateTime ToUtc(DateTime local, TimeZoneInfo zone) =>
        // An hour that the clocks skipped: take it as if they had not.
        zone.IsInvalidTime(local) ? ToUtc(local.AddHours(1), zone) : TimeZoneInfo.ConvertTimeToUtc(local, zone);
}
