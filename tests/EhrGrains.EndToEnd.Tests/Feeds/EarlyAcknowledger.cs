using System.Net;
using System.Net.Sockets;
using System.Text;

namespace EhrGrains.EndToEnd.Tests.Feeds;

/// <summary>
/// What must not be: it stands between senders and a silo and acknowledges each message before it passes it on. With it the kill test
/// has to find messages lost, or it could not find any.
/// </summary>
internal sealed class EarlyAcknowledger : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stopping = new();
    private readonly Task accepting;

    internal EarlyAcknowledger(int siloPort)
    {
        listener.Start();
        accepting = AcceptAsync(siloPort);
    }

    internal int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        listener.Dispose();
        await accepting;
        stopping.Dispose();
    }

    private async Task AcceptAsync(int siloPort)
    {
        var serving = new List<Task>();
        try
        {
            while (true)
            {
                serving.Add(ServeAsync(await listener.AcceptTcpClientAsync(stopping.Token), siloPort));
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(TcpClient sender, int siloPort)
    {
        using var silo = new TcpClient { NoDelay = true };
        try
        {
            await silo.ConnectAsync(IPAddress.Loopback, siloPort, stopping.Token);
            var (asking, keeping) = (sender.GetStream(), silo.GetStream());
            var discarding = keeping.CopyToAsync(Stream.Null, stopping.Token);
            var buffer = new byte[8192];
            var length = 0;
            while (await asking.ReadAsync(buffer.AsMemory(length), stopping.Token) is var read and > 0)
            {
                length += read;
                if (buffer[length - 2] != 0x1c)
                {
                    continue;
                }

                // Senders wait for each acknowledgement, so that what is there is one message.
                var controlId = Encoding.ASCII.GetString(buffer, 0, length).Split('|')[9];
                await asking.WriteAsync(
                    Encoding.ASCII.GetBytes($"\x0bMSH|^~\\&|||||||ACK|1|P|2.5.1\rMSA|AA|{controlId}\r\x1c\r"), stopping.Token);
                await keeping.WriteAsync(buffer.AsMemory(0, length), stopping.Token);
                length = 0;
            }

            silo.Close();
            await discarding;
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // One of the two sides has gone, and with it the connection to the other.
        }
        finally
        {
            sender.Dispose();
        }
    }
}
