namespace EhrGrains.Testing;

/// <summary>
/// The test data that lies beside the checkout in <c>shared/data</c> and is read in place. Tests that need it are skipped,
/// visibly, where it is absent.
/// </summary>
public static class SharedData
{
    /// <summary>The full path of a file or folder of the test data; skips the test if it is not there.</summary>
    public static string Require(string relativePath)
    {
        var path = Path.Combine(Path.GetDirectoryName(Checkout())!, "shared", "data", relativePath);
        Assert.SkipUnless(Path.Exists(path), $"The test data '{relativePath}' is not in shared/data beside the checkout.");
        return path;
    }

    /// <summary>The root of the repository that the running tests were built from.</summary>
    public static string RepositoryRoot()
    {
        var directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "EhrGrains.sln")))
        {
            directory = Path.GetDirectoryName(directory)
                ?? throw new InvalidOperationException("The tests run outside of the repository: no EhrGrains.sln above them.");
        }

        return directory;
    }

    /// <summary>In a linked git worktree the data lies beside the main checkout, which its .git file points into.</summary>
    private static string Checkout()
    {
        var root = RepositoryRoot();
        var link = Path.Combine(root, ".git");
        if (!File.Exists(link))
        {
            return root;
        }

        var gitDirectory = File.ReadAllText(link).Replace("gitdir:", "", StringComparison.Ordinal).Trim();
        var index = gitDirectory.IndexOf("/.git/", StringComparison.Ordinal);
        return index < 0 ? root : gitDirectory[..index];
    }
}
