using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Storage.Journal;

/// <summary>A message that waits for its commit.</summary>
/// <param name="message">The message.</param>
/// <param name="identity">Keyed hash of feed, sender and control id.</param>
/// <param name="content">Keyed hash of the bytes.</param>
internal sealed class JournalRow(JournalMessage message, byte[] identity, byte[] content) : IQueuedRow
{
    private readonly Lock gate = new();
    private bool abandoned;

    /// <summary>Length of <see cref="Identity"/> and <see cref="Content"/> in bytes.</summary>
    internal const int HashLength = 16;

    internal JournalMessage Message { get; } = message;

    public int Length { get; } = message.Message.Length;

    public bool IsWaitedFor => !Done.Task.IsCompleted;

    internal byte[] Identity { get; } = identity;

    internal byte[] Content { get; } = content;

    internal FeedKey Feed { get; } = new(message.Tenant.Value, message.Feed.Value);

    /// <summary>The receipt, once committed.</summary>
    internal TaskCompletionSource<JournalReceipt> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Nobody waits any more; from here on the message's bytes are not touched.</summary>
    internal void Abandon()
    {
        lock (gate)
        {
            abandoned = true;
        }

        Done.TrySetCanceled(CancellationToken.None);
    }

    /// <summary>Seals the message for its place; null when the tenant's key is not in hand, empty when nobody waits any more.</summary>
    internal byte[]? Seal(KeyRing keys, ReadOnlySpan<byte> place)
    {
        lock (gate)
        {
            return abandoned ? [] : keys.TrySeal(Feed.Tenant, KeyClass.Journal, Message.Message.Span, place);
        }
    }
}

/// <summary>A feed. In order of tenant, then feed, byte by byte: the order in which all writers take the locks.</summary>
internal readonly record struct FeedKey(string Tenant, string Feed) : IComparable<FeedKey>
{
    public int CompareTo(FeedKey other) =>
        string.CompareOrdinal(Tenant, other.Tenant) is var order and not 0 ? order : string.CompareOrdinal(Feed, other.Feed);
}
