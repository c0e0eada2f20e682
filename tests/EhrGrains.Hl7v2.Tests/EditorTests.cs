using EhrGrains.Hl7v2.Editing;
using EhrGrains.Hl7v2.Text;

namespace EhrGrains.Hl7v2.Tests;

public sealed class EditorTests
{
    private const string Patient = "PID|1||7^^^A~8^^^B||DOE^JOHN||19700101|M|||";

    [Theory]
    [InlineData("PID-5.1", "ROE", "PID|1||7^^^A~8^^^B||ROE^JOHN||19700101|M|||")]
    [InlineData("PID-5", "ROE", "PID|1||7^^^A~8^^^B||ROE||19700101|M|||")]
    [InlineData("PID-3[2].1", "9", "PID|1||7^^^A~9^^^B||DOE^JOHN||19700101|M|||")]
    [InlineData("PID-3[2]", "9", "PID|1||7^^^A~9||DOE^JOHN||19700101|M|||")]
    [InlineData("PID-3[3].4.2", "U", "PID|1||7^^^A~8^^^B~^^^&U||DOE^JOHN||19700101|M|||")]
    [InlineData("PID-5.4", "X", "PID|1||7^^^A~8^^^B||DOE^JOHN^^X||19700101|M|||")]
    [InlineData("PID-13", "555", "PID|1||7^^^A~8^^^B||DOE^JOHN||19700101|M|||||555")]
    [InlineData("PID-13.2", "555", "PID|1||7^^^A~8^^^B||DOE^JOHN||19700101|M|||||^555")]
    [InlineData("PID-8", "A|B\rOBX|1", @"PID|1||7^^^A~8^^^B||DOE^JOHN||19700101|A\F\B\X0D\OBX\F\1|||")]
    public void An_edit_touches_only_its_own_value(string address, string text, string segment)
    {
        using var message = Wire.Message(Wire.Header, Patient, "PV1|1|I");
        Wire.Text(new Hl7Editor(message).Set(address, text).ToArray()).ShouldBe(Wire.Text(Wire.Bytes(Wire.Header, segment, "PV1|1|I")));
    }

    [Fact]
    public void Several_edits_are_applied_together()
    {
        using var message = Wire.Message(Wire.Header, Patient, "PV1|1|I");
        var edited = new Hl7Editor(message).Set("PV1-2", "O").SetNull("PID-7").Clear("PID-8").Set("PID-5.2", "JANE").ToArray();
        Wire.Text(edited).ShouldBe(Wire.Text(Wire.Bytes(Wire.Header, "PID|1||7^^^A~8^^^B||DOE^JANE||\"\"||||", "PV1|1|O")));
    }

    [Fact]
    public void Overlapping_edits_are_refused()
    {
        using var message = Wire.Message(Wire.Header, Patient);
        Should.Throw<InvalidOperationException>(() => new Hl7Editor(message).Set("PID-5", "X").Set("PID-5.1", "Y"));
    }

    [Theory]
    [InlineData("ZZZ-1")]
    [InlineData("PID[2]-5")]
    [InlineData("PID")]
    [InlineData("MSH-2")]
    public void What_cannot_be_set_is_refused(string address)
    {
        using var message = Wire.Message(Wire.Header, Patient);
        Should.Throw<ArgumentException>(() => new Hl7Editor(message).Set(address, "x"));
    }

    [Fact]
    public void A_character_that_the_message_cannot_hold_is_refused_without_being_echoed()
    {
        using var message = Wire.Message(Wire.Header, Patient);
        Should.Throw<Hl7EncodingException>(() => new Hl7Editor(message).Set("PID-5.1", "Zoë")).Message.ShouldNotContain("Zo");
    }
}
