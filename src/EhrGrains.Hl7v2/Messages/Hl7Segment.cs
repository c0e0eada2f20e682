using EhrGrains.Hl7v2.Text;

namespace EhrGrains.Hl7v2.Messages;

/// <summary>A segment: a view of the message's own bytes.</summary>
public readonly ref struct Hl7Segment
{
    private readonly ReadOnlySpan<byte> message;
    private readonly ReadOnlySpan<int> separators;
    private readonly int start;
    private readonly int end;
    private readonly Delimiters delimiters;
    private readonly Charset charset;

    internal Hl7Segment(
        int index, ReadOnlySpan<byte> message, ReadOnlySpan<int> separators, int start, int end, Delimiters delimiters, Charset charset)
    {
        Index = index;
        this.message = message;
        this.separators = separators;
        this.start = start;
        this.end = end;
        this.delimiters = delimiters;
        this.charset = charset;
        IsHeader = end - start > 3 && message[start + 3] == delimiters.Field && IsHeaderId(Id);
    }

    /// <summary>The segment's position in the message, from 0.</summary>
    public int Index { get; }

    /// <summary>Its bytes, without the line end.</summary>
    public ReadOnlySpan<byte> Raw => message[start..end];

    /// <summary>The segment id: the first three bytes, as the sender wrote them.</summary>
    public ReadOnlySpan<byte> Id => message.Slice(start, Math.Min(3, end - start));

    /// <summary>The number of the last field; a header counts its field separator as field 1.</summary>
    public int FieldCount => separators.Length + (IsHeader ? 1 : 0);

    /// <summary>True for MSH, FHS and BHS, whose first field is the separator itself.</summary>
    public bool IsHeader { get; }

    /// <summary>True when the id is <paramref name="id"/>, capitals or not.</summary>
    public bool Is(string id) => System.Text.Ascii.EqualsIgnoreCase(Id, id);

    /// <summary>Field <paramref name="number"/>, from 1; empty when there is none.</summary>
    public Hl7Value this[int number]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(number, 1);
            var (from, to) = Range(number);
            return new Hl7Value(message[from..to], Dividers(number), charset);
        }
    }

    /// <summary>Where field <paramref name="number"/> is: start and end in the message; both the segment's end when there is none.</summary>
    internal (int Start, int End) Range(int number)
    {
        if (IsHeader)
        {
            if (number == 1)
            {
                return separators.Length == 0 ? (end, end) : (separators[0], separators[0] + 1);
            }

            number--;
        }

        return number > separators.Length
            ? (end, end)
            : (separators[number - 1] + 1, number < separators.Length ? separators[number] : end);
    }

    // Small letters count as capitals: 0x20 is all that tells them apart.
    internal static bool IsHeaderId(ReadOnlySpan<byte> id)
    {
        if (id.Length < 3)
        {
            return false;
        }

        var (first, second, third) = (id[0] | 0x20, id[1] | 0x20, id[2] | 0x20);
        return (first == 'm' && second == 's' && third == 'h') || (first is 'f' or 'b' && second == 'h' && third == 's');
    }

    // MSH-1 and MSH-2 are the delimiters themselves: nothing in them divides.
    private Delimiters Dividers(int number) =>
        number <= 2 && IsHeader ? new Delimiters(delimiters.Field, 0, 0, 0, 0, 0) : delimiters;
}

/// <summary>Walks the segments of a message without allocating.</summary>
public ref struct Hl7SegmentEnumerator
{
    private readonly Hl7Message message;
    private int next;

    internal Hl7SegmentEnumerator(Hl7Message message) => this.message = message;

    /// <summary>The segment.</summary>
    public readonly Hl7Segment Current => message.Segment(next - 1);

    /// <summary>Moves to the next segment.</summary>
    public bool MoveNext() => ++next <= message.SegmentCount;

    /// <summary>The enumerator itself, for <c>foreach</c>.</summary>
    public readonly Hl7SegmentEnumerator GetEnumerator() => this;
}
