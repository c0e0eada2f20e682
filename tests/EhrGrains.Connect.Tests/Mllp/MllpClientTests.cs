using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using EhrGrains.Connect.Egress;
using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Hl7v2.Messages;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Connect.Tests.Mllp;

/// <summary>The sending side, against a receiver that does whatever the test says, byte by byte.</summary>
public sealed class MllpClientTests : IAsyncLifetime
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly FakeTimeProvider time = new();
    private readonly ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private MllpClientConnection connection = null!;
    private Sender receiver = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    public async ValueTask InitializeAsync()
    {
        listener.Start();
        connection = await ConnectAsync(Plain("127.0.0.1"));
        var socket = await listener.AcceptSocketAsync(Stop);
        receiver = new Sender(new NetworkStream(socket, ownsSocket: true), socket);
    }

    public async ValueTask DisposeAsync()
    {
        await connection.DisposeAsync();
        await receiver.DisposeAsync();
        listener.Dispose();
        await services.DisposeAsync();
    }

    [Fact]
    public async Task Acknowledgements_are_matched_by_control_id_in_whatever_order_they_come()
    {
        var sent = Enumerable.Range(0, 8).Select(i => SendAsync($"M{i}")).ToArray();
        var ids = new List<string>();
        for (var i = 0; i < sent.Length; i++)
        {
            ids.Add(await ReceiveAsync());
        }

        ids.ShouldBe(Enumerable.Range(0, 8).Select(i => $"M{i}")); // sent in the order of the calls
        foreach (var i in new[] { 5, 0, 7, 1, 2, 6, 3, 4 })
        {
            await AnswerAsync(i % 2 == 0 ? "AA" : "AE", $"M{i}");
        }

        for (var i = 0; i < sent.Length; i++)
        {
            (await sent[i]).ShouldBe(i % 2 == 0
                ? new MllpSendResult(MllpSendOutcome.Accepted, "AA")
                : new MllpSendResult(MllpSendOutcome.Error, "AE", "207"));
        }
    }

    [Theory]
    [InlineData("AA", MllpSendOutcome.Accepted)]
    [InlineData("CA", MllpSendOutcome.Accepted)]
    [InlineData("CE", MllpSendOutcome.Error)]
    [InlineData("AR", MllpSendOutcome.Rejected)]
    [InlineData("CR", MllpSendOutcome.Rejected)]
    public async Task A_code_says_what_became_of_it(string code, MllpSendOutcome outcome)
    {
        var sent = SendAsync("M1");
        await ReceiveAsync();
        await AnswerAsync(code, "M1");
        (await sent).Outcome.ShouldBe(outcome);
    }

    [Fact]
    public async Task Answers_that_belong_to_nothing_are_passed_over()
    {
        var sent = SendAsync("M1");
        await ReceiveAsync();
        await receiver.SendAsync("MSH|^~\\&|R|R|S|S|2026||ACK|R1|P|2.5.1\rMSA|AA|\r"); // no id: it could be any message's
        await AnswerAsync("AA", "M0");
        await receiver.SendAsync("ok"); // not HL7
        await AnswerAsync("ZZ", "M1"); // no code of table 0008
        await receiver.SendAsync(Messages.Adt("M1")); // a message of its own
        await AnswerAsync("AR", "M1");
        (await sent).Outcome.ShouldBe(MllpSendOutcome.Rejected);
    }

    [Fact]
    public async Task An_acknowledgement_may_come_in_pieces_and_without_CR()
    {
        var sent = SendAsync("M1");
        await ReceiveAsync();
        foreach (var b in Sender.Frame(Ack("AA", "M1"))[..^1])
        {
            await receiver.WriteAsync(b);
        }

        (await sent).Outcome.ShouldBe(MllpSendOutcome.Accepted);
    }

    [Fact]
    public async Task Two_messages_with_one_control_id_go_one_after_the_other()
    {
        var first = SendAsync("SAME");
        var second = SendAsync("SAME");
        (await ReceiveAsync()).ShouldBe("SAME");
        await AnswerAsync("AE", "SAME");
        (await first).Outcome.ShouldBe(MllpSendOutcome.Error);
        (await ReceiveAsync()).ShouldBe("SAME");
        await AnswerAsync("AA", "SAME");
        (await second).Outcome.ShouldBe(MllpSendOutcome.Accepted);
    }

    [Fact]
    public async Task No_more_are_outstanding_than_the_feed_states()
    {
        var sent = Enumerable.Range(0, 9).Select(i => SendAsync($"M{i}")).ToArray();
        for (var i = 0; i < 8; i++)
        {
            await ReceiveAsync();
        }

        await AnswerAsync("AA", "M3");
        (await ReceiveAsync()).ShouldBe("M8"); // only now
        sent[3].IsCompletedSuccessfully.ShouldBeTrue();
    }

    [Fact]
    public async Task No_acknowledgement_in_time_ends_the_connection_and_all_that_is_outstanding_on_it()
    {
        var first = SendAsync("M1");
        await ReceiveAsync();
        time.Advance(TimeSpan.FromSeconds(20));
        var second = SendAsync("M2");
        await ReceiveAsync();
        time.Advance(TimeSpan.FromSeconds(11)); // 30 s after the first, 11 s after the second
        (await first).Outcome.ShouldBe(MllpSendOutcome.NoAnswer);
        (await second).Outcome.ShouldBe(MllpSendOutcome.Disconnected);
        connection.IsOpen.ShouldBeFalse();
        (await SendAsync("M3")).Outcome.ShouldBe(MllpSendOutcome.Disconnected);
    }

    [Fact]
    public async Task A_receiver_that_hangs_up_is_noticed_at_once()
    {
        var sent = SendAsync("M1");
        await ReceiveAsync();
        await receiver.DisposeAsync();
        (await sent).Outcome.ShouldBe(MllpSendOutcome.Disconnected);
        var ended = new TaskCompletionSource();
        await using var registration = connection.Ended.Register(ended.SetResult);
        await ended.Task.WaitAsync(Stop);
        connection.IsOpen.ShouldBeFalse();
    }

    [Fact]
    public async Task Who_asks_for_no_acknowledgement_does_not_wait_for_one()
    {
        var message = Encoding.ASCII.GetBytes(Messages.Adt("M1", "NE", "NE"));
        (await connection.SendAsync(message, Stop)).Outcome.ShouldBe(MllpSendOutcome.Accepted);
        (await ReceiveAsync()).ShouldBe("M1");
    }

    [Fact]
    public async Task Who_asks_for_refusals_only_takes_silence_for_consent()
    {
        var sent = connection.SendAsync(Encoding.ASCII.GetBytes(Messages.Adt("M1", "ER", "NE")), Stop);
        await ReceiveAsync();
        time.Advance(TimeSpan.FromSeconds(31));
        (await sent).Outcome.ShouldBe(MllpSendOutcome.Accepted);
        connection.IsOpen.ShouldBeTrue();
    }

    [Fact]
    public async Task What_cannot_be_acknowledged_is_not_sent()
    {
        await Should.ThrowAsync<ArgumentException>(() => SendAsync(""));
        await Should.ThrowAsync<ArgumentException>(() => connection.SendAsync("hello"u8.ToArray(), Stop));
    }

    [Fact]
    public async Task A_receiver_that_floods_is_hung_up_on()
    {
        var sent = SendAsync("M1");
        await ReceiveAsync();
        try
        {
            for (var i = 0; i < 64; i++)
            {
                await receiver.WriteAsync(Encoding.ASCII.GetBytes(new string('x', 64 * 1024)));
            }
        }
        catch (IOException)
        {
            // Hung up on already.
        }

        (await sent).Outcome.ShouldBe(MllpSendOutcome.Disconnected);
    }

    [Fact]
    public async Task Without_TLS_nothing_leaves_a_private_network_and_no_address_is_used_that_is_not_named()
    {
        (await Should.ThrowAsync<EgressRefusedException>(() => ConnectAsync(Plain("127.0.0.1"), [])))
            .Reason.ShouldBe(EgressRefusal.Address);
        (await Should.ThrowAsync<EgressRefusedException>(() => ConnectAsync(Plain("8.8.8.8"), ["10.0.0.0/8"])))
            .Reason.ShouldBe(EgressRefusal.Scheme);
        await Should.ThrowAsync<EgressRefusedException>(() => ConnectAsync(Plain("169.254.169.254"), ["0.0.0.0/0"]));
    }

    [Fact]
    public async Task A_receiver_with_a_certificate_of_another_authority_gets_nothing()
    {
        await using var tls = await TlsListener.StartAsync();
        var spec = new OutboundFeedSpec { Host = "localhost", Port = tls.Rig.Port, TrustedCertificates = tls.Authority.Pem };
        await using (var trusted = await ConnectAsync(spec, ["127.0.0.0/8", "::1/128"], TimeProvider.System))
        {
            (await trusted.SendAsync(Encoding.ASCII.GetBytes(Messages.Adt("T1")), Stop)).Outcome.ShouldBe(MllpSendOutcome.Accepted);
        }

        using var other = new Peers.TestAuthority("Other");
        await Should.ThrowAsync<AuthenticationException>(
            () => ConnectAsync(spec with { TrustedCertificates = other.Pem }, ["127.0.0.0/8", "::1/128"], TimeProvider.System));
    }

    private static string Ack(string code, string id) =>
        $"MSH|^~\\&|R|R|S|S|2026||ACK|R{id}|P|2.5.1\rMSA|{code}|{id}\r"
        + (code is "AA" or "CA" ? "" : "ERR||PID^1|207^Application internal error^HL70357|E\r");

    private Task<MllpSendResult> SendAsync(string id) => connection.SendAsync(Encoding.ASCII.GetBytes(Messages.Adt(id)), Stop);

    private async Task<string> ReceiveAsync() => Hl7Message.Parse(await receiver.FrameAsync() ?? [])["MSH-10"].GetString();

    private Task AnswerAsync(string code, string id) => receiver.SendAsync(Ack(code, id));

    private Task<MllpClientConnection> ConnectAsync(OutboundFeedSpec spec, string[]? networks = null, TimeProvider? clock = null) =>
        MllpClientConnection.ConnectAsync(
            new MllpDestination(spec, networks ?? ["127.0.0.0/8"]),
            clock ?? time,
            new ConnectMetrics(services.GetRequiredService<IMeterFactory>()),
            Stop);

    private OutboundFeedSpec Plain(string host) => new() { Host = host, Port = Port, Tls = false, OutstandingMax = 8 };
}
