namespace EhrGrains.Hl7v2.Text;

/// <summary>What stands between two escape characters (HL7 v2.5.1 §2.7, v2.9 §2.7).</summary>
internal enum EscapeKind
{
    /// <summary>Not a sequence of the standard, or a local one (<c>\Z…\</c>): kept as it stands.</summary>
    Unknown,

    /// <summary><c>\F\ \S\ \T\ \R\ \E\ \P\</c>: a delimiter as a character.</summary>
    Delimiter,

    /// <summary><c>\Xdd…\</c>: bytes in hexadecimal.</summary>
    Hexadecimal,

    /// <summary><c>\Cxxyy\</c>, <c>\Mxxyyzz\</c>: a switch of character set by the last bytes of an ISO 2022 sequence.</summary>
    CharacterSet,

    /// <summary><c>\.br\ \.sp3\ \.ce\</c>: begins new lines.</summary>
    NewLines,

    /// <summary><c>\.sk3\</c>: blanks.</summary>
    Blanks,

    /// <summary><c>\H\ \N\ \.in+4\ \.ti-2\ \.fi\ \.nf\</c>: says how text looks, not what it says.</summary>
    Presentation,

    /// <summary><c>\Z…\</c>: agreed between two sites; kept as it stands.</summary>
    Local,
}

/// <summary>One escape sequence, recognized but not decoded.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Length">Bytes from the first escape character to the last, both included; 1 for a stray escape character.</param>
/// <param name="Count">Lines or blanks, where the sequence says how many.</param>
internal readonly record struct EscapeSequence(EscapeKind Kind, int Length, int Count = 0)
{
    // Nothing in the standard is longer but \X..\, which has no limit of its own; a document's line of base64 is 78 bytes.
    private const int BodyMax = 64 * 1024;
    private const int CountMax = 100;

    /// <summary>
    /// Recognizes the sequence that begins at <paramref name="text"/>[0], the escape character. What is no sequence is a stray
    /// escape character of length 1: <c>C:\temp</c> keeps its backslash, and so does a value that ends in one.
    /// </summary>
    internal static EscapeSequence Read(ReadOnlySpan<byte> text, byte escape)
    {
        var window = text.Length > BodyMax ? text[..BodyMax] : text;
        var end = window[1..].IndexOf(escape);
        if (end <= 0)
        {
            return new EscapeSequence(EscapeKind.Unknown, 1);
        }

        var body = text.Slice(1, end);
        var length = end + 2;
        return body switch
        {
            [(byte)'F' or (byte)'S' or (byte)'T' or (byte)'R' or (byte)'E' or (byte)'P'] => new(EscapeKind.Delimiter, length),
            [(byte)'H' or (byte)'N'] => new(EscapeKind.Presentation, length),
            [(byte)'X' or (byte)'x', .. var digits] when IsHex(digits) => new(EscapeKind.Hexadecimal, length),
            [(byte)'C', .. { Length: 4 } digits] when IsHex(digits) => new(EscapeKind.CharacterSet, length),
            [(byte)'M', .. { Length: 4 or 6 } digits] when IsHex(digits) => new(EscapeKind.CharacterSet, length),
            [(byte)'Z', ..] when !body.Contains((byte)' ') => new(EscapeKind.Local, length),
            [(byte)'.', .. var command] => ReadCommand(command, length),
            _ => new EscapeSequence(EscapeKind.Unknown, 1),
        };
    }

    private static EscapeSequence ReadCommand(ReadOnlySpan<byte> command, int length)
    {
        if (command.Length < 2)
        {
            return new EscapeSequence(EscapeKind.Unknown, 1);
        }

        var name = ((char)(command[0] | 0x20), (char)(command[1] | 0x20));
        var number = command[2..];
        if (number.Length > 0 && number[0] is (byte)'+' or (byte)'-')
        {
            number = number[1..];
        }

        var count = 0;
        if (number.Length > 0
            && (!System.Buffers.Text.Utf8Parser.TryParse(number, out count, out var used) || used != number.Length || count is < 0 or > CountMax))
        {
            return new EscapeSequence(EscapeKind.Unknown, 1);
        }

        return name switch
        {
            ('b', 'r') or ('c', 'e') => new(EscapeKind.NewLines, length, 1),
            ('s', 'p') => new(EscapeKind.NewLines, length, Math.Max(count, 1)),
            ('s', 'k') => new(EscapeKind.Blanks, length, Math.Max(count, 1)),
            ('i', 'n') or ('t', 'i') or ('f', 'i') or ('n', 'f') => new(EscapeKind.Presentation, length),
            _ => new EscapeSequence(EscapeKind.Unknown, 1),
        };
    }

    private static bool IsHex(ReadOnlySpan<byte> digits)
    {
        if (digits.Length == 0 || digits.Length % 2 != 0)
        {
            return false;
        }

        foreach (var digit in digits)
        {
            if (!char.IsAsciiHexDigit((char)digit))
            {
                return false;
            }
        }

        return true;
    }
}
