using EhrGrains.Cli.Tests.CommandLine;
using EhrGrains.Testing;

namespace EhrGrains.Cli.Tests;

public sealed class ReadmeTests(RunningCluster cluster) : IClassFixture<RunningCluster>
{
    [Fact]
    public async Task What_the_README_says_works_in_the_order_in_which_it_says_it()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "The README's blocks are for a POSIX shell.");
        var script = cluster.WithPorts(Readme.Script("run"));
        script.ShouldContain("ehrgrains credential rotate");

        var result = await ShellAsync(script, cluster.Directory);

        result.ShouldExit(0).Output.Split("Vexmoorian").Length.ShouldBeGreaterThan(4, "once by query, once by curl, twice by the federated query");
        result.Output.ShouldContain("CapabilityStatement");
        result.Output.ShouldContain("\"acknowledged\":100,\"refused\":0");
        result.Output.ShouldMatch(@"head of journal\s+100\b");
        result.Output.ShouldContain("urn:ehrgrains:tenant:st-mary", customMessage: "a patient of the record");
        result.Output.ShouldContain("PID-5.1");
        result.Output.ShouldMatch(@"warning +EHR-DCT-023 +care-plan +DocumentReference", "the registration of the hospital of the tour lacks it");
        result.Output.ShouldMatch(@"laboratory-trends +Observation +status +[1-9]", "counted in the copy of the patient on the roster");

        // The same contract of an app that cannot do without what is missing there.
        var contract = await File.ReadAllTextAsync(Path.Combine(cluster.Directory, "deploy", "contracts", "chronic-care.yaml"), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(
            Path.Combine(cluster.Directory, "needs-more.yaml"), contract.Replace("need: should", "need: must", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        (await cluster.RunAsync(3, "contract", "coverage", "needs-more.yaml", "st-mary", "-o", "json")).Output.ShouldContain("\"isMet\": false");
    }

    [Fact]
    public async Task What_the_README_says_of_PostgreSQL_works()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "The README's blocks are for a POSIX shell.");
        var stopping = TestContext.Current.CancellationToken;
        await using var database = await PostgresServer.CreateDatabaseAsync(stopping);
        using var directory = new TempDirectory();
        await File.WriteAllTextAsync(directory.File("owner.connection"), database.OwnerConnectionString, stopping);

        (await ShellAsync(Readme.Script("run: postgres"), directory.Path)).ShouldExit(0);

        foreach (var secret in new[] { "root.key", "operator.json" })
        {
            File.GetUnixFileMode(directory.File(secret)).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        (await File.ReadAllTextAsync(directory.File("operator.jwks.json"), stopping)).ShouldNotContain("\"d\"");
    }

    [Fact]
    public void The_tests_and_pages_that_the_README_names_exist()
    {
        var root = SharedData.RepositoryRoot();
        var tests = string.Join('\n', Directory.EnumerateFiles(Path.Combine(root, "tests"), "*.cs", SearchOption.AllDirectories).Select(File.ReadAllText));

        Readme.Tests().Where(name => !tests.Contains($" {name}(", StringComparison.Ordinal)).ShouldBeEmpty();
        Readme.Links().Where(link => !Path.Exists(Path.Combine(root, link))).ShouldBeEmpty();
        Readme.Tests().Count.ShouldBeGreaterThan(10);
    }

    private static async Task<ProcessResult> ShellAsync(string script, string directory) => await EhrgrainsProcess.RunAsync(
        ["-euo", "pipefail", "-c", script],
        new RunSettings
        {
            Program = "bash",
            Directory = directory,
            Limit = TimeSpan.FromMinutes(3),
            Environment = new()
            {
                ["PATH"] = $"{Path.GetDirectoryName(EhrgrainsProcess.Path)}:{Environment.GetEnvironmentVariable("PATH")}",
            },
        });
}
