namespace EhrGrains.Hl7v2.Batches;

/// <summary>What a part of a file or frame is.</summary>
public enum Hl7PartKind
{
    /// <summary>Neither message nor envelope: text before the first header, framing characters, blanks.</summary>
    Other,

    /// <summary>FHS or BHS: the head of a file or batch (HL7 v2.5.1 §2.10.3).</summary>
    Header,

    /// <summary>A message: from its MSH to its last segment.</summary>
    Message,

    /// <summary>BTS or FTS: the end of a batch or file.</summary>
    Trailer,
}

/// <summary>A part: where it is in the bytes that were divided.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Start">Its first byte.</param>
/// <param name="Length">Its length in bytes, its last line end included.</param>
public readonly record struct Hl7Part(Hl7PartKind Kind, int Start, int Length);

/// <summary>
/// Divides bytes that may hold several messages: a file, a batch (FHS, BHS, BTS, FTS), or a frame into which a sender put two
/// messages. The parts, joined, are the bytes again: nothing is dropped.
/// </summary>
public static class Hl7Batch
{
    /// <summary>The most parts that are looked for; what is left after them is the last part.</summary>
    public const int PartsMax = 1_000_000;

    /// <summary>Divides <paramref name="bytes"/> into parts, in order, without gaps.</summary>
    public static IReadOnlyList<Hl7Part> Divide(ReadOnlySpan<byte> bytes)
    {
        var parts = new List<Hl7Part>();
        var start = 0;
        var kind = Hl7PartKind.Other;
        for (var line = 0; line < bytes.Length && parts.Count < PartsMax;)
        {
            var begins = KindOf(bytes[line..], out var skip);
            if (begins is { } next)
            {
                Add(parts, kind, start, line + skip);
                start = line + skip;
                kind = next;
            }
            else if (kind is Hl7PartKind.Header or Hl7PartKind.Trailer && line > start && IsSegment(bytes[line..]))
            {
                // A segment after an envelope that is no envelope itself: kept, as what it is.
                Add(parts, kind, start, line);
                start = line;
                kind = Hl7PartKind.Other;
            }

            line = NextLine(bytes, line + skip);
        }

        Add(parts, kind, start, bytes.Length);
        return parts;
    }

    private static void Add(List<Hl7Part> parts, Hl7PartKind kind, int start, int end)
    {
        if (end > start)
        {
            parts.Add(new Hl7Part(kind, start, end - start));
        }
    }

    // Framing characters and a byte order mark may stand before a header on its line; they belong to the part before.
    private static Hl7PartKind? KindOf(ReadOnlySpan<byte> line, out int skip)
    {
        skip = 0;
        while (skip < line.Length && (line[skip] is 0 or 0x0B or 0x1C or (byte)' ' || line[skip] >= 0xEF))
        {
            skip++;
        }

        skip = line[skip..].StartsWith("\u00BB\u00BF"u8) ? skip + 2 : skip;
        var text = line[skip..];
        if (text.Length < 3 || (text.Length > 3 && char.IsAsciiLetterOrDigit((char)text[3])))
        {
            skip = 0;
            return null;
        }

        var id = text[..3];
        Hl7PartKind? kind = id.SequenceEqual("MSH"u8) && text.Length > 4 ? Hl7PartKind.Message
            : id.SequenceEqual("FHS"u8) || id.SequenceEqual("BHS"u8) ? Hl7PartKind.Header
            : id.SequenceEqual("BTS"u8) || id.SequenceEqual("FTS"u8) ? Hl7PartKind.Trailer
            : null;
        skip = kind is null ? 0 : skip;
        return kind;
    }

    private static bool IsSegment(ReadOnlySpan<byte> line) =>
        line.Length > 3 && char.IsAsciiLetterUpper((char)line[0]) && !char.IsAsciiLetterOrDigit((char)line[3]);

    private static int NextLine(ReadOnlySpan<byte> bytes, int from)
    {
        // A lost end-of-frame leaves VT before the next MSH in the middle of a line.
        var end = bytes[from..].IndexOfAny((byte)'\r', (byte)'\n', (byte)0x0B);
        if (end < 0)
        {
            return bytes.Length;
        }

        end += from;
        return bytes[end] == 0x0B ? (end > from ? end : end + 1)
            : bytes[end] == '\r' && end + 1 < bytes.Length && bytes[end + 1] == '\n' ? end + 2
            : end + 1;
    }
}
