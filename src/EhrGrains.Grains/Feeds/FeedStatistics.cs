using System.Collections.Immutable;
using EhrGrains.Contracts.Feeds;

namespace EhrGrains.Grains.Feeds;

/// <summary>
/// What came hour by hour, by type and by leniency. Bounded: the newest 24 hours that had messages, 64 types and as many warnings
/// an hour, what is beyond counts as <c>other</c>. Pure.
/// </summary>
internal static class FeedStatistics
{
    internal const int HoursMax = 24;
    internal const int NamesMax = 64;
    internal const string Other = "other";

    /// <summary>The hours with one more message in them.</summary>
    internal static ImmutableArray<FeedHour> Add(
        ImmutableArray<FeedHour> hours, DateTimeOffset receivedAt, string type, IReadOnlyCollection<string> warnings)
    {
        var at = new DateTimeOffset(receivedAt.UtcDateTime.Date.AddHours(receivedAt.UtcDateTime.Hour), TimeSpan.Zero);
        var index = 0;
        while (index < hours.Length && hours[index].Hour > at)
        {
            index++;
        }

        var isNew = index == hours.Length || hours[index].Hour != at;
        var hour = isNew ? new FeedHour(at, [], []) : hours[index];
        hour = hour with { Types = Count(hour.Types, type), Warnings = warnings.Aggregate(hour.Warnings, Count) };
        if (!isNew)
        {
            return hours.SetItem(index, hour);
        }

        hours = hours.Insert(index, hour);
        return hours.Length > HoursMax ? hours.RemoveAt(HoursMax) : hours;
    }

    private static FeedCount[] Count(FeedCount[] counts, string name)
    {
        var index = Array.FindIndex(counts, count => count.Name == name);
        if (index < 0 && counts.Length >= NamesMax - 1 && name != Other)
        {
            return Count(counts, Other);
        }

        return index < 0
            ? [.. counts, new FeedCount(name, 1)]
            : [.. counts[..index], counts[index] with { Count = counts[index].Count + 1 }, .. counts[(index + 1)..]];
    }
}
