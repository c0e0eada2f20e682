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
            Escapes(message, text, message.Delimiters.Escape);
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

    // Read by position: this is done for every message.
    private static void Header(Hl7Message message)
    {
        var delimiters = message.Delimiters;
        if (delimiters.Subcomponent == 0)
        {
            message.Warn(Hl7WarningCode.FewEncodingCharacters, 0, 2, 4);
        }

        var version = message.HeaderField(12);
        var minor = Minor(version);
        if (version is not [(byte)'2', ..])
        {
            Warn(message, Hl7WarningCode.NoVersion, 12);
        }
        else if (delimiters.Truncation != 0 && minor < 7)
        {
            message.Warn(Hl7WarningCode.EarlyTruncationCharacter, 0, 2, 4);
        }

        var type = message.HeaderField(9);
        if (type.IsEmpty)
        {
            Warn(message, Hl7WarningCode.NoMessageType, 9);
        }
        else if (minor >= 4 && !HasStructure(type, delimiters.Component) && !type.StartsWith("ACK"u8))
        {
            Warn(message, Hl7WarningCode.NoMessageStructure, 9);
        }

        var id = message.HeaderField(10);
        if (id.IsEmpty)
        {
            Warn(message, Hl7WarningCode.NoControlId, 10);
        }
        else if (id.Length > (minor >= 6 ? 199 : 20))
        {
            Warn(message, Hl7WarningCode.LongControlId, 10);
        }
    }

    private static void Warn(Hl7Message message, Hl7WarningCode code, int field) =>
        message.Warn(code, 0, field, message.Segment(0).Range(field).Start);

    private static bool HasStructure(ReadOnlySpan<byte> type, byte component)
    {
        var first = type.IndexOf(component);
        var second = first < 0 ? -1 : type[(first + 1)..].IndexOf(component);
        return second >= 0 && first + second + 2 < type.Length && type[first + second + 2] != component;
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

    private static void Escapes(Hl7Message message, ReadOnlySpan<byte> text, byte escape)
    {
        var separators = message.Index.Separators;
        for (var i = 0; i < message.SegmentCount; i++)
        {
            ref readonly var line = ref message.Index.Lines[i];
            var own = separators.Slice(line.FirstSeparator, line.SeparatorCount);
            // MSH-2 names the escape character.
            var at = i == 0 && own.Length > 1 ? own[1] : line.Start;
            while (text[at..line.End].IndexOf(escape) is >= 0 and var next)
            {
                at += next;
                var field = ~own.BinarySearch(at);
                var sequence = EscapeSequence.Read(text[at..(field < own.Length ? own[field] : line.End)], escape);
                if (sequence.Kind == EscapeKind.Unknown)
                {
                    var rest = text[(at + 1)..(field < own.Length ? own[field] : line.End)];
                    var code = rest.Contains(escape) ? Hl7WarningCode.UnknownEscape : Hl7WarningCode.StrayEscape;
                    message.Warn(code, i, i == 0 ? field + 1 : field, at);
                }

                at += sequence.Length;
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

    // OBX-2 is empty when the separators around it are neighbours.
    private static void ValueTypes(Hl7Message message, ReadOnlySpan<byte> text)
    {
        var separators = message.Index.Separators;
        var lines = message.Index.Lines;
        for (var i = 0; i < lines.Length; i++)
        {
            ref readonly var line = ref lines[i];
            if (line.SeparatorCount >= 5 && text[line.Start..].StartsWith("OBX"u8)
                && separators[line.FirstSeparator + 2] == separators[line.FirstSeparator + 1] + 1 && message.Segment(i)[5].HasValue)
            {
                message.Warn(Hl7WarningCode.NoValueType, i, 2, separators[line.FirstSeparator + 2]);
            }
        }
    }
}
