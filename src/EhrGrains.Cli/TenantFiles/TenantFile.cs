using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Cli.TenantFiles;

/// <summary>
/// One tenant's YAML file as it was read: what it states, where each setting stands, and everything that is wrong with it.
/// </summary>
/// <param name="Name">The file's name as it was given, for messages.</param>
/// <param name="Spec">What it states; null when it cannot be read as a tenant at all.</param>
/// <param name="Lines">The line of each path, from 1.</param>
/// <param name="Problems">Everything that is wrong, in order of line.</param>
internal sealed record TenantFile(
    string Name,
    TenantSpec? Spec,
    IReadOnlyDictionary<string, int> Lines,
    IReadOnlyList<FileProblem> Problems)
{
    /// <summary>The largest file that is read, in bytes: a tenant with a certificate chain has some 10 kB.</summary>
    internal const int BytesMax = 1 << 20;

    /// <summary>The most files that one <c>apply</c> takes.</summary>
    internal const int FilesMax = 10_000;

    /// <summary>Reads a file, or every <c>*.yaml</c> and <c>*.yml</c> of a directory in order of name.</summary>
    internal static async Task<IReadOnlyList<TenantFile>> ReadAllAsync(string path, CancellationToken cancellationToken)
    {
        if (File.Exists(path))
        {
            return [await ReadAsync(path, cancellationToken)];
        }

        if (!Directory.Exists(path))
        {
            throw new ProblemException(ProblemKind.NotFound, "EHR-CLI-010", path, "There is no such file or directory.");
        }

        var names = Directory.EnumerateFiles(path)
            .Where(name => Path.GetExtension(name) is ".yaml" or ".yml")
            .Order(StringComparer.Ordinal)
            .Take(FilesMax + 1)
            .ToArray();
        if (names.Length == 0)
        {
            throw new ProblemException(ProblemKind.NotFound, "EHR-CLI-011", path, "The directory has no *.yaml file.");
        }

        if (names.Length > FilesMax)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-012", path, $"Apply takes at most {FilesMax} files at once; split the directory.");
        }

        var files = new List<TenantFile>(names.Length);
        foreach (var name in names)
        {
            files.Add(await ReadAsync(name, cancellationToken));
        }

        return RefuseTwice(files);
    }

    /// <summary>Where a path stands: its own line, else that of the nearest part that is there.</summary>
    internal int LineOf(string path)
    {
        for (var at = path; at.Length > 0; at = at[..Math.Max(0, at.LastIndexOfAny(['.', '[']))])
        {
            if (Lines.TryGetValue(at, out var line))
            {
                return line;
            }
        }

        return 1;
    }

    /// <summary>Places problems that were found in the spec (here or by the cluster) in the file.</summary>
    internal IEnumerable<FileProblem> Place(IEnumerable<Problem> problems) =>
        problems.Select(problem => new FileProblem(Name, LineOf(problem.Path), problem));

    private static async Task<TenantFile> ReadAsync(string name, CancellationToken cancellationToken)
    {
        if (new FileInfo(name).Length > BytesMax)
        {
            var problem = new Problem("EHR-CLI-013", "", $"The file is larger than {BytesMax} bytes; a tenant has one file of a few kilobytes.");
            return new TenantFile(name, null, new Dictionary<string, int>(), [new FileProblem(name, 1, problem)]);
        }

        return TenantFileReader.Read(name, await File.ReadAllTextAsync(name, cancellationToken));
    }

    // Two files for one tenant would undo each other at every apply.
    private static List<TenantFile> RefuseTwice(List<TenantFile> files)
    {
        var firsts = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < files.Count; i++)
        {
            var file = files[i];
            if (file.Spec is { Tenant.Length: > 0 } spec && !firsts.TryAdd(spec.Tenant, file.Name))
            {
                var problem = new Problem("EHR-CLI-014", "tenant", $"The same tenant is in {firsts[spec.Tenant]}; a tenant has one file.");
                files[i] = file with { Problems = [.. file.Problems, new FileProblem(file.Name, file.LineOf("tenant"), problem)] };
            }
        }

        return files;
    }
}

/// <summary>One thing that is wrong in a file.</summary>
internal sealed record FileProblem(string File, int Line, Problem Problem)
{
    /// <summary>The same with its place in front of the path: what a refusal of the whole command lists.</summary>
    internal Problem ToProblem() => Problem with { Path = $"{File}:{Line}{(Problem.Path.Length > 0 ? $": {Problem.Path}" : "")}" };
}
