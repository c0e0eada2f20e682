namespace EhrGrains.Hl7v2.Messages;

/// <summary>
/// The characters that structure a message, as its own MSH-1 and MSH-2 state them (HL7 v2.5.1 §2.5.4, truncation v2.7 §2.5.5.2).
/// All are single bytes below 0x80.
/// </summary>
/// <param name="Field">MSH-1, usually <c>|</c>.</param>
/// <param name="Component">First character of MSH-2, usually <c>^</c>.</param>
/// <param name="Repetition">Second character of MSH-2, usually <c>~</c>.</param>
/// <param name="Escape">Third character of MSH-2, usually <c>\</c>; 0 when MSH-2 is shorter: the message then has no escapes.</param>
/// <param name="Subcomponent">Fourth character of MSH-2, usually <c>&amp;</c>; 0 when absent: components are not divided.</param>
/// <param name="Truncation">Fifth character of MSH-2, usually <c>#</c>; 0 when absent. Read in any version, as senders write it in any.</param>
public readonly record struct Delimiters(byte Field, byte Component, byte Repetition, byte Escape, byte Subcomponent, byte Truncation)
{
    /// <summary>The delimiters that the standard recommends: <c>|^~\&amp;</c>.</summary>
    public static Delimiters Standard { get; } = new((byte)'|', (byte)'^', (byte)'~', (byte)'\\', (byte)'&', 0);

    /// <summary>True for a byte that structures the message and therefore cannot stand in a value unescaped.</summary>
    public bool IsDelimiter(byte value) =>
        value != 0 && (value == Field || value == Component || value == Repetition || value == Escape || value == Subcomponent
            || value == Truncation);

    /// <summary>
    /// Reads MSH-1 and MSH-2. <paramref name="header"/> begins at <c>MSH</c> (or FHS, BHS). Faults are passed over and reported in
    /// <paramref name="odd"/>: NULs, an escape character that stands twice (<c>^~\\&amp;</c>, out of a program's source), and anything
    /// that cannot divide after the second character (<c>^~\&amp;amp;</c>, out of XML). An empty MSH-2 means the recommended ones.
    /// </summary>
    internal static bool TryRead(ReadOnlySpan<byte> header, out Delimiters delimiters, out bool odd)
    {
        delimiters = default;
        odd = false;
        if (header.Length < 5 || !CanDelimit(header[3]))
        {
            return false;
        }

        var field = header[3];
        var end = header[4..].IndexOfAny(field, (byte)'\r', (byte)'\n');
        var stated = end < 0 ? header[4..] : header[4..(4 + end)];
        if (stated.IsEmpty && end >= 0 && header[4] == field && !Standard.IsDelimiter(field == (byte)'|' ? (byte)0 : field))
        {
            odd = true;
            delimiters = Standard with { Field = field };
            return true;
        }

        Span<byte> encoding = stackalloc byte[5];
        encoding.Clear();
        var count = 0;
        foreach (var b in stated)
        {
            if (b == 0 || (count == 3 && b == encoding[2]))
            {
                odd = true;
            }
            else if (count < encoding.Length && CanDelimit(b) && b != field && !encoding[..count].Contains(b))
            {
                encoding[count++] = b;
            }
            else if (count < 2)
            {
                return false;
            }
            else
            {
                odd = true;
                break;
            }
        }

        delimiters = new Delimiters(field, encoding[0], encoding[1], encoding[2], encoding[3], encoding[4]);
        return count > 0;
    }

    // Control characters divide in old interfaces (FS and GS of ASCII); not those that end lines or frames. A quotation mark is null.
    private static bool CanDelimit(byte b) =>
        b is not (0 or (byte)'\t' or (byte)'\r' or (byte)'\n' or 0x0B or 0x1C or (byte)' ' or (byte)'"') && b < 0x7F && !char.IsAsciiLetterOrDigit((char)b);
}
