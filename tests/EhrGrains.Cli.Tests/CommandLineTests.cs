using EhrGrains.Cli.Tests.CommandLine;
using EhrGrains.Testing;

namespace EhrGrains.Cli.Tests;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("no such command", 2, "bogus")]
    [InlineData("no verb", 2, "tenant")]
    [InlineData("unknown option", 2, "tenant", "list", "--bogus")]
    [InlineData("missing argument", 2, "tenant", "show")]
    [InlineData("not a tenant id", 2, "tenant", "show", "St_Mary")]
    [InlineData("not a word", 2, "tenant", "list", "-o", "xml")]
    [InlineData("timeout out of range", 2, "tenant", "list", "--timeout", "0")]
    [InlineData("not a query", 2, "query", "st-mary", "Patient/1/2")]
    [InlineData("no context", 5, "tenant", "list", "--context", "no-such-file.json")]
    [InlineData("doctor without context", 3, "doctor", "--context", "no-such-file.json")]
    [InlineData("no database named", 2, "db", "status")]
    [InlineData("wrong confirmation", 2, "tenant", "offboard", "st-mary", "--confirm", "st-marie")]
    [InlineData("offboard without asking twice", 2, "tenant", "promote", "st-mary", "--to", "offboarded")]
    [InlineData("help", 0, "--help")]
    [InlineData("version", 0, "version")]
    public async Task The_exit_code_says_what_kind_of_failure_it_was(string why, int code, params string[] arguments)
    {
        var result = await EhrgrainsProcess.RunAsync(arguments);

        result.ExitCode.ShouldBe(code, $"{why}: {result.Error}");
        if (code is not 0 and not 3)
        {
            result.Output.ShouldBeEmpty("only results go to standard output");
            result.Error.ShouldNotBeEmpty();
        }
    }

    [Theory]
    [InlineData("""{ "url": "http://hospital.example", "gateway": "127.0.0.1:1", "clusterId": "c", "serviceId": "s", "clientId": "a", "clientSecret": "hunter2" }""", "EHR-CLI-005")]
    [InlineData("""{ "url": "https://x.example", "gateway": "127.0.0.1:1", "clusterId": "c", "serviceId": "s", "clientId": "a" }""", "EHR-CLI-006")]
    [InlineData("""{ "url": "https://x.example", "clientSecret": hunter2 }""", "EHR-CLI-003")]
    [InlineData("""{ "url": "https://x.example", "hunter2": 1 }""", "EHR-CLI-003")]
    public async Task A_context_that_cannot_be_used_is_refused_without_quoting_it(string content, string code)
    {
        using var directory = new TempDirectory();
        var path = Path.Combine(directory.Path, "context.json");
        await File.WriteAllTextAsync(path, content, TestContext.Current.CancellationToken);

        var result = await EhrgrainsProcess.RunAsync("tenant", "list", "--context", path);

        result.ShouldExit(2).Error.ShouldContain(code);
        result.Error.ShouldNotContain("hunter2");
    }

    [Fact]
    public async Task Without_a_silo_it_says_so_and_ends_with_1()
    {
        using var directory = new TempDirectory();
        var path = Path.Combine(directory.Path, "context.json");
        await File.WriteAllTextAsync(
            path,
            """{ "url": "http://127.0.0.1:9", "gateway": "127.0.0.1:9", "clusterId": "c", "serviceId": "s", "clientId": "a", "clientSecret": "x" }""",
            TestContext.Current.CancellationToken);

        (await EhrgrainsProcess.RunAsync("tenant", "list", "--context", path)).ShouldExit(1).Error.ShouldContain("Is the silo running?");
    }

    [Fact]
    public async Task Doctor_names_a_variable_that_would_put_queries_into_traces()
    {
        var result = await EhrgrainsProcess.RunAsync(["doctor"], new RunSettings
        {
            Environment = new() { ["OTEL_DOTNET_EXPERIMENTAL_HTTPCLIENT_DISABLE_URL_QUERY_REDACTION"] = "true" },
        });

        result.ShouldExit(3).Output.ShouldContain("OTEL_DOTNET_EXPERIMENTAL_HTTPCLIENT_DISABLE_URL_QUERY_REDACTION");
    }

    [Fact]
    public async Task A_database_is_migrated_once_and_status_says_what_is_missing()
    {
        using var directory = new TempDirectory();
        var settings = new RunSettings
        {
            Environment = new()
            {
                ["EhrGrains__Database__Kind"] = "Sqlite",
                ["EhrGrains__Database__ConnectionString"] = $"Data Source={Path.Combine(directory.Path, "x.db")}",
            },
        };

        (await EhrgrainsProcess.RunAsync(["db", "status"], settings)).ShouldExit(3);
        (await EhrgrainsProcess.RunAsync(["db", "migrate", "-o", "json"], settings)).ShouldExit(0).Output.ShouldContain("\"pending\": []");
        (await EhrgrainsProcess.RunAsync(["db", "status"], settings)).ShouldExit(0);
        (await EhrgrainsProcess.RunAsync(["db", "migrate", "-o", "json"], settings)).ShouldExit(0).Output.ShouldContain("\"applied\": []");
        (await EhrgrainsProcess.RunAsync(["doctor", "--context", "none.json"], settings)).Output.ShouldContain("its schema is up to date");
    }

    [Fact]
    public void The_reference_is_what_the_program_says_of_itself() =>
        Golden.ShouldMatch(CliReference.Write(), Path.Combine(SharedData.RepositoryRoot(), "docs", "cli.md"));
}
