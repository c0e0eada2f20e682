using System.Buffers;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Batches;

/// <summary>What became of a message that may be a part of a larger one.</summary>
public enum Hl7ContinuationStatus
{
    /// <summary>It is a message of its own.</summary>
    Whole,

    /// <summary>It is a part; another is to come.</summary>
    Held,

    /// <summary>It was the last part: the message is complete.</summary>
    Completed,

    /// <summary>It continues a message of which no part is here, or states other delimiters than the part before.</summary>
    Orphan,

    /// <summary>It would take more memory than is allowed; the parts of its message are dropped.</summary>
    TooLarge,
}

/// <summary>
/// Joins messages that a sender has cut into parts (HL7 v2.5.1 §2.10.2): a part ends in DSC, whose first field is the continuation
/// pointer; the next part of the same sender states it in MSH-14; a segment that was cut goes on in ADD. One instance serves one
/// feed, in order. Not safe for use by several threads at once.
/// </summary>
/// <param name="messagesMax">The most messages of which parts are held.</param>
/// <param name="bytesMax">The most bytes of all parts together.</param>
public sealed class Hl7Continuation(int messagesMax = 16, int bytesMax = 64 * 1024 * 1024)
{
    private readonly Dictionary<string, Held> parts = new(StringComparer.Ordinal);
    private int bytesHeld;

    private sealed record Held(byte[] Bytes, Delimiters Delimiters);

    /// <summary>How many messages are waiting for a part.</summary>
    public int Count => parts.Count;

    /// <summary>
    /// Takes the next message of the feed. <paramref name="joined"/> is the whole message when it is <see cref="Hl7ContinuationStatus.Completed"/>,
    /// with the header of its first part.
    /// </summary>
    public Hl7ContinuationStatus Take(Hl7Message message, out byte[] joined)
    {
        ArgumentNullException.ThrowIfNull(message);
        joined = [];
        var isContinued = TryPointer(message, out var next);
        if (message["MSH-14"].IsEmpty && !isContinued)
        {
            return Hl7ContinuationStatus.Whole;
        }

        var body = Body(message, isContinued);
        if (!message["MSH-14"].IsEmpty)
        {
            var pointer = Key(message, message["MSH-14"]);
            if (!parts.Remove(pointer, out var before))
            {
                return Hl7ContinuationStatus.Orphan;
            }

            bytesHeld -= before.Bytes.Length;
            if (before.Delimiters != message.Delimiters)
            {
                return Hl7ContinuationStatus.Orphan;
            }

            body = Append(before.Bytes, body, message.Delimiters.Field);
        }

        if (!isContinued)
        {
            joined = message.ToOriginal(body);
            return Hl7ContinuationStatus.Completed;
        }

        if ((parts.Count >= messagesMax && !parts.ContainsKey(next)) || body.Length > bytesMax - bytesHeld)
        {
            return Hl7ContinuationStatus.TooLarge;
        }

        bytesHeld += body.Length - (parts.GetValueOrDefault(next)?.Bytes.Length ?? 0);
        parts[next] = new Held(body, message.Delimiters);
        return Hl7ContinuationStatus.Held;
    }

    /// <summary>
    /// A message in which the ADD segments are joined to the segments that they continue; the bytes as they are when there is none.
    /// </summary>
    public static ReadOnlyMemory<byte> JoinSegments(Hl7Message message)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (!message.TryFind("ADD", 1, out _))
        {
            return message.Bytes;
        }

        var output = new ArrayBufferWriter<byte>(message.Text.Length);
        foreach (var segment in message.Segments)
        {
            Write(output, segment, message.Delimiters.Field);
        }

        output.Write("\r"u8);
        return message.ToOriginal(output.WrittenSpan);
    }

    // DSC-2: F, a part of a message; I, a query's answer of which more can be asked for, and no part.
    private static bool TryPointer(Hl7Message message, out string key)
    {
        var last = message.SegmentCount > 0 ? message.Segment(message.SegmentCount - 1) : default;
        var isPart = last.Is("DSC") && !last[1].IsEmpty && !last[2].Is("I");
        key = isPart ? Key(message, last[1]) : "";
        return isPart;
    }

    private static string Key(Hl7Message message, Hl7Value pointer) =>
        $"{message["MSH-3"].GetString()}\n{message["MSH-4"].GetString()}\n{pointer.GetString()}";

    // All segments, without the DSC that says that more is to come.
    private static byte[] Body(Hl7Message message, bool isContinued)
    {
        var output = new ArrayBufferWriter<byte>(message.Text.Length);
        for (var i = 0; i < message.SegmentCount - (isContinued ? 1 : 0); i++)
        {
            Write(output, message.Segment(i), message.Delimiters.Field);
        }

        output.Write("\r"u8);
        return output.WrittenSpan.ToArray();
    }

    // An ADD that follows a segment is joined to it; one that follows the header is the rest of the part before, and stays.
    private static void Write(ArrayBufferWriter<byte> output, Hl7Segment segment, byte field)
    {
        if (segment.Is("ADD") && segment.Index > 1)
        {
            output.Write(Rest(segment.Raw, field));
            return;
        }

        output.Write(output.WrittenCount > 0 ? "\r"u8 : []);
        output.Write(segment.Raw);
    }

    private static ReadOnlySpan<byte> Rest(ReadOnlySpan<byte> segment, byte field) => segment.Length > 4 && segment[3] == field ? segment[4..] : [];

    // The header of the second part is dropped, and an ADD behind it goes on where the first part ended.
    private static byte[] Append(byte[] first, ReadOnlySpan<byte> second, byte field)
    {
        var end = second.IndexOf((byte)'\r') + 1;
        var rest = second[end..];
        var isAdd = rest.Length > 3 && System.Text.Ascii.EqualsIgnoreCase(rest[..3], "ADD"u8) && rest[3] == field;
        return isAdd ? [.. first.AsSpan(0, first.Length - 1), .. rest[4..]] : [.. first, .. rest];
    }
}
