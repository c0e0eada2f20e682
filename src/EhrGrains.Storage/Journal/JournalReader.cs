using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Storage.Journal;

/// <summary>Reads the journal. Thread-safe.</summary>
public sealed class JournalReader
{
    /// <summary>Entries after a position, in order: at most <paramref name="countMax"/> (1–1,000) and <paramref name="bytesMax"/>, but one at least.</summary>
    public Task<IReadOnlyList<JournalEntry>> ReadAsync(
        TenantId tenant, FeedId feed, long after, int countMax, int bytesMax, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>The position of the first entry that was received at that time or later; null: there is none.</summary>
    public Task<long?> FindAsync(TenantId tenant, FeedId feed, DateTimeOffset at, CancellationToken cancellationToken) => throw new NotSupportedException();
}
