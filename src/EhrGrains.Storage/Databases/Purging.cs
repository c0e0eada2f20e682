namespace EhrGrains.Storage.Databases;

/// <summary>Deleting what has expired, now and then, by whoever comes by.</summary>
internal static class Purging
{
    /// <summary>True for one caller in each period.</summary>
    /// <param name="last">When it was due last, in microseconds; 0 at first.</param>
    /// <param name="period">How often.</param>
    /// <param name="time">The clock.</param>
    internal static bool IsDue(ref long last, TimeSpan period, TimeProvider time)
    {
        var now = time.GetUtcNow().ToMicroseconds();
        var seen = Interlocked.Read(ref last);
        return now - seen >= period.TotalMicroseconds && Interlocked.CompareExchange(ref last, now, seen) == seen;
    }
}
