using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace EhrGrains.Hl7v2.Messages;

/// <summary>
/// A place in a message as the standard writes it: <c>PID-3[2].4.1</c> is the first subcomponent of the fourth component of the
/// second repetition of the third field of the PID segment; <c>OBX[3]-5</c> is field 5 of the third OBX. Everything counts from 1.
/// Parts that are left out: the first segment of its name, the first repetition (for a component or below) or the whole field.
/// </summary>
/// <param name="Segment">The segment id, three characters.</param>
/// <param name="Occurrence">Which segment of that id, from 1.</param>
/// <param name="Field">The field's number; 0 for the whole segment.</param>
/// <param name="Repetition">The repetition, from 1; 0 for all of them.</param>
/// <param name="Component">The component, from 1; 0 for all of them.</param>
/// <param name="Subcomponent">The subcomponent, from 1; 0 for all of them.</param>
public readonly record struct Hl7Address(string Segment, int Occurrence, int Field, int Repetition, int Component, int Subcomponent)
    : IParsable<Hl7Address>
{
    private const int NumberMax = 999_999;

    /// <summary>Reads an address.</summary>
    /// <exception cref="FormatException"><paramref name="s"/> is not an address.</exception>
    public static Hl7Address Parse(string s, IFormatProvider? provider) =>
        TryParse(s, provider, out var address)
            ? address
            : throw new FormatException("An HL7 address looks like PID-3, PID-3[2].4.1 or OBX[3]-5.");

    /// <inheritdoc cref="TryParse(string?, IFormatProvider?, out Hl7Address)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, out Hl7Address result) => TryParse(s, null, out result);

    /// <summary>Reads an address; false when the text is not one.</summary>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out Hl7Address result)
    {
        result = default;
        if (s is not { Length: >= 3 } || !char.IsAsciiLetterUpper(s[0]) || !IsIdPart(s[1]) || !IsIdPart(s[2]))
        {
            return false;
        }

        var rest = s.AsSpan(3);
        if (!TryIndex(ref rest, out var occurrence))
        {
            return false;
        }

        int field = 0, repetition = 0, component = 0, subcomponent = 0;
        if (rest.Length > 0
            && !(TryNumber(ref rest, '-', out field) && TryIndex(ref rest, out repetition)
                && (rest.Length == 0 || (TryNumber(ref rest, '.', out component)
                    && (rest.Length == 0 || (TryNumber(ref rest, '.', out subcomponent) && rest.Length == 0))))))
        {
            return false;
        }

        // A component belongs to one repetition: the first, unless another is named.
        var first = component > 0 && repetition == 0 ? 1 : repetition;
        result = new Hl7Address(s[..3], Math.Max(occurrence, 1), field, first, component, subcomponent);
        return true;
    }

    /// <summary>The address in its shortest form.</summary>
    public override string ToString()
    {
        var text = new StringBuilder(Segment, 24);
        if (Occurrence > 1)
        {
            text.Append(CultureInfo.InvariantCulture, $"[{Occurrence}]");
        }

        if (Field > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"-{Field}");
        }

        if (Repetition > 1 || (Repetition == 1 && Component == 0))
        {
            text.Append(CultureInfo.InvariantCulture, $"[{Repetition}]");
        }

        if (Component > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $".{Component}");
        }

        if (Subcomponent > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $".{Subcomponent}");
        }

        return text.ToString();
    }

    private static bool IsIdPart(char c) => char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c);

    private static bool TryIndex(ref ReadOnlySpan<char> rest, out int index)
    {
        index = 0;
        if (rest.Length == 0 || rest[0] != '[')
        {
            return true;
        }

        var end = rest.IndexOf(']');
        if (end < 2 || !int.TryParse(rest[1..end], NumberStyles.None, CultureInfo.InvariantCulture, out index) || index is 0 or > NumberMax)
        {
            return false;
        }

        rest = rest[(end + 1)..];
        return true;
    }

    private static bool TryNumber(ref ReadOnlySpan<char> rest, char before, out int number)
    {
        number = 0;
        var digits = 1;
        while (digits < rest.Length && char.IsAsciiDigit(rest[digits]))
        {
            digits++;
        }

        if (rest[0] != before || digits == 1
            || !int.TryParse(rest[1..digits], NumberStyles.None, CultureInfo.InvariantCulture, out number) || number is 0 or > NumberMax)
        {
            return false;
        }

        rest = rest[digits..];
        return true;
    }
}
