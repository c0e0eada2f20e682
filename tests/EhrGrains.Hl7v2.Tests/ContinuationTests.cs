using CsCheck;
using EhrGrains.Hl7v2.Batches;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Tests;

public sealed class ContinuationTests
{
    [Fact]
    public void A_segment_goes_on_in_ADD()
    {
        using var message = Wire.Message(Wire.Header, "OBX|1|FT|x||one and ", "ADD|two and ", "ADD|three||||||F", "NTE|1||n");
        using var joined = Hl7Message.Parse(Hl7Continuation.JoinSegments(message));
        joined["OBX-5"].GetString().ShouldBe("one and two and three");
        joined["OBX-11"].GetString().ShouldBe("F");
        joined.SegmentCount.ShouldBe(3);
    }

    [Fact]
    public void A_message_without_ADD_stays_the_bytes_that_it_was()
    {
        using var message = Wire.Message(Wire.Header, "OBX|1|FT|x||one");
        Hl7Continuation.JoinSegments(message).Span.SequenceEqual(message.Bytes.Span).ShouldBeTrue();
    }

    [Fact]
    public void A_message_that_was_cut_inside_a_segment_comes_together()
    {
        var continuation = new Hl7Continuation();
        Take(continuation, Part(""), "PID|1||7", "OBX|1|FT|x||one and ", "ADD|", "DSC|p1|F").Status.ShouldBe(Hl7ContinuationStatus.Held);
        Take(continuation, Part("p1"), "ADD|two and ", "ADD|", "DSC|p2|F").Status.ShouldBe(Hl7ContinuationStatus.Held);
        var (status, joined) = Take(continuation, Part("p2"), "ADD|three||||||F", "OBX|2|ST|y||z");
        status.ShouldBe(Hl7ContinuationStatus.Completed);
        Wire.Text(joined).ShouldBe(Wire.Text(Wire.Bytes(Part(""), "PID|1||7", "OBX|1|FT|x||one and two and three||||||F", "OBX|2|ST|y||z")));
        continuation.Count.ShouldBe(0);
    }

    [Fact]
    public void A_message_that_was_cut_between_segments_comes_together()
    {
        var continuation = new Hl7Continuation();
        Take(continuation, Part(""), "PID|1||7", "DSC|p1").Status.ShouldBe(Hl7ContinuationStatus.Held);
        Take(continuation, Part("", sender: "OTHER"), "PID|1||8").Status.ShouldBe(Hl7ContinuationStatus.Whole);
        Take(continuation, Part("p1", sender: "OTHER"), "OBX|1").Status.ShouldBe(Hl7ContinuationStatus.Orphan);
        var (status, joined) = Take(continuation, Part("p1"), "OBX|1|ST|y||z");
        status.ShouldBe(Hl7ContinuationStatus.Completed);
        Wire.Text(joined).ShouldBe(Wire.Text(Wire.Bytes(Part(""), "PID|1||7", "OBX|1|ST|y||z")));
    }

    [Fact]
    public void What_is_no_part_is_whole_and_what_takes_too_much_is_refused()
    {
        var continuation = new Hl7Continuation(messagesMax: 1, bytesMax: 400);
        Take(continuation, Part(""), "DSC|more|I").Status.ShouldBe(Hl7ContinuationStatus.Whole);
        Take(continuation, Part("unknown"), "PID|1").Status.ShouldBe(Hl7ContinuationStatus.Orphan);
        Take(continuation, Part(""), "PID|1", "DSC|a|F").Status.ShouldBe(Hl7ContinuationStatus.Held);
        Take(continuation, Part(""), "PID|1", "DSC|b|F").Status.ShouldBe(Hl7ContinuationStatus.TooLarge);
        Take(continuation, Part("a"), new string('Q', 3) + "|" + new string('x', 500), "DSC|b|F").Status.ShouldBe(Hl7ContinuationStatus.TooLarge);
        continuation.Count.ShouldBe(0);
    }

    [Fact]
    public void A_value_cut_anywhere_comes_together() =>
        Gen.Select(Gen.Char['a', 'z'].Array[1, 60], Gen.Int[0, 60], Gen.Int[0, 60]).Sample((letters, one, other) =>
        {
            var text = new string(letters);
            var (first, second) = (Math.Min(Math.Min(one, other), text.Length), Math.Min(Math.Max(one, other), text.Length));
            var continuation = new Hl7Continuation();
            Take(continuation, Part(""), $"OBX|1|FT|x||{text[..first]}", "ADD|", "DSC|p|F");
            Take(continuation, Part("p"), $"ADD|{text[first..second]}", "ADD|", "DSC|q|F");
            var (status, joined) = Take(continuation, Part("q"), $"ADD|{text[second..]}||||||F");
            status.ShouldBe(Hl7ContinuationStatus.Completed);
            using var message = Hl7Message.Parse(joined);
            (message["OBX-5"].GetString(), message["OBX-11"].GetString()).ShouldBe((text, "F"));
        });

    private static string Part(string pointer, string sender = "LAB") =>
        $@"MSH|^~\&|{sender}|A|APP|B|20240131||ORU^R01^ORU_R01|1|P|2.5.1" + (pointer.Length > 0 ? $"||{pointer}" : "");

    private static (Hl7ContinuationStatus Status, byte[] Joined) Take(Hl7Continuation continuation, params string[] segments)
    {
        using var message = Wire.Message(segments);
        var status = continuation.Take(message, out var joined);
        return (status, joined);
    }
}
