using EhrGrains.Cli.Tests.CommandLine;
using EhrGrains.Testing;

namespace EhrGrains.Cli.Tests;

public sealed class DemoTests
{
    private static readonly string Demo = EhrgrainsProcess.Program("EhrGrains.Demo", "EhrGrains.Demo");

    [Fact]
    public async Task The_demo_shows_everything_once_ends_with_0_and_leaves_nothing_behind()
    {
        using var temporary = new TempDirectory();

        var result = await EhrgrainsProcess.RunAsync(["--once"], new RunSettings
        {
            Program = Demo,
            Directory = temporary.Path,
            Limit = TimeSpan.FromMinutes(3),
            Environment = new() { ["TMPDIR"] = temporary.Path },
        });

        result.ShouldExit(0);
        foreach (var tenant in new[] { "st-mary", "lakeside", "cedar-clinic" })
        {
            result.Output.Split('\n').ShouldContain(line => line.Contains("1990-08-21", StringComparison.Ordinal) && line.Contains(tenant, StringComparison.Ordinal));
        }

        result.Output.ShouldContain(", 0 failed");
        result.Output.ShouldContain("forwarded, in order");
        result.Output.ShouldContain("told by webhook");
        result.Output.ShouldNotContain("\u001b", Case.Sensitive, "plain where no one sits at a terminal");
        Directory.GetDirectories(temporary.Path, "ehrgrains-demo-*").ShouldBeEmpty();
    }

    [Fact]
    public async Task Six_sites_are_copied_and_what_changes_there_arrives_within_the_freshness()
    {
        using var directory = new TempDirectory();

        var result = await EhrgrainsProcess.RunAsync(
            ["--sync", "--once", "--data-directory", directory.Path], new RunSettings { Program = Demo, Directory = directory.Path, Limit = TimeSpan.FromMinutes(5) });

        result.ShouldExit(0).Output.ShouldContain("by the schedule alone");
        result.Output.Split("and nothing else").Length.ShouldBe(3, "the copies are held against the hospitals before and after");
    }

    [Fact]
    public async Task The_demo_runs_again_on_the_data_of_a_run_that_was_killed()
    {
        using var directory = new TempDirectory();
        for (var run = 0; run < 2; run++)
        {
            await using var demo = await ChildProcess.StartAsync(
                Demo + ".dll", ["--data-directory", directory.Path], new Dictionary<string, string>(), directory.File("demo.log"),
                "It keeps running until Ctrl+C", TestContext.Current.CancellationToken);

            demo.Output.ShouldContain("each as it was written");
            demo.Output.ShouldContain("nothing is there twice");
            demo.Kill();
        }
    }

    [Fact]
    public async Task A_step_that_fails_ends_the_demo_with_1_and_a_sentence()
    {
        using var directory = new TempDirectory();
        await File.WriteAllTextAsync(directory.File("root.key"), "not a key", TestContext.Current.CancellationToken);

        var result = await EhrgrainsProcess.RunAsync(
            ["--data-directory", directory.Path], new RunSettings { Program = Demo, Directory = directory.Path, Limit = TimeSpan.FromMinutes(3) });

        result.ShouldExit(1).Output.ShouldContain("failed");
    }
}
