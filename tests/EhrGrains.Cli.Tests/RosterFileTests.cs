using EhrGrains.Cli.Rosters;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using EhrGrains.Testing;

namespace EhrGrains.Cli.Tests;

public sealed class RosterFileTests
{
    [Theory]
    [InlineData("identifier,system\r\n123,urn:mrn\r\n\r\n\"a,\"\"b\",\r\n")]
    [InlineData("[\n{\"identifier\":\"123\",\"system\":\"urn:mrn\"},\n\n{\"identifier\":\"a,\\\"b\"}\n]")]
    public async Task A_roster_is_read_as_CSV_or_JSON_with_the_line_of_each_patient(string text) =>
        (await ReadAsync(text)).ShouldBe([new RosterEntry(2, null, "urn:mrn", "123"), new RosterEntry(4, null, null, "a,\"b")]);

    [Theory]
    [InlineData("id,SECRET\n1,2", "line 1 EHR-CLI-093")]
    [InlineData("id\nSECRET,2\nfine\n3,4", "line 2 EHR-CLI-094, line 4 EHR-CLI-094")]
    [InlineData("id\n\"SECRET", "line 2 EHR-CLI-095")]
    [InlineData("[{\"id\":1},\n{\"mrn\":\"SECRET\"}]", "line 1 EHR-CLI-096, line 2 EHR-CLI-096")]
    [InlineData("[{\"id\":\"1\"},\nSECRET]", "line 2 EHR-CLI-097")]
    [InlineData("id\n", "FILE EHR-CLI-091")]
    public async Task What_is_wrong_with_a_file_is_said_by_line_and_without_a_value(string text, string problems)
    {
        var refused = await Should.ThrowAsync<ProblemException>(() => ReadAsync(text));
        string.Join(", ", refused.Problems.Select(problem => $"{problem.Path} {problem.Code}")).ShouldBe(problems);
        refused.Message.ShouldNotContain("SECRET");
    }

    private static async Task<IReadOnlyList<RosterEntry>> ReadAsync(string text)
    {
        using var directory = new TempDirectory();
        var file = new FileInfo(directory.File("roster"));
        await File.WriteAllTextAsync(file.FullName, text, TestContext.Current.CancellationToken);
        return await RosterFile.ReadAsync(file, TestContext.Current.CancellationToken);
    }
}
