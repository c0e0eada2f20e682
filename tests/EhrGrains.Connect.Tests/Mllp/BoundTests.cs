using System.Diagnostics.Metrics;
using System.Text;
using EhrGrains.Connect.Mllp;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Connect.Tests.Mllp;

/// <summary>Bad input and slow senders: an answer or an end, bounded memory, neighbours unharmed.</summary>
public sealed class BoundTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Who_connects_and_says_nothing_is_closed_after_the_time_for_the_first_byte() =>
        await ExpectClosedAsync("first-byte", TimeSpan.FromMinutes(5), static (_, _) => Task.CompletedTask);

    [Fact]
    public async Task Who_sends_nothing_but_line_ends_has_not_begun() =>
        await ExpectClosedAsync("first-byte", TimeSpan.FromMinutes(5), static (sender, _) => sender.WriteAsync(0x0D, 0x0A));

    [Fact]
    public async Task Who_drips_a_frame_is_closed() =>
        await ExpectClosedAsync("frame", TimeSpan.FromSeconds(30 + 83), static async (sender, listener) =>
        {
            await sender.AskAsync(Messages.Adt("1"));
            await sender.WriteAsync([0x0B, .. Encoding.ASCII.GetBytes(Messages.Header("2") + new string('x', 20_000))]);
            while (listener.BufferedBytes == 0)
            {
                await Task.Yield(); // until it has been read
            }
        });

    [Fact]
    public async Task Who_has_nothing_more_to_say_is_closed_after_the_idle_time() =>
        await ExpectClosedAsync(
            "idle", TimeSpan.FromDays(1), static (sender, _) => sender.AskAsync(Messages.Adt("1")), TimeSpan.FromMinutes(1));

    [Fact]
    public async Task A_large_frame_gets_the_time_that_its_size_needs()
    {
        var time = new FakeTimeProvider();
        await using var rig = await MllpRig.StartAsync(time: time);
        await using var sender = await rig.ConnectAsync();
        await sender.AskAsync(Messages.Adt("1"));
        var frame = Sender.Frame(Messages.Adt("2") + "OBX|1|TX|||" + new string('x', 48_000) + "\r");
        await sender.WriteAsync(frame[..^10]);
        time.Advance(TimeSpan.FromSeconds(25));
        time.Advance(TimeSpan.FromSeconds(25)); // 50 s: more than the grace, less than 48,000 bytes at 240 a second
        await sender.WriteAsync(frame[^10..]);
        (await sender.AckAsync()).ControlId.ShouldBe("2");
    }

    [Fact]
    public async Task A_frame_without_an_end_is_refused_at_the_bound_and_the_connection_closed()
    {
        await using var rig = await MllpRig.StartAsync(options: static options => options.FrameBytesMax = 1024 * 1024);
        await using var sender = await rig.ConnectAsync();
        await using var neighbour = await rig.ConnectAsync();
        await sender.WriteAsync([0x0B, .. Encoding.ASCII.GetBytes(Messages.Header("big"))]);
        var sent = await FloodAsync(sender, 1L << 30);
        sent.ShouldBeLessThan(16L << 20);
        (await neighbour.AskAsync(Messages.Adt("n"))).Code.ShouldBe("AA");
        await sender.ClosedAsync();
        rig.Refusals.ShouldHaveSingleItem().Reason.ShouldBe(MllpRefusalReason.TooLarge);
        rig.Kept.ShouldHaveSingleItem().ControlId.ShouldBe("n");
        rig.Listener.BufferedBytes.ShouldBe(0);
    }

    [Fact]
    public async Task A_frame_just_over_the_bound_is_told_so()
    {
        await using var rig = await MllpRig.StartAsync(options: static options => options.FrameBytesMax = 100_000);
        await using var sender = await rig.ConnectAsync();
        await sender.SendAsync(Messages.Header("big") + new string('x', 100_000) + "\r");
        (await sender.AckAsync()).ShouldSatisfyAllConditions(
            ack => ack.Code.ShouldBe("AR"), ack => ack.ControlId.ShouldBe("big"), ack => ack.Error.ShouldBe("104"));
        await sender.ClosedAsync();
    }

    [Fact]
    public async Task Connections_that_together_buffer_too_much_are_closed_and_small_messages_pass()
    {
        await using var rig = await MllpRig.StartAsync(options: static options => options.BufferedBytesMax = 4 * 1024 * 1024);
        await using var first = await rig.ConnectAsync();
        await using var second = await rig.ConnectAsync();
        await using var small = await rig.ConnectAsync();
        var frame = Sender.Frame(Messages.Adt("1") + "OBX|1|TX|||" + new string('x', 3 * 1024 * 1024 / 2) + "\r");
        await first.WriteAsync(frame[..^10]);

        // All but the byte that begins it: what is not read yet could be what is too much in the end.
        do
        {
            (await small.AskAsync(Messages.Adt("s"))).Code.ShouldBe("AA");
        }
        while (rig.Listener.BufferedBytes < frame.Length - 11);
        (await FloodAsync(second, 1L << 30)).ShouldBeLessThan(32L << 20); // long before the bound of a frame
        await second.ClosedAsync();
        (await small.AskAsync(Messages.Adt("t"))).Code.ShouldBe("AA");
        await first.WriteAsync(frame[^10..]);
        (await first.AckAsync()).ControlId.ShouldBe("1");
        rig.Listener.BufferedBytes.ShouldBe(0);
    }

    [Fact]
    public async Task What_is_not_MLLP_is_closed_and_its_neighbours_are_served()
    {
        await using var rig = await MllpRig.StartAsync();
        await using var neighbour = await rig.ConnectAsync();
        foreach (var garbage in new[] { Random(1), Random(2), new byte[70_000], Encoding.ASCII.GetBytes(new string('G', 70_000)) })
        {
            await using var sender = await rig.ConnectAsync();
            await TryWriteAsync(sender, garbage);
            await sender.ClosedAsync();
            (await neighbour.AskAsync(Messages.Adt("n"))).Code.ShouldBe("AA");
        }

        rig.Kept.Count.ShouldBe(4);
    }

    [Fact]
    public async Task A_million_repetitions_and_NULs_are_kept_as_they_are()
    {
        await using var rig = await MllpRig.StartAsync();
        await using var sender = await rig.ConnectAsync();
        var repeated = Messages.Adt("1") + "NTE|1||" + string.Concat(Enumerable.Repeat("a~", 1_000_000)) + "\r";
        (await sender.AskAsync(repeated)).Code.ShouldBe("AA");
        var zeros = Messages.Adt("2") + "NTE|1||\0\0\0x\0\r";
        (await sender.AskAsync(zeros)).Code.ShouldBe("AA");
        rig.Kept.Select(kept => Encoding.ASCII.GetString(kept.Bytes)).ShouldBe([repeated, zeros]);
    }

    [Fact]
    public async Task A_header_of_a_megabyte_is_none()
    {
        await using var rig = await MllpRig.StartAsync();
        await using var sender = await rig.ConnectAsync();
        (await sender.AskAsync(Messages.Header(new string('7', 1_000_000)))).Code.ShouldBe("AR");
        (await sender.AskAsync(Messages.Adt("1"))).Code.ShouldBe("AA");
    }

    [Fact]
    public async Task A_sender_that_does_not_read_its_acknowledgements_is_closed()
    {
        await using var rig = await MllpRig.StartAsync(options: static options => options.WriteTimeout = TimeSpan.FromSeconds(1));
        using var closed = Closed(rig);
        await using var sender = await rig.ConnectAsync();
        await using var neighbour = await rig.ConnectAsync();
        var frames = (byte[])[.. Enumerable.Range(0, 500).SelectMany(i => Sender.Frame(Messages.Header($"{i}")))];
        while (await TryWriteAsync(sender, frames))
        {
        }

        closed.GetMeasurementSnapshot().ShouldHaveSingleItem().Tags["reason"].ShouldBe("write");
        (await neighbour.AskAsync(Messages.Adt("n"))).Code.ShouldBe("AA");
    }

    [Fact]
    public async Task No_more_connections_than_allowed()
    {
        await using var rig = await MllpRig.StartAsync(options: static options => options.ConnectionsMax = 2);
        await using var first = await rig.ConnectAsync();
        await first.AskAsync(Messages.Adt("1"));
        await using (var second = await rig.ConnectAsync())
        {
            await second.AskAsync(Messages.Adt("2"));
            await ShouldBeRefusedAsync(rig);
            second.Socket.Shutdown(System.Net.Sockets.SocketShutdown.Both);
            await second.ClosedAsync();
        }

        (await first.AskAsync(Messages.Adt("3"))).Code.ShouldBe("AA");
    }

    private static async Task ShouldBeRefusedAsync(MllpRig rig)
    {
        try
        {
            await using var third = await rig.ConnectAsync();
            (await third.FrameAsync()).ShouldBeNull();
        }
        catch (System.Net.Sockets.SocketException)
        {
            // Reset while it was being set up.
        }
    }

    private static MetricCollector<long> Closed(MllpRig rig) =>
        new(rig.Services.GetRequiredService<IMeterFactory>(), "EhrGrains", "ehrgrains.hl7.connections.closed");

    private static async Task ExpectClosedAsync(
        string reason, TimeSpan after, Func<Sender, MllpListener, Task> before, TimeSpan? step = null)
    {
        var time = new FakeTimeProvider();
        await using var rig = await MllpRig.StartAsync(time: time);
        using var closed = Closed(rig);
        await using var sender = await rig.ConnectAsync();
        await before(sender, rig.Listener);
        var start = time.GetUtcNow();
        var end = sender.ClosedAsync();
        while (!end.IsCompleted)
        {
            time.Advance(step ?? TimeSpan.FromSeconds(1));
            await Task.WhenAny(end, Task.Run(static () => { }, Stop));
        }

        await end;
        closed.GetMeasurementSnapshot().ShouldHaveSingleItem().Tags["reason"].ShouldBe(reason);
        (time.GetUtcNow() - start).ShouldBeGreaterThanOrEqualTo(after - TimeSpan.FromSeconds(1));
    }

    private static byte[] Random(int seed)
    {
        var bytes = new byte[70_000];
        new Random(seed).NextBytes(bytes);
        return [.. bytes.Where(static b => b != 0x0B)];
    }

    private static async Task<long> FloodAsync(Sender sender, long bytes)
    {
        var block = Encoding.ASCII.GetBytes(new string('x', 256 * 1024));
        var first = (byte[])[0x0B, .. Encoding.ASCII.GetBytes(Messages.Header("flood"))];
        var sent = await TryWriteAsync(sender, first) ? first.Length : 0L;
        while (sent < bytes && await TryWriteAsync(sender, block))
        {
            sent += block.Length;
        }

        return sent;
    }

    private static async Task<bool> TryWriteAsync(Sender sender, byte[] bytes)
    {
        try
        {
            await sender.WriteAsync(bytes);
            return true;
        }
        catch (IOException)
        {
            return false; // the listener has closed
        }
    }
}
