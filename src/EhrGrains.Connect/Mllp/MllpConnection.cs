using System.Buffers;
using System.Net;
using System.Security.Cryptography;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Hl7v2.Mllp;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Connect.Mllp;

/// <summary>
/// One connection. All frames that have come are one batch: they are given to the journal together, acknowledged in the order in
/// which they came, and flushed once. While a batch is under way nothing more is read, so a sender that does not wait is slowed
/// down by TCP; no queue is needed, and the frames are used where they lie in the transport's buffers.
/// </summary>
internal sealed partial class MllpConnection
{
    // What a connection may buffer without asking. Most messages are smaller.
    private const int FreeBytes = 16 * 1024;

    private readonly MllpListener listener;
    private readonly ConnectionContext connection;
    private readonly MllpReader reader;
    private readonly MllpIntake intake;
    private readonly List<MllpMessage> batch = [];
    private readonly FrameBytes joined = new();
    private readonly CancellationToken closing;
    private readonly FeedListener kind;
    private readonly string? certificate;
    private long reserved;
    private long unfinished;
    private long frameStarted;
    private bool hasFramed;
    private long deadline = long.MaxValue;
    private volatile string late = "first-byte";

    internal MllpConnection(MllpListener listener, ConnectionContext connection)
    {
        this.listener = listener;
        this.connection = connection;
        reader = new MllpReader(listener.Options.FrameBytesMax);
        var tls = connection.Features.Get<ITlsConnectionFeature>();
        kind = tls is null ? FeedListener.Plain : FeedListener.Tls;
        certificate = tls?.ClientCertificate?.GetCertHashString(HashAlgorithmName.SHA256);
        intake = new MllpIntake(listener, kind, certificate);
        closing = connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? default;
    }

    private MllpOptions Options => listener.Options;

    internal async Task RunAsync()
    {
        // Kestrel is going to stop: what is under way is finished and acknowledged, nothing more is read.
        await using var drain = closing.Register(connection.Transport.Input.CancelPendingRead);
        try
        {
            var goesOn = true;
            while (goesOn)
            {
                Expect();
                var read = await connection.Transport.Input.ReadAsync(CancellationToken.None);
                goesOn = !read.IsCanceled && await TakeAsync(read.Buffer, read.IsCompleted);
            }
        }
        catch (Exception e) when (e is IOException or ConnectionAbortedException or OperationCanceledException)
        {
            // The peer, or our own clock, ended it; what was not acknowledged the sender sends again.
        }
        finally
        {
            listener.TryReserve(ref reserved, 0);
        }
    }

    /// <summary>Called by the listener's clock.</summary>
    internal void CloseWhenLate(long now)
    {
        if (now <= Volatile.Read(ref deadline))
        {
            return;
        }

        Volatile.Write(ref deadline, long.MaxValue);
        listener.Metrics.MllpClosed(late);
        ConnectionWasLate(listener.Log, late, Remote);
        connection.Abort(new ConnectionAbortedException("The sender was too slow."));
    }

    private async Task<bool> TakeAsync(ReadOnlySequence<byte> buffer, bool isLast)
    {
        var status = Divide(buffer, out var consumed);
        unfinished = buffer.Slice(consumed).Length;
        var goesOn = Reserve(buffer.Length + joined.Length);
        if (batch.Count > 0)
        {
            try
            {
                goesOn &= await AnswerAsync();
            }
            finally
            {
                await ForgetAsync();
            }
        }

        if (status is MllpReadStatus.NotMllp or MllpReadStatus.TooLarge)
        {
            listener.Metrics.MllpFrameError(status == MllpReadStatus.NotMllp ? "not-mllp" : "too-large");
            FrameWasWrong(listener.Log, status, Remote);
            goesOn = false;
        }

        if (goesOn)
        {
            var more = status != MllpReadStatus.NeedMore;
            connection.Transport.Input.AdvanceTo(consumed, more ? consumed : buffer.End);
            Reserve(unfinished);
            goesOn = more || !isLast;
        }

        if (isLast && reader.InFrame)
        {
            listener.Metrics.MllpFrameError("unfinished");
        }

        return goesOn;
    }

    // Takes frames until there is no whole one left, or as many as may be in flight.
    private MllpReadStatus Divide(in ReadOnlySequence<byte> buffer, out SequencePosition consumed)
    {
        var rest = buffer;
        consumed = buffer.Start;
        while (batch.Count < Options.FramesInFlightMax)
        {
            var status = reader.Read(rest, out var position, out var content);
            consumed = position;
            rest = rest.Slice(position);
            hasFramed |= reader.InFrame;
            switch (status)
            {
                case MllpReadStatus.Frame:
                    frameStarted = 0;
                    hasFramed = true;
                    intake.Take(Whole(content), batch);
                    break;
                case MllpReadStatus.Unterminated:
                    frameStarted = 0;
                    listener.Metrics.MllpFrameError("unterminated");
                    intake.TakeUnterminated(Whole(content), batch);
                    break;
                case MllpReadStatus.Committed or MllpReadStatus.NotCommitted:
                    // Release 2: the peer has taken our acknowledgement, or not; it is not sent again, for the message would be.
                    break;
                case MllpReadStatus.TooLarge:
                    intake.TakeTooLarge(content.IsEmpty ? rest : content, batch);
                    return status;
                default:
                    return status;
            }
        }

        return MllpReadStatus.Frame;
    }

    private ReadOnlyMemory<byte> Whole(in ReadOnlySequence<byte> content) => content.IsSingleSegment ? content.First : joined.Join(content);

    private async Task<bool> AnswerAsync()
    {
        Volatile.Write(ref deadline, long.MaxValue);
        var now = listener.Time.GetUtcNow();
        var started = listener.Time.GetTimestamp();
        var answers = listener.Answers.Get();
        var goesOn = true;
        foreach (var message in batch)
        {
            if (message.MayWait && answers.WrittenCount > 0)
            {
                goesOn = await SendAsync(answers);
            }

            if (await intake.DecideAsync(message, connection.RemoteEndPoint, closing) is not { } decided)
            {
                // Nobody knows when the journal will be back, and this sender is told nothing meanwhile: it finds the connection closed.
                goesOn = false;
                break;
            }

            MllpIntake.Write(answers, message, decided, listener.NextControlId(), now);
        }

        goesOn &= await SendAsync(answers);
        listener.Answers.Return(answers);
        listener.Metrics.MllpAnswered(listener.Time.GetElapsedTime(started));
        return goesOn && !closing.IsCancellationRequested;
    }

    private async Task<bool> SendAsync(ArrayBufferWriter<byte> answers)
    {
        Set("write", Options.WriteTimeout);
        var flushed = await connection.Transport.Output.WriteAsync(answers.WrittenMemory, CancellationToken.None);
        answers.Clear();
        Volatile.Write(ref deadline, long.MaxValue);
        return !flushed.IsCompleted;
    }

    private async Task ForgetAsync()
    {
        foreach (var message in batch)
        {
            // The journal may still be reading the bytes of a message whose answer nobody waits for any more.
            if (message.Receipt is { IsCompleted: false } receipt)
            {
                await Task.WhenAny(receipt);
            }

            message.Clear();
            listener.Messages.Return(message);
        }

        batch.Clear();
        joined.GiveBack();
    }

    private bool Reserve(long bytes)
    {
        if (listener.TryReserve(ref reserved, bytes > FreeBytes ? bytes : 0))
        {
            return true;
        }

        listener.Metrics.MllpClosed("buffers");
        BuffersWereFull(listener.Log, Options.BufferedBytesMax, Remote);
        return false;
    }

    // What the sender is given time for: to begin, to finish its frame, or to have something to say.
    private void Expect()
    {
        if (!reader.InFrame)
        {
            Set(hasFramed ? "idle" : "first-byte", hasFramed ? Options.IdleTimeout : Options.FirstByteTimeout);
            return;
        }

        if (frameStarted == 0)
        {
            frameStarted = listener.Time.GetTimestamp();
        }

        var pace = Options.FrameGrace + TimeSpan.FromSeconds((double)unfinished / Options.FrameBytesPerSecondMin);
        var left = (pace < Options.FrameTimeout ? pace : Options.FrameTimeout) - listener.Time.GetElapsedTime(frameStarted);
        Set("frame", left);
    }

    private void Set(string what, TimeSpan within)
    {
        late = what;
        var ticks = (long)(within.TotalSeconds * listener.Time.TimestampFrequency);
        Volatile.Write(ref deadline, listener.Time.GetTimestamp() + ticks);
    }

    private string Remote => (connection.RemoteEndPoint as IPEndPoint)?.Address.ToString() ?? "unknown";

    [LoggerMessage(4002, LogLevel.Information, "An MLLP connection from {Remote} was closed: its {Deadline} deadline was over.")]
    private static partial void ConnectionWasLate(ILogger logger, string deadline, string remote);

    [LoggerMessage(4003, LogLevel.Warning, "An MLLP connection from {Remote} was closed: {Status}.")]
    private static partial void FrameWasWrong(ILogger logger, MllpReadStatus status, string remote);

    [LoggerMessage(
        4004,
        LogLevel.Warning,
        "An MLLP connection from {Remote} was closed: connections buffer {BytesMax} bytes (EhrGrains:Mllp:Limits:BufferedBytesMax).")]
    private static partial void BuffersWereFull(ILogger logger, long bytesMax, string remote);
}
