namespace EhrGrains.Storage.Journal;

/// <summary>The end of one feed's journal, while its lock is held.</summary>
internal sealed class JournalHead
{
    internal required FeedKey Feed { get; init; }

    internal required long Position { get; set; }

    internal required long AtMicroseconds { get; set; }

    /// <summary>The last MSH-13 that was accepted; null: none, so that any will do.</summary>
    internal required long? Sequence { get; set; }

    internal required long Resends { get; set; }

    internal required long Reused { get; set; }

    /// <summary>Decides what becomes of the next message, and moves the end accordingly.</summary>
    /// <param name="sequence">MSH-13; null: the sender does not number its messages.</param>
    /// <param name="earlier">What was found of the same sender and control id.</param>
    internal JournalReceipt Take(long? sequence, Earlier earlier)
    {
        // HL7 v2.5.1 §2.10.1: 0 (re-)starts the link and is answered with the number after the last accepted one, or with -1 where
        // there is none; -1 makes the receiver take whatever number comes next. Neither carries anything to process.
        var expected = Sequence + 1 ?? -1;
        switch (sequence)
        {
            case 0:
                return new JournalReceipt(0, JournalDisposition.SequenceAnswered, expected);
            case -1:
                Sequence = null;
                return new JournalReceipt(0, JournalDisposition.SequenceAnswered, -1);
        }

        // §2.10.1 d.1: a sender whose acknowledgement was lost learns from the answer that it may go on with the next one.
        if (earlier.SamePosition is { } position)
        {
            Resends++;
            return new JournalReceipt(position, JournalDisposition.Duplicate, sequence is null ? null : expected);
        }

        if (sequence is < -1 || (sequence is not null && Sequence is not null && sequence != expected))
        {
            return new JournalReceipt(0, JournalDisposition.OutOfSequence, expected);
        }

        Sequence = sequence ?? Sequence;
        Reused += earlier.Other ? 1 : 0;
        return new JournalReceipt(
            ++Position, earlier.Other ? JournalDisposition.ControlIdReused : JournalDisposition.Appended, sequence);
    }
}

/// <summary>What is in the journal of the same sender and control id.</summary>
/// <param name="SamePosition">Where the same content is; null: nowhere.</param>
/// <param name="Other">Whether there is another content.</param>
internal readonly record struct Earlier(long? SamePosition, bool Other);
