namespace EhrGrains.Storage.Journal;

/// <summary>
/// The journal's parts, each dropped as a whole. A segment is named after the UTC day, counted from 1970, from which on its messages
/// are no longer kept. Longer retentions share coarser segments, so that there are at most some 230 of them.
/// </summary>
internal static class Segments
{
    internal const int RetentionDaysMax = 3650;

    /// <summary>
    /// How long a repetition is known as one: a sender repeats what was not acknowledged when the link is back, at the latest after
    /// some holidays. Each day more is one more index to look into for every message.
    /// </summary>
    internal const int DuplicateDays = 7;

    internal static long Today(DateTimeOffset now) => (now - DateTimeOffset.UnixEpoch).Days;

    /// <summary>The segment of a message that is received on a day and kept for so many whole days at least.</summary>
    internal static long Of(long day, int retentionDays)
    {
        var step = retentionDays switch { <= 60 => 1, <= 366 => 7, _ => 30 };
        var end = day + retentionDays + 1;
        return (end + step - 1) / step * step;
    }
}
