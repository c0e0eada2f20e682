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

    /// <summary>Indexes the bytes from <paramref name="start"/>. A line ends at CR or LF, or at the end; empty lines are left out.</summary>
    internal void Build(ReadOnlySpan<byte> bytes, int start, byte field)
    {
        Clear();
        var scan = new Scan { LineStart = start };
        var position = start;
        if (Vector512.IsHardwareAccelerated)
        {
            position = Scan512(bytes, position, field, ref scan);
        }

        if (Vector256.IsHardwareAccelerated)
        {
            position = Scan256(bytes, position, field, ref scan);
        }

        for (; position < bytes.Length; position++)
        {
            var b = bytes[position];
            if (b == field)
            {
                AddSeparator(position);
            }
            else if (b is (byte)'\r' or (byte)'\n')
            {
                EndLine(position, ref scan);
            }
        }

        EndLine(bytes.Length, ref scan);
    }

    /// <summary>Joins a line to the one before it: it was no segment but the rest of a field that held a line end.</summary>
    internal void JoinToPrevious(int line)
    {
        var all = Lines;
        all[line - 1].End = all[line].End;
        all[line - 1].SeparatorCount += all[line].SeparatorCount;
        all[(line + 1)..].CopyTo(all[line..]);
        LineCount--;
    }

    internal void Clear()
    {
        LineCount = 0;
        SeparatorCount = 0;
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

    private int Scan512(ReadOnlySpan<byte> bytes, int position, byte field, ref Scan scan)
    {
        ref var first = ref MemoryMarshal.GetReference(bytes);
        var fields = Vector512.Create(field);
        var carriageReturn = Vector512.Create((byte)'\r');
        var lineFeed = Vector512.Create((byte)'\n');
        for (; position <= bytes.Length - Vector512<byte>.Count; position += Vector512<byte>.Count)
        {
            var block = Vector512.LoadUnsafe(ref first, (nuint)position);
            var ends = (Vector512.Equals(block, carriageReturn) | Vector512.Equals(block, lineFeed)).ExtractMostSignificantBits();
            Take(Vector512.Equals(block, fields).ExtractMostSignificantBits(), ends, position, ref scan);
        }

        return position;
    }

    private int Scan256(ReadOnlySpan<byte> bytes, int position, byte field, ref Scan scan)
    {
        ref var first = ref MemoryMarshal.GetReference(bytes);
        var fields = Vector256.Create(field);
        var carriageReturn = Vector256.Create((byte)'\r');
        var lineFeed = Vector256.Create((byte)'\n');
        for (; position <= bytes.Length - Vector256<byte>.Count; position += Vector256<byte>.Count)
        {
            var block = Vector256.LoadUnsafe(ref first, (nuint)position);
            var ends = (Vector256.Equals(block, carriageReturn) | Vector256.Equals(block, lineFeed)).ExtractMostSignificantBits();
            Take(Vector256.Equals(block, fields).ExtractMostSignificantBits(), ends, position, ref scan);
        }

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

    private void AddSeparator(int position)
    {
        EnsureSeparators(1);
        separators[SeparatorCount++] = position;
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
