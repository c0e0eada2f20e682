namespace EhrGrains.Contracts.Feeds;

/// <summary>What a feed is doing.</summary>
[GenerateSerializer, Alias("ehr.FeedState")]
public enum FeedState
{
    /// <summary>Messages are processed (inbound) or sent (outbound) as they come.</summary>
    Running = 0,

    /// <summary>An operator stopped it. An inbound feed goes on acknowledging into the journal.</summary>
    Paused = 1,

    /// <summary>It stands in front of a message that cannot be processed or is refused; an operator retries or skips it.</summary>
    Blocked = 2,

    /// <summary>An outbound feed that gave up after its hours of trying; resume tries again.</summary>
    GaveUp = 3,

    /// <summary>The tenant is suspended or offboarded, or the feed is no longer part of it.</summary>
    Closed = 4,
}

/// <summary>What someone should look at.</summary>
[GenerateSerializer, Alias("ehr.FeedAlarmKind")]
public enum FeedAlarmKind
{
    /// <summary>No message for longer than the feed states.</summary>
    Silence = 0,

    /// <summary>Messages are in the quarantine.</summary>
    Quarantine = 1,

    /// <summary>The feed stands in front of a message.</summary>
    Blocked = 2,

    /// <summary>An outbound feed gave up and paused.</summary>
    GaveUp = 3,

    /// <summary>The receiver does not answer; tries are spaced out.</summary>
    CircuitOpen = 4,
}

/// <summary>An alarm that holds now.</summary>
/// <param name="Kind">What it is about.</param>
/// <param name="Since">Since when.</param>
/// <param name="Detail">What to know and do, as a sentence without patient data.</param>
[GenerateSerializer, Immutable, Alias("ehr.FeedAlarm")]
public sealed record FeedAlarm(
    [property: Id(0)] FeedAlarmKind Kind, [property: Id(1)] DateTimeOffset Since, [property: Id(2)] string Detail);

/// <summary>How many of one name.</summary>
[GenerateSerializer, Immutable, Alias("ehr.FeedCount")]
public sealed record FeedCount([property: Id(0)] string Name, [property: Id(1)] long Count);

/// <summary>What came in one hour.</summary>
/// <param name="Hour">When the hour began.</param>
/// <param name="Types">Messages processed, by type (MSH-9, such as <c>ADT^A08</c>).</param>
/// <param name="Warnings">Leniencies of the reader, by code.</param>
[GenerateSerializer, Immutable, Alias("ehr.FeedHour")]
public sealed record FeedHour(
    [property: Id(0)] DateTimeOffset Hour, [property: Id(1)] FeedCount[] Types, [property: Id(2)] FeedCount[] Warnings);

/// <summary>How an inbound feed stands.</summary>
[GenerateSerializer, Immutable, Alias("ehr.FeedStatus")]
public sealed record FeedStatus
{
    /// <summary>What it is doing.</summary>
    [Id(0)]
    public required FeedState State { get; init; }

    /// <summary>Why, when it is not running: what the operator gave, or what stopped it.</summary>
    [Id(1)]
    public string? Reason { get; init; }

    /// <summary>The last journal position that is processed; 0: none.</summary>
    [Id(2)]
    public required long Position { get; init; }

    /// <summary>The last journal position; 0: none.</summary>
    [Id(3)]
    public required long Head { get; init; }

    /// <summary>When the last message was received; null: never.</summary>
    [Id(4)]
    public DateTimeOffset? LastReceivedAt { get; init; }

    /// <summary>When the last message was processed; null: never.</summary>
    [Id(5)]
    public DateTimeOffset? LastProcessedAt { get; init; }

    /// <summary>Messages in the quarantine.</summary>
    [Id(6)]
    public required int Quarantined { get; init; }

    /// <summary>Counts the activations that have processed the feed: the fence that only the newest of them passes.</summary>
    [Id(7)]
    public required long Epoch { get; init; }

    /// <summary>What someone should look at now.</summary>
    [Id(8)]
    public required FeedAlarm[] Alarms { get; init; }

    /// <summary>The last 24 hours that had messages, newest first.</summary>
    [Id(9)]
    public required FeedHour[] Hours { get; init; }
}

/// <summary>How an outbound feed stands.</summary>
[GenerateSerializer, Immutable, Alias("ehr.OutboundStatus")]
public sealed record OutboundStatus
{
    /// <summary>What it is doing.</summary>
    [Id(0)]
    public required FeedState State { get; init; }

    /// <summary>Why, when it is not running.</summary>
    [Id(1)]
    public string? Reason { get; init; }

    /// <summary>Messages that wait, those under way included.</summary>
    [Id(2)]
    public required long Queued { get; init; }

    /// <summary>When the oldest of them was put into the queue; null: none waits.</summary>
    [Id(3)]
    public DateTimeOffset? OldestQueuedAt { get; init; }

    /// <summary>Messages sent and not yet acknowledged.</summary>
    [Id(4)]
    public required int Outstanding { get; init; }

    /// <summary>Whether a connection is open.</summary>
    [Id(5)]
    public required bool Connected { get; init; }

    /// <summary>When the last message was acknowledged; null: never.</summary>
    [Id(6)]
    public DateTimeOffset? LastDeliveredAt { get; init; }

    /// <summary>Tries that failed in a row; 0: the circuit is closed.</summary>
    [Id(7)]
    public required int Failures { get; init; }

    /// <summary>When the next try is due; null: none is waited for.</summary>
    [Id(8)]
    public DateTimeOffset? NextTryAt { get; init; }

    /// <summary>What the last try failed of: a code and a sentence; null: it did not fail.</summary>
    [Id(9)]
    public Problem? LastFailure { get; init; }

    /// <summary>Messages in the quarantine.</summary>
    [Id(10)]
    public required int Quarantined { get; init; }

    /// <summary>The client certificate that we show; null: none.</summary>
    [Id(11)]
    public FeedCertificate? Certificate { get; init; }

    /// <summary>Counts the activations that have sent for the feed.</summary>
    [Id(12)]
    public required long Epoch { get; init; }

    /// <summary>What someone should look at now.</summary>
    [Id(13)]
    public required FeedAlarm[] Alarms { get; init; }
}

/// <summary>A TLS client certificate without its key.</summary>
/// <param name="Sha256">SHA-256 of the certificate, in hexadecimal.</param>
/// <param name="NotAfter">When it ends.</param>
[GenerateSerializer, Immutable, Alias("ehr.FeedCertificate")]
public sealed record FeedCertificate([property: Id(0)] string Sha256, [property: Id(1)] DateTimeOffset NotAfter);

/// <summary>A message that was put aside, without its content.</summary>
/// <param name="Position">Its position in the journal (inbound) or in the queue (outbound).</param>
/// <param name="At">When it was put aside.</param>
/// <param name="Tries">How often it was tried.</param>
/// <param name="Code">Why, as a stable code.</param>
/// <param name="Reason">Why, as a sentence without patient data.</param>
[GenerateSerializer, Immutable, Alias("ehr.QuarantinedMessage")]
public sealed record QuarantinedMessage(
    [property: Id(0)] long Position,
    [property: Id(1)] DateTimeOffset At,
    [property: Id(2)] int Tries,
    [property: Id(3)] string Code,
    [property: Id(4)] string Reason);

/// <summary>A raw message.</summary>
/// <param name="Position">Its position in the journal (inbound) or in the queue (outbound).</param>
/// <param name="At">When it was received or put into the queue.</param>
/// <param name="Message">Its bytes, exactly as they were received. Patient data: it has no other text form.</param>
[GenerateSerializer, Immutable, Alias("ehr.FeedMessage")]
public sealed record FeedMessage(
    [property: Id(0)] long Position, [property: Id(1)] DateTimeOffset At, [property: Id(2)] byte[] Message)
{
    /// <inheritdoc/>
    public override string ToString() => $"FeedMessage {Position}";
}
