namespace EhrGrains.Hl7v2.Messages;

/// <summary>A leniency that the reader took: what the sender did that the standard does not allow.</summary>
public enum Hl7WarningCode
{
    /// <summary>Segments end in LF instead of CR (HL7 v2.5.1 §2.5.4).</summary>
    LineFeedEndsSegment,

    /// <summary>Segments end in CR LF instead of CR.</summary>
    CarriageReturnLineFeedEndsSegment,

    /// <summary>A line does not begin with a segment id: it was read as the rest of the field before it.</summary>
    LineEndInsideField,

    /// <summary>Bytes before the message header were skipped: a byte order mark, blanks, NULs or other text.</summary>
    BytesBeforeHeader,

    /// <summary>Bytes after the last segment were skipped: framing characters, blanks or NULs.</summary>
    BytesAfterMessage,

    /// <summary>A segment id is not in capitals.</summary>
    SegmentIdNotCapital,

    /// <summary>MSH-2 has fewer than four characters.</summary>
    FewEncodingCharacters,

    /// <summary>MSH-2 is empty, repeats a character or holds one that cannot divide; what could be used of it was used.</summary>
    OddEncodingCharacters,

    /// <summary>MSH-2 has a truncation character although MSH-12 is older than 2.7.</summary>
    EarlyTruncationCharacter,

    /// <summary>MSH-9 has no message structure although MSH-12 is 2.4 or newer.</summary>
    NoMessageStructure,

    /// <summary>MSH-9 is empty.</summary>
    NoMessageType,

    /// <summary>MSH-10 is empty: the message cannot be acknowledged positively.</summary>
    NoControlId,

    /// <summary>MSH-10 is longer than the version allows (20 characters; 199 from v2.6 on).</summary>
    LongControlId,

    /// <summary>MSH-12 is empty or not a version that is known.</summary>
    NoVersion,

    /// <summary>An escape sequence is not known; it is kept as it stands.</summary>
    UnknownEscape,

    /// <summary>An escape character begins no escape sequence; it is kept as it stands.</summary>
    StrayEscape,

    /// <summary>The bytes are not in the character set that MSH-18 names; what they really are was used.</summary>
    CharacterSetMismatch,

    /// <summary>MSH-18 names no character set that is known; what the bytes really are was used.</summary>
    UnknownCharacterSet,

    /// <summary>A segment is followed by blanks.</summary>
    TrailingBlanks,

    /// <summary>A segment is indented: the blanks before its id were skipped.</summary>
    LeadingBlanks,

    /// <summary>Strict mode: a segment stands where the message structure has no place for it.</summary>
    UnexpectedSegment,

    /// <summary>OBX-5 has a value and OBX-2 does not say of which type.</summary>
    NoValueType,

    /// <summary>A NUL or another control character stands inside a segment.</summary>
    ControlCharacter,

    /// <summary>BTS-1 or FTS-1 does not count what is in its batch or file.</summary>
    BatchCountMismatch,

    /// <summary>Strict mode: the message structure requires a segment or group that is not there.</summary>
    MissingSegment,

    /// <summary>Strict mode: a field that has to have a value has none.</summary>
    MissingField,

    /// <summary>Strict mode: a field has more repetitions than it may.</summary>
    TooManyRepetitions,

    /// <summary>Strict mode: a value is longer than it may be.</summary>
    TooLong,

    /// <summary>Strict mode: a value is not of the type of its field: no number, no time.</summary>
    WrongType,
}

/// <summary>A leniency and where it was taken. Holds no content of the message.</summary>
/// <param name="Code">What was tolerated.</param>
/// <param name="Segment">The segment's position in the message, from 0; -1 when it concerns the whole.</param>
/// <param name="Field">The field's number; 0 when it concerns the whole segment.</param>
/// <param name="Offset">
/// The byte offset from the M of MSH (<see cref="Hl7Message.Skipped"/> bytes after the beginning of what was given to the reader),
/// in the UTF-8 form where the character set hides delimiters.
/// </param>
public readonly record struct Hl7Warning(Hl7WarningCode Code, int Segment, int Field, int Offset);

/// <summary>Why bytes are not a message.</summary>
public enum Hl7Fault
{
    /// <summary>They are one.</summary>
    None,

    /// <summary>There is nothing.</summary>
    Empty,

    /// <summary>There is no MSH segment.</summary>
    NoHeader,

    /// <summary>MSH-1 and MSH-2 state no usable delimiters.</summary>
    BadDelimiters,

    /// <summary>Larger than <see cref="Hl7ReadOptions.BytesMax"/>.</summary>
    TooLarge,

    /// <summary>More segments than <see cref="Hl7ReadOptions.SegmentsMax"/>.</summary>
    TooManySegments,

    /// <summary>More fields in one segment than <see cref="Hl7ReadOptions.FieldsMax"/>.</summary>
    TooManyFields,

    /// <summary>A second MSH: two messages in one, which <see cref="Batches.Hl7Batch"/> divides.</summary>
    SecondHeader,

    /// <summary>Strict mode only: something that tolerant mode would warn of.</summary>
    NotStrict,
}

/// <summary>The outcome of a read.</summary>
/// <param name="Fault">None when the message can be used.</param>
/// <param name="Offset">The byte offset of the fault; 0 when there is none.</param>
/// <param name="Warning">In strict mode: which leniency would have been needed.</param>
public readonly record struct Hl7ReadResult(Hl7Fault Fault, int Offset, Hl7WarningCode? Warning = null)
{
    /// <summary>True when the message can be used.</summary>
    public bool Ok => Fault == Hl7Fault.None;
}

/// <summary>Thrown where bytes that are not a message were given to a method that needs one. Holds no content.</summary>
public sealed class Hl7FormatException(Hl7ReadResult result)
    : FormatException($"Not an HL7 v2 message: {result.Fault}{(result.Warning is { } w ? $" ({w})" : "")} at byte {result.Offset}.")
{
    /// <summary>Why, and where.</summary>
    public Hl7ReadResult Result { get; } = result;
}
