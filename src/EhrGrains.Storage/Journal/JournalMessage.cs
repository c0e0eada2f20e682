using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Storage.Journal;

/// <summary>A message that arrived on a feed and is to be journalled.</summary>
public sealed record JournalMessage
{
    /// <summary>Whose feed.</summary>
    public required TenantId Tenant { get; init; }

    /// <summary>Which feed.</summary>
    public required FeedId Feed { get; init; }

    /// <summary>
    /// Its bytes, exactly as they were received, without framing. 1 byte to <see cref="JournalWriter.MessageBytesMax"/>. They may be
    /// overwritten as soon as the append has completed or failed.
    /// </summary>
    public required ReadOnlyMemory<byte> Message { get; init; }

    /// <summary>Who sent it: MSH-3 and MSH-4 as they stand there. Only a keyed hash of it, and of the control id, is stored.</summary>
    public required string Sender { get; init; }

    /// <summary>MSH-10.</summary>
    public required string ControlId { get; init; }

    /// <summary>MSH-13, of a feed whose sender numbers its messages (HL7 v2.5.1 §2.10.1); null: of any other feed.</summary>
    public long? Sequence { get; init; }

    /// <summary>Days that it is kept at least. 1–3,650.</summary>
    public int RetentionDays { get; init; } = 30;

    /// <inheritdoc/>
    public override string ToString() => $"JournalMessage of {Tenant}/{Feed}";
}

/// <summary>What became of a message.</summary>
public enum JournalDisposition
{
    /// <summary>It is on disk.</summary>
    Appended = 0,

    /// <summary>It is on disk since an earlier arrival: same sender, control id and content. The entry is marked, nothing was appended.</summary>
    Duplicate = 1,

    /// <summary>It is on disk, and flagged: the sender has used its control id before, for another content.</summary>
    ControlIdReused = 2,

    /// <summary>Not appended: its sequence number is not the expected one.</summary>
    OutOfSequence = 3,

    /// <summary>Not appended: it only starts (0) or re-synchronizes (-1) the sequence, and needs the expected number as answer.</summary>
    SequenceAnswered = 4,
}

/// <summary>What became of a message, and where.</summary>
/// <param name="Position">Its position in the feed, from 1 without gaps; of a duplicate the first one's; 0 when there is none.</param>
/// <param name="Disposition">What became of it.</param>
/// <param name="ExpectedSequence">
/// MSA-4 of the acknowledgement: of a message that was taken its own number, else the number that is expected next, or -1 where any
/// will do. Null when the message has no sequence number.
/// </param>
public sealed record JournalReceipt(long Position, JournalDisposition Disposition, long? ExpectedSequence);

/// <summary>A message in the journal.</summary>
/// <param name="Position">Its position in the feed, from 1 without gaps.</param>
/// <param name="ReceivedAt">When it was committed, by the database's clock; never before its predecessor.</param>
/// <param name="Message">Its bytes, exactly as they were received.</param>
/// <param name="ControlIdReused">Whether its sender had used its control id before, for another content.</param>
/// <param name="Resends">How often it arrived again.</param>
public sealed record JournalEntry(
    long Position, DateTimeOffset ReceivedAt, ReadOnlyMemory<byte> Message, bool ControlIdReused, int Resends)
{
    /// <inheritdoc/>
    public override string ToString() => $"JournalEntry {Position}";
}

/// <summary>
/// The journal did not take a message, or not within 2 s: there must be no positive acknowledgement. It may be on disk all the same
/// when the commit's answer was lost; the sender's repetition then is a duplicate.
/// </summary>
public sealed class JournalUnavailableException(string reason, Exception? innerException = null)
    : Exception($"The journal did not take the message: {reason}", innerException);
