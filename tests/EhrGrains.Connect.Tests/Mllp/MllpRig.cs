using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Connect.Tests.Mllp;

/// <summary>The listener on real sockets, with a journal in memory.</summary>
internal sealed class MllpRig : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly ConcurrentQueue<Kept> kept;
    private readonly ConcurrentQueue<MllpRefusal> refusals;

    private MllpRig(WebApplication app, ConcurrentQueue<Kept> kept, ConcurrentQueue<MllpRefusal> refusals)
    {
        this.app = app;
        this.kept = kept;
        this.refusals = refusals;
        Port = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses
            .Select(static address => new Uri(address).Port).First();
    }

    internal int Port { get; }

    internal IReadOnlyList<Kept> Kept => [.. kept];

    internal IReadOnlyList<MllpRefusal> Refusals => [.. refusals];

    internal IServiceProvider Services => app.Services;

    internal MllpListener Listener => app.Services.GetRequiredService<MllpListener>();

    internal static FeedRoute Route(
        FeedMatch? match = null, UnavailablePolicy whenUnavailable = default, string tenant = "st-mary", string feed = "adt") => new(
        TenantId.Parse(tenant),
        FeedId.Parse(feed),
        new InboundFeedSpec { Match = match ?? new FeedMatch(), WhenUnavailable = whenUnavailable });

    internal static async Task<MllpRig> StartAsync(
        IReadOnlyList<FeedRoute>? routes = null,
        Func<MllpArrival, ValueTask<MllpReceipt>>? append = null,
        Action<MllpOptions>? options = null,
        MllpTlsOptions? tls = null,
        TimeProvider? time = null,
        bool auditFails = false)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var journal = new ConcurrentQueue<Kept>();
        var audit = new ConcurrentQueue<MllpRefusal>();
        var table = FeedRoutes.From(routes ?? [Route()]);
        builder.Services.AddSingleton(time ?? TimeProvider.System);
        builder.Services.Configure(options ?? (static _ => { }));
        builder.Services.AddSingleton(new MllpReceiver(
            () => table,
            async (arrival, _) =>
            {
                var receipt = append is null ? new MllpReceipt(MllpOutcome.Appended) : await append(arrival);
                journal.Enqueue(new Kept(arrival.Route, arrival.ControlId, arrival.Sender, arrival.Message.ToArray(), receipt.Outcome));
                return receipt;
            },
            (refusal, _) =>
            {
                audit.Enqueue(refusal);
                return auditFails ? throw new InvalidOperationException("The audit trail is away.") : ValueTask.CompletedTask;
            }));
        builder.Services.AddMllpListener();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => Endpoint(listen, tls)));
        var made = builder.Build();
        await made.StartAsync(TestContext.Current.CancellationToken);
        return new MllpRig(made, journal, audit);
    }

    internal async Task<Sender> ConnectAsync()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, Port, TestContext.Current.CancellationToken);
        return new Sender(new NetworkStream(socket, ownsSocket: true), socket);
    }

    /// <summary>Connects with TLS, trusting whoever answers: what is tested is the listener.</summary>
    internal async Task<Sender> ConnectTlsAsync(X509Certificate2? certificate = null)
    {
        var plain = await ConnectAsync();
        var tls = new SslStream(plain.Stream, false, static (_, shown, _, _) => shown?.Subject == "CN=localhost");
        await tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = "localhost",
                ClientCertificates = certificate is null ? null : new X509CertificateCollection { certificate },
            },
            TestContext.Current.CancellationToken);
        return new Sender(tls, plain.Socket);
    }

    internal Task StopAsync(CancellationToken cancellationToken) => app.StopAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await app.StopAsync(now.Token);
        await app.DisposeAsync();
    }

    private static void Endpoint(ListenOptions listen, MllpTlsOptions? tls)
    {
        if (tls is null)
        {
            listen.UseMllp();
        }
        else
        {
            listen.UseMllpTls(tls);
        }
    }
}

/// <summary>A message that the journal was given, copied.</summary>
internal sealed record Kept(FeedRoute Route, string ControlId, string Sender, byte[] Bytes, MllpOutcome Outcome);

/// <summary>The sending side of a connection, byte by byte if need be.</summary>
internal sealed class Sender(Stream stream, Socket socket) : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly List<byte> received = [];

    internal Stream Stream => stream;

    internal Socket Socket => socket;

    internal static byte[] Frame(string message) => Frame(Encoding.UTF8.GetBytes(message));

    internal static byte[] Frame(byte[] message) => [0x0B, .. message, 0x1C, 0x0D];

    internal async Task WriteAsync(params byte[] bytes) => await stream.WriteAsync(bytes, TestContext.Current.CancellationToken);

    internal Task SendAsync(string message) => WriteAsync(Frame(message));

    /// <summary>Sends and reads one acknowledgement.</summary>
    internal async Task<Ack> AskAsync(string message)
    {
        await SendAsync(message);
        return await AckAsync();
    }

    /// <summary>The next acknowledgement; fails when the connection ends before.</summary>
    internal async Task<Ack> AckAsync() =>
        Ack.Read(await FrameAsync() ?? throw new EndOfStreamException("The listener closed the connection."));

    /// <summary>The next frame's content; null when the connection has ended.</summary>
    internal async Task<byte[]?> FrameAsync()
    {
        var buffer = new byte[8192];
        while (true)
        {
            var end = received.IndexOf(0x1C);
            if (end >= 0 && received.Count > end + 1)
            {
                received[0].ShouldBe((byte)0x0B);
                received[end + 1].ShouldBe((byte)0x0D);
                var content = received[1..end].ToArray();
                received.RemoveRange(0, end + 2);
                return content;
            }

            if (await ReadAsync(buffer) is not (> 0 and var read))
            {
                return null;
            }

            received.AddRange(buffer.AsSpan(0, read));
        }
    }

    /// <summary>Waits until the listener has closed the connection; what it still says is dropped.</summary>
    internal async Task ClosedAsync()
    {
        while (await FrameAsync() is not null)
        {
        }
    }

    /// <summary>True when nothing was said before this message was acknowledged: what came before it was answered with silence.</summary>
    internal async Task NothingBeforeAsync(string probeId) => (await AskAsync(Messages.Adt(probeId))).ControlId.ShouldBe(probeId);

    public async ValueTask DisposeAsync()
    {
        await stream.DisposeAsync();
        socket.Dispose();
    }

    private async Task<int> ReadAsync(byte[] buffer)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            return await stream.ReadAsync(buffer, patience.Token);
        }
        catch (IOException)
        {
            return 0; // reset
        }
    }
}
