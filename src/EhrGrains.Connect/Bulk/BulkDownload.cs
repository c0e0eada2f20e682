using EhrGrains.Connect.Ehr;

namespace EhrGrains.Connect.Bulk;

/// <summary>Where reading a file has got to.</summary>
/// <param name="Offset">Bytes of whole lines that were read, unpacked.</param>
/// <param name="ETag">Of the content that was read; null: the server named none.</param>
public sealed record BulkPosition(long Offset, string? ETag)
{
    /// <summary>The beginning.</summary>
    public static BulkPosition Start { get; } = new(0, null);
}

/// <summary>How a read of a file ended.</summary>
public enum BulkReading
{
    /// <summary>There may be lines now.</summary>
    More,

    /// <summary>The file is at its end.</summary>
    End,

    /// <summary>It was cut off, or came too slowly: what is left can be asked for again.</summary>
    CutOff,

    /// <summary>It is larger than the bound.</summary>
    TooLarge,
}

/// <summary>
/// The lines of one file as they come. Only the time that is waited for the other side counts against its pace, so that who reads may take
/// their time. Not thread-safe.
/// </summary>
public sealed class BulkDownload : IDisposable
{
    private readonly EhrStream stream;
    private readonly Stream body;
    private readonly NdjsonReader reader;
    private readonly ConnectOptions options;
    private readonly TimeProvider time;
    private readonly CancellationTokenSource giveUp;
    private readonly ITimer patience;
    private readonly string? tag;
    private long skip;
    private TimeSpan waited;

    internal BulkDownload(
        EhrStream stream, Stream body, BulkPosition from, ConnectOptions options, TimeProvider time, CancellationToken cancellationToken, long skip = 0)
    {
        (this.stream, this.body, this.options, this.time, this.skip) = (stream, body, options, time, skip);
        tag = from.ETag;
        reader = new NdjsonReader(body, options.BulkLineBytesMax, from.Offset);
        giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience = time.CreateTimer(
            static state => ((CancellationTokenSource)state!).Cancel(), giveUp, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        Ended = cancellationToken;
    }

    /// <summary>Behind the last line that was given out.</summary>
    public BulkPosition Position => new(reader.Offset, tag);

    /// <summary>Lines that were too long and are left.</summary>
    public int TooLong => reader.TooLong;

    private CancellationToken Ended { get; }

    /// <summary>Gets the next line that is here already. It holds until <see cref="ReadAsync"/> is called.</summary>
    public bool TryRead(out ReadOnlyMemory<byte> line) => reader.TryRead(out line);

    /// <summary>Waits for more of the file.</summary>
    public async ValueTask<BulkReading> ReadAsync()
    {
        var started = time.GetTimestamp();
        patience.Change(options.BodyTimeout, Timeout.InfiniteTimeSpan);
        try
        {
            if (skip > 0)
            {
                await SkipAsync();
            }

            if (!await reader.ReadAsync(giveUp.Token))
            {
                return BulkReading.End;
            }
        }
        catch (OperationCanceledException) when (!Ended.IsCancellationRequested)
        {
            return BulkReading.CutOff;
        }
        catch (Exception e) when (e is IOException or HttpRequestException or InvalidDataException)
        {
            return BulkReading.CutOff;
        }
        finally
        {
            patience.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            waited += time.GetElapsedTime(started);
        }

        return reader.Offset > options.BulkFileBytesMax ? BulkReading.TooLarge
            : waited > options.BodyGrace && reader.Read < waited.TotalSeconds * options.BodyBytesPerSecondMin ? BulkReading.CutOff
            : BulkReading.More;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        patience.Dispose();
        giveUp.Dispose();
        reader.Dispose();
        body.Dispose();
        stream.Dispose();
    }

    // A server that gives no parts gives the whole again.
    private async ValueTask SkipAsync()
    {
        var scratch = new byte[64 * 1024];
        while (skip > 0)
        {
            var read = await body.ReadAsync(scratch.AsMemory(0, (int)Math.Min(skip, scratch.Length)), giveUp.Token);
            if (read == 0)
            {
                throw new IOException("The file is shorter than what was read of it.");
            }

            skip -= read;
            patience.Change(options.BodyTimeout, Timeout.InfiniteTimeSpan);
        }
    }
}
