using System.Net.Sockets;
using System.Text;

namespace EhrGrains.Sandbox.Feeds;

/// <summary>One MLLP connection, from either end. Frames of at most 16 MiB.</summary>
internal sealed class MllpLine(Socket socket) : IDisposable
{
    public const byte Start = 0x0b;
    public const byte End = 0x1c;
    private const int FrameBytesMax = 16 * 1024 * 1024;

    private readonly NetworkStream stream = new(socket, ownsSocket: true);
    private readonly byte[] chunk = new byte[16 * 1024];
    private int chunkFrom;
    private int chunkTo;

    public static async Task<MllpLine> ConnectAsync(string host, int port, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(host, port, cancellationToken);
            return new MllpLine(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public static byte[] Frame(ReadOnlySpan<byte> message) => [Start, .. message, End, (byte)'\r'];

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => stream.WriteAsync(bytes, cancellationToken);

    /// <summary>The next frame's content; null when the other end has closed.</summary>
    public async Task<byte[]?> ReadAsync(CancellationToken cancellationToken)
    {
        var content = new MemoryStream();
        var inside = false;
        while (true)
        {
            if (chunkFrom == chunkTo)
            {
                (chunkFrom, chunkTo) = (0, await stream.ReadAsync(chunk, cancellationToken));
                if (chunkTo == 0)
                {
                    return null;
                }
            }

            var octet = chunk[chunkFrom++];
            if (octet == Start)
            {
                (inside, content) = (true, new MemoryStream());
            }
            else if (inside && octet == End)
            {
                return content.ToArray();
            }
            else if (inside && content.Length < FrameBytesMax)
            {
                content.WriteByte(octet);
            }
        }
    }

    /// <summary>A field of a segment, as it is written; empty when there is none. MSH counts from its separator.</summary>
    public static string Field(ReadOnlySpan<byte> message, string segment, int field)
    {
        foreach (var line in Encoding.UTF8.GetString(message).Split('\r', '\n'))
        {
            if (line.StartsWith(segment, StringComparison.Ordinal) && line.Length > 3)
            {
                return line.Split(line[3]).ElementAtOrDefault(segment == "MSH" ? field - 1 : field) ?? "";
            }
        }

        return "";
    }

    public void Dispose() => stream.Dispose();
}
