using System.Text;
using System.Text.Json;
using EhrGrains.Cli.Tests.CommandLine;
using EhrGrains.Testing;

namespace EhrGrains.Cli.Tests;

/// <summary><c>ehrgrains hl7 check | roundtrip | show</c>, as a process, on files.</summary>
public sealed class Hl7CommandTests
{
    private const string Header = @"MSH|^~\&|LAB|A|APP|B|20240131120000||ORU^R01^ORU_R01|42|P|2.5.1";

    [Fact]
    public async Task Every_public_message_is_accepted_and_comes_back_byte_for_byte()
    {
        var folder = SharedData.Require("hl7/messages");

        var check = await EhrgrainsProcess.RunAsync("hl7", "check", folder);
        var roundtrip = await EhrgrainsProcess.RunAsync("hl7", "roundtrip", folder);

        check.ShouldExit(0).Output.TrimEnd().Split('\n')[^1].ShouldMatch(@"^(\d+) of \1 messages accepted, in \d+ files\.$");
        roundtrip.ShouldExit(0).Output.TrimEnd().Split('\n')[^1].ShouldMatch(@"^(\d+) of \1 messages came back byte for byte, in \d+ files\.$");
    }

    [Fact]
    public async Task A_line_of_JSON_says_what_was_tolerated_and_where_and_no_value()
    {
        using var directory = new TempDirectory();
        var path = Write(directory, "one.hl7", Header + "\nPID|1||7||DOE^JOHN\nNTE|1||a~b^c:\\d\n");

        var result = (await EhrgrainsProcess.RunAsync("hl7", "check", path, "-o", "json")).ShouldExit(0);

        var line = JsonDocument.Parse(result.Output.TrimEnd()).RootElement;
        line.GetProperty("accepted").GetBoolean().ShouldBeTrue();
        line.GetProperty("type").GetString().ShouldBe("ORU^R01^ORU_R01");
        line.GetProperty("version").GetString().ShouldBe("2.5.1");
        line.GetProperty("warnings").EnumerateArray().Select(w => (w.GetProperty("code").GetString(), w.GetProperty("at").GetString()))
            .ShouldBe([("line_feed_ends_segment", null), ("stray_escape", "NTE-3[2].2")]);
        result.Output.ShouldNotContain("DOE");
        result.Error.ShouldContain("1 of 1 messages accepted");
    }

    [Fact]
    public async Task A_file_may_hold_a_batch_frames_or_messages_one_after_another()
    {
        using var directory = new TempDirectory();
        Write(directory, "batch.hl7", $"FHS|^~\\&|A\rBHS|^~\\&|A\r{Header}\rPID|1\r{Header}\rPID|2\rBTS|3\rFTS|1\r");
        Write(directory, "capture.mllp", $"\u000B{Header}\rPID|1\r\u001C\r\u000B{Header}\rPID|2\r\u001C\r");
        Write(directory, "lines.txt", $"{Header}\r\nPID|1\r\n{Header}\r\nPID|2\r\n");
        Write(directory, "README.md", "# Not HL7\n");

        var result = (await EhrgrainsProcess.RunAsync("hl7", "check", directory.Path)).ShouldExit(0);

        result.Output.ShouldEndWith("6 of 6 messages accepted, in 3 files.\n");
        result.Output.ShouldContain("batch_count_mismatch at BTS-1");
        (await EhrgrainsProcess.RunAsync("hl7", "roundtrip", directory.Path)).ShouldExit(0);
    }

    [Fact]
    public async Task Odd_senders_are_read_and_come_back()
    {
        using var directory = new TempDirectory();
        string[] odd =
        [
            @"MSH|^|A|B|C|D|2024||ADT|1|P|2.1" + "\rPID|1||7^8\r",
            @"MSH|^~\|A|B|C|D|2024||ADT^A01|1|P|2.3" + "\rPID|1||7^&^A\tx\r",
            @"MSH|^~\&#|A|B|C|D|2024||ADT^A01|1|P|2.5" + "\rpid|1||7#\rZ00|a\rzz1|b\r",
            "MSH#*+!@#A#B#C#D#2024##ADT*A01#1#P#2.3\rPID#1##7!F!8*8+9#a@b",
            @"MSH|^~\&|A|B|C|D|2024||ADT^A01|1|P|2.9" + "\0\rPID|1||a\0b|line\none\\X00E9\\\\.br\\|\\|\\\\|C:\\temp|~~|^^&\r\r\r\u001C\r",
            Header,
            "\uFEFF" + Header + "\rPID|1||7||Łódź\r",
            @"MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.3" + "\n   PID|1||7\\\\F\\\\8   \n",
        ];
        for (var i = 0; i < odd.Length; i++)
        {
            Write(directory, $"{i}.hl7", odd[i]);
        }

        await File.WriteAllBytesAsync(Path.Combine(directory.Path, "wide.hl7"), [.. Encoding.Unicode.GetPreamble(), .. Encoding.Unicode.GetBytes(odd[6][1..])], TestContext.Current.CancellationToken);

        (await EhrgrainsProcess.RunAsync("hl7", "check", directory.Path)).ShouldExit(0);
        var result = (await EhrgrainsProcess.RunAsync("hl7", "roundtrip", directory.Path)).ShouldExit(0);
        result.Output.ShouldEndWith("9 of 9 messages came back byte for byte, in 9 files.\n");
    }

    [Fact]
    public async Task What_is_no_message_ends_with_3_and_the_others_are_read_all_the_same()
    {
        using var directory = new TempDirectory();
        Write(directory, "a.hl7", "not HL7\r");
        Write(directory, "b.hl7", Header + "\rPID|1\r");

        var result = (await EhrgrainsProcess.RunAsync("hl7", "check", directory.Path)).ShouldExit(3);

        result.Output.ShouldContain("no_header at byte 0");
        result.Output.ShouldEndWith("1 of 2 messages accepted, in 2 files.\n");
        (await EhrgrainsProcess.RunAsync("hl7", "roundtrip", directory.Path)).ShouldExit(3);
    }

    [Fact]
    public async Task What_strict_mode_refuses_is_named()
    {
        using var directory = new TempDirectory();
        var path = Write(directory, "a.hl7", Header + "\npid|one||7\n");

        var strict = (await EhrgrainsProcess.RunAsync("hl7", "check", path, "--strict")).ShouldExit(3);
        foreach (var fault in new[] { "line_feed_ends_segment", "segment_id_not_capital at PID", "wrong_type at PID-1", "missing_field at PID-5", "missing_segment at PID" })
        {
            strict.Output.ShouldContain(fault);
        }


        (await EhrgrainsProcess.RunAsync("hl7", "check", path)).ShouldExit(0);
    }

    [Fact]
    public async Task All_files_that_are_not_there_are_named_at_once()
    {
        var result = (await EhrgrainsProcess.RunAsync("hl7", "check", "no-such-1.hl7", "no-such-2.hl7")).ShouldExit(2);
        result.Error.ShouldContain("no-such-1.hl7");
        result.Error.ShouldContain("no-such-2.hl7");
    }

    [Fact]
    public async Task Values_are_shown_by_address_decoded()
    {
        using var directory = new TempDirectory();
        var path = Write(directory, "a.hl7", Header + "\rPID|1||7^^^A~8||DOE^J\\T\\J\r");

        (await EhrgrainsProcess.RunAsync("hl7", "show", path)).ShouldExit(0).Output.ShouldMatch(@"PID-3\[2\] +Patient Identifier List +8");
        var json = (await EhrgrainsProcess.RunAsync("hl7", "show", path, "--at", "PID-5.2", "-o", "json")).ShouldExit(0);
        JsonDocument.Parse(json.Output).RootElement.GetProperty("values")[0].GetProperty("text").GetString().ShouldBe("J&J");
        (await EhrgrainsProcess.RunAsync("hl7", "show", path, "--at", "name")).ShouldExit(2);
    }

    private static string Write(TempDirectory directory, string name, string content)
    {
        var path = Path.Combine(directory.Path, name);
        File.WriteAllText(path, content, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
        return path;
    }
}
