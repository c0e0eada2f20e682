using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Outbound;

namespace EhrGrains.Storage.Journal;

/// <summary>What a consumer of a feed starts from.</summary>
/// <param name="Epoch">Its epoch; to be given with each commit.</param>
/// <param name="Position">The last position that was processed; 0: none.</param>
/// <param name="Reached">The highest position that ever was processed: what is replayed up to there has had its effects.</param>
/// <param name="Tries">How often the message after <paramref name="Position"/> was tried and failed.</param>
public sealed record FeedTurn(long Epoch, long Position, long Reached, int Tries);

/// <summary>What a consumer has done, to be committed at once.</summary>
public sealed record FeedCommit
{
    /// <summary>Whose feed.</summary>
    public required TenantId Tenant { get; init; }

    /// <summary>Which feed.</summary>
    public required FeedId Feed { get; init; }

    /// <summary>The consumer's epoch.</summary>
    public required long Epoch { get; init; }

    /// <summary>The last position that is processed now; smaller than before, for a replay.</summary>
    public required long Position { get; init; }

    /// <summary>Messages of the journal to put aside.</summary>
    public IReadOnlyList<QuarantinedMessage> Quarantined { get; init; } = [];

    /// <summary>Positions of messages that were put aside and now are processed or given up.</summary>
    public IReadOnlyList<long> Settled { get; init; } = [];

    /// <summary>Messages to send, in order.</summary>
    public IReadOnlyList<Forward> Forwards { get; init; } = [];

    /// <summary>What could not be mapped as it should; of a message that was committed before, nothing is added.</summary>
    public IReadOnlyList<MappingExceptionEntry> Exceptions { get; init; } = [];
}

/// <summary>How a feed stands.</summary>
/// <param name="Epoch">Counts those who have processed it; 0: nobody has.</param>
/// <param name="Position">The last position that was processed; 0: none.</param>
/// <param name="Reached">The highest position that ever was processed.</param>
/// <param name="Last">The last position in the journal; 0: it is empty.</param>
/// <param name="LastReceivedAt">When that was appended.</param>
/// <param name="OldestWaitingAt">When the first message that is not processed was appended; null: none waits.</param>
/// <param name="Resends">Messages that arrived again.</param>
/// <param name="ControlIdsReused">Messages whose control id was used before for another content.</param>
/// <param name="Quarantined">Messages that are put aside.</param>
public sealed record FeedStanding(
    long Epoch,
    long Position,
    long Reached,
    long Last,
    DateTimeOffset? LastReceivedAt,
    DateTimeOffset? OldestWaitingAt,
    long Resends,
    long ControlIdsReused,
    int Quarantined);
