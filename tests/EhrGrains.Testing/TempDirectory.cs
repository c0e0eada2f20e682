namespace EhrGrains.Testing;

/// <summary>A new directory that is deleted with all that is in it.</summary>
public sealed class TempDirectory : IDisposable
{
    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("ehrgrains-");

    public string Path => directory.FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => directory.Delete(recursive: true);
}
