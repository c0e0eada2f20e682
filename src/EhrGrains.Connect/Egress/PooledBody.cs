using System.Buffers;

namespace EhrGrains.Connect.Egress;

/// <summary>How reading a body ended.</summary>
internal enum BodyOutcome
{
    Complete,
    TooLarge,
    TooSlow,
    Truncated,
}

/// <summary>What a body may be: bytes, time, and the pace after a grace.</summary>
internal sealed record BodyBounds(int BytesMax, TimeSpan Timeout, int BytesPerSecondMin, TimeSpan Grace)
{
    public static BodyBounds Of(ConnectOptions options, int bytesMax) =>
        new(bytesMax, options.BodyTimeout, options.BodyBytesPerSecondMin, options.BodyGrace);
}

/// <summary>A body in a pooled buffer, which is wiped when it is given back: it may hold PHI.</summary>
internal sealed class PooledBody : IDisposable
{
    private byte[]? buffer;

    private PooledBody(byte[] buffer, int length)
    {
        this.buffer = buffer;
        Length = length;
    }

    public int Length { get; }

    public ReadOnlyMemory<byte> Memory =>
        buffer is null ? throw new ObjectDisposedException(nameof(PooledBody)) : buffer.AsMemory(0, Length);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref buffer, null) is { } rented)
        {
            GiveBack(rented, Length);
        }
    }

    /// <summary>Reads a body to its end within its bounds. The body is null unless it is complete.</summary>
    public static async Task<(BodyOutcome Outcome, PooledBody? Body)> ReadAsync(
        HttpContent content, BodyBounds bounds, TimeProvider time, CancellationToken cancellationToken)
    {
        var announced = content.Headers.ContentLength;
        if (announced > bounds.BytesMax)
        {
            return (BodyOutcome.TooLarge, null);
        }

        using var pace = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await using var watch = new PaceWatch(bounds, time, pace);
        // One byte more than announced, so that the end is seen without growing.
        var bytes = ArrayPool<byte>.Shared.Rent((int)Math.Clamp((announced ?? 16 * 1024) + 1, 1024, int.MaxValue - 64));
        var length = 0;
        try
        {
            await using var stream = await content.ReadAsStreamAsync(pace.Token);
            while (true)
            {
                watch.Expect(length);
                var read = await stream.ReadAsync(bytes.AsMemory(length), pace.Token);
                if (read == 0)
                {
                    var body = new PooledBody(bytes, length);
                    bytes = [];
                    return (BodyOutcome.Complete, body);
                }

                length += read;
                if (length > bounds.BytesMax)
                {
                    return (BodyOutcome.TooLarge, null);
                }

                bytes = length < bytes.Length ? bytes : Grow(bytes, length);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return (BodyOutcome.TooSlow, null);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            // Fewer bytes than Content-Length said, a chunk that was cut, a reset: the rest will not come.
            return (BodyOutcome.Truncated, null);
        }
        finally
        {
            GiveBack(bytes, length);
        }
    }

    private static byte[] Grow(byte[] bytes, int length)
    {
        var larger = ArrayPool<byte>.Shared.Rent(checked(bytes.Length * 2));
        bytes.AsSpan(0, length).CopyTo(larger);
        GiveBack(bytes, length);
        return larger;
    }

    private static void GiveBack(byte[] bytes, int length)
    {
        if (bytes.Length > 0)
        {
            bytes.AsSpan(0, Math.Min(length, bytes.Length)).Clear();
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    // Ends the reading when the next byte comes later than the pace allows, or the whole later than its deadline.
    private sealed class PaceWatch : IAsyncDisposable
    {
        private readonly BodyBounds bounds;
        private readonly TimeProvider time;
        private readonly long started;
        private readonly ITimer timer;

        public PaceWatch(BodyBounds bounds, TimeProvider time, CancellationTokenSource pace)
        {
            this.bounds = bounds;
            this.time = time;
            started = time.GetTimestamp();
            timer = time.CreateTimer(
                static state => ((CancellationTokenSource)state!).Cancel(), pace, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }

        public void Expect(int length)
        {
            var until = bounds.Grace + TimeSpan.FromSeconds((double)length / bounds.BytesPerSecondMin);
            var left = (until < bounds.Timeout ? until : bounds.Timeout) - time.GetElapsedTime(started);
            timer.Change(left > TimeSpan.Zero ? left : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }

        public ValueTask DisposeAsync() => timer.DisposeAsync();
    }
}
