using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using EhrGrains.Cli.Tests.CommandLine;
using EhrGrains.Testing;

namespace EhrGrains.Cli.Tests;

/// <summary><c>ehrgrains hl7 send</c> and <c>hl7 listen</c>, each as a process, talking with each other.</summary>
public sealed partial class Hl7TransportTests
{
    private const int SignalTerminate = 15;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_sent_is_kept_acknowledged_and_printed_without_its_content()
    {
        using var directory = new TempDirectory();
        var journal = Path.Combine(directory.Path, "journal.db");
        var messages = Write(directory, 40);
        await using (var listener = await ListenAsync(directory, "--journal", journal))
        {
            (await SendAsync(listener, messages, "--outstanding", "8")).ShouldExit(0)
                .Output.ShouldContain("40 of 40 messages accepted, in 1 files.");
            await EndAsync(listener);
            var lines = Lines(listener);
            lines.Select(line => line.GetProperty("verdict").GetString()).ShouldBe(Enumerable.Repeat("appended", 40));
            lines.Select(line => line.GetProperty("position").GetInt64()).Order().ShouldBe(Enumerable.Range(1, 40).Select(i => (long)i));
            lines.ShouldAllBe(line => line.GetProperty("type").GetString() == "ADT");
            listener.Output.ShouldNotContain("DOE");
            listener.Output.ShouldNotContain("CTRL1");
        }

        // The same again, after a restart: known from the journal, acknowledged, not kept twice.
        await using var again = await ListenAsync(directory, "--journal", journal);
        (await SendAsync(again, messages)).ShouldExit(0);
        await EndAsync(again);
        Lines(again).Select(line => line.GetProperty("verdict").GetString()).ShouldBe(Enumerable.Repeat("duplicate", 40));
    }

    [Fact]
    public async Task What_is_refused_or_cannot_be_sent_is_said_and_ends_with_3()
    {
        using var directory = new TempDirectory();
        var file = Path.Combine(directory.Path, "mixed.hl7");
        await File.WriteAllTextAsync(file, Header("A1") + "\rPID|1\r" + Header("") + "\rPID|1\r" + Header("A2") + "|NE|NE\rPID|1\r", Stop);
        await using var listener = await ListenAsync(directory, "--journal", "none");
        var sent = (await SendAsync(listener, file)).ShouldExit(3);
        sent.Output.ShouldContain("2 of 3 messages accepted");
        sent.Output.ShouldContain("not sent: The message has no MSH-10");
        await EndAsync(listener);
    }

    [Fact]
    public async Task Nobody_listens()
    {
        using var directory = new TempDirectory();
        var result = (await EhrgrainsProcess.RunAsync("hl7", "send", "127.0.0.1:1", Write(directory, 1))).ShouldExit(1);
        result.Error.ShouldContain("EHR-HL7-010");
        (await EhrgrainsProcess.RunAsync("hl7", "send", "127.0.0.1", Write(directory, 1))).ShouldExit(2).Error.ShouldContain("EHR-HL7-011");
    }

    private static string Header(string id) => $@"MSH|^~\&|EPIC|STMARY|A|B|20260301120000||ADT^A01^ADT_A01|{id}|P|2.5.1||";

    private static string Write(TempDirectory directory, int count)
    {
        var file = Path.Combine(directory.Path, "messages.hl7");
        File.WriteAllText(file, string.Concat(Enumerable.Range(1, count).Select(i => Header($"CTRL{i}") + "\rPID|1||MRN||DOE^JANE\r")));
        return file;
    }

    private static Task<ChildProcess> ListenAsync(TempDirectory directory, params string[] arguments) => ChildProcess.StartAsync(
        EhrgrainsProcess.Path + ".dll", ["hl7", "listen", "--port", "0", "-o", "json", .. arguments], new Dictionary<string, string>(),
        Path.Combine(directory.Path, "listen.log"), "Listening on", Stop);

    private static Task<ProcessResult> SendAsync(ChildProcess listener, string file, params string[] options) => EhrgrainsProcess.RunAsync(
        ["hl7", "send", $"127.0.0.1:{Port().Match(listener.Output).Groups[1].Value}", file, .. options]);

    private static async Task EndAsync(ChildProcess listener)
    {
        var id = listener.Id.ToString(CultureInfo.InvariantCulture);
        using var kill = System.Diagnostics.Process.Start("kill", [$"-{SignalTerminate}", id]);
        await listener.WaitForExitAsync(Stop);
        listener.ExitCode.ShouldBe(0, listener.Output);
    }

    private static JsonElement[] Lines(ChildProcess listener) =>
        [.. listener.Output.Split('\n').Where(line => line.StartsWith('{')).Select(line => JsonDocument.Parse(line).RootElement)];

    [GeneratedRegex(@"Listening on [\d.]+:(\d+)", RegexOptions.None, 1000)]
    private static partial Regex Port();
}
