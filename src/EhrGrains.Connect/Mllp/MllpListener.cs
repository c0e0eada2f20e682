using System.Buffers;
using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.ObjectPool;

namespace EhrGrains.Connect.Mllp;

/// <summary>
/// Listens for HL7 v2 over MLLP: a connection handler of Kestrel, which brings TLS, pipes and the drain. Holds what all
/// connections share: their number, the bytes they may buffer, one clock that looks after their deadlines.
/// </summary>
public sealed partial class MllpListener : ConnectionHandler, IDisposable
{
    private const int MessagesPooledMax = 1_024;
    private static readonly TimeSpan SweepPeriod = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<MllpConnection, byte> connections = new();
    private readonly ITimer sweep;
    private readonly string controlIdPrefix = RandomNumberGenerator.GetString("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", 6);
    private long lastControlId;
    private long bufferedBytes;
    private int count;

    /// <summary>Creates the listener.</summary>
    public MllpListener(MllpOptions options, MllpReceiver receiver, TimeProvider time, ConnectMetrics metrics, ILogger<MllpListener> log)
    {
        Options = options;
        Receiver = receiver;
        Time = time;
        Metrics = metrics;
        Log = log;
        sweep = time.CreateTimer(static state => ((MllpListener)state!).Sweep(), this, SweepPeriod, SweepPeriod);
    }

    /// <summary>Connections that are open now.</summary>
    public int ConnectionCount => Volatile.Read(ref count);

    internal MllpOptions Options { get; }

    internal MllpReceiver Receiver { get; }

    internal TimeProvider Time { get; }

    internal ConnectMetrics Metrics { get; }

    internal ILogger Log { get; }

    internal ObjectPool<MllpMessage> Messages { get; } =
        new DefaultObjectPool<MllpMessage>(new DefaultPooledObjectPolicy<MllpMessage>(), MessagesPooledMax);

    /// <summary>Where the acknowledgements of a batch are written before they go out together.</summary>
    internal ObjectPool<ArrayBufferWriter<byte>> Answers { get; } =
        new DefaultObjectPool<ArrayBufferWriter<byte>>(new DefaultPooledObjectPolicy<ArrayBufferWriter<byte>>());

    /// <summary>Bytes of frames that are buffered beyond what each connection has free.</summary>
    internal long BufferedBytes => Volatile.Read(ref bufferedBytes);

    /// <summary>Serves one connection until it ends.</summary>
    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (Interlocked.Increment(ref count) > Options.ConnectionsMax)
        {
            Interlocked.Decrement(ref count);
            Metrics.MllpClosed("connections");
            ConnectionWasRefused(Log, Options.ConnectionsMax);
            connection.Abort();
            return;
        }

        KeepAlive(connection);
        var served = new MllpConnection(this, connection);
        connections[served] = 0;
        Metrics.MllpConnections(1);
        try
        {
            await served.RunAsync();
        }
        finally
        {
            connections.TryRemove(served, out _);
            Interlocked.Decrement(ref count);
            Metrics.MllpConnections(-1);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => sweep.Dispose();

    /// <summary>MSH-10 of our acknowledgements: 18 letters and digits, not used twice by any silo.</summary>
    internal string NextControlId() =>
        string.Create(CultureInfo.InvariantCulture, $"{controlIdPrefix}{Interlocked.Increment(ref lastControlId):D12}");

    /// <summary>
    /// Changes what a connection has reserved; false, and nothing is changed, when all connections together would have too much.
    /// </summary>
    internal bool TryReserve(ref long reserved, long wanted)
    {
        var more = wanted - reserved;
        if (more != 0 && Interlocked.Add(ref bufferedBytes, more) > Options.BufferedBytesMax && more > 0)
        {
            Interlocked.Add(ref bufferedBytes, -more);
            return false;
        }

        reserved = wanted;
        return true;
    }

    private void Sweep()
    {
        var now = Time.GetTimestamp();
        foreach (var (connection, _) in connections)
        {
            connection.CloseWhenLate(now);
        }
    }

    // A peer that is gone without a word is found within about three minutes, and its connection closed.
    private static void KeepAlive(ConnectionContext connection)
    {
        if (connection.Features.Get<IConnectionSocketFeature>()?.Socket is { ProtocolType: ProtocolType.Tcp } socket)
        {
            SocketKeepAlive.Set(socket);
        }
    }

    [LoggerMessage(
        4001, LogLevel.Warning, "An MLLP connection was refused: {ConnectionsMax} are open (EhrGrains:Mllp:Limits:ConnectionsMax).")]
    private static partial void ConnectionWasRefused(ILogger logger, int connectionsMax);
}

/// <summary>TCP keep-alive, on both sides of MLLP: feeds are silent for hours, and firewalls forget connections.</summary>
internal static class SocketKeepAlive
{
    private const int IdleSeconds = 120;
    private const int IntervalSeconds = 15;
    private const int Probes = 4;

    internal static void Set(Socket socket)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, IdleSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, IntervalSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, Probes);
    }
}
