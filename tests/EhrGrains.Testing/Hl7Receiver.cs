using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading.Channels;

namespace EhrGrains.Testing;

/// <summary>
/// A hospital's HL7 receiver on a real socket, written from the standard alone: it answers every message as it is told to, and
/// hands out what it got in order.
/// </summary>
public sealed class Hl7Receiver : IAsyncDisposable
{
    private readonly TcpListener listener;
    private readonly CancellationTokenSource stopping = new();
    private readonly ConcurrentBag<TcpClient> clients = [];
    private readonly Channel<string> received = Channel.CreateUnbounded<string>();
    private readonly X509Certificate2? certificate;
    private readonly Task accepting;

    /// <summary>
    /// Starts to listen on a free port, or on one that was listened on before; with a certificate over TLS, and then only for senders
    /// that show one.
    /// </summary>
    public Hl7Receiver(int port = 0, X509Certificate2? certificate = null)
    {
        this.certificate = certificate;
        listener = new TcpListener(IPAddress.Loopback, port);
        listener.Start();
        accepting = AcceptAsync();
    }

    /// <summary>The port.</summary>
    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <summary>SHA-256 of the certificate that the last sender showed.</summary>
    public string? ShownSha256 { get; private set; }

    /// <summary>MSA-1 for a message; null: no answer. AA unless it is set.</summary>
    public Func<string, string?> Answer { get; set; } = _ => "AA";

    /// <summary>The next message that came.</summary>
    public ValueTask<string> NextAsync(CancellationToken cancellationToken) => received.Reader.ReadAsync(cancellationToken);

    /// <summary>A message that came and was not asked for yet, if there is one.</summary>
    public string? Peek() => received.Reader.TryRead(out var message) ? message : null;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        listener.Stop();
        foreach (var client in clients)
        {
            client.Dispose();
        }

        await accepting;
        stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            // Asked to accept after it was stopped, a listener throws something else than when it is stopped while it accepts.
            while (!stopping.IsCancellationRequested)
            {
                var client = await listener.AcceptTcpClientAsync(stopping.Token);
                clients.Add(client);
                _ = ServeAsync(client);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Stopped.
        }
    }

    private async Task<Stream> OpenAsync(NetworkStream plain)
    {
        if (certificate is null)
        {
            return plain;
        }

        var tls = new SslStream(plain);
        await tls.AuthenticateAsServerAsync(
            new SslServerAuthenticationOptions
            {
                ServerCertificate = certificate,
                ClientCertificateRequired = true,
                RemoteCertificateValidationCallback = (_, shown, _, _) =>
                {
                    ShownSha256 = shown?.GetCertHashString(HashAlgorithmName.SHA256);
                    return shown is not null;
                },
            },
            stopping.Token);
        return tls;
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var own = client;
        try
        {
            await using var stream = await OpenAsync(client.GetStream());
            while (await Mllp.ReadAsync(stream, stopping.Token) is { } message)
            {
                // The answer is decided first: who reads the message may change what is answered next.
                var answer = Answer(message);
                received.Writer.TryWrite(message);
                if (answer is not null)
                {
                    var text = $"MSH|^~\\&|RCV|HOSP|US|HERE|20260101||ACK|R1|P|2.5.1\rMSA|{answer}|{Mllp.Field(message, 10)}\r";
                    await Mllp.WriteAsync(stream, text, stopping.Token);
                }
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or AuthenticationException)
        {
            // The sender, or the test, has gone.
        }
    }
}

/// <summary>MLLP by hand, as a foreign program would do it.</summary>
public static class Mllp
{
    /// <summary>A field of MSH.</summary>
    public static string Field(string message, int number) => message.Split('\r')[0].Split(message[3])[number - 1];

    /// <summary>Sends one message over a plain connection of its own and reads the answer; null: the connection was closed instead.</summary>
    public static async Task<string?> SendAsync(int port, string message, CancellationToken cancellationToken)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
        await WriteAsync(client.GetStream(), message, cancellationToken);
        return await ReadAsync(client.GetStream(), cancellationToken);
    }

    /// <summary>Writes one frame.</summary>
    public static async Task WriteAsync(Stream stream, string message, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(Encoding.UTF8.GetBytes($"\x0b{message}\x1c\r"), cancellationToken);
        await stream.FlushAsync(cancellationToken);
    }

    /// <summary>Reads one frame; null at the end of the connection.</summary>
    public static async Task<string?> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var bytes = new List<byte>();
        var one = new byte[1];
        while (await stream.ReadAsync(one, cancellationToken) == 1)
        {
            bytes.Add(one[0]);
            if (bytes.Count >= 2 && bytes[^2] == 0x1c && bytes[^1] == 0x0d)
            {
                return Encoding.UTF8.GetString([.. bytes]).Trim('\x0b', '\x1c', '\r', '\n') + "\r";
            }
        }

        return null;
    }
}
