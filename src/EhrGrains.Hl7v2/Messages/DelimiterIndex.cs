using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace EhrGrains.Hl7v2.Messages;

/// <summary>
/// Where the field separators and line ends of a message are: one pass over the bytes, 64 or 32 at a time, into pooled arrays
/// that are reused from message to message. Components and below are not indexed: a field is short, and most are never asked for.
/// </summary>
/// <remarks>
/// Calling IndexOfAny per delimiter costs a call every eight bytes on real messages (0.8 GB/s); a bit mask per block and a
/// walk over its set bits costs a few cycles a delimiter.
/// </remarks>
internal sealed class DelimiterIndex : IDisposable
{
    private int[] separators = ArrayPool<int>.Shared.Rent(512);
    private Line[] lines = ArrayPool<Line>.Shared.Rent(64);

    /// <summary>A run of bytes up to a line end, with its separators: <c>separators[FirstSeparator .. +SeparatorCount]</c>.</summary>
    internal struct Line
    {
        internal int Start;
        internal int End;
        internal int FirstSeparator;
        internal int SeparatorCount;
    }

    internal int LineCount { get; private set; }

    internal int SeparatorCount { get; private set; }

    internal ReadOnlySpan<int> Separators => separators.AsSpan(0, SeparatorCount);

    internal Span<Line> Lines => lines.AsSpan(0, LineCount);

    /// <summary>Whether any byte is 0x80 or higher.</summary>
    internal bool HasHigh { get; private set; }

    /// <summary>Whether any byte is a control character other than CR and LF.</summary>
    internal bool HasControl { get; private set; }

    /// <summary>Whether any byte is the escape character.</summary>
    internal bool HasEscape { get; private set; }

    /// <summary>Whether any byte is LF.</summary>
    internal bool HasLineFeed { get; private set; }

    /// <summary>Indexes the bytes. A line ends at CR or LF, or at the end; empty lines are left out.</summary>
    internal void Build(ReadOnlySpan<byte> bytes, byte field, byte escape)
    {
        Clear();
        var scan = default(Scan);
        var position = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            position = Scan512(bytes, position, field, escape, ref scan);
        }

        if (Vector256.IsHardwareAccelerated)
        {
            position = Scan256(bytes, position, field, escape, ref scan);
        }

        for (; position < bytes.Length; position++)
        {
            var b = bytes[position];
            HasHigh |= b >= 0x80;
            HasEscape |= b == escape && escape != 0;
            HasLineFeed |= b == '\n';
            if (b == field)
            {
                EnsureSeparators(1);
                separators[SeparatorCount++] = position;
            }
            else if (b is (byte)'\r' or (byte)'\n')
            {
                EndLine(position, ref scan);
            }
            else
            {
                HasControl |= b < (byte)' ';
            }
        }

        EndLine(bytes.Length, ref scan);
    }

    /// <summary>Forgets the lines after the first <paramref name="count"/>: they were joined to others.</summary>
    internal void Keep(int count) => LineCount = count;

    internal void Clear()
    {
        LineCount = 0;
        SeparatorCount = 0;
        HasHigh = HasControl = HasEscape = HasLineFeed = false;
    }

    public void Dispose()
    {
        ArrayPool<int>.Shared.Return(separators);
        ArrayPool<Line>.Shared.Return(lines);
        separators = [];
        lines = [];
        Clear();
    }

    private struct Scan
    {
        internal int LineStart;
        internal int FirstSeparator;
    }

    private int Scan512(ReadOnlySpan<byte> bytes, int position, byte field, byte escape, ref Scan scan)
    {
        ref var first = ref MemoryMarshal.GetReference(bytes);
        var fields = Vector512.Create(field);
        var escapes = Vector512.Create(escape);
        var carriageReturns = Vector512.Create((byte)'\r');
        var lineFeeds = Vector512.Create((byte)'\n');
        var blanks = Vector512.Create((byte)' ');
        Vector512<byte> any = default, control = default, escaped = default, fed = default;
        for (; position <= bytes.Length - Vector512<byte>.Count; position += Vector512<byte>.Count)
        {
            var block = Vector512.LoadUnsafe(ref first, (nuint)position);
            var lineFeed = Vector512.Equals(block, lineFeeds);
            var lineEnd = Vector512.Equals(block, carriageReturns) | lineFeed;
            any |= block;
            escaped |= Vector512.Equals(block, escapes);
            fed |= lineFeed;
            control |= Vector512.AndNot(Vector512.LessThan(block, blanks), lineEnd);
            Take(Vector512.Equals(block, fields).ExtractMostSignificantBits(), lineEnd.ExtractMostSignificantBits(), position, ref scan);
        }

        HasHigh |= any.ExtractMostSignificantBits() != 0;
        HasControl |= control != default;
        HasEscape |= escape != 0 && escaped != default;
        HasLineFeed |= fed != default;
        return position;
    }

    private int Scan256(ReadOnlySpan<byte> bytes, int position, byte field, byte escape, ref Scan scan)
    {
        ref var first = ref MemoryMarshal.GetReference(bytes);
        var fields = Vector256.Create(field);
        var escapes = Vector256.Create(escape);
        var carriageReturns = Vector256.Create((byte)'\r');
        var lineFeeds = Vector256.Create((byte)'\n');
        var blanks = Vector256.Create((byte)' ');
        Vector256<byte> any = default, control = default, escaped = default, fed = default;
        for (; position <= bytes.Length - Vector256<byte>.Count; position += Vector256<byte>.Count)
        {
            var block = Vector256.LoadUnsafe(ref first, (nuint)position);
            var lineFeed = Vector256.Equals(block, lineFeeds);
            var lineEnd = Vector256.Equals(block, carriageReturns) | lineFeed;
            any |= block;
            escaped |= Vector256.Equals(block, escapes);
            fed |= lineFeed;
            control |= Vector256.AndNot(Vector256.LessThan(block, blanks), lineEnd);
            Take(Vector256.Equals(block, fields).ExtractMostSignificantBits(), lineEnd.ExtractMostSignificantBits(), position, ref scan);
        }

        HasHigh |= any.ExtractMostSignificantBits() != 0;
        HasControl |= control != default;
        HasEscape |= escape != 0 && escaped != default;
        HasLineFeed |= fed != default;
        return position;
    }

    // Most blocks hold no line end: their separators are written in one go. At a line end the separators before it belong to
    // the line that ends.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Take(ulong fields, ulong ends, int position, ref Scan scan)
    {
        EnsureSeparators(64);
        while (ends != 0)
        {
            var end = BitOperations.TrailingZeroCount(ends);
            var before = fields & ((1UL << end) - 1);
            AddSeparators(before, position);
            fields &= ~before;
            EndLine(position + end, ref scan);
            ends &= ends - 1;
        }

        AddSeparators(fields, position);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void AddSeparators(ulong mask, int position)
    {
        ref var target = ref MemoryMarshal.GetArrayDataReference(separators);
        var count = SeparatorCount;
        while (mask != 0)
        {
            Unsafe.Add(ref target, count++) = position + BitOperations.TrailingZeroCount(mask);
            mask &= mask - 1;
        }

        SeparatorCount = count;
    }

    private void EndLine(int end, ref Scan scan)
    {
        if (end > scan.LineStart)
        {
            if (LineCount == lines.Length)
            {
                Grow(ref lines, LineCount);
            }

            lines[LineCount++] = new Line
            {
                Start = scan.LineStart,
                End = end,
                FirstSeparator = scan.FirstSeparator,
                SeparatorCount = SeparatorCount - scan.FirstSeparator,
            };
        }

        scan.LineStart = end + 1;
        scan.FirstSeparator = SeparatorCount;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void EnsureSeparators(int more)
    {
        if (SeparatorCount > separators.Length - more)
        {
            Grow(ref separators, SeparatorCount);
        }
    }

    private static void Grow<T>(ref T[] array, int used)
    {
        var larger = ArrayPool<T>.Shared.Rent(Math.Max(256, array.Length * 2));
        array.AsSpan(0, used).CopyTo(larger);
        ArrayPool<T>.Shared.Return(array);
        array = larger;
    }
}
