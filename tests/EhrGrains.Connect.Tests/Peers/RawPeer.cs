using System.Net;
using System.Net.Sockets;
using System.Text;

namespace EhrGrains.Connect.Tests.Peers;

/// <summary>A server that says what no HTTP server would let it say: it writes bytes to the socket and closes it.</summary>
internal sealed class RawPeer : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stopping = new();
    private readonly Task serving;
    private int requests;
    private long sent;

    /// <summary>Each connection is answered with these bytes, over and over when <paramref name="endless"/>, and then closed.</summary>
    public RawPeer(string answer, string? endless = null)
    {
        listener.Start();
        serving = ServeAsync(Encoding.Latin1.GetBytes(answer), endless is null ? null : Encoding.Latin1.GetBytes(endless));
    }

    public string Url => $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";

    public int Requests => Volatile.Read(ref requests);

    /// <summary>Bytes that the operating system took.</summary>
    public long Sent => Volatile.Read(ref sent);

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        listener.Stop();
        await serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stopping.Dispose();
    }

    private async Task ServeAsync(byte[] answer, byte[]? endless)
    {
        var buffer = new byte[64 * 1024];
        while (true)
        {
            using var socket = await listener.AcceptSocketAsync(stopping.Token);
            try
            {
                // A request without a body fits in one read on loopback.
                _ = await socket.ReceiveAsync(buffer, stopping.Token);
                Interlocked.Increment(ref requests);
                Interlocked.Add(ref sent, await socket.SendAsync(answer, stopping.Token));
                while (endless is not null)
                {
                    Interlocked.Add(ref sent, await socket.SendAsync(endless, stopping.Token));
                }

                socket.Shutdown(SocketShutdown.Send);
                _ = await socket.ReceiveAsync(buffer, stopping.Token);
            }
            catch (SocketException)
            {
                // The other side has closed it, which is what the test is about.
            }
        }
    }
}
