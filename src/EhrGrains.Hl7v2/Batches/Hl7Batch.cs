using System.Buffers.Text;
using EhrGrains.Hl7v2.Messages;

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
        if (MessageReader.WideSet(bytes) is not { } wide)
        {
            return DivideNarrow(bytes);
        }

        // In UTF-16 and UTF-32 every character has the same number of bytes as far as ids and line ends go.
        var width = wide.UnitBytes;
        var narrow = new byte[bytes.Length / width];
        for (var i = 0; i < narrow.Length; i++)
        {
            narrow[i] = wide.Narrow(bytes.Slice(i * width, width));
        }

        var parts = DivideNarrow(narrow).Select(part => new Hl7Part(part.Kind, part.Start * width, part.Length * width)).ToArray();
        if (parts.Length > 0)
        {
            // A last half of a unit belongs to the last part.
            parts[^1] = parts[^1] with { Length = bytes.Length - parts[^1].Start };
        }

        return parts;
    }

    /// <summary>
    /// Compares BTS-1 (messages in the batch) and FTS-1 (batches in the file) with what is there. An empty count says nothing.
    /// </summary>
    public static IReadOnlyList<Hl7Warning> CheckCounts(ReadOnlySpan<byte> bytes, IReadOnlyList<Hl7Part> parts)
    {
        var warnings = new List<Hl7Warning>();
        int messages = 0, batches = 0;
        foreach (var part in MessageReader.WideSet(bytes) is null ? parts : [])
        {
            var text = bytes.Slice(part.Start, part.Length);
            messages += part.Kind == Hl7PartKind.Message ? 1 : 0;
            if (part.Kind != Hl7PartKind.Trailer)
            {
                continue;
            }

            var isBatch = (text[0] | 0x20) == 'b';
            batches += isBatch ? 1 : 0;
            if (CountOf(text) is { } stated && stated != (isBatch ? messages : batches))
            {
                warnings.Add(new Hl7Warning(Hl7WarningCode.BatchCountMismatch, -1, 1, part.Start));
            }

            messages = isBatch ? 0 : messages;
        }

        return warnings;
    }

    private static int? CountOf(ReadOnlySpan<byte> trailer) =>
        trailer.Length > 4 && Utf8Parser.TryParse(trailer[4..], out int count, out _) ? count : null;

    private static List<Hl7Part> DivideNarrow(ReadOnlySpan<byte> bytes)
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
        while (skip < line.Length && (line[skip] is 0 or 0x0B or 0x1C or (byte)' ' or (byte)'\t' || line[skip] >= 0xEF))
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
        // "MSH-7 is empty" in a text begins no message: a header states delimiters.
        Hl7PartKind? kind = Is(id, "MSH") && Delimiters.TryRead(text, out _, out _) ? Hl7PartKind.Message
            : Is(id, "FHS") || Is(id, "BHS") ? Hl7PartKind.Header
            : Is(id, "BTS") || Is(id, "FTS") ? Hl7PartKind.Trailer
            : null;
        skip = kind is null ? 0 : skip;
        return kind;
    }

    private static bool Is(ReadOnlySpan<byte> id, string name) => System.Text.Ascii.EqualsIgnoreCase(id, name);

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
