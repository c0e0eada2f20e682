using EhrGrains.Hl7v2.Text;

namespace EhrGrains.Hl7v2.Messages;

/// <summary>
/// An HL7 v2 message over the bytes it came in. Reading makes one index of field separators and segment ends; everything else is
/// decoded when asked. An instance can be used for one message after another (<see cref="Read"/>), and then allocates nothing.
/// Not safe for use by several threads at once. Dispose returns its buffers to the pool.
/// </summary>
public sealed class Hl7Message : IDisposable
{
    private readonly DelimiterIndex index = new();
    private readonly Hl7ReadOptions options;
    private ReadOnlyMemory<byte> text;
    private Charset charset = Charset.Ascii;
    private List<Hl7Warning>? warnings;

    /// <summary>Makes an empty message, to <see cref="Read"/> into.</summary>
    public Hl7Message(Hl7ReadOptions? options = null) => this.options = options ?? Hl7ReadOptions.Tolerant;

    /// <summary>The message exactly as it came: from MSH to the end of the last segment. What <see cref="Read"/> was given stays in use.</summary>
    public ReadOnlyMemory<byte> Bytes { get; private set; }

    /// <summary>How many bytes before MSH were passed over in what <see cref="Read"/> was given.</summary>
    public int Skipped { get; internal set; }

    /// <summary>The delimiters that the message states.</summary>
    public Delimiters Delimiters { get; private set; }

    /// <summary>How many segments there are.</summary>
    public int SegmentCount => index.LineCount;

    /// <summary>The segments, in order.</summary>
    public Hl7SegmentEnumerator Segments => new(this);

    /// <summary>The leniencies taken, in order of position; at most <see cref="Hl7ReadOptions.WarningsMax"/>.</summary>
    public IReadOnlyList<Hl7Warning> Warnings => warnings ?? (IReadOnlyList<Hl7Warning>)[];

    /// <summary>The name of the character set in use: what MSH-18 names, or what the bytes really are where that is not true.</summary>
    public string CharacterSet => charset.Name;

    internal Charset Charset => charset;

    /// <summary>The bytes that are divided: <see cref="Bytes"/>, or their UTF-8 form where the character set hides delimiters.</summary>
    internal ReadOnlyMemory<byte> Text => text;

    /// <summary>Reads a message.</summary>
    /// <exception cref="Hl7FormatException">The bytes are not a message.</exception>
    public static Hl7Message Parse(ReadOnlyMemory<byte> bytes, Hl7ReadOptions? options = null)
    {
        var message = new Hl7Message(options);
        var result = message.Read(bytes);
        return result.Ok ? message : throw new Hl7FormatException(result);
    }

    /// <summary>
    /// Reads a message into this instance, which forgets the one before. <paramref name="bytes"/> are not copied: they must stay
    /// unchanged while the message is in use.
    /// </summary>
    public Hl7ReadResult Read(ReadOnlyMemory<byte> bytes)
    {
        warnings?.Clear();
        Delimiters = default;
        charset = Charset.Ascii;
        Bytes = default;
        Skipped = 0;
        text = default;
        index.Clear();
        if (bytes.Length > options.BytesMax)
        {
            return new Hl7ReadResult(Hl7Fault.TooLarge, options.BytesMax);
        }

        var result = MessageReader.Read(this, bytes, options);
        if (warnings is { Count: > 1 })
        {
            warnings.Sort(static (one, other) => (one.Offset, one.Code).CompareTo((other.Offset, other.Code)));
        }

        if (result.Ok && options.IsStrict && warnings is { Count: > 0 })
        {
            result = new Hl7ReadResult(Hl7Fault.NotStrict, warnings[0].Offset, warnings[0].Code);
        }

        if (!result.Ok)
        {
            index.Clear();
        }

        return result;
    }

    /// <summary>The segment at <paramref name="position"/>, from 0.</summary>
    public Hl7Segment Segment(int position)
    {
        ref readonly var line = ref index.Lines[position];
        var separators = index.Separators.Slice(line.FirstSeparator, line.SeparatorCount);
        return new Hl7Segment(position, text.Span, separators, line.Start, line.End, Delimiters, charset);
    }

    /// <summary>Finds the <paramref name="occurrence"/>-th segment (from 1) with that id; false when there is none.</summary>
    public bool TryFind(string id, int occurrence, out Hl7Segment segment)
    {
        var position = Find(id, occurrence);
        segment = position < 0 ? default : Segment(position);
        return position >= 0;
    }

    private int Find(string? id, int occurrence)
    {
        if (id is not { Length: 3 } || occurrence < 1)
        {
            return -1;
        }

        var wanted = Pack((byte)id[0], (byte)id[1], (byte)id[2]);
        var bytes = text.Span;
        var lines = index.Lines;
        for (var i = 0; i < lines.Length; i++)
        {
            var own = bytes.Slice(lines[i].Start, 3);
            if (Pack(own[0], own[1], own[2]) == wanted && --occurrence == 0)
            {
                return i;
            }
        }

        return -1;
    }

    // Ids are letters and digits: setting the bit 0x20 makes letters small and leaves digits as they are.
    private static int Pack(byte first, byte second, byte third) => (first << 16) | (second << 8) | third | 0x202020;

    /// <summary>The value at an address; empty when the message has nothing there.</summary>
    public Hl7Value this[Hl7Address address]
    {
        get
        {
            var position = Find(address.Segment, address.Occurrence);
            if (position < 0)
            {
                return new Hl7Value([], Delimiters, charset);
            }

            var segment = Segment(position);
            if (address.Field == 0)
            {
                return new Hl7Value(segment.Raw, Delimiters, charset);
            }

            // MSH-1 and MSH-2 divide nothing. In all others the parts are found on the bytes alone, and one view is made of the last.
            var value = segment[address.Field];
            var divided = segment.IsHeader && address.Field <= 2 ? default : Delimiters;
            var raw = address.Repetition > 0 ? Hl7Value.Part(value.Raw, divided.Repetition, address.Repetition) : value.Raw;
            raw = address.Component > 0 ? Hl7Value.Part(raw, divided.Component, address.Component) : raw;
            raw = address.Subcomponent > 0 ? Hl7Value.Part(raw, divided.Subcomponent, address.Subcomponent) : raw;
            return value.With(raw);
        }
    }

    /// <summary>The value at an address such as <c>PID-3[2].4.1</c>; empty when the message has nothing there.</summary>
    /// <exception cref="FormatException"><paramref name="address"/> is not an address.</exception>
    public Hl7Value this[string address] => this[Hl7Address.Parse(address, null)];

    /// <summary>Where a warning was taken, as the standard writes it; null when it concerns the message as a whole.</summary>
    public Hl7Address? Locate(Hl7Warning warning)
    {
        if (warning.Segment < 0 || warning.Segment >= SegmentCount)
        {
            return null;
        }

        var segment = Segment(warning.Segment);
        var id = System.Text.Encoding.ASCII.GetString(segment.Id).ToUpperInvariant();
        var occurrence = 0;
        for (var i = 0; i <= warning.Segment; i++)
        {
            occurrence += Segment(i).Is(id) ? 1 : 0;
        }

        if (warning.Field == 0)
        {
            return new Hl7Address(id, occurrence, 0, 0, 0, 0);
        }

        var (start, end) = segment.Range(warning.Field);
        var before = warning.Offset > start && warning.Offset <= end ? text.Span[start..warning.Offset] : [];
        var repetition = before.Count(Delimiters.Repetition) + 1;
        var part = before[(before.LastIndexOf(Delimiters.Repetition) + 1)..];
        var component = part.Count(Delimiters.Component) + 1;
        return repetition == 1 && component == 1
            ? new Hl7Address(id, occurrence, warning.Field, 0, 0, 0)
            : new Hl7Address(id, occurrence, warning.Field, repetition, component, 0);
    }

    /// <inheritdoc/>
    public void Dispose() => index.Dispose();

    internal DelimiterIndex Index => index;

    /// <summary>The bytes of MSH-<paramref name="number"/>, from 3; empty when the header is shorter.</summary>
    internal ReadOnlySpan<byte> HeaderField(int number)
    {
        var separators = index.Separators;
        var count = index.Lines[0].SeparatorCount;
        return number > count + 1 ? []
            : text.Span[(separators[number - 2] + 1)..(number <= count ? separators[number - 1] : index.Lines[0].End)];
    }

    internal void Begin(ReadOnlyMemory<byte> bytes, ReadOnlyMemory<byte> divided, Delimiters delimiters, Charset set)
    {
        Bytes = bytes;
        text = divided;
        Delimiters = delimiters;
        charset = set;
    }

    /// <summary>Bytes made of <see cref="Text"/>, in the character set that the message came in.</summary>
    internal byte[] ToOriginal(ReadOnlySpan<byte> made) => charset.Original is { } original
        ? System.Text.Encoding.Convert(System.Text.Encoding.UTF8, original.Encoding, made.ToArray())
        : made.ToArray();

    internal void Use(Charset set) => charset = set;

    internal void Warn(Hl7WarningCode code, int segment, int field, int offset)
    {
        warnings ??= [];
        if (warnings.Count < options.WarningsMax)
        {
            warnings.Add(new Hl7Warning(code, segment, field, offset));
        }
    }
}
