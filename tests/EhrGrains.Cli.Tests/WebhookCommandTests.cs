using EhrGrains.Cli.Tests.CommandLine;

namespace EhrGrains.Cli.Tests;

/// <summary>The commands of webhooks as a process, against a silo that is another and lets nothing out to this machine.</summary>
public sealed class WebhookCommandTests(RunningCluster cluster) : IClassFixture<RunningCluster>
{
    [Fact]
    public async Task A_webhook_is_made_shown_rotated_paused_tried_and_removed()
    {
        await cluster.RunAsync(0, "apply", "-f", "deploy/hospitals/lakeside.yaml");
        string[] add = ["webhook", "add", "lakeside", "all", "--app", "my-app", "--url", "http://127.0.0.1:9/webhook", "--type", "Patient"];
        var added = await cluster.RunAsync(3, add);
        added.Output.ShouldContain("whsec_");
        added.Output.ShouldContain("EhrGrains:Webhooks:PrivateNetworks");
        (await cluster.RunAsync(3, add)).Output.ShouldNotContain("whsec_", Case.Sensitive, "a secret is shown once");

        (await cluster.RunAsync(0, "webhook", "list", "lakeside")).Output.ShouldContain("pending");
        (await cluster.RunAsync(0, "webhook", "show", "lakeside", "all")).Output.ShouldContain("egress");
        (await cluster.RunAsync(0, "webhook", "rotate", "lakeside", "all", "--overlap-hours", "1")).Output.ShouldContain("whsec_");
        await cluster.RunAsync(0, "webhook", "pause", "lakeside", "all", "--reason", "test");
        (await cluster.RunAsync(0, "webhook", "show", "lakeside", "all")).Output.ShouldContain("paused");
        await cluster.RunAsync(3, "webhook", "resume", "lakeside", "all");
        await cluster.RunAsync(3, "webhook", "test", "lakeside", "all");
        await cluster.RunAsync(2, "webhook", "replay", "lakeside", "all", "--from", "7");
        await cluster.RunAsync(2, "webhook", "add", "lakeside", "bad", "--app", "my-app", "--url", "ftp://x");
        await cluster.RunAsync(0, "webhook", "remove", "lakeside", "all");
        await cluster.RunAsync(5, "webhook", "show", "lakeside", "all");
        cluster.SiloLog.ShouldNotContain("127.0.0.1:9/");
        cluster.SiloLog.ShouldNotContain("whsec_");
    }
}
