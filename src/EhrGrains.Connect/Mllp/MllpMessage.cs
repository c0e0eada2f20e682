using System.Buffers;
using EhrGrains.Hl7v2.Batches;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Connect.Mllp;

/// <summary>
/// One message on its way through a connection, from frame to acknowledgement. Instances are pooled by the listener: an idle
/// connection has none.
/// </summary>
internal sealed class MllpMessage
{
    /// <summary>A longer MSH segment is no header.</summary>
    internal const int HeaderBytesMax = 64 * 1024;

    /// <summary>The header alone has been read into it: the rest of a message is not looked at before it is acknowledged.</summary>
    internal Hl7Message Header { get; } = new();

    /// <summary>False when the bytes are not HL7; then there is no header either.</summary>
    internal bool IsHl7 { get; private set; }

    internal ReadOnlyMemory<byte> Bytes { get; private set; }

    /// <summary>True when there is no segment after MSH: a message about the numbers of messages, with nothing in it to keep.</summary>
    internal bool IsHeaderOnly => Bytes.Span.TrimEnd("\r\n"u8).Length == Header.Bytes.Span.TrimEnd("\r\n"u8).Length;

    /// <summary>What is known of it before, or instead of, the receipt of the journal.</summary>
    internal MllpEvent Event { get; set; }

    internal FeedRoute? Route { get; set; }

    /// <summary>To be kept; null when it is refused.</summary>
    internal MllpArrival? Arrival { get; set; }

    /// <summary>It is kept only when its turn has come, which may take a while: what was decided before it is sent first.</summary>
    internal bool MayWait { get; set; }

    /// <summary>The keeping under way; null when it has not begun.</summary>
    internal Task<MllpReceipt>? Receipt { get; set; }

    internal AcknowledgementTerms Terms { get; set; }

    internal void Read(ReadOnlyMemory<byte> bytes)
    {
        Bytes = bytes;
        var at = HeaderStart(bytes.Span);
        var line = at < 0 ? bytes : bytes[at..];
        var end = at < 0 ? -1 : line.Span.IndexOfAny((byte)'\r', (byte)'\n');
        IsHl7 = Header.Read(end < 0 ? line : line[..end]).Ok && Header.Segment(0).Raw.Length <= HeaderBytesMax;
    }

    /// <summary>Forgets the message, so that the next one finds nothing of it.</summary>
    internal void Clear()
    {
        Header.Read(default);
        Bytes = default;
        Route = null;
        Arrival = null;
        Receipt = null;
        Terms = default;
        MayWait = false;
        IsHl7 = false;
    }

    /// <summary>
    /// Divides the content of a frame into messages: nearly always one. A batch (FHS, BHS) or two messages in a frame are several;
    /// what stands around them stays with the message before (BTS, FTS) or after it, so that every byte is in one of them.
    /// </summary>
    internal static void Divide(ReadOnlySpan<byte> content, List<Range> messages)
    {
        if (!MayHoldSeveral(content))
        {
            messages.Add(Range.All);
            return;
        }

        var start = 0;
        var end = 0;
        var found = false;
        foreach (var part in Hl7Batch.Divide(content))
        {
            if (part.Kind == Hl7PartKind.Message && found)
            {
                messages.Add(start..end);
                start = end;
            }

            found |= part.Kind == Hl7PartKind.Message;
            end = part.Kind is Hl7PartKind.Message or Hl7PartKind.Trailer ? part.Start + part.Length : end;
        }

        messages.Add(start..content.Length);
    }

    private static bool MayHoldSeveral(ReadOnlySpan<byte> content)
    {
        if (!content.StartsWith("MSH"u8))
        {
            return true;
        }

        for (var rest = content[3..]; rest.IndexOf("MSH"u8) is >= 0 and var at; rest = rest[(at + 3)..])
        {
            // Letters before it: a word, or base64.
            if (at > 0 && !char.IsAsciiLetterOrDigit((char)rest[at - 1]))
            {
                return true;
            }
        }

        return false;
    }

    // The header of a message that begins with one, as nearly all do. Of others (a batch's envelope, a byte order mark, UTF-16)
    // the reader itself finds it, in the whole message.
    private static int HeaderStart(ReadOnlySpan<byte> bytes) =>
        bytes.StartsWith("MSH"u8) && bytes.Length > 4 && bytes[3] != 0 ? 0 : -1;
}

/// <summary>Bytes of frames that lay in pieces, joined; given back, and cleared, together.</summary>
internal sealed class FrameBytes
{
    private readonly List<(byte[] Array, int Length)> rented = [];

    internal long Length { get; private set; }

    internal ReadOnlyMemory<byte> Join(in ReadOnlySequence<byte> content)
    {
        var length = checked((int)content.Length);
        var array = ArrayPool<byte>.Shared.Rent(length);
        content.CopyTo(array);
        rented.Add((array, length));
        Length += length;
        return array.AsMemory(0, length);
    }

    internal void GiveBack()
    {
        foreach (var (array, length) in rented)
        {
            array.AsSpan(0, length).Clear();
            ArrayPool<byte>.Shared.Return(array);
        }

        rented.Clear();
        Length = 0;
    }
}
