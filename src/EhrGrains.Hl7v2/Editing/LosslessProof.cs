using System.Buffers;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Text;

namespace EhrGrains.Hl7v2.Editing;

/// <summary>What was not as it had been.</summary>
public enum LosslessFault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Segments, fields and parts, joined again, are not the bytes of the message.</summary>
    Bytes,

    /// <summary>The text of a value, encoded again, does not read as the same text.</summary>
    Text,

    /// <summary>The text of a value has a character that the message's character set cannot write.</summary>
    Character,
}

/// <summary>
/// Proves of one message that reading it lost nothing: what was found in it makes up all of its bytes, and the text of every value
/// can be written and read again.
/// </summary>
/// <param name="Values">How many values were looked at.</param>
/// <param name="Fault">What was found wrong.</param>
/// <param name="At">Where; null when nothing is wrong.</param>
public readonly record struct LosslessProof(int Values, LosslessFault Fault, Hl7Address? At)
{
    /// <summary>True when nothing was lost.</summary>
    public bool IsLossless => Fault == LosslessFault.None;

    /// <summary>Makes the proof for a message that has been read.</summary>
    public static LosslessProof Of(Hl7Message message)
    {
        var text = message.Text.Span;
        var joined = new ArrayBufferWriter<byte>(text.Length + 16);
        var values = 0;
        foreach (var segment in message.Segments)
        {
            var before = joined.WrittenCount;
            joined.Write(Head(message, segment));
            for (var number = 1; number <= segment.FieldCount; number++)
            {
                if (Field(message, segment, number, joined, ref values) is var fault and not LosslessFault.None)
                {
                    return Failed(message, segment.Index, number, fault, values);
                }
            }

            if (!joined.WrittenSpan[before..].SequenceEqual(segment.Raw))
            {
                return Failed(message, segment.Index, 0, LosslessFault.Bytes, values);
            }
        }

        return new LosslessProof(values, LosslessFault.None, null);
    }

    // The id, and after a bare id the blanks or lines of text that follow it: they belong to no field.
    private static ReadOnlySpan<byte> Head(Hl7Message message, Hl7Segment segment) =>
        segment.IsHeader ? segment.Id
        : segment.FieldCount == 0 ? segment.Raw
        : segment.Raw[..(segment.Range(1).Start - 1 - message.Index.Lines[segment.Index].Start)];

    private static LosslessProof Failed(Hl7Message message, int segment, int field, LosslessFault fault, int values) =>
        new(values, fault, message.Locate(new Hl7Warning(default, segment, field, 0)));

    // A header's first field is the separator itself, and its second divides nothing.
    private static LosslessFault Field(Hl7Message message, Hl7Segment segment, int number, ArrayBufferWriter<byte> joined, ref int values)
    {
        if (!(segment.IsHeader && number == 2))
        {
            joined.Write([message.Delimiters.Field]);
        }

        if (segment.IsHeader && number <= 2)
        {
            joined.Write(number == 1 ? [] : segment[2].Raw);
            return LosslessFault.None;
        }

        var repetitions = 0;
        foreach (var repetition in segment[number].Repetitions)
        {
            Divide(joined, message.Delimiters.Repetition, repetitions++);
            var components = 0;
            foreach (var component in repetition.Components)
            {
                Divide(joined, message.Delimiters.Component, components++);
                var subcomponents = 0;
                foreach (var value in component.Subcomponents)
                {
                    Divide(joined, message.Delimiters.Subcomponent, subcomponents++);
                    joined.Write(value.Raw);
                    values++;
                    if (Value(message, value) is var fault and not LosslessFault.None)
                    {
                        return fault;
                    }
                }
            }
        }

        return LosslessFault.None;
    }

    private static LosslessFault Value(Hl7Message message, Hl7Value value)
    {
        if (!value.Raw.ContainsAnyExceptInRange((byte)' ', (byte)'~') && !value.Raw.Contains(message.Delimiters.Escape))
        {
            return LosslessFault.None;
        }

        try
        {
            var text = value.GetString();
            var again = value.With(TextEncoder.Encode(text, message.Delimiters, message.Charset)).GetString();
            return again == text ? LosslessFault.None : LosslessFault.Text;
        }
        catch (Hl7EncodingException) when (message.Delimiters.Escape == 0 || value.Raw.Contains(message.Delimiters.Escape))
        {
            // Only the bytes that are there can say it: a line end inside a field where MSH-2 states no escape character, or an
            // escape sequence for a character that the message's set does not have.
            return LosslessFault.None;
        }
        catch (Hl7EncodingException)
        {
            return LosslessFault.Character;
        }
    }

    private static void Divide(ArrayBufferWriter<byte> joined, byte divider, int before)
    {
        if (before > 0)
        {
            joined.Write([divider]);
        }
    }
}
