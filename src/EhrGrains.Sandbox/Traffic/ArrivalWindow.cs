namespace EhrGrains.Sandbox.Traffic;

/// <summary>
/// Counts arrivals in the second that ends now, exactly: every arrival's time stamp is kept until it is a second old. The ring
/// is bounded; beyond <see cref="Capacity"/> arrivals in one second the count stays there and says no more than "at least".
/// Not thread-safe: its owner locks.
/// </summary>
internal sealed class ArrivalWindow(TimeProvider time)
{
    public const int Capacity = 65_536;

    private readonly long[] stamps = new long[Capacity];
    private int oldest;
    private int count;

    /// <summary>Arrivals in the last second, those older dropped: an arrival exactly a second ago counts no more.</summary>
    public int Count(long now)
    {
        while (count > 0 && now - stamps[oldest] >= time.TimestampFrequency)
        {
            oldest = (oldest + 1) % Capacity;
            count--;
        }

        return count;
    }

    /// <summary>Adds an arrival; call <see cref="Count"/> with the same time first.</summary>
    public void Add(long now)
    {
        if (count == Capacity)
        {
            oldest = (oldest + 1) % Capacity;
            count--;
        }

        stamps[(oldest + count) % Capacity] = now;
        count++;
    }

    /// <summary>How long until the oldest arrival counts no more.</summary>
    public TimeSpan UntilOldestLeaves(long now) =>
        count == 0 ? TimeSpan.Zero : time.GetElapsedTime(now, stamps[oldest] + time.TimestampFrequency);
}
