using System.Text.RegularExpressions;

namespace EhrGrains.Architecture.Tests;

/// <summary>What can be said of source files by reading them: size, names, and things that are not done here.</summary>
public sealed partial class SourceRulesTests
{
    private const int LinesMax = 400;

    private static readonly string[] FoldersNotUsed = ["Helpers", "Utils", "Utilities", "Managers", "Models", "Common", "Services", "Misc"];

    [Fact]
    public void No_source_file_is_longer_than_400_lines() => LengthFaults([.. SourceTree.Files("src"), .. SourceTree.Files("tests")]).ShouldBeEmpty();

    [Fact]
    public void A_file_that_is_too_long_is_found() => LengthFaults([new SourceFile("long.cs", new string[LinesMax + 1])]).ShouldHaveSingleItem();

    [Fact]
    public void Folders_are_features() =>
        FolderFaults(SourceTree.Files("src")).ShouldBeEmpty();

    [Fact]
    public void A_folder_named_after_nothing_is_found() => FolderFaults([new SourceFile("src/EhrGrains.Silo/Helpers/A.cs", [])]).ShouldHaveSingleItem();

    [Fact]
    public void Nothing_is_left_unfinished_suppressed_or_asleep() =>
        PatternFaults(SourceTree.Files("src")).ShouldBeEmpty();

    [Theory]
    [InlineData("// TO" + "DO: later")]
    [InlineData("throw new NotImplemented" + "Exception();")]
    [InlineData("#pragma warning dis" + "able CA1031")]
    [InlineData("logger.Log" + "Information(\"x\");")]
    [InlineData("#reg" + "ion Fields")]
    [InlineData("await x.ConfigureAwait" + "(false);")]
    public void What_is_not_done_here_is_found(string line) => PatternFaults([new SourceFile("a.cs", [line])]).ShouldHaveSingleItem();

    [Fact]
    public void Tests_do_not_sleep() =>
        SourceTree.Files("tests").Where(file => !file.Path.Contains("Architecture.Tests", StringComparison.Ordinal))
            .SelectMany(file => file.Lines.Select((line, index) => (file.Path, line, index)))
            .Where(row => row.line.Contains("Thread.Sleep(", StringComparison.Ordinal))
            .Select(row => $"{row.Path}:{row.index + 1}")
            .ShouldBeEmpty();

    private static IReadOnlyList<string> LengthFaults(IEnumerable<SourceFile> files) =>
        [.. files.Where(file => file.Lines.Length > LinesMax).Select(file => $"{file.Path}: {file.Lines.Length} lines")];

    private static IReadOnlyList<string> FolderFaults(IEnumerable<SourceFile> files) =>
        [.. files.Select(file => file.Path).Where(path => path.Split('/').Intersect(FoldersNotUsed).Any())];

    private static IReadOnlyList<string> PatternFaults(IEnumerable<SourceFile> files) =>
        [.. files.SelectMany(file => file.Lines.Select((line, index) => (file.Path, line, index)))
            .Where(row => row.line is not null && NotDoneHere().IsMatch(row.line))
            .Select(row => $"{row.Path}:{row.index + 1} {row.line.Trim()}")];

    // Logging goes through [LoggerMessage]; suppressions carry a justification; there is no ConfigureAwait (it breaks grains).
    [GeneratedRegex(@"\bTODO\b|\bFIXME\b|\bHACK\b|NotImplementedException|#pragma warning disable|SuppressMessage\((?!.*Justification)"
        + @"|\.Log(Trace|Debug|Information|Warning|Error|Critical)\(|^\s*#region|ConfigureAwait\(false\)", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex NotDoneHere();
}
