using EhrGrains.Hl7v2.Acknowledgements;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Tests;

public sealed class AcknowledgementTests
{
    private static readonly DateTimeOffset At = new(2024, 2, 1, 8, 30, 0, 125, TimeSpan.FromHours(-5));

    [Fact]
    public void An_original_mode_acknowledgement_goes_back_to_its_sender()
    {
        using var message = Wire.Message(Wire.Header, "PID|1");
        Wire.Text(Acknowledgement.Write(message, Acceptance.Accepted, "A1", At)).ShouldBe(
            "MSH|^~\\&|APP|B|LAB|A|20240201083000.125-0500||ACK^R01^ACK|A1|P|2.5.1\rMSA|AA|42\r");
    }

    [Fact]
    public void The_senders_delimiters_are_used()
    {
        using var message = Wire.Message("MSH#*+!@#LAB#A#APP#B#2024##ADT*A01#77#P#2.3", "PID#1");
        Wire.Text(Acknowledgement.Write(message, Acceptance.Rejected, "A1", At, [AcknowledgementError.SegmentSequence])).ShouldBe(
            "MSH#*+!@#APP#B#LAB#A#20240201083000.125-0500##ACK*A01*ACK#A1#P#2.3\rMSA#AR#77\rERR#***100@Segment sequence error@HL70357\r");
    }

    [Theory]
    [InlineData("AL", Acceptance.Accepted, true)]
    [InlineData("AL", Acceptance.Error, true)]
    [InlineData("NE", Acceptance.Accepted, false)]
    [InlineData("NE", Acceptance.Rejected, false)]
    [InlineData("ER", Acceptance.Accepted, false)]
    [InlineData("ER", Acceptance.Rejected, true)]
    [InlineData("SU", Acceptance.Accepted, true)]
    [InlineData("SU", Acceptance.Error, false)]
    public void Enhanced_mode_answers_as_MSH_15_asks(string accept, Acceptance outcome, bool wanted)
    {
        using var message = Wire.Message(Wire.Header + $"|||{accept}|AL", "PID|1");
        Acknowledgement.IsWanted(message, outcome).ShouldBe(wanted);
        var code = outcome switch { Acceptance.Accepted => "CA", Acceptance.Error => "CE", _ => "CR" };
        Wire.Text(Acknowledgement.Write(message, outcome, "A1", At)).ShouldContain($"\rMSA|{code}|42\r");
    }

    [Fact]
    public void A_message_without_a_control_id_is_never_acknowledged_positively()
    {
        using var message = Wire.Message(Wire.Header.Replace("|42|", "||", StringComparison.Ordinal), "PID|1");
        Wire.Text(Acknowledgement.Write(message, Acceptance.Accepted, "A1", At)).ShouldEndWith(
            "\rMSA|AR|\rERR||MSH^1^10|101^Required field missing^HL70357|E\r");
    }

    [Fact]
    public void Delimiters_that_stand_in_our_own_words_are_left_out_where_nothing_can_escape_them()
    {
        using var message = Wire.Message("MSH|.-|LAB|A|APP|B|2024||ADT.A01|77|P|2", "PID|1");
        using var answer = Hl7Message.Parse(Acknowledgement.Write(message, Acceptance.Accepted, "A1", At));
        answer["MSH-7"].GetString().ShouldBe("202402010830001250500");
        (answer["MSA-1"].GetString(), answer["MSA-2"].GetString()).ShouldBe(("AA", "77"));
    }

    [Fact]
    public void Spoilt_encoding_characters_are_answered_with_those_that_were_understood()
    {
        using var message = Wire.Message(@"MSH|^~\\&amp;|LAB|A|APP|B|2024||ADT^A01|77|P|2.5", "PID|1");
        Wire.Text(Acknowledgement.Write(message, Acceptance.Accepted, "A1", At)).ShouldStartWith(@"MSH|^~\&|APP|B|LAB|A|");
    }

    [Fact]
    public void An_answer_goes_back_in_the_character_set_of_its_message()
    {
        var encoding = System.Text.CodePagesEncodingProvider.Instance.GetEncoding(54936)!;
        using var message = Hl7Message.Parse(encoding.GetBytes("MSH|^~\\&|測試|A|APP|B|2024||ADT^A01|77|P|2.5||||||GB 18030-2000\rPID|1\r"));
        encoding.GetString(Acknowledgement.Write(message, Acceptance.Accepted, "A1", At)).ShouldContain("|APP|B|測試|A|");
        var output = new System.Buffers.ArrayBufferWriter<byte>();
        Acknowledgement.Write(output, message, new AcknowledgementAnswer { Code = "AA", ControlId = "A1", At = At });
        encoding.GetString(output.WrittenSpan).ShouldContain("|APP|B|測試|A|");
    }

    [Fact]
    public void What_is_copied_of_the_sender_cannot_begin_a_segment()
    {
        using var message = Hl7Message.Parse("MSH|^~\\&|LA\nB x|A|APP|B|2024||ADT^A01|42|P|2.5.1\rPID|1\r"u8.ToArray());
        Wire.Text(Acknowledgement.Write(message, Acceptance.Accepted, "A1", At)).Split('\r').Length.ShouldBe(3);
    }

    [Fact]
    public void Bytes_that_are_no_message_are_rejected_in_the_standard_delimiters() =>
        Wire.Text(Acknowledgement.RejectNotHl7("A1", At)).ShouldBe(
            "MSH|^~\\&|||||20240201083000.125-0500||ACK|A1|P|2.5.1\rMSA|AR|\rERR|||102^Data type error^HL70357|E\r");
}
