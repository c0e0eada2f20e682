using System.Buffers;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Text;

namespace EhrGrains.Hl7v2.Editing;

/// <summary>
/// Changes single values of a message and leaves every other byte as it came. Values are escaped as they are written, so that no
/// text can begin a field or a segment of its own. Edits are collected and applied by <see cref="ToArray"/>.
/// </summary>
/// <remarks>
/// A message whose character set hides delimiters (GB 18030, UTF-16, …) is written back in that set as a whole when it was edited.
/// </remarks>
public sealed class Hl7Editor(Hl7Message message)
{
    private readonly List<Edit> edits = [];

    private readonly record struct Edit(int Start, int End, byte[] Bytes);

    /// <summary>Sets the value at an address to a text; the text is escaped. Missing fields, components and repetitions before it are added.</summary>
    /// <exception cref="ArgumentException">There is no such segment, or the address is of a whole segment.</exception>
    /// <exception cref="InvalidOperationException">An earlier edit overlaps, or MSH-2 has no delimiter for that level.</exception>
    /// <exception cref="Hl7EncodingException">The message's character set has no such character.</exception>
    public Hl7Editor Set(string address, string text) =>
        Replace(Hl7Address.Parse(address, null), TextEncoder.Encode(text, message.Delimiters, message.Charset));

    /// <summary>Sets the value at an address to null (<c>""</c>): the receiver is to delete it.</summary>
    public Hl7Editor SetNull(string address) => Replace(Hl7Address.Parse(address, null), "\"\""u8.ToArray());

    /// <summary>Empties the value at an address.</summary>
    public Hl7Editor Clear(string address) => Replace(Hl7Address.Parse(address, null), []);

    /// <summary>The message with the edits; without any, the bytes that were read.</summary>
    public byte[] ToArray()
    {
        if (edits.Count == 0)
        {
            return message.Bytes.ToArray();
        }

        var text = message.Text.Span;
        var result = new ArrayBufferWriter<byte>(text.Length + edits.Sum(edit => edit.Bytes.Length));
        var from = 0;
        foreach (var edit in edits.OrderBy(edit => edit.Start))
        {
            result.Write(text[from..edit.Start]);
            result.Write(edit.Bytes);
            from = edit.End;
        }

        result.Write(text[from..]);
        return message.ToOriginal(result.WrittenSpan);
    }

    private Hl7Editor Replace(Hl7Address address, byte[] value)
    {
        if (!message.TryFind(address.Segment, address.Occurrence, out var segment))
        {
            throw new ArgumentException($"The message has no segment {address.Segment}[{address.Occurrence}].", nameof(address));
        }

        if (address.Field == 0 || (segment.IsHeader && address.Field <= 2))
        {
            throw new ArgumentException($"{address} cannot be set: name a field, and not the delimiters.", nameof(address));
        }

        var (start, end) = segment.Range(address.Field);
        var missing = address.Field - segment.FieldCount;
        if (missing > 0)
        {
            Add(new Edit(end, end, [.. Enumerable.Repeat(message.Delimiters.Field, missing), .. Prefix(address), .. value]));
            return this;
        }

        var (from, to, padding) = Narrow(message.Text.Span, start, end, address);
        Add(new Edit(from, to, [.. padding, .. value]));
        return this;
    }

    /// <summary>Goes down from the field to the part that the address names, and says what must be added where it is missing.</summary>
    private (int From, int To, byte[] Padding) Narrow(ReadOnlySpan<byte> text, int start, int end, Hl7Address address)
    {
        var delimiters = message.Delimiters;
        ReadOnlySpan<(byte Divider, int Number)> levels =
        [
            (delimiters.Repetition, address.Repetition), (delimiters.Component, address.Component), (delimiters.Subcomponent, address.Subcomponent),
        ];
        for (var level = 0; level < levels.Length; level++)
        {
            var (divider, number) = levels[level];
            if (number == 0)
            {
                continue;
            }

            for (; number > 1; number--)
            {
                var at = divider == 0 ? -1 : text[start..end].IndexOf(divider);
                if (at < 0)
                {
                    var padding = Enumerable.Repeat(Known(divider), number - 1).ToList();
                    foreach (var (below, part) in levels[(level + 1)..])
                    {
                        padding.AddRange(Enumerable.Repeat(Known(below, part), Math.Max(part - 1, 0)));
                    }

                    return (end, end, [.. padding]);
                }

                start += at + 1;
            }

            var stop = divider == 0 ? -1 : text[start..end].IndexOf(divider);
            end = stop < 0 ? end : start + stop;
        }

        return (start, end, []);
    }

    private IEnumerable<byte> Prefix(Hl7Address address) =>
    [
        .. Enumerable.Repeat(Known(message.Delimiters.Repetition, address.Repetition), Math.Max(address.Repetition - 1, 0)),
        .. Enumerable.Repeat(Known(message.Delimiters.Component, address.Component), Math.Max(address.Component - 1, 0)),
        .. Enumerable.Repeat(Known(message.Delimiters.Subcomponent, address.Subcomponent), Math.Max(address.Subcomponent - 1, 0)),
    ];

    private static byte Known(byte divider, int number = 2) =>
        divider != 0 || number < 2 ? divider : throw new InvalidOperationException("The message's MSH-2 has no delimiter for that level.");

    private void Add(Edit edit)
    {
        foreach (var other in edits)
        {
            if (edit.Start < other.End && other.Start < edit.End || edit.Start == other.Start)
            {
                throw new InvalidOperationException("Two edits of the same place: apply the first with ToArray before the second.");
            }
        }

        edits.Add(edit);
    }
}
