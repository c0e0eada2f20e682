using EhrGrains.Contracts.Feeds;
using EhrGrains.Hl7v2.Acknowledgements;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Connect.Mllp;

/// <summary>What came, or what became of it: the rows of the table in docs/reference/acknowledgements.md.</summary>
internal enum MllpEvent
{
    Appended,
    Duplicate,
    ControlIdReused,
    SequenceAnswered,
    OutOfSequence,
    Unavailable,
    Unterminated,
    NoControlId,
    NoFeed,
    NotHl7,
    TooLarge,
}

/// <summary>MSH-15 or MSH-16: when the sender wants an acknowledgement (HL7 table 0155).</summary>
internal enum Wish
{
    /// <summary>Empty.</summary>
    Unstated,

    /// <summary>AL, and every value that the table does not know: an answer too many does less harm than one too few.</summary>
    Always,

    /// <summary>NE.</summary>
    Never,

    /// <summary>ER: when it was not accepted.</summary>
    OnError,

    /// <summary>SU: when it was accepted.</summary>
    OnSuccess,
}

/// <summary>What the sender asks for and what its feed says.</summary>
/// <param name="Accept">MSH-15.</param>
/// <param name="Application">MSH-16.</param>
/// <param name="WhenUnavailable">The feed's policy.</param>
/// <param name="CommitBytes">Whether the feed speaks MLLP release 2.</param>
internal readonly record struct AcknowledgementTerms(
    Wish Accept, Wish Application, UnavailablePolicy WhenUnavailable = UnavailablePolicy.Refuse, bool CommitBytes = false)
{
    internal static AcknowledgementTerms Of(Hl7Segment header, InboundFeedSpec? feed) => new(
        WishOf(header[15]), WishOf(header[16]), feed?.WhenUnavailable ?? UnavailablePolicy.Refuse, feed?.CommitBytes ?? false);

    private static Wish WishOf(Hl7Value value) =>
        !value.HasValue ? Wish.Unstated
        : value.Is("AL") ? Wish.Always
        : value.Is("NE") ? Wish.Never
        : value.Is("ER") ? Wish.OnError
        : value.Is("SU") ? Wish.OnSuccess
        : Wish.Always;
}

/// <summary>What is to be done.</summary>
/// <param name="Code">MSA-1 of the acknowledgement; null: none is sent.</param>
/// <param name="Error">What its ERR segment says.</param>
/// <param name="CommitByte">The commit block of MLLP release 2; null: none.</param>
/// <param name="Holds">Nothing is said yet: the message waits for the journal.</param>
/// <param name="Refusal">What the audit trail is told; null: nothing.</param>
internal readonly record struct AcknowledgementDecision(
    string? Code, AcknowledgementError? Error, byte? CommitByte, bool Holds, MllpRefusalReason? Refusal);

/// <summary>
/// The decision table of acknowledgements: one place, no state. docs/reference/acknowledgements.md shows the same table, and a test
/// compares the two.
/// </summary>
internal static class AcknowledgementRules
{
    private static readonly AcknowledgementError NotNext = new(207, "Application internal error", new Hl7Address("MSH", 1, 13, 0, 0, 0));
    private static readonly AcknowledgementError UnknownFeed = new(204, "Unknown key identifier");
    private static readonly AcknowledgementError TooLong = new(104, "Value too long");

    internal static AcknowledgementDecision Decide(MllpEvent what, in AcknowledgementTerms terms)
    {
        var (acceptance, error, refusal) = Row(what);
        var code = Code(acceptance, terms);

        // A sender that wants no answer would never learn that its message is not kept, so that message waits whatever the policy.
        if (what == MllpEvent.Unavailable && (terms.WhenUnavailable == UnavailablePolicy.Hold || (code is null && !terms.CommitBytes)))
        {
            return new AcknowledgementDecision(null, null, null, true, null);
        }

        byte? commit = !terms.CommitBytes ? null
            : acceptance == Acceptance.Accepted ? Hl7v2.Mllp.MllpBytes.Acknowledge
            : Hl7v2.Mllp.MllpBytes.NegativeAcknowledge;
        return new AcknowledgementDecision(code, code is null ? null : error, commit, false, refusal);
    }

    private static (Acceptance Acceptance, AcknowledgementError? Error, MllpRefusalReason? Refusal) Row(MllpEvent what) => what switch
    {
        MllpEvent.Appended => (Acceptance.Accepted, null, null),
        MllpEvent.Duplicate => (Acceptance.Accepted, null, null),
        MllpEvent.ControlIdReused => (Acceptance.Accepted, null, null),
        MllpEvent.SequenceAnswered => (Acceptance.Accepted, null, null),
        MllpEvent.OutOfSequence => (Acceptance.Error, NotNext, null),
        MllpEvent.Unavailable => (Acceptance.Error, AcknowledgementError.Internal, null),
        MllpEvent.Unterminated => (Acceptance.Error, AcknowledgementError.SegmentSequence, null),
        MllpEvent.NoControlId => (Acceptance.Rejected, AcknowledgementError.NoControlId, MllpRefusalReason.NoControlId),
        MllpEvent.NoFeed => (Acceptance.Rejected, UnknownFeed, MllpRefusalReason.NoFeed),
        MllpEvent.NotHl7 => (Acceptance.Rejected, AcknowledgementError.NotHl7, MllpRefusalReason.NotHl7),
        MllpEvent.TooLarge => (Acceptance.Rejected, TooLong, MllpRefusalReason.TooLarge),
        _ => throw new ArgumentOutOfRangeException(nameof(what), what, "Not an event of the table."),
    };

    // One acknowledgement a message (HL7 v2.5.1 §2.9.2, §2.9.3): in original mode the application's; in enhanced mode the accept
    // acknowledgement when MSH-15 asks for it, else the application's when MSH-16 does.
    private static string? Code(Acceptance acceptance, in AcknowledgementTerms terms)
    {
        var isOriginal = terms is { Accept: Wish.Unstated, Application: Wish.Unstated };
        if (isOriginal || (!Wants(terms.Accept, acceptance) && Wants(terms.Application, acceptance)))
        {
            return acceptance switch { Acceptance.Accepted => "AA", Acceptance.Error => "AE", _ => "AR" };
        }

        return !Wants(terms.Accept, acceptance) ? null
            : acceptance switch { Acceptance.Accepted => "CA", Acceptance.Error => "CE", _ => "CR" };
    }

    private static bool Wants(Wish wish, Acceptance acceptance) => wish switch
    {
        Wish.Always => true,
        Wish.OnError => acceptance != Acceptance.Accepted,
        Wish.OnSuccess => acceptance == Acceptance.Accepted,
        _ => false,
    };
}
