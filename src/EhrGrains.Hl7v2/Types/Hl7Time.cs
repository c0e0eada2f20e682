using System.Globalization;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Types;

/// <summary>How far a time was stated. A sender that writes <c>2023</c> does not mean the first of January.</summary>
public enum Hl7TimePrecision
{
    /// <summary>The year only.</summary>
    Year,

    /// <summary>Year and month.</summary>
    Month,

    /// <summary>The day.</summary>
    Day,

    /// <summary>The hour.</summary>
    Hour,

    /// <summary>The minute.</summary>
    Minute,

    /// <summary>The second.</summary>
    Second,

    /// <summary>A fraction of a second.</summary>
    Fraction,
}

/// <summary>
/// DTM, TS or DT: a point in time as precisely as it was stated, with its offset from UTC where one was stated (HL7 v2.5.1
/// chapter 2.A). What was not stated is the least that it could be; <see cref="Precision"/> says what was.
/// </summary>
/// <param name="Local">The time at its own place.</param>
/// <param name="Precision">How far it was stated.</param>
/// <param name="Offset">Its offset from UTC; null when it was not stated: it is then the sender's local time.</param>
/// <param name="FractionDigits">Digits of the fraction: 1 to 7; 0 when there is none. Further digits are left out.</param>
public readonly record struct Hl7Time(DateTime Local, Hl7TimePrecision Precision, TimeSpan? Offset, int FractionDigits)
{
    /// <summary>
    /// Reads <c>YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]</c>, the second component of a TS (degree of precision), and what
    /// senders write beside the standard: <c>T</c> before the hour, <c>Z</c> for UTC, more digits of the fraction, ISO 8601 dashes
    /// and colons. False for what is no time: <c>00000000</c>, the 30th of February, an empty or null value.
    /// </summary>
    public static bool TryRead(Hl7Value value, out Hl7Time time)
    {
        var isRead = TryRead(value.Component(1).Raw, out time);
        var degree = value.Component(2).Raw;
        if (isRead && degree.Length == 1 && "YLDHMS"u8.IndexOf(degree[0]) is >= 0 and var stated && stated < (int)time.Precision)
        {
            time = time with { Precision = (Hl7TimePrecision)stated, FractionDigits = 0 };
        }

        return isRead;
    }

    /// <inheritdoc cref="TryRead(Hl7Value, out Hl7Time)"/>
    public static bool TryRead(ReadOnlySpan<byte> text, out Hl7Time time)
    {
        time = default;
        text = text.Trim((byte)' ');
        var digits = new TimeDigits(text);
        if (!digits.TryTake(4, out var year) || year is 0 or > 9999)
        {
            return false;
        }

        Span<int> parts = [1, 1, 0, 0, 0];
        ReadOnlySpan<(int Least, int Most)> ranges = [(1, 12), (1, 31), (0, 23), (0, 59), (0, 59)];
        var precision = Hl7TimePrecision.Year;
        for (var i = 0; i < parts.Length; i++)
        {
            digits.SkipSeparator(precision);
            if (!digits.TryTake(2, out var part))
            {
                break;
            }

            if (part < ranges[i].Least || part > ranges[i].Most)
            {
                return false;
            }

            parts[i] = part;
            precision++;
        }

        long fraction = 0;
        var fractionDigits = 0;
        if (precision == Hl7TimePrecision.Second && digits.TryTakeFraction(out fraction, out fractionDigits))
        {
            precision = Hl7TimePrecision.Fraction;
        }

        if (!digits.TryTakeOffset(out var offset) || parts[1] > DateTime.DaysInMonth(year, parts[0]))
        {
            return false;
        }

        var local = new DateTime(year, parts[0], parts[1], parts[2], parts[3], parts[4], DateTimeKind.Unspecified).AddTicks(fraction);
        time = new Hl7Time(local, precision, offset, fractionDigits);
        return true;
    }

    /// <summary>
    /// The instant; <paramref name="zone"/> is the sender's, for times that state no offset. Null when only a date was stated: a date
    /// is no instant. A time that a clock change skips is moved on as a clock would; one that occurs twice is the first.
    /// </summary>
    public DateTimeOffset? ToInstant(TimeZoneInfo zone)
    {
        ArgumentNullException.ThrowIfNull(zone);
        if (Precision < Hl7TimePrecision.Hour)
        {
            return null;
        }

        var offset = Offset
            ?? (zone.IsAmbiguousTime(Local) ? zone.GetAmbiguousTimeOffsets(Local).Max() : zone.GetUtcOffset(Local));
        var utcTicks = Local.Ticks - offset.Ticks;
        return utcTicks < DateTime.MinValue.Ticks || utcTicks > DateTime.MaxValue.Ticks ? null : new DateTimeOffset(Local, offset);
    }

    /// <summary>ISO 8601, as far as it was stated: <c>2023-01</c>, <c>2023-01-31T12:30-05:00</c>.</summary>
    public override string ToString()
    {
        var format = Precision switch
        {
            Hl7TimePrecision.Year => "yyyy",
            Hl7TimePrecision.Month => "yyyy-MM",
            Hl7TimePrecision.Day => "yyyy-MM-dd",
            Hl7TimePrecision.Hour => "yyyy-MM-dd'T'HH",
            Hl7TimePrecision.Minute => "yyyy-MM-dd'T'HH:mm",
            Hl7TimePrecision.Second => "yyyy-MM-dd'T'HH:mm:ss",
            _ => "yyyy-MM-dd'T'HH:mm:ss." + new string('f', FractionDigits),
        };
        return Local.ToString(format, CultureInfo.InvariantCulture) + TimeDigits.Offset(Offset);
    }
}

/// <summary>TM: a time of day as precisely as it was stated, with its offset from UTC where one was stated (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="Time">The time.</param>
/// <param name="Precision">How far it was stated.</param>
/// <param name="Offset">Its offset from UTC; null when it was not stated.</param>
public readonly record struct Hl7TimeOfDay(TimeOnly Time, Hl7TimePrecision Precision, TimeSpan? Offset)
{
    /// <summary>Reads <c>HH[MM[SS[.S[S[S[S]]]]]][+/-ZZZZ]</c>; colons are tolerated. False for what is no time of day.</summary>
    public static bool TryRead(Hl7Value value, out Hl7TimeOfDay time)
    {
        time = default;
        var digits = new TimeDigits(value.Component(1).Raw.Trim((byte)' '));
        if (!digits.TryTake(2, out var hour) || hour > 23)
        {
            return false;
        }

        var precision = Hl7TimePrecision.Hour;
        int minute = 0, second = 0;
        long fraction = 0;
        digits.SkipSeparator(precision);
        if (digits.TryTake(2, out minute))
        {
            precision++;
            digits.SkipSeparator(precision);
            if (digits.TryTake(2, out second))
            {
                precision = digits.TryTakeFraction(out fraction, out _) ? Hl7TimePrecision.Fraction : Hl7TimePrecision.Second;
            }
        }

        if (minute > 59 || second > 59 || !digits.TryTakeOffset(out var offset))
        {
            return false;
        }

        time = new Hl7TimeOfDay(new TimeOnly(hour, minute, second).Add(TimeSpan.FromTicks(fraction)), precision, offset);
        return true;
    }
}

/// <summary>Takes the digits of a time one part after another.</summary>
internal ref struct TimeDigits(ReadOnlySpan<byte> text)
{
    private const int TickDigits = 7;
    private ReadOnlySpan<byte> rest = text;

    internal bool TryTake(int count, out int number)
    {
        number = 0;
        if (rest.Length < count || rest[..count].ContainsAnyExceptInRange((byte)'0', (byte)'9'))
        {
            return false;
        }

        foreach (var digit in rest[..count])
        {
            number = (number * 10) + digit - '0';
        }

        rest = rest[count..];
        return true;
    }

    /// <summary>Skips what ISO 8601 puts between two parts, when digits follow: <c>-</c> between date parts, <c>T</c>, <c>:</c>.</summary>
    internal void SkipSeparator(Hl7TimePrecision after)
    {
        var separator = after switch
        {
            Hl7TimePrecision.Year or Hl7TimePrecision.Month => (byte)'-',
            Hl7TimePrecision.Day => (byte)'T',
            _ => (byte)':',
        };

        // A dash and four digits at the end are an offset: 2023-0500.
        var isOffset = separator == '-' && rest.Length == 5 && !rest[1..].ContainsAnyExceptInRange((byte)'0', (byte)'9');
        if (rest.Length >= 3 && rest[0] == separator && char.IsAsciiDigit((char)rest[1]) && !isOffset)
        {
            rest = rest[1..];
        }
    }

    internal bool TryTakeFraction(out long ticks, out int digits)
    {
        ticks = 0;
        digits = 0;
        if (rest.Length < 2 || rest[0] != '.' || !char.IsAsciiDigit((char)rest[1]))
        {
            return false;
        }

        var count = rest[1..].IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        count = count < 0 ? rest.Length - 1 : count;
        for (var i = 0; i < TickDigits; i++)
        {
            ticks = (ticks * 10) + (i < count ? rest[i + 1] - '0' : 0);
        }

        digits = Math.Min(count, TickDigits);
        rest = rest[(count + 1)..];
        return true;
    }

    /// <summary>False when something stands there that is no offset.</summary>
    internal bool TryTakeOffset(out TimeSpan? offset)
    {
        offset = null;
        if (rest.IsEmpty)
        {
            return true;
        }

        if (rest is [(byte)'Z'])
        {
            offset = TimeSpan.Zero;
            return true;
        }

        var sign = rest[0];
        rest = rest[1..];
        if (sign is not ((byte)'+' or (byte)'-') || !TryTake(2, out var hours))
        {
            return false;
        }

        rest = rest is [(byte)':', ..] ? rest[1..] : rest;
        if (!TryTake(2, out var minutes) || hours > 14 || minutes > 59 || !rest.IsEmpty)
        {
            return false;
        }

        var size = new TimeSpan(hours, minutes, 0);
        offset = sign == '-' ? -size : size;
        return size <= TimeSpan.FromHours(14);
    }

    internal static string Offset(TimeSpan? offset) =>
        offset is not { } stated ? ""
        : stated == TimeSpan.Zero ? "Z"
        : (stated < TimeSpan.Zero ? "-" : "+") + stated.ToString(@"hh\:mm", CultureInfo.InvariantCulture);
}
