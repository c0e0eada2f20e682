using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Storage.Outbound;

/// <summary>A message to put into an outbound feed's queue.</summary>
/// <param name="Feed">The outbound feed.</param>
/// <param name="Key">What makes it the same message when it is given twice. 1–200 characters.</param>
/// <param name="Message">Its bytes, without framing.</param>
public sealed record Forward(FeedId Feed, string Key, ReadOnlyMemory<byte> Message)
{
    /// <inheritdoc/>
    public override string ToString() => $"Forward to {Feed}";
}

/// <summary>A message that waits to be sent, or was put aside.</summary>
/// <param name="Position">Its position in the queue, from 1.</param>
/// <param name="QueuedAt">When it was queued, by the database's clock.</param>
/// <param name="Message">Its bytes.</param>
public sealed record OutboundEntry(long Position, DateTimeOffset QueuedAt, ReadOnlyMemory<byte> Message)
{
    /// <inheritdoc/>
    public override string ToString() => $"OutboundEntry {Position}";
}

/// <summary>What a sender has done, to be committed at once.</summary>
public sealed record OutboundCommit
{
    /// <summary>Whose feed.</summary>
    public required TenantId Tenant { get; init; }

    /// <summary>Which feed.</summary>
    public required FeedId Feed { get; init; }

    /// <summary>The sender's epoch.</summary>
    public required long Epoch { get; init; }

    /// <summary>Positions that were acknowledged.</summary>
    public IReadOnlyList<long> Delivered { get; init; } = [];

    /// <summary>Messages that were refused for good, to put aside.</summary>
    public IReadOnlyList<QuarantinedMessage> Quarantined { get; init; } = [];

    /// <summary>Positions of messages that were put aside and wait again, at their old place.</summary>
    public IReadOnlyList<long> Retried { get; init; } = [];

    /// <summary>Positions that are given up, waiting or put aside.</summary>
    public IReadOnlyList<long> Skipped { get; init; } = [];
}

/// <summary>How an outbound feed's queue stands.</summary>
/// <param name="Epoch">Counts those who have sent for it; 0: nobody has.</param>
/// <param name="Waiting">Messages that wait.</param>
/// <param name="OldestQueuedAt">When the first of them was queued; null: none waits.</param>
/// <param name="LastDeliveredAt">When the last one was acknowledged; null: none was.</param>
/// <param name="Quarantined">Messages that are put aside.</param>
public sealed record OutboundStanding(
    long Epoch, long Waiting, DateTimeOffset? OldestQueuedAt, DateTimeOffset? LastDeliveredAt, int Quarantined);
