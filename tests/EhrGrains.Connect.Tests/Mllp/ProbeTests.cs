using System.Net.Sockets;
using System.Text;

namespace EhrGrains.Connect.Tests.Mllp;

/// <summary>
/// Twenty-six things that real senders do. Listeners in use today get 12 to 23 of them right; each is a test here, on a real socket.
/// </summary>
public sealed class ProbeTests : IAsyncLifetime
{
    private MllpRig rig = null!;
    private Sender sender = null!;

    public async ValueTask InitializeAsync()
    {
        rig = await MllpRig.StartAsync();
        sender = await rig.ConnectAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await sender.DisposeAsync();
        await rig.DisposeAsync();
    }

    [Fact]
    public async Task Probe_01_a_message_is_acknowledged()
    {
        (await sender.AskAsync(Messages.Adt("A1"))).ShouldSatisfyAllConditions(
            ack => ack.Code.ShouldBe("AA"), ack => ack.ControlId.ShouldBe("A1"), ack => ack.OwnId.Length.ShouldBe(18));
        rig.Kept.ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            kept => kept.Bytes.ShouldBe(Encoding.UTF8.GetBytes(Messages.Adt("A1"))), kept => kept.Sender.ShouldBe("EPIC|STMARY"));
    }

    [Fact]
    public async Task Probe_02_a_message_that_comes_byte_by_byte()
    {
        foreach (var b in Sender.Frame(Messages.Adt("A2")))
        {
            await sender.WriteAsync(b);
        }

        (await sender.AckAsync()).ControlId.ShouldBe("A2");
    }

    [Fact]
    public async Task Probe_03_two_frames_in_one_write_get_two_acknowledgements_in_order()
    {
        await sender.WriteAsync([.. Sender.Frame(Messages.Adt("A3")), .. Sender.Frame(Messages.Adt("B3"))]);
        (await sender.AckAsync()).ControlId.ShouldBe("A3");
        (await sender.AckAsync()).ControlId.ShouldBe("B3");
    }

    [Fact]
    public async Task Probe_04_a_frame_and_half_of_the_next()
    {
        var second = Sender.Frame(Messages.Adt("B4"));
        await sender.WriteAsync([.. Sender.Frame(Messages.Adt("A4")), .. second[..40]]);
        (await sender.AckAsync()).ControlId.ShouldBe("A4");
        await sender.WriteAsync(second[40..]);
        (await sender.AckAsync()).ControlId.ShouldBe("B4");
    }

    [Fact]
    public async Task Probe_05_FS_and_CR_in_two_writes()
    {
        var frame = Sender.Frame(Messages.Adt("A5"));
        await sender.WriteAsync(frame[..^1]);
        (await sender.AckAsync()).ControlId.ShouldBe("A5");
        await sender.WriteAsync(frame[^1]);
        (await sender.AskAsync(Messages.Adt("B5"))).ControlId.ShouldBe("B5");
    }

    [Fact]
    public async Task Probe_06_no_CR_after_FS()
    {
        await sender.WriteAsync(Sender.Frame(Messages.Adt("A6"))[..^1]);
        (await sender.AckAsync()).ControlId.ShouldBe("A6");
        await sender.WriteAsync(Sender.Frame(Messages.Adt("B6"))[..^1]);
        (await sender.AckAsync()).ControlId.ShouldBe("B6");
    }

    [Fact]
    public async Task Probe_07_LF_after_FS()
    {
        await sender.WriteAsync(
            [.. Sender.Frame(Messages.Adt("A7"))[..^1], (byte)'\n', .. Sender.Frame(Messages.Adt("B7"))[..^1], (byte)'\n']);
        (await sender.AckAsync()).ControlId.ShouldBe("A7");
        (await sender.AckAsync()).ControlId.ShouldBe("B7");
    }

    [Fact]
    public async Task Probe_08_line_ends_and_NULs_before_VT()
    {
        await sender.WriteAsync([0x0D, 0x0A, 0, 0, .. Sender.Frame(Messages.Adt("A8"))]);
        (await sender.AckAsync()).ControlId.ShouldBe("A8");
    }

    [Fact]
    public async Task Probe_09_segments_that_end_in_LF() =>
        (await sender.AskAsync(Messages.Adt("A9").Replace('\r', '\n'))).ShouldSatisfyAllConditions(
            ack => ack.Code.ShouldBe("AA"), ack => ack.ControlId.ShouldBe("A9"));

    [Fact]
    public async Task Probe_10_segments_that_end_in_CR_LF() =>
        (await sender.AskAsync(Messages.Adt("A10").Replace("\r", "\r\n", StringComparison.Ordinal))).ControlId.ShouldBe("A10");

    [Fact]
    public async Task Probe_11_a_character_in_two_writes()
    {
        var header = Messages.Header("A11").Replace("2.5.1|", "2.5.1|||||||UNICODE UTF-8", StringComparison.Ordinal);
        var message = header + "PID|1||1||MÜLLER^ÅSA\r";
        var frame = Sender.Frame(message);
        var split = frame.AsSpan().IndexOf((byte)0xC3) + 1;
        await sender.WriteAsync(frame[..split]);
        await sender.WriteAsync(frame[split..]);
        (await sender.AckAsync()).ControlId.ShouldBe("A11");
        rig.Kept.ShouldHaveSingleItem().Bytes.ShouldBe(Encoding.UTF8.GetBytes(message));
    }

    [Fact]
    public async Task Probe_12_the_bytes_of_a_control_id_in_Latin_1_come_back_as_they_were()
    {
        var header = Messages.Header("MÜ12").Replace("2.5.1|||||\r", "2.5.1||||||8859/1\r", StringComparison.Ordinal);
        var message = Encoding.Latin1.GetBytes(header + "PID|1||1||MÜLLER\r");
        await sender.WriteAsync(Sender.Frame(message));
        var frame = await sender.FrameAsync();
        frame!.AsSpan().IndexOf("MSA|AA|M\u00DC12"u8).ShouldBe(-1); // not as UTF-8
        frame.AsSpan().IndexOf((byte[])[.. "MSA|AA|M"u8, 0xDC, .. "12"u8]).ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task Probe_13_two_connections_at_once_are_not_mixed()
    {
        await using var other = await rig.ConnectAsync();
        var first = Sender.Frame(Messages.Adt("A13"));
        var second = Sender.Frame(Messages.Adt("B13"));
        await sender.WriteAsync(first[..50]);
        await other.WriteAsync(second[..70]);
        await sender.WriteAsync(first[50..]);
        await other.WriteAsync(second[70..]);
        (await sender.AckAsync()).ControlId.ShouldBe("A13");
        (await other.AckAsync()).ControlId.ShouldBe("B13");
    }

    [Fact]
    public async Task Probe_14_an_empty_frame_is_not_accepted() => (await sender.AskAsync("")).Code.ShouldBe("AR");

    [Fact]
    public async Task Probe_15_what_is_not_HL7_is_not_accepted()
    {
        (await sender.AskAsync("GET / HTTP/1.1\r\n\r\n")).Code.ShouldBe("AR");
        (await sender.AskAsync("{\"hello\":\"world\"}")).Code.ShouldBe("AR");
        rig.Kept.ShouldBeEmpty();
    }

    [Fact]
    public async Task Probe_16_a_message_without_control_id_is_not_accepted()
    {
        (await sender.AskAsync(Messages.Adt(""))).ShouldSatisfyAllConditions(
            ack => ack.Code.ShouldBe("AR"),
            ack => ack.ControlId.ShouldBe(""),
            ack => ack.Error.ShouldBe("101"),
            ack => ack.Location.ShouldBe("MSH^1^10"));
        rig.Kept.ShouldBeEmpty();
    }

    [Fact]
    public async Task Probe_17_delimiters_of_its_own_are_answered_in_kind()
    {
        (await sender.AskAsync("MSH#*+!@#A#B#C#D#20260301120000##ADT*A01#A17#P#2.5.1\rPID#1##5\r")).ShouldSatisfyAllConditions(
            ack => ack.Raw.ShouldStartWith("MSH#*+!@#C#D#A#B#"), ack => ack.Code.ShouldBe("AA"), ack => ack.ControlId.ShouldBe("A17"));
    }

    [Fact]
    public async Task Probe_18_the_truncation_character_in_any_version() =>
        (await sender.AskAsync(Messages.Adt("A18").Replace(@"^~\&|", @"^~\&#|", StringComparison.Ordinal))).ShouldSatisfyAllConditions(
            ack => ack.Code.ShouldBe("AA"), ack => ack.Raw.ShouldStartWith(@"MSH|^~\&#|"));

    [Fact]
    public async Task Probe_19_who_asks_for_an_accept_acknowledgement_gets_one() =>
        (await sender.AskAsync(Messages.Adt("A19", accept: "AL", application: "NE"))).Code.ShouldBe("CA");

    [Fact]
    public async Task Probe_20_who_asks_for_none_gets_none()
    {
        await sender.SendAsync(Messages.Adt("A20", accept: "NE", application: "NE"));
        await sender.NothingBeforeAsync("B20");
        rig.Kept.Select(kept => kept.ControlId).ShouldBe(["A20", "B20"]);
    }

    [Fact]
    public async Task Probe_21_a_message_of_8_MB()
    {
        var message = Messages.Adt("A21") + "OBX|1|ED|PDF||^^^Base64^" + new string('A', 8 * 1024 * 1024) + "\r";
        (await sender.AskAsync(message)).ControlId.ShouldBe("A21");
        rig.Kept.ShouldHaveSingleItem().Bytes.Length.ShouldBe(message.Length);
        (await sender.AskAsync(Messages.Adt("B21"))).ControlId.ShouldBe("B21");
        rig.Listener.BufferedBytes.ShouldBe(0);
    }

    [Fact]
    public async Task Probe_22_a_trigger_and_segments_that_nobody_knows() =>
        (await sender.AskAsync(Messages.Header("A22", "ZZZ^Z99") + "ZPI|1|x\rZ00|2\r")).Code.ShouldBe("AA");

    [Fact]
    public async Task Probe_23_each_message_of_a_batch_is_acknowledged_and_no_byte_is_dropped()
    {
        var batch = "FHS|^~\\&|EPIC\rBHS|^~\\&|EPIC\r" + Messages.Adt("A23") + Messages.Adt("B23") + "BTS|2\rFTS|1\r";
        await sender.SendAsync(batch);
        (await sender.AckAsync()).ControlId.ShouldBe("A23");
        (await sender.AckAsync()).ControlId.ShouldBe("B23");
        rig.Kept.SelectMany(kept => kept.Bytes).ShouldBe(Encoding.UTF8.GetBytes(batch));
    }

    [Fact]
    public async Task Probe_24_two_messages_in_a_frame_are_both_acknowledged()
    {
        await sender.SendAsync(Messages.Adt("A24") + Messages.Adt("B24"));
        (await sender.AckAsync()).ControlId.ShouldBe("A24");
        (await sender.AckAsync()).ControlId.ShouldBe("B24");
        rig.Kept.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Probe_25_after_a_frame_whose_end_was_lost_the_next_is_taken_and_the_cut_one_is_asked_for_again()
    {
        await sender.WriteAsync([0x0B, .. Encoding.UTF8.GetBytes(Messages.Adt("A25")[..^20]), .. Sender.Frame(Messages.Adt("B25"))]);
        (await sender.AckAsync()).ShouldSatisfyAllConditions(ack => ack.Code.ShouldBe("AE"), ack => ack.ControlId.ShouldBe("A25"));
        (await sender.AckAsync()).ShouldSatisfyAllConditions(ack => ack.Code.ShouldBe("AA"), ack => ack.ControlId.ShouldBe("B25"));
        rig.Kept.ShouldHaveSingleItem().ControlId.ShouldBe("B25");
    }

    [Fact]
    public async Task Probe_26_a_sender_that_closes_its_half_is_still_acknowledged()
    {
        await sender.SendAsync(Messages.Adt("A26"));
        sender.Socket.Shutdown(SocketShutdown.Send);
        (await sender.AckAsync()).ControlId.ShouldBe("A26");
        await sender.ClosedAsync();
    }
}
