using EhrGrains.Hl7v2.Text;

namespace EhrGrains.Hl7v2.Messages;

/// <summary>Finds what was tolerated in a message that has been read. Looks at bytes only where a cheap test says that there may be something.</summary>
internal static class Leniencies
{
    internal static void Report(Hl7Message message)
    {
        Header(message);
        var text = message.Text.Span;
        var index = message.Index;
        if (index.HasLineFeed)
        {
            LineEnds(message, text);
        }

        if (index.HasEscape)
        {
            Escapes(message, message.Delimiters.Escape);
        }

        if (index.HasControl)
        {
            ControlCharacters(message, text);
        }

        if (index.HasHigh)
        {
            CharacterSet(message);
        }

        ValueTypes(message, text);
    }

    private static void Header(Hl7Message message)
    {
        var header = message.Segment(0);
        var delimiters = message.Delimiters;
        if (delimiters.Subcomponent == 0)
        {
            message.Warn(Hl7WarningCode.FewEncodingCharacters, 0, 2, header.Range(2).Start);
        }

        var version = header[12].Component(1).Raw;
        if (version is not [(byte)'2', ..])
        {
            message.Warn(Hl7WarningCode.NoVersion, 0, 12, header.Range(12).Start);
        }
        else if (delimiters.Truncation != 0 && Minor(version) < 7)
        {
            message.Warn(Hl7WarningCode.EarlyTruncationCharacter, 0, 2, header.Range(2).Start);
        }

        var type = header[9];
        if (type.IsEmpty)
        {
            message.Warn(Hl7WarningCode.NoMessageType, 0, 9, header.Range(9).Start);
        }
        else if (type.Component(3).IsEmpty && !type.Component(1).Is("ACK") && Minor(version) >= 4)
        {
            message.Warn(Hl7WarningCode.NoMessageStructure, 0, 9, header.Range(9).Start);
        }

        var id = header[10].Raw;
        if (id.IsEmpty)
        {
            message.Warn(Hl7WarningCode.NoControlId, 0, 10, header.Range(10).Start);
        }
        else if (id.Length > (Minor(version) >= 6 ? 199 : 20))
        {
            message.Warn(Hl7WarningCode.LongControlId, 0, 10, header.Range(10).Start);
        }
    }

    /// <summary>The digit after <c>2.</c>; 0 when there is none.</summary>
    private static int Minor(ReadOnlySpan<byte> version) =>
        version is [(byte)'2', (byte)'.', >= (byte)'0' and <= (byte)'9' and var minor, ..] ? minor - '0' : 0;

    // One warning a message: who ends one segment in LF ends them all.
    private static void LineEnds(Hl7Message message, ReadOnlySpan<byte> text)
    {
        var at = text.IndexOf((byte)'\n');
        var crlf = at > 0 && text[at - 1] == (byte)'\r';
        message.Warn(crlf ? Hl7WarningCode.CarriageReturnLineFeedEndsSegment : Hl7WarningCode.LineFeedEndsSegment, -1, 0, at);
    }

    private static void Escapes(Hl7Message message, byte escape)
    {
        foreach (var segment in message.Segments)
        {
            if (!segment.Raw.Contains(escape))
            {
                continue;
            }

            for (var number = segment.IsHeader ? 3 : 1; number <= segment.FieldCount; number++)
            {
                var (start, _) = segment.Range(number);
                var rest = segment[number].Raw;
                for (var at = rest.IndexOf(escape); at >= 0; at = rest.IndexOf(escape))
                {
                    var sequence = EscapeSequence.Read(rest[at..], escape);
                    if (sequence.Kind == EscapeKind.Unknown)
                    {
                        var closed = rest[(at + 1)..].Contains(escape);
                        message.Warn(closed ? Hl7WarningCode.UnknownEscape : Hl7WarningCode.StrayEscape, segment.Index, number, start + at);
                    }

                    start += at + sequence.Length;
                    rest = rest[(at + sequence.Length)..];
                }
            }
        }
    }

    private static void ControlCharacters(Hl7Message message, ReadOnlySpan<byte> text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            // ESC switches character sets; it is checked with the set.
            if (text[i] < (byte)' ' && text[i] is not ((byte)'\r' or (byte)'\n' or (byte)'\t' or 0x1B) && !message.Delimiters.IsDelimiter(text[i]))
            {
                message.Warn(Hl7WarningCode.ControlCharacter, -1, 0, i);
                return;
            }
        }
    }

    private static void CharacterSet(Hl7Message message)
    {
        var header = message.Segment(0);
        var named = header[18].Repetition(1).Raw;
        var declared = Charset.Find(named);
        if (declared is null)
        {
            message.Warn(named.IsEmpty ? Hl7WarningCode.CharacterSetMismatch : Hl7WarningCode.UnknownCharacterSet, 0, 18, header.Range(18).Start);
        }
        else if (message.Charset.KeepsAscii && declared != message.Charset && message.Charset.Name != declared.Name)
        {
            message.Warn(Hl7WarningCode.CharacterSetMismatch, 0, 18, header.Range(18).Start);
        }
    }

    private static void ValueTypes(Hl7Message message, ReadOnlySpan<byte> text)
    {
        var lines = message.Index.Lines;
        for (var i = 0; i < lines.Length; i++)
        {
            if (text[lines[i].Start..].StartsWith("OBX"u8) && lines[i].SeparatorCount >= 5)
            {
                var segment = message.Segment(i);
                if (segment[2].IsEmpty && segment[5].HasValue)
                {
                    message.Warn(Hl7WarningCode.NoValueType, i, 2, segment.Range(2).Start);
                }
            }
        }
    }
}
