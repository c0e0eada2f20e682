using EhrGrains.Contracts.Feeds;

namespace EhrGrains.Connect.Mllp;

/// <summary>
/// What stands behind the listener: which feeds there are, where their messages are kept, who is told of refusals.
/// </summary>
/// <param name="Routes">The feeds now; asked for each message, so it must be a field read.</param>
/// <param name="Append">
/// Keeps a message. Completes once it is durable, or says why it is not. Called in the order in which the messages of a connection
/// came, without waiting for the one before; that order is to be kept. The message's bytes are the listener's again when the task
/// has ended, however it ends. An exception counts as <see cref="MllpOutcome.Unavailable"/>.
/// </param>
/// <param name="Refused">Records a refused message in the audit trail. When it fails the message is refused all the same.</param>
public sealed record MllpReceiver(
    Func<FeedRoutes> Routes,
    Func<MllpArrival, CancellationToken, ValueTask<MllpReceipt>> Append,
    Func<MllpRefusal, CancellationToken, ValueTask> Refused);

/// <summary>A message that belongs to a feed, to be kept. Its bytes and control id can hold PHI.</summary>
public sealed record MllpArrival
{
    /// <summary>The feed.</summary>
    public required FeedRoute Route { get; init; }

    /// <summary>
    /// The message exactly as it came. The segments of a batch that it came in (FHS, BHS before it, BTS, FTS after it) stay with it.
    /// </summary>
    public required ReadOnlyMemory<byte> Message { get; init; }

    /// <summary>MSH-10, decoded; never empty.</summary>
    public required string ControlId { get; init; }

    /// <summary>Who sent it: MSH-3 and MSH-4 as they are written, divided by a bar.</summary>
    public required string Sender { get; init; }

    /// <summary>MSH-9.1 where it is a common one, for example <c>ADT</c>, else <c>other</c>; empty when the message has none.</summary>
    public required string MessageType { get; init; }

    /// <summary>MSH-13, when the feed's sender numbers its messages and this one has a number.</summary>
    public long? Sequence { get; init; }

    /// <summary>When its last byte had come.</summary>
    public required DateTimeOffset ReceivedAt { get; init; }

    /// <summary>A position instead of content: this record is not to be printed.</summary>
    public override string ToString() => $"{Route.Tenant}/{Route.Feed}, {Message.Length} bytes";
}

/// <summary>What became of a message that was to be kept.</summary>
public enum MllpOutcome
{
    /// <summary>It is durable.</summary>
    Appended,

    /// <summary>The same sender, control id and content was kept before: not kept again, acknowledged again.</summary>
    Duplicate,

    /// <summary>It is durable, and marked: its sender has used the control id for another content.</summary>
    ControlIdReused,

    /// <summary>It is not kept: its number (MSH-13) is not the one that comes next.</summary>
    OutOfSequence,

    /// <summary>
    /// There is nothing to keep: it only asks for the number that comes next, or starts the numbers anew (MSH-13 is 0 or -1, HL7 v2.5.1
    /// §2.10.1). Acknowledged when it is no more than a header.
    /// </summary>
    SequenceAnswered,

    /// <summary>It is not kept: there is no durable place for it now.</summary>
    Unavailable,
}

/// <summary>The receipt of <see cref="MllpReceiver.Append"/>.</summary>
/// <param name="Outcome">What became of the message.</param>
/// <param name="ExpectedSequence">The number that comes next, for MSA-4; null: the feed has no numbers.</param>
public readonly record struct MllpReceipt(MllpOutcome Outcome, long? ExpectedSequence = null);

/// <summary>Why a message was refused for good.</summary>
public enum MllpRefusalReason
{
    /// <summary>Not HL7 v2, or an empty frame.</summary>
    NotHl7,

    /// <summary>MSH-10 is empty.</summary>
    NoControlId,

    /// <summary>It belongs to no feed, or to several equally.</summary>
    NoFeed,

    /// <summary>The frame is larger than allowed.</summary>
    TooLarge,
}

/// <summary>A message that was refused for good. Holds nothing of its content.</summary>
/// <param name="Reason">Why.</param>
/// <param name="Route">Its feed, where that was known.</param>
/// <param name="Listener">Where it came in.</param>
/// <param name="CertificateSha256">SHA-256 of the sender's client certificate; null: none was shown.</param>
/// <param name="RemoteAddress">The sender's IP address.</param>
/// <param name="Bytes">Its size.</param>
public sealed record MllpRefusal(
    MllpRefusalReason Reason, FeedRoute? Route, FeedListener Listener, string? CertificateSha256, string? RemoteAddress, long Bytes);
