using System.Text;
using CsCheck;
using EhrGrains.Hl7v2.Editing;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Tests;

public sealed class EscapeTests
{
    [Theory]
    [InlineData(@"A\F\B\S\C\T\D\R\E\E\F", @"A|B^C&D~E\F")]
    [InlineData(@"X\X0D0A\Y", "X\r\nY")]
    [InlineData(@"X\X0D\\X0A\Y", "X\r\nY")]
    [InlineData(@"X\X000d\Y", "X\rY")]
    [InlineData(@"J\X00E9\", "J\u00E9")]
    [InlineData(@"l1\.br\l2", "l1\nl2")]
    [InlineData(@"a\.br\\.br\b", "a\n\nb")]
    [InlineData(@"a\.sp2\b", "a\n\nb")]
    [InlineData(@"a\.sk3\b", "a   b")]
    [InlineData(@"a\.in+4\b", "ab")]
    [InlineData(@"a\.ti-2\\.fi\\.nf\b", "ab")]
    [InlineData(@"\H\b\N\", "b")]
    [InlineData(@"C:\temp", @"C:\temp")]
    [InlineData(@"abc\", @"abc\")]
    [InlineData(@"\X0\ odd", @"\X0\ odd")]
    [InlineData(@"\E\T\E\", @"\T\")]
    [InlineData(@"\E\X0D0A\E\", @"\X0D0A\")]
    [InlineData(@"BSV 4\5 re.", @"BSV 4\5 re.")]
    [InlineData(@"\Zlocal\", @"\Zlocal\")]
    [InlineData(@"50\P\", "50#")]
    public void Escapes_are_decoded_exactly_once(string raw, string text)
    {
        using var message = Wire.Message(Wire.Header + "||||||8859/1", "NTE|1||" + raw);
        message["NTE-3"].GetString().ShouldBe(text);
    }

    [Fact]
    public void Hexadecimal_bytes_of_one_character_may_stand_in_two_sequences()
    {
        using var message = Wire.Message(Wire.Header + "||||||UNICODE UTF-8", @"NTE|1||J\XC3A9\ \XC3\\XA9\");
        message["NTE-3"].GetString().ShouldBe("Jé é");
    }

    [Fact]
    public void A_switch_of_character_set_is_followed()
    {
        // JIS X 0208: 3B33 4544 is 山田.
        using var message = Wire.Message(Wire.Header, @"PID|1||7||\M2442\\X3B334544\\C2842\^Taro");
        message["PID-5.1"].GetString().ShouldBe("山田");
    }

    [Fact]
    public void Unknown_and_stray_escapes_are_kept_and_reported_by_position()
    {
        using var message = Wire.Message(Wire.Header, @"NTE|1||C:\temp", @"NTE|2||a\Q9\b");
        message.Codes().ShouldBe([Hl7WarningCode.StrayEscape, Hl7WarningCode.UnknownEscape, Hl7WarningCode.StrayEscape], ignoreOrder: true);
        var stray = message.Warnings.First(warning => warning.Code == Hl7WarningCode.StrayEscape);
        (stray.Segment, stray.Field).ShouldBe((1, 3));
        Wire.Text(message.Bytes.Span[stray.Offset..][..1]).ShouldBe("\\");
    }

    [Fact]
    public void Any_text_can_be_set_and_read_back_and_changes_nothing_else()
    {
        Gen.String[Gen.Char['\0', '\u2FFF']].Sample(text =>
        {
            var clean = string.Concat(text.EnumerateRunes().Where(rune => rune != Rune.ReplacementChar).Select(rune => rune.ToString()));
            using var message = Wire.Message(Wire.Header + "||||||UNICODE UTF-8", "PID|1||7^^^A~8^^^B||DOE^JOHN||19700101", "NTE|1||x");
            var edited = new Hl7Editor(message).Set("PID-5.2", clean).ToArray();
            using var again = Hl7Message.Parse(edited);
            again.SegmentCount.ShouldBe(3);
            again["PID-5.2"].GetString().ShouldBe(clean);
            again["PID-5.1"].GetString().ShouldBe("DOE");
            again["PID-7"].GetString().ShouldBe("19700101");
            again["NTE-3"].GetString().ShouldBe("x");
        });
    }
}
