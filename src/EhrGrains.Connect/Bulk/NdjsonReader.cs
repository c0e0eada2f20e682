using System.Buffers;

namespace EhrGrains.Connect.Bulk;

/// <summary>
/// Reads lines of NDJSON from a stream, as many at a time as are there, in one buffer that is wiped when it is given back. Blank lines,
/// CR before LF and a byte order mark are skipped; a line above the bound is skipped and counted. Not thread-safe.
/// </summary>
public sealed class NdjsonReader : IDisposable
{
    private const int ReadAhead = 256 * 1024;

    // Longer lines are rare, and a pool would keep what one of them has taken.
    private const int PooledMax = 2 * 1024 * 1024;

    private readonly Stream stream;
    private readonly int lineBytesMax;
    private byte[] buffer = ArrayPool<byte>.Shared.Rent(ReadAhead);
    private int start;
    private int end;
    private int highest;
    private bool atEnd;
    private bool skipping;

    /// <summary>Reads from a stream that others dispose of.</summary>
    public NdjsonReader(Stream stream, int lineBytesMax, long offset = 0)
    {
        this.stream = stream;
        this.lineBytesMax = lineBytesMax;
        Offset = offset;
    }

    /// <summary>Where the line that comes next begins: bytes from the beginning of the file.</summary>
    public long Offset { get; private set; }

    /// <summary>Bytes that were read here.</summary>
    public long Read { get; private set; }

    /// <summary>Lines that were longer than the bound.</summary>
    public int TooLong { get; private set; }

    /// <summary>Gets a line that is in the buffer already. It holds until the next call of either method.</summary>
    public bool TryRead(out ReadOnlyMemory<byte> line)
    {
        while (true)
        {
            var rest = buffer.AsSpan(start, end - start);
            var length = rest.IndexOf((byte)'\n');
            if (length < 0 && !(atEnd && rest.Length > 0))
            {
                line = default;
                return false;
            }

            var isLast = length < 0;
            var found = buffer.AsMemory(start, isLast ? rest.Length : length);
            Advance(isLast ? rest.Length : length + 1);
            if (skipping)
            {
                skipping = false;
                continue;
            }

            if (found.Span.StartsWith("\uFEFF"u8))
            {
                found = found[3..];
            }

            line = found.Trim(" \t\r"u8);
            if (line.Length > lineBytesMax)
            {
                TooLong++;
            }
            else if (!line.IsEmpty)
            {
                return true;
            }
        }
    }

    /// <summary>Reads more; false at the end. What was read last is no longer there.</summary>
    public async ValueTask<bool> ReadAsync(CancellationToken cancellationToken)
    {
        if (atEnd)
        {
            return false;
        }

        MakeRoom();
        var read = await stream.ReadAsync(buffer.AsMemory(end), cancellationToken);
        end += read;
        Read += read;
        highest = Math.Max(highest, end);
        atEnd = read == 0;
        return !atEnd || end > start;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        GiveBack();
        buffer = [];
        (start, end) = (0, 0);
    }

    private void Advance(int bytes)
    {
        start += bytes;
        Offset += bytes;
    }

    private void MakeRoom()
    {
        if (end - start > lineBytesMax)
        {
            // Longer than any line may be, and no end in sight: what is here of it is of no use.
            TooLong += skipping ? 0 : 1;
            skipping = true;
            Advance(end - start);
        }

        if (start > 0)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            (start, end) = (0, end - start);
        }

        if (buffer.Length - end >= ReadAhead / 2)
        {
            return;
        }

        var larger = buffer.Length * 2 > PooledMax ? GC.AllocateUninitializedArray<byte>(buffer.Length * 2) : ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
        buffer.AsSpan(0, end).CopyTo(larger);
        GiveBack();
        (buffer, highest) = (larger, end);
    }

    private void GiveBack()
    {
        buffer.AsSpan(0, highest).Clear();
        if (buffer.Length is > 0 and <= PooledMax)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
