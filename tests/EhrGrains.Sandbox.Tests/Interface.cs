using System.Net;
using System.Net.Sockets;
using System.Text;

namespace EhrGrains.Sandbox.Tests;

/// <summary>An MLLP listener that takes everything and keeps it.</summary>
public sealed class Interface : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly List<byte[]> messages = [];
    private readonly string code;
    private readonly Task accepting;

    public Interface(string code = "AA")
    {
        this.code = code;
        listener.Start();
        accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    public IReadOnlyList<byte[]> Messages => messages;

    public IEnumerable<string> ControlIds => messages.Select(message => Encoding.UTF8.GetString(message).Split('|')[9]);

    public async ValueTask DisposeAsync()
    {
        listener.Stop();
        await accepting;
        listener.Dispose();
    }

    // One connection after the other, as a sender with one message outstanding makes them.
    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                using var client = await listener.AcceptTcpClientAsync(CancellationToken.None);
                await TalkAsync(client.GetStream());
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The test is over.
        }
    }

    private async Task TalkAsync(NetworkStream stream)
    {
        var octet = new byte[1];
        List<byte>? frame = null;
        while (await stream.ReadAsync(octet, CancellationToken.None) == 1)
        {
            if (octet[0] == 0x0b)
            {
                frame = [];
            }
            else if (octet[0] == 0x1c && frame is not null)
            {
                messages.Add([.. frame]);
                var id = Encoding.UTF8.GetString([.. frame]).Split('|')[9];
                frame = null;
                await stream.WriteAsync(Encoding.UTF8.GetBytes($"\u000bMSH|^~\\&|||||||ACK|1|P|2.5.1\rMSA|{code}|{id}\r\u001c\r"), CancellationToken.None);
            }
            else
            {
                frame?.Add(octet[0]);
            }
        }
    }
}
