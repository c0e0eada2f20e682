using System.Text.Json;
using EhrGrains.Cli.Tests.CommandLine;
using EhrGrains.Testing;

namespace EhrGrains.Cli.Tests;

/// <summary>The commands of feeds as a process, against a silo that is another, with real messages.</summary>
public sealed class FeedCommandTests(RunningCluster cluster) : IClassFixture<RunningCluster>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_feed_is_added_takes_messages_is_paused_replayed_and_its_quarantine_emptied()
    {
        await cluster.RunAsync(0, "apply", "-f", "deploy/hospitals/cedar-clinic.yaml");
        string[] add = ["feed", "add", "cedar-clinic", "extra", "--name", "Admissions", "--sending-application", "CEDAR", "--poison", "park"];
        (await cluster.RunAsync(0, add)).Output.ShouldContain("feeds.extra.inbound.match.sendingApplication");
        await cluster.RunAsync(0, add);
        (await cluster.RunAsync(6, "feed", "add", "cedar-clinic", "extra", "--name", "Other", "--sending-application", "CEDAR")).Error.ShouldContain("differs");

        // A listener knows a new feed within 5 s; until then it refuses, and the sender tries again.
        string? answer;
        do
        {
            answer = await Mllp.SendAsync(cluster.MllpPort, Message("K1"), Ct);
        }
        while (!answer!.Contains("MSA|AA|K1", StringComparison.Ordinal));

        await cluster.RunAsync(0, "feed", "pause", "cedar-clinic", "extra", "--reason", "test");
        using var paused = await JsonAsync("feed", "show", "cedar-clinic", "extra");
        (paused.RootElement.GetProperty("state").GetString(), paused.RootElement.GetProperty("head").GetInt64()).ShouldBe(("paused", 1));
        await cluster.RunAsync(0, "feed", "resume", "cedar-clinic", "extra");
        (await cluster.RunAsync(0, "feed", "list", "cedar-clinic")).Output.ShouldContain("Admissions");
        using var replayed = await JsonAsync("feed", "replay", "cedar-clinic", "extra", "--position", "1");
        replayed.RootElement.GetProperty("position").GetInt64().ShouldBe(1);
        await cluster.RunAsync(2, "feed", "replay", "cedar-clinic", "extra", "--position", "7");

        (await cluster.RunAsync(0, "feed", "quarantine", "list", "cedar-clinic", "extra")).Output.ShouldNotContain("EHR-");
        (await cluster.RunAsync(0, "feed", "quarantine", "show", "cedar-clinic", "extra", "1")).Output.ShouldContain("PID|1||MRN4711");
        await cluster.RunAsync(5, "feed", "quarantine", "skip", "cedar-clinic", "extra", "1");
        await cluster.RunAsync(5, "feed", "show", "cedar-clinic", "no-such-feed");
        cluster.SiloLog.ShouldNotContain("MRN4711");
    }

    [Fact]
    public async Task An_outbound_feed_delivers_what_is_given_and_shows_its_certificate()
    {
        await using var receiver = new Hl7Receiver();
        await cluster.RunAsync(0, "apply", "-f", "deploy/hospitals/st-mary.yaml");
        await cluster.RunAsync(0, "credential", "add", "st-mary", "--activate");
        await cluster.RunAsync(0, "tenant", "promote", "st-mary", "--to", "sandbox");
        await cluster.RunAsync(
            0, "outbound", "add", "st-mary", "registry", "--name", "Registry", "--host", "127.0.0.1", "--port", $"{receiver.Port}", "--plain");
        var file = Path.Combine(cluster.Directory, "one.hl7");
        await File.WriteAllTextAsync(file, Message("O1"), Ct);

        (await cluster.RunAsync(0, "outbound", "send", "st-mary", "registry", file)).Output.ShouldContain("1");
        Mllp.Field(await receiver.NextAsync(Ct), 10).ShouldBe("O1");
        await cluster.RunAsync(0, "outbound", "pause", "st-mary", "registry");
        (await cluster.RunAsync(0, "outbound", "show", "st-mary", "registry")).Output.ShouldContain("paused");
        await cluster.RunAsync(0, "outbound", "resume", "st-mary", "registry");
        (await cluster.RunAsync(0, "outbound", "list", "st-mary")).Output.ShouldContain($"127.0.0.1:{receiver.Port}");
        (await cluster.RunAsync(0, "outbound", "quarantine", "st-mary", "registry")).Output.ShouldNotContain("EHR-");
        await cluster.RunAsync(5, "outbound", "retry", "st-mary", "registry", "9");
        (await cluster.RunAsync(2, "outbound", "certificate", "st-mary", "registry", "--file", file)).Error.ShouldContain("EHR-FED-120");
        (await cluster.RunAsync(0, "outbound", "certificate", "st-mary", "registry")).Error.ShouldContain("No client certificate");
    }

    private static string Message(string controlId) =>
        $"MSH|^~\\&|CEDAR|HOSP|US|HERE|20260101120000||ADT^A08^ADT_A01|{controlId}|P|2.5.1\rPID|1||MRN4711^^^H^MR\r";

    private async Task<JsonDocument> JsonAsync(params string[] arguments) =>
        JsonDocument.Parse((await cluster.RunAsync(0, [.. arguments, "-o", "json"])).Output);
}
