using System.Buffers;
using System.Text;
using EhrGrains.Hl7v2.Text;

namespace EhrGrains.Hl7v2.Messages;

/// <summary>The steps of reading: find the header, learn delimiters and character set, index, then look at what was tolerated.</summary>
internal static class MessageReader
{
    // Text before the header is skipped only so far: what has no MSH in its first kilobytes is no HL7.
    private const int HeaderSearchMax = 16 * 1024;

    private static readonly SearchValues<byte> Blanks = SearchValues.Create(" \t\r\n\0\u000B\u001C"u8);

    internal static Hl7ReadResult Read(Hl7Message message, ReadOnlyMemory<byte> bytes, Hl7ReadOptions options)
    {
        var wide = WideSet(bytes.Span);
        var divided = wide is null ? bytes : ToUtf8(bytes.Span, wide);
        var header = HeaderSearch.Find(divided.Span, HeaderSearchMax);
        if (header < 0)
        {
            return new Hl7ReadResult(IsBlank(divided.Span) ? Hl7Fault.Empty : Hl7Fault.NoHeader, 0);
        }

        if (!Delimiters.TryRead(divided.Span[header..], out var delimiters, out var odd))
        {
            return new Hl7ReadResult(Hl7Fault.BadDelimiters, header);
        }

        var length = TrimmedLength(divided.Span);
        var text = divided[header..length];
        message.Begin(wide is null ? text : bytes, text, delimiters, wide?.ForUtf8() ?? Charset.Ascii);
        message.Skipped = wide is null ? header : 0;
        Divide(message);
        if (wide is null)
        {
            UseDeclaredSet(message, text);
        }

        if (header > 0)
        {
            message.Warn(Hl7WarningCode.BytesBeforeHeader, -1, 0, 0);
        }

        if (odd)
        {
            message.Warn(Hl7WarningCode.OddEncodingCharacters, 0, 2, 4);
        }

        var result = Segments(message, options);
        if (!result.Ok)
        {
            return result with { Offset = result.Offset + header };
        }

        Leniencies.Report(message);
        if (length < divided.Length)
        {
            message.Warn(Hl7WarningCode.BytesAfterMessage, -1, 0, text.Length);
        }

        return default;
    }

    private static void Divide(Hl7Message message)
    {
        var text = message.Text.Span;
        var (field, escape) = (message.Delimiters.Field, message.Delimiters.Escape);
        var end = text[4..].IndexOfAny(field, (byte)'\r', (byte)'\n');
        message.Index.Build(text, field, escape, end < 0 ? text.Length : 4 + end);
    }

    // Lines become segments. One that begins with no segment id is the rest of a field that held a line end, or nothing but
    // blanks: it is joined to the one before. Two positions in one pass, as a text of many lines must not cost a copy for each.
    private static Hl7ReadResult Segments(Hl7Message message, Hl7ReadOptions options)
    {
        var text = message.Text.Span;
        var lines = message.Index.Lines;
        var kept = 0;
        foreach (var whole in lines)
        {
            var line = whole;
            var id = IdOf(text[line.Start..line.End], message.Delimiters.Field);
            if (id != SegmentId.Capital && !Tolerate(message, kept, id, ref line))
            {
                ref var previous = ref lines[kept - 1];
                previous.End = line.End;
                previous.SeparatorCount += line.SeparatorCount;
                continue;
            }

            if (kept > 0 && line.SeparatorCount > 1 && IsMessageHeader(text[line.Start..]))
            {
                return new Hl7ReadResult(Hl7Fault.SecondHeader, line.Start);
            }

            if (line.SeparatorCount > options.FieldsMax)
            {
                return new Hl7ReadResult(Hl7Fault.TooManyFields, line.Start);
            }

            lines[kept++] = line;
        }

        message.Index.Keep(kept);
        return kept > options.SegmentsMax ? new Hl7ReadResult(Hl7Fault.TooManySegments, 0) : default;
    }

    /// <summary>A line that does not begin as the standard says: true when it is a segment all the same.</summary>
    private static bool Tolerate(Hl7Message message, int position, SegmentId id, ref DelimiterIndex.Line line)
    {
        if (id == SegmentId.NotCapital)
        {
            message.Warn(Hl7WarningCode.SegmentIdNotCapital, position, 0, line.Start);
            return true;
        }

        var bytes = message.Text.Span[line.Start..line.End];
        var blanks = bytes.IndexOfAnyExcept(Blanks);
        if (blanks > 0 && IdOf(bytes[blanks..], message.Delimiters.Field) != SegmentId.None)
        {
            message.Warn(Hl7WarningCode.LeadingBlanks, position, 0, line.Start);
            line.Start += blanks;
            return true;
        }

        message.Warn(blanks < 0 ? Hl7WarningCode.TrailingBlanks : Hl7WarningCode.LineEndInsideField, position - 1, 0, line.Start);
        return false;
    }

    private enum SegmentId
    {
        None,
        Capital,
        NotCapital,
    }

    private static SegmentId IdOf(ReadOnlySpan<byte> line, byte field)
    {
        if (line.Length < 3 || (line.Length > 3 && line[3] != field && !IsBlank(line[3..])))
        {
            return SegmentId.None;
        }

        var (first, second, third) = (line[0], line[1], line[2]);
        if (char.IsAsciiLetterUpper((char)first) && IsCapitalOrDigit(second) && IsCapitalOrDigit(third))
        {
            return SegmentId.Capital;
        }

        // Three letters alone on a line are a segment without fields only in capitals: "mm\r" is the rest of a text.
        var letters = char.IsAsciiLetter((char)first) && char.IsAsciiLetterOrDigit((char)second) && char.IsAsciiLetterOrDigit((char)third);
        return letters && line.Length > 3 && line[3] == field ? SegmentId.NotCapital : SegmentId.None;
    }

    private static bool IsCapitalOrDigit(byte b) => char.IsAsciiLetterUpper((char)b) || char.IsAsciiDigit((char)b);

    private static bool IsMessageHeader(ReadOnlySpan<byte> line) =>
        (line[0] | 0x20) == 'm' && Hl7Segment.IsHeaderId(line[..3]) && Delimiters.TryRead(line, out _, out _);

    /// <summary>UTF-16 or UTF-32, told by its byte order mark or by how a header looks in it; null for sets of single bytes.</summary>
    internal static Charset? WideSet(ReadOnlySpan<byte> bytes) => bytes switch
    {
        [0, 0, 0xFE, 0xFF, ..] => Charset.BigEndianUtf32,
        [0xFF, 0xFE, 0, 0, ..] => Charset.LittleEndianUtf32,
        [0xFE, 0xFF, ..] => Charset.BigEndianUtf16,
        [0xFF, 0xFE, ..] => Charset.LittleEndianUtf16,
        [0, _, ..] or [_, 0, ..] => WideHeader(bytes[..Math.Min(bytes.Length, HeaderSearchMax)]),
        _ => null,
    };

    // The first header counts: what follows it can look like one in the other byte order.
    private static Charset? WideHeader(ReadOnlySpan<byte> window)
    {
        Charset? found = null;
        foreach (var set in (ReadOnlySpan<Charset>)[Charset.BigEndianUtf32, Charset.LittleEndianUtf32, Charset.BigEndianUtf16, Charset.LittleEndianUtf16])
        {
            var at = window.IndexOf(set.Encoding.GetBytes("MSH"));
            if (at >= 0 && at % set.UnitBytes == 0)
            {
                found = set;
                window = window[..at];
            }
        }

        return found;
    }

    private static byte[] ToUtf8(ReadOnlySpan<byte> bytes, Charset set) =>
        Encoding.UTF8.GetBytes(set.Encoding.GetString(bytes).TrimStart('\uFEFF'));

    // What MSH-18 says is believed as far as the bytes allow. A set whose characters can hold delimiters is turned into UTF-8,
    // and the message divided anew.
    private static void UseDeclaredSet(Hl7Message message, ReadOnlyMemory<byte> text)
    {
        var ascii = !message.Index.HasHigh;
        if (message.HeaderField(18).IsEmpty)
        {
            message.Use(ascii ? Charset.Ascii : Charset.Guess(text.Span));
            return;
        }

        var names = message.Segment(0)[18];
        var switches = message.Index.HasControl && text.Span.Contains((byte)0x1B);
        var declared = Charset.Find(names.Repetition(1).Raw);
        if (switches && names.RepetitionCount > 1)
        {
            // "~ISO IR87": the first set is ASCII, and escape sequences reach the others.
            declared = Charset.Find(names.Repetition(2).Raw) ?? declared;
        }

        // What is in UTF-16 or UTF-32 has been recognized as such before.
        if (declared is null or { UnitBytes: > 1 } || (!ascii && !declared.CanHold(text.Span)))
        {
            message.Use(ascii ? Charset.Ascii : Charset.Guess(text.Span));
        }
        else if (declared.KeepsAscii)
        {
            message.Use(declared);
        }
        else if (ascii && !switches)
        {
            message.Use(declared.ForUtf8());
        }
        else
        {
            var utf8 = ToUtf8(text.Span, declared);
            message.Begin(message.Bytes, utf8, message.Delimiters, declared.ForUtf8());
            Divide(message);
        }
    }

    // The last segment keeps its own line end; what framing, files and keep-alives leave after it is not part of the message.
    private static int TrimmedLength(ReadOnlySpan<byte> text)
    {
        var end = text.Length;
        while (end > 0 && text[end - 1] is 0 or 0x0B or 0x1C or 0x1A or (byte)' ' or (byte)'\r' or (byte)'\n')
        {
            end--;
        }

        // What was trimmed begins with the line end of the last segment, and blanks before it are its own.
        while (end < text.Length && text[end] == (byte)' ')
        {
            end++;
        }

        if (end < text.Length && text[end] == (byte)'\r')
        {
            end++;
        }

        return end < text.Length && text[end] == (byte)'\n' ? end + 1 : end;
    }

    private static bool IsBlank(ReadOnlySpan<byte> text) =>
        !text.ContainsAnyExcept(Blanks);
}

/// <summary>Finds where a header segment begins.</summary>
internal static class HeaderSearch
{
    /// <summary>The offset of <c>MSH</c> at the start or after a line end, framing or blank characters; -1 when there is none.</summary>
    internal static int Find(ReadOnlySpan<byte> text, int searchMax)
    {
        var window = text[..Math.Min(text.Length, searchMax)];
        var exact = Find(window, "MSH"u8);
        return exact >= 0 ? exact : Find(window, "msh"u8);
    }

    // The first that states delimiters: "see MSH-7" may stand in a text before. Else the first at all, to be named as bad.
    private static int Find(ReadOnlySpan<byte> text, ReadOnlySpan<byte> id)
    {
        var bad = -1;
        for (var from = 0; ;)
        {
            var at = text[from..].IndexOf(id);
            if (at < 0)
            {
                return bad;
            }

            at += from;
            if (at + 3 < text.Length && !char.IsAsciiLetterOrDigit((char)text[at + 3]) && (at == 0 || BeginsHere(text[at - 1])))
            {
                if (Delimiters.TryRead(text[at..], out _, out _))
                {
                    return at;
                }

                bad = bad < 0 ? at : bad;
            }

            from = at + 3;
        }
    }

    private static bool BeginsHere(byte before) => before is <= (byte)' ' or >= 0x7F;
}
