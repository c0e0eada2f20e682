using System.Buffers;
using System.Security.Cryptography;
using EhrGrains.Contracts.Client;

namespace EhrGrains.Grains.Query;

/// <summary>
/// Bytes on their way into an answer, in a rented array: pages are large, and one allocation each would keep the collector of the
/// large object heap at work. Wiped when it is given back, for it held PHI. Not thread-safe.
/// </summary>
internal sealed class PooledBuffer(int lengthExpected) : IBufferWriter<byte>, IDisposable
{
    private byte[] bytes = ArrayPool<byte>.Shared.Rent(Math.Max(lengthExpected, 256));
    private int length;

    internal ReadOnlySpan<byte> Written => bytes.AsSpan(0, length);

    internal ReadOnlyMemory<byte> WrittenMemory => bytes.AsMemory(0, length);

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, bytes.Length - length);
        length += count;
        if (length > ClientServices.AnswerBytesMax)
        {
            throw new AnswerTooLargeException();
        }
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return bytes.AsMemory(length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return bytes.AsSpan(length);
    }

    public void Dispose()
    {
        Return(bytes, length);
        (bytes, length) = ([], 0);
    }

    private static void Return(byte[] rented, int used)
    {
        if (rented.Length == 0)
        {
            return; // given back already
        }

        CryptographicOperations.ZeroMemory(rented.AsSpan(0, used));
        ArrayPool<byte>.Shared.Return(rented);
    }

    private void Reserve(int sizeHint)
    {
        if (bytes.Length - length >= Math.Max(sizeHint, 1))
        {
            return;
        }

        if (length + Math.Max(sizeHint, 1) > ClientServices.AnswerBytesMax)
        {
            throw new AnswerTooLargeException();
        }

        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Math.Min(2 * bytes.Length, ClientServices.AnswerBytesMax), length + sizeHint));
        Written.CopyTo(larger);
        Return(bytes, length);
        bytes = larger;
    }
}

/// <summary>What was found does not fit into one answer.</summary>
internal sealed class AnswerTooLargeException() : Exception("The answer is larger than the bound.");
