using System.Buffers;

namespace EhrGrains.Hl7v2.Mllp;

/// <summary>The bytes of the Minimal Lower Layer Protocol (HL7 v2 Transport Specification: MLLP, release 1 and 2).</summary>
public static class MllpBytes
{
    /// <summary>Begins a frame: VT.</summary>
    public const byte Start = 0x0B;

    /// <summary>Ends a frame: FS, followed by CR.</summary>
    public const byte End = 0x1C;

    /// <summary>Follows <see cref="End"/>.</summary>
    public const byte CarriageReturn = 0x0D;

    /// <summary>Release 2: the content of a commit acknowledgement block.</summary>
    public const byte Acknowledge = 0x06;

    /// <summary>Release 2: the content of a negative commit acknowledgement block.</summary>
    public const byte NegativeAcknowledge = 0x15;

    /// <summary>Writes a frame around <paramref name="message"/>.</summary>
    public static void Write(IBufferWriter<byte> output, ReadOnlySpan<byte> message)
    {
        var span = output.GetSpan(message.Length + 3);
        span[0] = Start;
        message.CopyTo(span[1..]);
        span[message.Length + 1] = End;
        span[message.Length + 2] = CarriageReturn;
        output.Advance(message.Length + 3);
    }
}

/// <summary>What the reader found.</summary>
public enum MllpReadStatus
{
    /// <summary>Not enough bytes for a frame.</summary>
    NeedMore,

    /// <summary>A frame: its content is given.</summary>
    Frame,

    /// <summary>A frame whose end was lost: the content up to the start of the next frame is given.</summary>
    Unterminated,

    /// <summary>Release 2: the peer has committed what we sent.</summary>
    Committed,

    /// <summary>Release 2: the peer has not committed what we sent.</summary>
    NotCommitted,

    /// <summary>A frame is larger than allowed; the connection cannot go on.</summary>
    TooLarge,

    /// <summary>Too many bytes that belong to no frame; this is not MLLP.</summary>
    NotMllp,
}

/// <summary>
/// Finds frames in a stream of bytes, however it is cut. Tolerates what senders do: FS without CR, FS LF, line ends, NULs and
/// blanks between frames, a frame whose FS was lost, VT doubled. Remembers how far it has looked, so that a large frame that
/// arrives in pieces is looked at once.
/// </summary>
/// <param name="frameBytesMax">The largest frame content in bytes.</param>
/// <param name="strayBytesMax">The most bytes between two frames that belong to none.</param>
public sealed class MllpReader(int frameBytesMax, int strayBytesMax = 1024)
{
    private long scanned;
    private bool inFrame;
    private bool endsInFrameEnd;
    private long stray;

    /// <summary>Bytes skipped because they belong to no frame, over the connection's life: keep-alives, or a sender that is wrong.</summary>
    public long StrayBytes { get; private set; }

    /// <summary>True when the bytes read so far end inside a frame.</summary>
    public bool InFrame => inFrame;

    /// <summary>
    /// Looks for a frame. <paramref name="consumed"/> is how far the caller may forget the bytes: to be given to the next call are
    /// those after it. Call again until <see cref="MllpReadStatus.NeedMore"/>.
    /// </summary>
    public MllpReadStatus Read(in ReadOnlySequence<byte> buffer, out SequencePosition consumed, out ReadOnlySequence<byte> content)
    {
        content = default;
        var reader = new SequenceReader<byte>(buffer);
        if (endsInFrameEnd && reader.TryPeek(out var next))
        {
            // The line end of the frame before, which had not come with it: the same bytes count the same however they are cut.
            endsInFrameEnd = false;
            reader.Advance(next is MllpBytes.CarriageReturn or (byte)'\n' ? 1 : 0);
        }

        if (!inFrame && !SkipToStart(ref reader))
        {
            consumed = reader.Position;
            return stray > strayBytesMax ? MllpReadStatus.NotMllp : MllpReadStatus.NeedMore;
        }

        if (scanned == 0)
        {
            // VT doubled: the first began nothing.
            StrayBytes += reader.AdvancePast(MllpBytes.Start);
        }

        consumed = reader.Position;
        var body = buffer.Slice(consumed);
        var status = ReadBody(body, out var length, out var taken);
        if (status == MllpReadStatus.NeedMore)
        {
            return scanned > frameBytesMax ? MllpReadStatus.TooLarge : MllpReadStatus.NeedMore;
        }

        content = body.Slice(0, length);
        consumed = body.GetPosition(taken);
        inFrame = status == MllpReadStatus.Unterminated;
        endsInFrameEnd = !inFrame && taken == length + 1 && taken == body.Length;
        scanned = 0;
        stray = 0;
        return length > frameBytesMax ? MllpReadStatus.TooLarge : Block(status, content);
    }

    private bool SkipToStart(ref SequenceReader<byte> reader)
    {
        var before = reader.Consumed;
        var found = reader.TryAdvanceTo(MllpBytes.Start, advancePastDelimiter: true);
        if (!found)
        {
            reader.AdvanceToEnd();
        }

        var skipped = reader.Consumed - before - (found ? 1 : 0);
        stray += skipped;
        StrayBytes += skipped;
        inFrame = found && stray <= strayBytesMax;
        return inFrame;
    }

    // The content ends at FS. VT inside it means one of two things: a header follows, then FS was lost and this is the next
    // frame; or it is a byte of the content.
    private MllpReadStatus ReadBody(ReadOnlySequence<byte> body, out long length, out long taken)
    {
        var reader = new SequenceReader<byte>(body);
        reader.Advance(scanned);
        while (reader.TryReadToAny(out ReadOnlySequence<byte> _, [MllpBytes.End, MllpBytes.Start], advancePastDelimiter: false))
        {
            length = reader.Consumed;
            reader.TryRead(out var found);
            if (found == MllpBytes.End)
            {
                // CR or LF after FS belongs to the frame; when it has not come yet it is skipped before the next.
                taken = reader.Consumed + (reader.TryPeek(out var next) && next is MllpBytes.CarriageReturn or (byte)'\n' ? 1 : 0);
                return MllpReadStatus.Frame;
            }

            if (reader.Remaining < 3)
            {
                scanned = length;
                taken = 0;
                return MllpReadStatus.NeedMore;
            }

            if (reader.IsNext("MSH"u8) || reader.IsNext("FHS"u8) || reader.IsNext("BHS"u8))
            {
                taken = reader.Consumed;
                return MllpReadStatus.Unterminated;
            }
        }

        scanned = body.Length;
        length = 0;
        taken = 0;
        return MllpReadStatus.NeedMore;
    }

    private static MllpReadStatus Block(MllpReadStatus status, in ReadOnlySequence<byte> content) =>
        status != MllpReadStatus.Frame || content.Length != 1 ? status
        : content.FirstSpan[0] switch
        {
            MllpBytes.Acknowledge => MllpReadStatus.Committed,
            MllpBytes.NegativeAcknowledge => MllpReadStatus.NotCommitted,
            _ => status,
        };
}
