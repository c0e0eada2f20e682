using System.Buffers;
using System.Buffers.Text;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Types;

/// <summary>NM and SI (HL7 v2.5.1 chapter 2.A).</summary>
public static class Hl7Numbers
{
    private const int DigitsMax = 40;
    private static readonly SearchValues<byte> Digits = SearchValues.Create("0123456789.-"u8);

    /// <summary>
    /// NM: sign, digits, a decimal point. The scale is kept: <c>1.50</c> has two decimals. False for anything else, for example
    /// <c>&lt;0.1</c>, <c>pending</c> or <c>1e5</c>.
    /// </summary>
    public static bool TryReadNumber(this Hl7Value value, out decimal number)
    {
        var text = value.Component(1).Raw.Trim((byte)' ');
        text = text is [(byte)'+', >= (byte)'0' and <= (byte)'9', ..] ? text[1..] : text;
        number = 0;
        return text.Length is > 0 and <= DigitsMax && !text.ContainsAnyExcept(Digits) && Utf8Parser.TryParse(text, out number, out var used) && used == text.Length;
    }

    /// <summary>SI: a number of one to four digits, not negative.</summary>
    public static bool TryReadSequence(this Hl7Value value, out int number)
    {
        var text = value.Component(1).Raw.Trim((byte)' ');
        number = 0;
        return text.Length is > 0 and <= 9 && !text.ContainsAnyExceptInRange((byte)'0', (byte)'9') && Utf8Parser.TryParse(text, out number, out _);
    }
}

/// <summary>SN: a structured number such as <c>&gt;^100</c>, <c>^1^:^128</c> or <c>^2^+</c> (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field or repetition.</param>
public readonly ref struct Sn(Hl7Value value)
{
    private readonly Hl7Value value = value;

    /// <summary>SN.1: &gt;, &lt;, &gt;=, &lt;=, = or &lt;&gt;. Empty means equal.</summary>
    public Hl7Value Comparator => value.Component(1);

    /// <summary>SN.2: the first number.</summary>
    public Hl7Value First => value.Component(2);

    /// <summary>SN.3: <c>-</c> (to), <c>:</c> or <c>/</c> (ratio), <c>+</c> (and more).</summary>
    public Hl7Value Separator => value.Component(3);

    /// <summary>SN.4: the second number.</summary>
    public Hl7Value Second => value.Component(4);

    /// <summary>
    /// Reads it as a comparator and one number, also out of one component as some senders write it (<c>&lt;0.1</c>). False for a
    /// range, a ratio, or what is no number.
    /// </summary>
    public bool TryReadComparison(out string comparator, out decimal number)
    {
        comparator = Comparator.GetString().Trim();
        if (!First.IsEmpty)
        {
            number = 0;
            return Separator.IsEmpty && comparator is "" or ">" or "<" or ">=" or "<=" or "=" or "<>" && First.TryReadNumber(out number);
        }

        var digits = comparator.AsSpan().TrimStart("<>=");
        comparator = comparator[..^digits.Length];
        return decimal.TryParse(
            digits.Trim(), System.Globalization.NumberStyles.AllowLeadingSign | System.Globalization.NumberStyles.AllowDecimalPoint,
            System.Globalization.CultureInfo.InvariantCulture, out number);
    }
}
