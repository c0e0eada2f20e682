using System.Text.RegularExpressions;
using EhrGrains.Testing;

namespace EhrGrains.Cli.Tests;

/// <summary>The README: its blocks of shell that are to be run, and the tests that it names.</summary>
internal static partial class Readme
{
    internal static string Text { get; } = File.ReadAllText(Path.Combine(SharedData.RepositoryRoot(), "README.md"));

    /// <summary>The blocks marked <c>run</c>, or <c>run: {where}</c>, as one script.</summary>
    internal static string Script(string mark) =>
        string.Join('\n', MarkedBlock().Matches(Text).Where(match => match.Groups["mark"].Value == mark).Select(match => match.Groups["shell"].Value));

    /// <summary>The names of tests in the table of promises.</summary>
    internal static IReadOnlyList<string> Tests() => [.. TestName().Matches(Text).Select(match => match.Groups[1].Value)];

    /// <summary>The files and folders of the repository that are linked to.</summary>
    internal static IReadOnlyList<string> Links() => [.. Link().Matches(Text).Select(match => match.Groups[1].Value)];

    [GeneratedRegex(@"<!-- (?<mark>run(?:: \w+)?) -->\n```sh\n(?<shell>.*?)```", RegexOptions.Singleline, 1000)]
    private static partial Regex MarkedBlock();

    [GeneratedRegex("`([A-Z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+)`", RegexOptions.None, 1000)]
    private static partial Regex TestName();

    [GeneratedRegex(@"\]\((?!https?:)([^)]+)\)", RegexOptions.None, 1000)]
    private static partial Regex Link();
}
