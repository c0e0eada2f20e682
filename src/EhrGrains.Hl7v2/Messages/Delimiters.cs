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
    /// Reads MSH-1 and MSH-2. <paramref name="header"/> begins at <c>MSH</c> (or FHS, BHS). False when there is no field
    /// separator, when MSH-2 is empty, when a delimiter is a letter, digit, control or non-ASCII character, or when two are the same.
    /// </summary>
    internal static bool TryRead(ReadOnlySpan<byte> header, out Delimiters delimiters)
    {
        delimiters = default;
        if (header.Length < 4 || !CanDelimit(header[3]))
        {
            return false;
        }

        var field = header[3];
        Span<byte> encoding = stackalloc byte[5];
        encoding.Clear();
        var count = 0;
        foreach (var b in header[4..])
        {
            if (b == field || b is (byte)'\r' or (byte)'\n')
            {
                break;
            }

            if (count == encoding.Length || !CanDelimit(b) || encoding[..count].Contains(b))
            {
                return false;
            }

            encoding[count++] = b;
        }

        delimiters = new Delimiters(field, encoding[0], encoding[1], encoding[2], encoding[3], encoding[4]);
        return count > 0;
    }

    private static bool CanDelimit(byte b) => b is > (byte)' ' and < 0x7F && !char.IsAsciiLetterOrDigit((char)b) && b != (byte)'"';
}
