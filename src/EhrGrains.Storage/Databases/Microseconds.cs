namespace EhrGrains.Storage.Databases;

/// <summary>Times are stored as microseconds since 1970 in UTC: one type on both databases, and exact in a hash.</summary>
internal static class Microseconds
{
    internal static long ToMicroseconds(this DateTimeOffset time) => (time - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    internal static DateTimeOffset FromMicroseconds(long microseconds) =>
        DateTimeOffset.UnixEpoch.AddTicks(microseconds * TimeSpan.TicksPerMicrosecond);
}
