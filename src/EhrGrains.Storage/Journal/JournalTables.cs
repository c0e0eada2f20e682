using EhrGrains.Storage.Databases;

namespace EhrGrains.Storage.Journal;

/// <summary>A row of the journal as it is stored.</summary>
internal sealed record StoredEntry(JournalRow Row, long Segment, long Position, long AtMicroseconds, bool Reused, byte[] Sealed);

/// <summary>A message to look for: whether its sender has used its control id before, in a range of segments.</summary>
internal readonly record struct Sought(JournalRow Row, long FromSegment, long ToSegment);

/// <summary>
/// What differs between the databases in the one place where speed asks for it: PostgreSQL wants few large statements, SQLite wants
/// one that it runs again and again, and a segment is a partition there and a table here.
/// </summary>
internal interface IJournalTables
{
    /// <summary>Reads the ends of feeds and locks them until the commit: 0, then the columns of <c>journal_head</c> and the clock.</summary>
    IEnumerable<Statement> LockHeads(IReadOnlyList<FeedKey> feeds);

    /// <summary>Answers 1 and the index of each message whose identity is in the journal.</summary>
    Statement FindKnown(IReadOnlyList<Sought> sought);

    IEnumerable<Statement> Insert(IReadOnlyList<StoredEntry> entries);

    IEnumerable<Statement> UpdateHeads(IReadOnlyList<JournalHead> heads);

    Statement CountResend(long segment, FeedKey feed, long position);

    /// <summary>Makes segments that do not exist; does nothing for those that do.</summary>
    Task AddSegmentsAsync(IEnumerable<long> segments, CancellationToken cancellationToken);

    Task DropSegmentAsync(long segment, CancellationToken cancellationToken);

    Task<List<long>> ListSegmentsAsync(CancellationToken cancellationToken);
}
