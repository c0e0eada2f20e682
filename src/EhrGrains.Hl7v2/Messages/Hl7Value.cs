using EhrGrains.Hl7v2.Text;

namespace EhrGrains.Hl7v2.Messages;

/// <summary>
/// A field, repetition, component or subcomponent: a view of the message's own bytes, undecoded until asked. Dividing a value
/// that has no divider in it gives the value itself, so that <c>PID-3.1</c> can be read of a plain <c>PID-3</c> (HL7 v2.5.1 §2.5.3:
/// a receiver treats a simple value as the first component).
/// </summary>
public readonly ref struct Hl7Value
{
    private readonly Delimiters delimiters;
    private readonly Charset charset;

    internal Hl7Value(ReadOnlySpan<byte> raw, Delimiters delimiters, Charset charset)
    {
        Raw = raw;
        this.delimiters = delimiters;
        this.charset = charset;
    }

    /// <summary>The bytes as they stand in the message: escapes and dividers included.</summary>
    public ReadOnlySpan<byte> Raw { get; }

    /// <summary>True when there is nothing: the sender says nothing about the value.</summary>
    public bool IsEmpty => Raw.IsEmpty;

    /// <summary>True for <c>""</c>: the sender says that the value is to be deleted (HL7 v2.5.1 §2.5.3).</summary>
    public bool IsNull => Raw is [(byte)'"', (byte)'"'];

    /// <summary>True when there is a value, neither empty nor null.</summary>
    public bool HasValue => !IsEmpty && !IsNull;

    /// <summary>How many repetitions a field has: 0 when it is empty.</summary>
    public int RepetitionCount => IsEmpty ? 0 : Raw.Count(delimiters.Repetition) + 1;

    /// <summary>Repetition <paramref name="number"/>, from 1; empty when there is none.</summary>
    public Hl7Value Repetition(int number) => Part(delimiters.Repetition, number);

    /// <summary>Component <paramref name="number"/>, from 1; empty when there is none.</summary>
    public Hl7Value Component(int number) => Part(delimiters.Component, number);

    /// <summary>Subcomponent <paramref name="number"/>, from 1; empty when there is none.</summary>
    public Hl7Value Subcomponent(int number) => Part(delimiters.Subcomponent, number);

    /// <summary>The repetitions, in order.</summary>
    public Hl7ValueEnumerator Repetitions => new(this, delimiters.Repetition);

    /// <summary>The components, in order.</summary>
    public Hl7ValueEnumerator Components => new(this, delimiters.Component);

    /// <summary>The subcomponents, in order.</summary>
    public Hl7ValueEnumerator Subcomponents => new(this, delimiters.Subcomponent);

    /// <summary>
    /// The text: character set and escapes decoded exactly once. Dividers that stand in it are kept as characters, so a field of
    /// type FT or TX that holds a bare <c>&amp;</c> reads as it was meant.
    /// </summary>
    public string GetString() => TextDecoder.Decode(Raw, delimiters, charset);

    /// <summary>True when the text is <paramref name="text"/>, without making a string when the bytes are plain ASCII.</summary>
    public bool Is(string text)
    {
        if (Raw.Length == text.Length && System.Text.Ascii.Equals(Raw, text))
        {
            return delimiters.Escape == 0 || !Raw.Contains(delimiters.Escape);
        }

        return Raw.Length != 0 && (Raw.Contains(delimiters.Escape) || !System.Text.Ascii.IsValid(Raw)) && GetString() == text;
    }

    /// <summary>The same as <see cref="GetString"/>.</summary>
    public override string ToString() => GetString();

    internal Hl7Value With(ReadOnlySpan<byte> raw) => new(raw, delimiters, charset);

    private Hl7Value Part(byte divider, int number)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(number, 1);
        return With(Part(Raw, divider, number));
    }

    /// <summary>Part <paramref name="number"/> of <paramref name="raw"/>, from 1; empty when there is none.</summary>
    internal static ReadOnlySpan<byte> Part(ReadOnlySpan<byte> raw, byte divider, int number)
    {
        if (divider == 0)
        {
            return number == 1 ? raw : [];
        }

        for (; number > 1; number--)
        {
            var at = raw.IndexOf(divider);
            if (at < 0)
            {
                return [];
            }

            raw = raw[(at + 1)..];
        }

        var end = raw.IndexOf(divider);
        return end < 0 ? raw : raw[..end];
    }
}

/// <summary>Walks the parts of a value without allocating.</summary>
public ref struct Hl7ValueEnumerator
{
    private readonly Hl7Value whole;
    private readonly byte divider;
    private ReadOnlySpan<byte> rest;
    private bool more;

    internal Hl7ValueEnumerator(Hl7Value whole, byte divider)
    {
        this.whole = whole;
        this.divider = divider;
        rest = whole.Raw;
        more = !whole.IsEmpty;
        Current = whole.With([]);
    }

    /// <summary>The part.</summary>
    public Hl7Value Current { get; private set; }

    /// <summary>Moves to the next part.</summary>
    public bool MoveNext()
    {
        if (!more)
        {
            return false;
        }

        var at = divider == 0 ? -1 : rest.IndexOf(divider);
        Current = whole.With(at < 0 ? rest : rest[..at]);
        more = at >= 0;
        rest = more ? rest[(at + 1)..] : [];
        return true;
    }

    /// <summary>The enumerator itself, for <c>foreach</c>.</summary>
    public readonly Hl7ValueEnumerator GetEnumerator() => this;
}
