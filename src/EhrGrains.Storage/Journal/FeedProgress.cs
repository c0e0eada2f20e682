using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Outbound;

namespace EhrGrains.Storage.Journal;

/// <summary>
/// How far a feed's journal has been processed. Who processes it takes the epoch; from then on nothing that an earlier one does has
/// an effect (I3). Thread-safe.
/// </summary>
public sealed class FeedProgress
{
    /// <summary>Begins to process a feed: takes the next epoch and tells where the last one was.</summary>
    public Task<FeedTurn> TakeEpochAsync(TenantId tenant, FeedId feed, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Moves the position, puts messages aside, settles what was put aside and queues what is forwarded, all in one commit.</summary>
    /// <returns>False: another has taken the epoch since, and nothing was changed.</returns>
    public Task<bool> CommitAsync(FeedCommit commit, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>Counts a try that failed, so that a message that ends the process is known after a restart too; answers how many there were.</summary>
    /// <returns>Null: another has taken the epoch since.</returns>
    public Task<int?> CountTryAsync(TenantId tenant, FeedId feed, long epoch, long position, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>How the feed stands.</summary>
    public Task<FeedStanding> ReadAsync(TenantId tenant, FeedId feed, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>What was put aside, after a position, in order. <paramref name="countMax"/> is 1–1,000.</summary>
    public Task<IReadOnlyList<QuarantinedMessage>> ListQuarantineAsync(
        TenantId tenant, FeedId feed, long after, int countMax, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <summary>A message that was put aside; it is kept with the quarantine, however long that takes. Null: there is none at this position.</summary>
    public Task<JournalEntry?> ReadQuarantinedAsync(
        TenantId tenant, FeedId feed, long position, CancellationToken cancellationToken) => throw new NotSupportedException();
}

/// <summary>What a consumer of a feed starts from.</summary>
/// <param name="Epoch">Its epoch; to be given with each commit.</param>
/// <param name="Position">The last position that was processed; 0: none.</param>
/// <param name="Tries">How often the message after it was tried and failed.</param>
public sealed record FeedTurn(long Epoch, long Position, int Tries);

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
}

/// <summary>How a feed stands.</summary>
/// <param name="Epoch">Counts those who have processed it; 0: nobody has.</param>
/// <param name="Position">The last position that was processed; 0: none.</param>
/// <param name="Last">The last position in the journal; 0: it is empty.</param>
/// <param name="LastReceivedAt">When that was appended.</param>
/// <param name="OldestWaitingAt">When the first message that is not processed was appended; null: none waits.</param>
/// <param name="Resends">Messages that arrived again.</param>
/// <param name="ControlIdsReused">Messages whose control id was used before for another content.</param>
/// <param name="Quarantined">Messages that are put aside.</param>
public sealed record FeedStanding(
    long Epoch,
    long Position,
    long Last,
    DateTimeOffset? LastReceivedAt,
    DateTimeOffset? OldestWaitingAt,
    long Resends,
    long ControlIdsReused,
    int Quarantined);
