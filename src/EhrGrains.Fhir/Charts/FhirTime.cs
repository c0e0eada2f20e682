using System.Globalization;

namespace EhrGrains.Fhir.Charts;

/// <summary>A stretch of time in UTC ticks, from its beginning up to, and without, its end.</summary>
internal readonly record struct TimeRange(long From, long To)
{
    internal static readonly TimeRange Always = new(long.MinValue, long.MaxValue);

    internal bool Contains(TimeRange other) => From <= other.From && other.To <= To;

    internal bool Overlaps(TimeRange other) => From < other.To && other.From < To;
}

/// <summary>
/// Reads FHIR dates and times of any precision as the stretch of time that they stand for (R4 search.html#date): <c>2024-05</c> is all of
/// May. What has no offset is meant in the hospital's zone.
/// </summary>
internal static class FhirTime
{
    internal static bool TryRead(ReadOnlySpan<char> text, TimeZoneInfo zone, out TimeRange range)
    {
        range = default;
        if (!TryNumber(text, 0, 4, 1, 9999, out var year))
        {
            return false;
        }

        if (text.Length == 4)
        {
            return Local(new DateTime(year, 1, 1), static d => d.AddYears(1), zone, out range);
        }

        if (text[4] != '-' || !TryNumber(text, 5, 2, 1, 12, out var month))
        {
            return false;
        }

        if (text.Length == 7)
        {
            return Local(new DateTime(year, month, 1), static d => d.AddMonths(1), zone, out range);
        }

        if (text[7] != '-' || !TryNumber(text, 8, 2, 1, DateTime.DaysInMonth(year, month), out var day))
        {
            return false;
        }

        var date = new DateTime(year, month, day);
        return text.Length == 10
            ? Local(date, static d => d.AddDays(1), zone, out range)
            : text[10] == 'T' && TryReadTime(text[11..], date, zone, out range);
    }

    // hh:mm[:ss[.fff…]][Z|±hh:mm]; minutes alone are allowed in searches only, and harmless elsewhere.
    private static bool TryReadTime(ReadOnlySpan<char> text, DateTime date, TimeZoneInfo zone, out TimeRange range)
    {
        range = default;
        if (!TryNumber(text, 0, 2, 0, 24, out var hour) || text.Length < 5 || text[2] != ':' || !TryNumber(text, 3, 2, 0, 59, out var minute))
        {
            return false;
        }

        var ticks = (hour * TimeSpan.TicksPerHour) + (minute * TimeSpan.TicksPerMinute);
        var precision = TimeSpan.TicksPerMinute;
        var at = 5;
        if (text.Length > 5 && text[5] == ':')
        {
            if (!TryNumber(text, 6, 2, 0, 60, out var second))
            {
                return false;
            }

            ticks += second * TimeSpan.TicksPerSecond;
            precision = TimeSpan.TicksPerSecond;
            at = 8;
            if (text.Length > 8 && text[8] == '.')
            {
                var digits = text[9..].IndexOfAnyExceptInRange('0', '9');
                digits = digits < 0 ? text.Length - 9 : digits;
                if (digits == 0)
                {
                    return false;
                }

                for (var i = 0; i < Math.Min(digits, 7); i++)
                {
                    precision /= 10;
                    ticks += (text[9 + i] - '0') * precision;
                }

                at = 9 + digits;
            }
        }

        if (ticks > TimeSpan.TicksPerDay || date.Ticks > DateTime.MaxValue.Ticks - ticks - precision)
        {
            return false;
        }

        var local = date.AddTicks(ticks);
        if (!TryReadOffset(text[at..], local, zone, out var offset))
        {
            return false;
        }

        range = new TimeRange(local.Ticks - offset.Ticks, local.Ticks - offset.Ticks + precision);
        return true;
    }

    private static bool TryReadOffset(ReadOnlySpan<char> text, DateTime local, TimeZoneInfo zone, out TimeSpan offset)
    {
        offset = default;
        if (text.IsEmpty)
        {
            offset = zone.GetUtcOffset(local);
            return true;
        }

        if (text is "Z")
        {
            return true;
        }

        // A '+' that was not escaped in a URL arrives as a space.
        if (text.Length != 6 || text[0] is not ('+' or '-' or ' ') || text[3] != ':'
            || !TryNumber(text, 1, 2, 0, 14, out var hours) || !TryNumber(text, 4, 2, 0, 59, out var minutes))
        {
            return false;
        }

        offset = new TimeSpan(hours, minutes, 0) * (text[0] == '-' ? -1 : 1);
        return true;
    }

    private static bool Local(DateTime start, Func<DateTime, DateTime> next, TimeZoneInfo zone, out TimeRange range)
    {
        // The last year, month and day that there are have no next one.
        var end = start.Year == 9999 ? DateTime.MaxValue : next(start);
        range = new TimeRange(start.Ticks - zone.GetUtcOffset(start).Ticks, end.Ticks - zone.GetUtcOffset(end).Ticks);
        return true;
    }

    private static bool TryNumber(ReadOnlySpan<char> text, int start, int length, int min, int max, out int number)
    {
        number = 0;
        return text.Length >= start + length
            && int.TryParse(text.Slice(start, length), NumberStyles.None, CultureInfo.InvariantCulture, out number)
            && number >= min && number <= max;
    }
}
