using System.Net.Sockets;
using System.Text;

namespace EhrGrains.Sandbox.Feeds;

/// <summary>
/// Sends one hospital's feed as an interface engine does: one message outstanding, sent again until it is acknowledged, given up
/// only when it is refused for good.
/// </summary>
internal sealed class FeedSender(FeedStream stream, TimeProvider time) : IAsyncDisposable
{
    private const int IdsMax = 10_000;
    private static readonly TimeSpan PauseMin = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan PauseMax = TimeSpan.FromSeconds(5);

    private readonly Lock gate = new();
    private readonly SemaphoreSlim changing = new(1, 1);
    private readonly Queue<string> acknowledgedIds = new();
    private CancellationTokenSource? stop;
    private Task running = Task.CompletedTask;
    private FeedSettings? settings;
    private MllpLine? line;
    private int oddities;
    private long sent;
    private long acknowledged;
    private long refused;
    private long deferred;
    private long resent;
    private long disconnects;
    private long timeouts;

    public FeedReading Read()
    {
        lock (gate)
        {
            return new FeedReading
            {
                Settings = settings,
                Running = !running.IsCompleted,
                Sent = sent,
                Acknowledged = acknowledged,
                Refused = refused,
                Deferred = deferred,
                Resent = resent,
                Disconnects = disconnects,
                Timeouts = timeouts,
                AcknowledgedIds = [.. acknowledgedIds],
            };
        }
    }

    /// <summary>Completes when the feed has ended: all of its messages are acknowledged or refused.</summary>
    public Task Ended
    {
        get
        {
            lock (gate)
            {
                return running;
            }
        }
    }

    /// <summary>Ends the feed that runs and begins this one, counting from zero.</summary>
    public async Task StartAsync(FeedSettings next)
    {
        await changing.WaitAsync(CancellationToken.None);
        try
        {
            await EndAsync();
            lock (gate)
            {
                settings = next;
                acknowledgedIds.Clear();
                sent = acknowledged = refused = deferred = resent = disconnects = timeouts = 0;
                stop = new CancellationTokenSource();
                var token = stop.Token;
                running = Task.Run(() => RunAsync(next, token), CancellationToken.None);
            }
        }
        finally
        {
            changing.Release();
        }
    }

    public async Task StopAsync()
    {
        await changing.WaitAsync(CancellationToken.None);
        try
        {
            await EndAsync();
        }
        finally
        {
            changing.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        changing.Dispose();
    }

    private async Task EndAsync()
    {
        if (stop is null)
        {
            return;
        }

        await stop.CancelAsync();
        await running;
        stop.Dispose();
        stop = null;
    }

    private async Task RunAsync(FeedSettings feed, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        try
        {
            var number = 0;
            foreach (var (message, faults) in InOrder(feed))
            {
                if (feed.MessagesPerSecond > 0)
                {
                    var wait = TimeSpan.FromSeconds(number / feed.MessagesPerSecond) - time.GetElapsedTime(started);
                    await Task.Delay(wait > TimeSpan.Zero ? wait : TimeSpan.Zero, time, cancellationToken);
                }

                number++;
                await DeliverAsync(feed, message, faults, cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            // The feed was told to end.
        }
        finally
        {
            line?.Dispose();
            line = null;
        }
    }

    // With each message the faults that it meets; one that is late has changed places with the next.
    private IEnumerable<(FeedMessage Message, HashSet<FeedFaultKind> Faults)> InOrder(FeedSettings feed)
    {
        (FeedMessage, HashSet<FeedFaultKind>)? late = null;
        var number = 0;
        foreach (var message in stream.Write(feed.Run).Take(feed.Count ?? int.MaxValue))
        {
            number++;
            var faults = feed.Faults.Where(fault => number % fault.Every == 0).Select(static fault => fault.Kind).ToHashSet();
            if (late is null && faults.Contains(FeedFaultKind.Reorder))
            {
                late = (message, faults);
                continue;
            }

            yield return (message, faults);
            if (late is { } waited)
            {
                late = null;
                yield return waited;
            }
        }

        if (late is { } last)
        {
            yield return last;
        }
    }

    private async Task DeliverAsync(FeedSettings feed, FeedMessage message, HashSet<FeedFaultKind> faults, CancellationToken cancellationToken)
    {
        var bytes = Encode(message, faults.Contains(FeedFaultKind.WrongCharset));
        var pause = PauseMin;
        for (var attempt = 0; ; attempt++)
        {
            Count(ref attempt == 0 ? ref sent : ref resent);
            var code = await TryAsync(feed, message.ControlId, bytes, attempt == 0 ? faults : [], cancellationToken);
            if (code is "AA" or "CA")
            {
                Acknowledge(message.ControlId);
                break;
            }

            if (code is "AR" or "CR")
            {
                Count(ref refused);
                return;
            }

            if (code is not null)
            {
                Count(ref deferred);
            }

            await Task.Delay(pause, time, cancellationToken);
            pause = pause * 2 < PauseMax ? pause * 2 : PauseMax;
        }

        if (faults.Contains(FeedFaultKind.Resend))
        {
            Count(ref resent);
            await TryAsync(feed, message.ControlId, bytes, [], cancellationToken);
        }
    }

    // MSA-1 of the answer to this message; null when there was none: the line is closed then.
    private async Task<string?> TryAsync(
        FeedSettings feed, string controlId, byte[] bytes, HashSet<FeedFaultKind> faults, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(feed.AcknowledgementTimeoutMilliseconds), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            line ??= await MllpLine.ConnectAsync(feed.Host, feed.Port, either.Token);
            if (faults.Contains(FeedFaultKind.Disconnect))
            {
                await line.WriteAsync(MllpLine.Frame(bytes).AsMemory(0, 1 + (bytes.Length / 2)), either.Token);
                throw new IOException("Broken off, as was asked for.");
            }

            await WriteAsync(bytes, faults.Contains(FeedFaultKind.OddFraming), either.Token);
            while (await line.ReadAsync(either.Token) is { } answer)
            {
                if (MllpLine.Field(answer, "MSA", 2) != controlId)
                {
                    continue; // to one before, after all
                }

                return faults.Contains(FeedFaultKind.LostAck) ? throw new IOException("Lost, as was asked for.") : MllpLine.Field(answer, "MSA", 1);
            }

            throw new IOException("The receiver closed the connection.");
        }
        catch (Exception e) when (e is IOException or SocketException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            Count(ref e is OperationCanceledException ? ref timeouts : ref disconnects);
            line?.Dispose();
            line = null;
            return null;
        }
    }

    private async Task WriteAsync(byte[] bytes, bool odd, CancellationToken cancellationToken)
    {
        var frame = MllpLine.Frame(bytes);
        switch (odd ? oddities++ % 4 : -1)
        {
            case 0:
                await line!.WriteAsync(frame.AsMemory(0, frame.Length - 1), cancellationToken);
                break;
            case 1:
                await line!.WriteAsync((byte[])[.. frame[..^1], (byte)'\n'], cancellationToken);
                break;
            case 2:
                await line!.WriteAsync((byte[])[(byte)'\r', (byte)'\n', 0, .. frame], cancellationToken);
                break;
            case 3:
                for (var i = 0; i < frame.Length; i++)
                {
                    await line!.WriteAsync(frame.AsMemory(i, 1), cancellationToken);
                }

                break;
            default:
                await line!.WriteAsync(frame, cancellationToken);
                break;
        }
    }

    private static byte[] Encode(FeedMessage message, bool wrongCharset)
    {
        if (!wrongCharset)
        {
            return Encoding.UTF8.GetBytes(message.Text);
        }

        var end = message.Text.IndexOf('\r', StringComparison.Ordinal);
        var header = message.Text[..end].Split('|');
        Array.Resize(ref header, 18);
        header[17] = "8859/1";
        return Encoding.UTF8.GetBytes(string.Join('|', header) + message.Text[end..]);
    }

    private static void Count(ref long counter) => Interlocked.Increment(ref counter);

    private void Acknowledge(string controlId)
    {
        lock (gate)
        {
            acknowledged++;
            acknowledgedIds.Enqueue(controlId);
            if (acknowledgedIds.Count > IdsMax)
            {
                acknowledgedIds.Dequeue();
            }
        }
    }
}
