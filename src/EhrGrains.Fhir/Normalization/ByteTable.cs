using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text;

namespace EhrGrains.Fhir.Normalization;

/// <summary>A read-only table keyed by UTF-8 text, looked up without making strings.</summary>
internal sealed class ByteTable<T>
    where T : class
{
    private readonly (byte[] Key, T? Value)[] slots;

    internal ByteTable(IEnumerable<KeyValuePair<string, T>> entries)
    {
        var list = entries.ToArray();
        var size = 4;
        while (size < list.Length * 2)
        {
            size *= 2;
        }

        slots = new (byte[], T?)[size];
        foreach (var (text, value) in list)
        {
            var key = Encoding.UTF8.GetBytes(text);
            var slot = unchecked((int)Fingerprint.Of(key)) & (size - 1);
            while (slots[slot].Value is not null)
            {
                slot = (slot + 1) & (size - 1);
            }

            slots[slot] = (key, value);
        }
    }

    internal T? Find(ReadOnlySpan<byte> key)
    {
        var slot = unchecked((int)Fingerprint.Of(key)) & (slots.Length - 1);
        while (slots[slot].Value is { } value)
        {
            if (key.SequenceEqual(slots[slot].Key))
            {
                return value;
            }

            slot = (slot + 1) & (slots.Length - 1);
        }

        return null;
    }
}

/// <summary>A 64-bit mark of a text: different for different texts of up to 8 bytes of one length, and in all likelihood else.</summary>
internal static class Fingerprint
{
    private const ulong Prime = 0x9E3779B97F4A7C15;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong Of(ReadOnlySpan<byte> text)
    {
        unchecked
        {
            var mark = (ulong)text.Length * Prime;
            while (text.Length > 8)
            {
                mark = Mix(mark ^ BinaryPrimitives.ReadUInt64LittleEndian(text));
                text = text[8..];
            }

            return Mix(mark ^ Tail(text));
        }
    }

    internal static ulong Of(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second) => unchecked(Mix(Of(first) * Prime) ^ Of(second));

    private static ulong Mix(ulong mark)
    {
        unchecked
        {
            mark *= Prime;
            return mark ^ (mark >> 32);
        }
    }

    private static ulong Tail(ReadOnlySpan<byte> text) => text.Length switch
    {
        0 => 0,
        < 4 => text[0] | ((ulong)text[text.Length >> 1] << 8) | ((ulong)text[^1] << 16),
        < 8 => BinaryPrimitives.ReadUInt32LittleEndian(text) | ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(text[^4..]) << 32),
        _ => BinaryPrimitives.ReadUInt64LittleEndian(text),
    };
}
