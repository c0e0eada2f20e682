using System.Buffers;
using System.Text;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Text;

/// <summary>
/// Bytes of a value to text: escapes first, into bytes of the same character set, then the character set once over the whole.
/// That order lets <c>\XC3\\XA9\</c> make one character of two sequences, and decodes every escape exactly once:
/// <c>\E\T\E\</c> is the text <c>\T\</c>.
/// </summary>
internal static class TextDecoder
{
    private const int StackBytes = 512;
    private const byte AsciiEscape = 0x1B;

    internal static string Decode(ReadOnlySpan<byte> raw, Delimiters delimiters, Charset charset)
    {
        if (raw.IsEmpty)
        {
            return "";
        }

        var hasEscape = delimiters.Escape != 0 && raw.Contains(delimiters.Escape);
        if (!hasEscape)
        {
            return Text(raw, charset, switches: false);
        }

        // Decoding never grows but by \.spN\ and \.skN\ (at most 100 bytes for 5) and UTF-16 units written as hexadecimal.
        var rented = raw.Length > StackBytes ? ArrayPool<byte>.Shared.Rent(raw.Length) : null;
        var unescaped = new ByteSink(rented ?? stackalloc byte[StackBytes], rented);
        try
        {
            var switches = Unescape(raw, delimiters, charset, ref unescaped);
            return Text(unescaped.Written, charset, switches);
        }
        finally
        {
            unescaped.Return();
        }
    }

    private static string Text(ReadOnlySpan<byte> bytes, Charset charset, bool switches)
    {
        if (charset == Charset.Ascii && !switches)
        {
            return Encoding.Latin1.GetString(bytes);
        }

        if (switches)
        {
            // \C..\ and \M..\ name ISO 2022 sets, of which the Japanese ones are in use.
            return Charset.Japanese.Encoding.GetString(bytes);
        }

        if (charset == Charset.Utf8)
        {
            // Nearly all values are plain ASCII, and short: widening them costs half of what decoding them does.
            return Ascii.IsValid(bytes) ? Encoding.Latin1.GetString(bytes)
                : System.Text.Unicode.Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes)
                : Charset.Windows1252.Encoding.GetString(bytes);
        }

        return charset.Encoding.GetString(bytes);
    }

    private static bool Unescape(ReadOnlySpan<byte> raw, Delimiters delimiters, Charset charset, ref ByteSink sink)
    {
        var switches = false;
        while (true)
        {
            var at = raw.IndexOf(delimiters.Escape);
            if (at < 0)
            {
                sink.Write(raw);
                return switches;
            }

            sink.Write(raw[..at]);
            var sequence = EscapeSequence.Read(raw[at..], delimiters.Escape);
            var whole = raw.Slice(at, sequence.Length);
            switch (sequence.Kind)
            {
                case EscapeKind.Delimiter:
                    sink.Write(Delimiter(whole[1], delimiters));
                    break;
                case EscapeKind.Hexadecimal:
                    WriteHexadecimal(whole[2..^1], charset, ref sink);
                    break;
                case EscapeKind.CharacterSet:
                    switches = true;
                    sink.Write(AsciiEscape);
                    WriteHexadecimal(whole[2..^1], Charset.Ascii, ref sink);
                    break;
                case EscapeKind.NewLines:
                    sink.Fill((byte)'\n', sequence.Count);
                    break;
                case EscapeKind.Blanks:
                    sink.Fill((byte)' ', sequence.Count);
                    break;
                case EscapeKind.Presentation:
                    break;
                default:
                    sink.Write(whole);
                    break;
            }

            raw = raw[(at + sequence.Length)..];
        }
    }

    private static byte Delimiter(byte letter, Delimiters delimiters) => letter switch
    {
        (byte)'F' => delimiters.Field,
        (byte)'S' => delimiters.Component,
        (byte)'R' => delimiters.Repetition,
        (byte)'T' => delimiters.Subcomponent == 0 ? (byte)'&' : delimiters.Subcomponent,
        (byte)'P' => delimiters.Truncation == 0 ? (byte)'#' : delimiters.Truncation,
        _ => delimiters.Escape,
    };

    // The digits are bytes in the message's character set. Some senders write UTF-16 units instead: \X00E9\, \X000d\. Nothing
    // else begins with a zero byte, for a NUL cannot stand in a message.
    private static void WriteHexadecimal(ReadOnlySpan<byte> digits, Charset charset, ref ByteSink sink)
    {
        if (digits.Length % 4 == 0 && IsUtf16(digits))
        {
            Span<byte> encoded = stackalloc byte[8];
            for (var i = 0; i < digits.Length; i += 4)
            {
                var unit = (char)((Nibble(digits[i + 2]) << 4) | Nibble(digits[i + 3]));
                var written = charset.Encoding.GetBytes([unit], encoded);
                sink.Write(encoded[..written]);
            }

            return;
        }

        // They are bytes of the set that the message came in; of UTF-16 and UTF-32 nobody writes them so.
        if (charset.Original is { UnitBytes: 1 } original)
        {
            var text = original.Encoding.GetString(Convert.FromHexString(Encoding.ASCII.GetString(digits)));
            sink.Write(Encoding.UTF8.GetBytes(text));
            return;
        }

        for (var i = 0; i < digits.Length; i += 2)
        {
            sink.Write((byte)((Nibble(digits[i]) << 4) | Nibble(digits[i + 1])));
        }
    }

    private static bool IsUtf16(ReadOnlySpan<byte> digits)
    {
        for (var i = 0; i < digits.Length; i += 4)
        {
            if (digits[i] != (byte)'0' || digits[i + 1] != (byte)'0')
            {
                return false;
            }
        }

        return true;
    }

    private static int Nibble(byte digit) => digit <= (byte)'9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
}

/// <summary>Bytes being collected: on the stack while few, in a pooled array when more.</summary>
internal ref struct ByteSink(Span<byte> buffer, byte[]? rented)
{
    private Span<byte> buffer = buffer;
    private byte[]? rented = rented;
    private int length;

    internal readonly ReadOnlySpan<byte> Written => buffer[..length];

    internal void Write(byte value)
    {
        Reserve(1);
        buffer[length++] = value;
    }

    internal void Write(scoped ReadOnlySpan<byte> values)
    {
        Reserve(values.Length);
        values.CopyTo(buffer[length..]);
        length += values.Length;
    }

    internal void Fill(byte value, int count)
    {
        Reserve(count);
        buffer.Slice(length, count).Fill(value);
        length += count;
    }

    internal void Return()
    {
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
            rented = null;
        }
    }

    private void Reserve(int more)
    {
        if (length + more <= buffer.Length)
        {
            return;
        }

        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(length + more, buffer.Length * 2));
        buffer[..length].CopyTo(larger);
        Return();
        rented = larger;
        buffer = larger;
    }
}
