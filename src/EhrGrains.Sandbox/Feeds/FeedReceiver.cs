using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Serialization;

namespace EhrGrains.Sandbox.Feeds;

/// <summary>What a receiver does wrong.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ReceiverFaultKind>))]
internal enum ReceiverFaultKind
{
    /// <summary>Answers AE: not now.</summary>
    [JsonStringEnumMemberName("ae")]
    Error,

    /// <summary>Answers AR: never.</summary>
    [JsonStringEnumMemberName("ar")]
    Reject,

    /// <summary>Takes the message and says nothing.</summary>
    [JsonStringEnumMemberName("no-ack")]
    NoAck,

    /// <summary>Answers after <see cref="ReceiverFault.Milliseconds"/>.</summary>
    [JsonStringEnumMemberName("late-ack")]
    LateAck,

    /// <summary>Closes the connection instead of an answer.</summary>
    [JsonStringEnumMemberName("disconnect")]
    Disconnect,
}

/// <summary>One fault of a receiver: at each message that is a multiple of <see cref="Every"/>.</summary>
internal sealed record ReceiverFault
{
    public required ReceiverFaultKind Kind { get; init; }

    public int Every { get; init; } = 1;

    /// <summary>How often in all; null: always.</summary>
    public int? Times { get; init; }

    public int Milliseconds { get; init; } = 2_000;
}

/// <summary>Where a receiver is to listen and what it is to do wrong.</summary>
internal sealed record ReceiverSettings
{
    /// <summary>TCP port; 0: the operating system chooses. A receiver that listens already stays where it is.</summary>
    public int Port { get; init; }

    public IReadOnlyList<ReceiverFault> Faults { get; init; } = [];

    [JsonIgnore]
    public IEnumerable<string> Problems
    {
        get
        {
            if (Port is < 0 or > 65_535)
            {
                yield return "port: 0 to 65,535.";
            }

            if (Faults.Count > FeedSettings.FaultsMax || Faults.Any(static fault => fault.Every < 1 || fault.Milliseconds is < 0 or > 600_000))
            {
                yield return $"faults: at most {FeedSettings.FaultsMax}, every 1 or more, milliseconds 0 to 600,000.";
            }
        }
    }
}

/// <summary>How a receiver stands.</summary>
internal sealed record ReceiverReading
{
    /// <summary>Where it listens; 0: it does not.</summary>
    public required int Port { get; init; }

    /// <summary>Frames that arrived.</summary>
    public required long Received { get; init; }

    /// <summary>Those that were answered AA.</summary>
    public required long Acknowledged { get; init; }

    /// <summary>Those that were answered AE or AR.</summary>
    public required long Refused { get; init; }

    /// <summary>Control ids of what was acknowledged, in order, the last 10,000.</summary>
    public required IReadOnlyList<string> AcknowledgedIds { get; init; }
}

/// <summary>A hospital's own MLLP listener, for what is sent to it.</summary>
internal sealed class FeedReceiver(IPAddress address, TimeProvider time) : IDisposable
{
    private const int ConnectionsMax = 100;
    private const int IdsMax = 10_000;

    private readonly Lock gate = new();
    private readonly Queue<string> acknowledgedIds = new();
    private readonly CancellationTokenSource stop = new();
    private TcpListener? listener;
    private IReadOnlyList<(ReceiverFault Fault, int[] Happened)> faults = [];
    private int connections;
    private long received;
    private long acknowledged;
    private long refused;

    public ReceiverReading Set(ReceiverSettings settings)
    {
        lock (gate)
        {
            faults = [.. settings.Faults.Select(static fault => (fault, new int[1]))];
            acknowledgedIds.Clear();
            received = acknowledged = refused = 0;
            if (listener is null)
            {
                listener = new TcpListener(address, settings.Port);
                listener.Start();
                _ = AcceptAsync(listener);
            }
        }

        return Read();
    }

    public ReceiverReading Read()
    {
        lock (gate)
        {
            return new ReceiverReading
            {
                Port = (listener?.LocalEndpoint as IPEndPoint)?.Port ?? 0,
                Received = received,
                Acknowledged = acknowledged,
                Refused = refused,
                AcknowledgedIds = [.. acknowledgedIds],
            };
        }
    }

    public void Dispose()
    {
        stop.Cancel();
        listener?.Dispose();
        stop.Dispose();
    }

    private async Task AcceptAsync(TcpListener own)
    {
        try
        {
            while (true)
            {
                var socket = await own.AcceptSocketAsync(stop.Token);
                if (Interlocked.Increment(ref connections) > ConnectionsMax)
                {
                    Interlocked.Decrement(ref connections);
                    socket.Dispose();
                    continue;
                }

                socket.NoDelay = true;
                _ = TalkAsync(new MllpLine(socket), stop.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The sandbox stops.
        }
    }

    private async Task TalkAsync(MllpLine line, CancellationToken cancellationToken)
    {
        try
        {
            using (line)
            {
                while (await line.ReadAsync(cancellationToken) is { } message)
                {
                    var fault = Take();
                    if (fault?.Kind == ReceiverFaultKind.LateAck)
                    {
                        await Task.Delay(TimeSpan.FromMilliseconds(fault.Milliseconds), time, cancellationToken);
                    }

                    if (fault?.Kind == ReceiverFaultKind.Disconnect)
                    {
                        return;
                    }

                    if (fault?.Kind != ReceiverFaultKind.NoAck)
                    {
                        await line.WriteAsync(MllpLine.Frame(Answer(message, fault?.Kind)), cancellationToken);
                    }
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The other end has gone, or the sandbox stops.
        }
        finally
        {
            Interlocked.Decrement(ref connections);
        }
    }

    private ReceiverFault? Take()
    {
        lock (gate)
        {
            received++;
            foreach (var (fault, happened) in faults)
            {
                if (received % fault.Every == 0 && (fault.Times is null || happened[0] < fault.Times))
                {
                    happened[0]++;
                    return fault;
                }
            }

            return null;
        }
    }

    private byte[] Answer(byte[] message, ReceiverFaultKind? fault)
    {
        var controlId = MllpLine.Field(message, "MSH", 10);
        var code = fault switch { ReceiverFaultKind.Error => "AE", ReceiverFaultKind.Reject => "AR", _ => "AA" };
        lock (gate)
        {
            if (code != "AA")
            {
                refused++;
            }
            else
            {
                acknowledged++;
                acknowledgedIds.Enqueue(controlId);
                if (acknowledgedIds.Count > IdsMax)
                {
                    acknowledgedIds.Dequeue();
                }
            }
        }

        var header = string.Join('|', "MSH", @"^~\&", MllpLine.Field(message, "MSH", 5), MllpLine.Field(message, "MSH", 6),
            MllpLine.Field(message, "MSH", 3), MllpLine.Field(message, "MSH", 4), time.GetUtcNow().ToString("yyyyMMddHHmmss", CultureInfo.InvariantCulture), "", "ACK",
            "A" + controlId, "P", MllpLine.Field(message, "MSH", 12));
        return Encoding.UTF8.GetBytes($"{header}\rMSA|{code}|{controlId}\r");
    }
}
