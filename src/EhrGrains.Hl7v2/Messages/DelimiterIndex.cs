using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace EhrGrains.Hl7v2.Messages;

/// <summary>
/// Where the field separators and line ends of a message are: one pass over the bytes, 64 at a time, into pooled arrays
/// that are reused from message to message. Components and below are not indexed: a field is short, and most are never asked for.
/// </summary>
/// <remarks>
/// Calling IndexOfAny per delimiter costs a call every eight bytes on real messages (0.8 GB/s); a bit mask per block and a
/// walk over its set bits costs a few cycles a delimiter.
/// </remarks>
internal sealed class DelimiterIndex : IDisposable
{
    private const int BlockBytes = 64;
    private const int Batch = 4;
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

    /// <summary>Whether any byte after MSH-2 is the escape character.</summary>
    internal bool HasEscape { get; private set; }

    /// <summary>Whether any byte is LF.</summary>
    internal bool HasLineFeed { get; private set; }

    /// <summary>
    /// Indexes the bytes of a message, which begin with its header: the separator at 3, then, from the end of MSH-2 on, all others.
    /// A line ends at CR or LF, or at the end; empty lines are left out.
    /// </summary>
    internal void Build(ReadOnlySpan<byte> bytes, byte field, byte escape, int from)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Build<ByteBlock512>(bytes, field, escape, from);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Build<ByteBlock256>(bytes, field, escape, from);
        }
        else
        {
            Build<ByteBlock128>(bytes, field, escape, from);
        }
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

    // Blocks of 64 bytes, the last one copied and padded. What is written at every delimiter is kept in locals.
    internal void Build<TBlock>(ReadOnlySpan<byte> bytes, byte field, byte escape, int from)
        where TBlock : struct, IByteBlock
    {
        Clear();
        separators[SeparatorCount++] = 3;
        Span<byte> padded = stackalloc byte[BlockBytes];
        ref var first = ref MemoryMarshal.GetReference(bytes);
        ulong high = 0, escaped = 0;
        var count = SeparatorCount;
        var line = default(Line);
        for (var position = from; position < bytes.Length; position += BlockBytes)
        {
            scoped ref var at = ref Unsafe.Add(ref first, position);
            var valid = ulong.MaxValue;
            if (bytes.Length - position < BlockBytes)
            {
                padded.Clear();
                bytes[position..].CopyTo(padded);
                at = ref MemoryMarshal.GetReference(padded);
                valid = (1UL << (bytes.Length - position)) - 1;
            }

            var fields = TBlock.Equal(ref at, field) & valid;
            var low = TBlock.Below(ref at, (byte)' ') & ~fields & valid;
            high |= TBlock.High(ref at);
            escaped |= TBlock.Equal(ref at, escape) & valid;
            if (count > separators.Length - BlockBytes - Batch)
            {
                Grow(ref separators, count);
            }

            for (; low != 0; low &= unchecked(low - 1))
            {
                var bit = BitOperations.TrailingZeroCount(low);
                if (Unsafe.Add(ref at, bit) is var control && control is not ((byte)'\r' or (byte)'\n'))
                {
                    HasControl = true;
                    continue;
                }

                HasLineFeed |= control == '\n';
                var before = fields & unchecked((1UL << bit) - 1);
                count = Add(before, position, count);
                fields ^= before;
                EndLine(ref line, position + bit, count);
            }

            count = Add(fields, position, count);
        }

        EndLine(ref line, bytes.Length, count);
        SeparatorCount = count;
        HasHigh = high != 0;
        HasEscape = escape != 0 && escaped != 0;
    }

    // A few at a time whether there are as many or not: a branch for each would be guessed wrongly too often. What is written too
    // much is overwritten by the next.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Add(ulong mask, int position, int count)
    {
        if (mask == 0)
        {
            return count;
        }

        ref var target = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(separators), count);
        var end = count + BitOperations.PopCount(mask);
        for (; count < end; count += Batch)
        {
            for (var i = 0; i < Batch; i++)
            {
                Unsafe.Add(ref target, i) = position + BitOperations.TrailingZeroCount(mask);
                mask &= unchecked(mask - 1);
            }

            target = ref Unsafe.Add(ref target, Batch);
        }

        return end;
    }

    private void EndLine(ref Line line, int end, int separatorCount)
    {
        if (end > line.Start)
        {
            if (LineCount == lines.Length)
            {
                Grow(ref lines, LineCount);
            }

            line.End = end;
            line.SeparatorCount = separatorCount - line.FirstSeparator;
            lines[LineCount++] = line;
        }

        line.Start = end + 1;
        line.FirstSeparator = separatorCount;
    }

    private static void Grow<T>(ref T[] array, int used)
    {
        var larger = ArrayPool<T>.Shared.Rent(Math.Max(256, array.Length * 2));
        array.AsSpan(0, used).CopyTo(larger);
        ArrayPool<T>.Shared.Return(array);
        array = larger;
    }
}
