using System.Text;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Text;

/// <summary>
/// Text to bytes of a value: what would structure the message is escaped, so that no text can begin a field, a segment or a
/// message of its own. <see cref="TextDecoder"/> gives the text back.
/// </summary>
internal static class TextEncoder
{
    /// <exception cref="Hl7EncodingException">The character set has no such character, or the message has no escape character.</exception>
    internal static byte[] Encode(string text, Delimiters delimiters, Charset charset)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange(' ', '~') && !HasDelimiter(text, delimiters))
        {
            return Encoding.ASCII.GetBytes(text);
        }

        var strict = Strict(charset);
        var sink = new ByteSink(stackalloc byte[256], null);
        Span<byte> encoded = stackalloc byte[16];
        Span<char> characters = stackalloc char[2];
        try
        {
            foreach (var rune in text.EnumerateRunes())
            {
                if (rune.IsAscii)
                {
                    WriteAscii((byte)rune.Value, delimiters, ref sink);
                    continue;
                }

                var count = rune.EncodeToUtf16(characters);
                sink.Write(encoded[..strict.GetBytes(characters[..count], encoded)]);
            }

            return sink.Written.ToArray();
        }
        catch (EncoderFallbackException cause)
        {
            throw new Hl7EncodingException(charset.Name, cause);
        }
        finally
        {
            sink.Return();
        }
    }

    private static bool HasDelimiter(string text, Delimiters delimiters)
    {
        foreach (var c in text)
        {
            if (delimiters.IsDelimiter((byte)c))
            {
                return true;
            }
        }

        return false;
    }

    private static void WriteAscii(byte value, Delimiters delimiters, ref ByteSink sink)
    {
        var letter = Letter(value, delimiters);
        if (letter != 0)
        {
            Escaped(letter, delimiters, ref sink);
        }
        else if (value is < (byte)' ' or 0x7F && (delimiters.Escape != 0 || EndsSomething(value)))
        {
            RequireEscape(delimiters);
            sink.Write(delimiters.Escape);
            sink.Write((byte)'X');
            sink.Write(Digit(value >> 4));
            sink.Write(Digit(value & 15));
            sink.Write(delimiters.Escape);
        }
        else
        {
            sink.Write(value);
        }
    }

    // A line end, or a byte that frames messages.
    private static bool EndsSomething(byte value) => value is 0 or (byte)'\r' or (byte)'\n' or 0x0B or 0x1C;

    private static byte Letter(byte value, Delimiters delimiters) =>
        value == 0 ? (byte)0
        : value == delimiters.Field ? (byte)'F'
        : value == delimiters.Component ? (byte)'S'
        : value == delimiters.Repetition ? (byte)'R'
        : value == delimiters.Escape ? (byte)'E'
        : value == delimiters.Subcomponent ? (byte)'T'
        : value == delimiters.Truncation ? (byte)'P'
        : (byte)0;

    private static void Escaped(byte letter, Delimiters delimiters, ref ByteSink sink)
    {
        RequireEscape(delimiters);
        sink.Write(delimiters.Escape);
        sink.Write(letter);
        sink.Write(delimiters.Escape);
    }

    private static void RequireEscape(Delimiters delimiters)
    {
        if (delimiters.Escape == 0)
        {
            throw new Hl7EncodingException("a message without an escape character (MSH-2)", null);
        }
    }

    private static byte Digit(int nibble) => (byte)(nibble < 10 ? '0' + nibble : 'A' + nibble - 10);

    private static Encoding Strict(Charset charset)
    {
        if (charset == Charset.Ascii)
        {
            return Encoding.GetEncoding("us-ascii", EncoderFallback.ExceptionFallback, DecoderFallback.ReplacementFallback);
        }

        var encoding = (Encoding)charset.Encoding.Clone();
        encoding.EncoderFallback = EncoderFallback.ExceptionFallback;
        return encoding;
    }
}

/// <summary>Thrown when a text cannot be written in the message's character set. Holds no part of the text.</summary>
public sealed class Hl7EncodingException(string target, Exception? cause)
    : Exception($"The text has a character that cannot be written in {target}. Set MSH-18 to UNICODE UTF-8, or leave the character out.", cause);
