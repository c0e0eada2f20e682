namespace EhrGrains.Fhir.V2;

/// <summary>The rules that every site shares: the files of the folder Rules, in the assembly.</summary>
internal static class SharedRules
{
    private const string Prefix = "EhrGrains.Fhir.V2.Rules.";
    private static readonly Lazy<IReadOnlyList<(string File, string Text)>> Read = new(ReadAll);

    internal static IReadOnlyList<(string File, string Text)> All => Read.Value;

    private static List<(string File, string Text)> ReadAll()
    {
        var assembly = typeof(SharedRules).Assembly;
        var files = new List<(string, string)>();
        foreach (var name in assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            files.Add((name[Prefix.Length..], reader.ReadToEnd()));
        }

        return files;
    }
}
