using System.Xml.Linq;

namespace EhrGrains.Architecture.Tests;

/// <summary>The checkout as the rules see it: projects with their references, and source files.</summary>
internal sealed record Project(string Name, string Directory, IReadOnlyList<string> ProjectReferences, IReadOnlyList<string> PackageReferences);

internal sealed record SourceFile(string Path, string[] Lines);

internal static class SourceTree
{
    public static string Root { get; } = FindRoot();

    public static IReadOnlyList<Project> Projects(string under) =>
        [.. Directory.GetFiles(Path.Combine(Root, under), "*.csproj", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(Read)];

    public static IReadOnlyList<SourceFile> Files(string under) =>
        [.. Directory.GetFiles(Path.Combine(Root, under), "*.cs", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal)
            .Select(path => new SourceFile(Path.GetRelativePath(Root, path), File.ReadAllLines(path)))];

    private static Project Read(string path)
    {
        using var stream = File.OpenRead(path);
        var xml = XDocument.Load(stream);
        var references = xml.Descendants("ProjectReference").Select(e => Path.GetFileNameWithoutExtension(e.Attribute("Include")!.Value));
        var packages = xml.Descendants("PackageReference").Select(e => e.Attribute("Include")!.Value);
        return new Project(Path.GetFileNameWithoutExtension(path), Path.GetDirectoryName(path)!, [.. references], [.. packages]);
    }

    private static string FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "EhrGrains.sln")))
        {
            directory = directory.Parent;
        }

        return directory?.FullName ?? throw new InvalidOperationException("EhrGrains.sln was not found above the test's directory.");
    }
}
