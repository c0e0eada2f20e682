using System.Text.Json;
using EhrGrains.Cli.Tests.CommandLine;
using EhrGrains.Testing;

namespace EhrGrains.Cli.Tests;

public sealed class TenantFileTests
{
    [Fact]
    public async Task All_errors_of_all_files_are_named_at_once_by_file_line_and_path()
    {
        var result = await EhrgrainsProcess.RunAsync("apply", "-f", "Corpus");

        result.ShouldExit(2).Output.ShouldBeEmpty();
        Golden.ShouldMatch(result.Error, Path.Combine(EhrgrainsProcess.TestFolder, "Corpus", "errors.txt"));
    }

    [Fact]
    public async Task A_secret_in_the_wrong_place_is_never_echoed()
    {
        var result = await EhrgrainsProcess.RunAsync("apply", "-f", "Corpus", "-o", "json");

        result.ShouldExit(2).Error.ShouldNotContain("hunter2");
        result.Error.ShouldNotContain("aHVudGVyMi1");
    }

    [Fact]
    public async Task Scripts_get_the_same_errors_as_JSON_on_standard_error()
    {
        var result = await EhrgrainsProcess.RunAsync("apply", "-f", Path.Combine("Corpus", "unknown-keys.yaml"), "-o", "json");

        result.ShouldExit(2).Output.ShouldBeEmpty();
        using var refusal = JsonDocument.Parse(result.Error);
        refusal.RootElement.GetProperty("kind").GetString().ShouldBe("invalid");
        refusal.RootElement.GetProperty("problems").EnumerateArray().Select(problem => problem.GetProperty("path").GetString()).ShouldBe(
        [
            "Corpus/unknown-keys.yaml:3: timezone",
            "Corpus/unknown-keys.yaml:9: connection.clientSecret",
            "Corpus/unknown-keys.yaml:11: budget.request",
        ]);
    }

    [Theory]
    [InlineData("no-such-directory", 5)]
    [InlineData("../EhrGrains.Cli.Tests/CommandLine", 5)]
    public async Task A_place_without_files_is_not_found(string place, int code) =>
        (await EhrgrainsProcess.RunAsync("apply", "-f", place)).ShouldExit(code).Error.ShouldContain(place);

    [Fact]
    public async Task A_file_that_is_too_large_is_refused_unread()
    {
        using var directory = new TempDirectory();
        var path = Path.Combine(directory.Path, "large.yaml");
        await File.WriteAllTextAsync(path, new string('#', (1 << 20) + 1), TestContext.Current.CancellationToken);

        (await EhrgrainsProcess.RunAsync("apply", "-f", path)).ShouldExit(2).Error.ShouldContain("EHR-CLI-013");
    }
}
