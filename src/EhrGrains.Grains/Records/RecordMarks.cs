using EhrGrains.Contracts.Records;

namespace EhrGrains.Grains.Records;

/// <summary>
/// Which messages of a feed a record has taken, as ascending positions. It has all up to the first one, which the feed had settled; of
/// later ones, of which a crash may leave some done and some not, exactly those that are named. Pure.
/// </summary>
internal static class RecordMarks
{
    /// <summary>Whether a message was taken.</summary>
    internal static bool Has(IReadOnlyDictionary<string, long[]> marks, RecordSource source) =>
        marks.TryGetValue(source.Name, out var positions)
        && (source.Position <= Floor(positions, source.Settled) || positions.Contains(source.Position));

    /// <summary>The positions with one more, without those that no longer matter.</summary>
    internal static long[] With(long[]? positions, RecordSource source) => Bounded([.. positions ?? [0], source.Position], source.Settled);

    /// <summary>The positions of two records that have become one.</summary>
    internal static long[] Union(long[]? positions, long[] others) =>
        Bounded([.. positions ?? [0], .. others], Math.Max(positions?[0] ?? 0, others[0]));

    private static long[] Bounded(long[] positions, long settled)
    {
        var floor = Floor(positions, settled);
        return [floor, .. positions.Where(position => position > floor).Distinct().Order()];
    }

    // An activation that was overtaken may believe that less is settled than what the record was told by the next one.
    private static long Floor(long[] positions, long settled) => Math.Max(positions[0], positions.Where(position => position <= settled).DefaultIfEmpty(0).Max());
}
