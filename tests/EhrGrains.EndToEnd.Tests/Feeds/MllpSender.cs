using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace EhrGrains.EndToEnd.Tests.Feeds;

/// <summary>
/// A hospital's interface engine as most are: one connection, one message at a time, and the same message again until it is
/// acknowledged. It remembers what it did.
/// </summary>
internal sealed class MllpSender(int number, string facility, int port)
{
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(5);

    private readonly List<SentMessage> history = [];
    private TcpClient? connection;
    private int next;

    /// <summary>To be read when the sender has ended.</summary>
    internal IReadOnlyList<SentMessage> History => history;

    /// <summary>How many were acknowledged.</summary>
    internal int Acknowledged => Volatile.Read(ref next);

    /// <summary>Each sender sends about one patient, whose family name is the control id of the message: each message changes the record.</summary>
    internal static byte[] Message(string facility, string controlId) => Encoding.ASCII.GetBytes(
        $"\x0bMSH|^~\\&|SENDER|{facility}|US|HERE|20260101120000||ADT^A08|{controlId}|P|2.5.1\rEVN|A08|20260101120000\r" +
        $"PID|1||{controlId.Split('-')[0]}^^^NORTH^MR||{controlId}^JANE||19800101|F\rPV1|1|I|{new string('W', 900)}\r\x1c\r");

    /// <summary>Sends until <paramref name="enough"/>; the message under way then is left as it is.</summary>
    internal async Task RunAsync(CancellationToken enough)
    {
        try
        {
            while (true)
            {
                await SendAsync(enough);
            }
        }
        catch (OperationCanceledException) when (enough.IsCancellationRequested)
        {
            connection?.Dispose();
        }
    }

    /// <summary>Sends the next message until it is acknowledged.</summary>
    internal async Task SendAsync(CancellationToken cancellationToken)
    {
        var controlId = string.Create(CultureInfo.InvariantCulture, $"S{number}-{next + 1}");
        var message = new SentMessage(number, controlId, Stopwatch.GetTimestamp(), null, 0);
        history.Add(message);
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (message.AcknowledgedAt is null)
        {
            try
            {
                connection ??= await ConnectAsync(cancellationToken);
                history[^1] = message = message with { TimesSent = message.TimesSent + 1 };
                using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                timeout.CancelAfter(AnswerTimeout);
                await connection.GetStream().WriteAsync(Message(facility, controlId), timeout.Token);
                if (await ReadAcknowledgementAsync(connection.GetStream(), controlId, timeout.Token))
                {
                    history[^1] = message = message with { AcknowledgedAt = Stopwatch.GetTimestamp() };
                    Interlocked.Increment(ref next);
                    return;
                }
            }
            catch (Exception e) when (e is IOException or SocketException or EndOfStreamException
                || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                // The silo was killed, or is not there yet.
                connection?.Dispose();
                connection = null;
            }

            await pause.WaitForNextTickAsync(cancellationToken);
        }
    }

    private async Task<TcpClient> ConnectAsync(CancellationToken cancellationToken)
    {
        var client = new TcpClient { NoDelay = true };
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>True: AA or CA of this very message. False: AE or CE of it. Anything else is a broken connection.</summary>
    private static async Task<bool> ReadAcknowledgementAsync(NetworkStream stream, string controlId, CancellationToken cancellationToken)
    {
        var buffer = new byte[8192];
        var length = 0;
        while (length < 2 || buffer[length - 2] != 0x1c || buffer[length - 1] != '\r')
        {
            var read = await stream.ReadAsync(buffer.AsMemory(length), cancellationToken);
            if (read == 0)
            {
                throw new EndOfStreamException();
            }

            length += read;
        }

        var msa = Encoding.ASCII.GetString(buffer, 0, length).Split('\r').First(s => s.StartsWith("MSA|", StringComparison.Ordinal)).Split('|');
        return (msa[1], msa[2] == controlId) switch
        {
            ("AA" or "CA", true) => true,
            ("AE" or "CE", true) => false,
            _ => throw new IOException($"{controlId} was answered {msa[1]} for {msa[2]}."),
        };
    }
}
