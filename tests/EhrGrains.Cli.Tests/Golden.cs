namespace EhrGrains.Cli.Tests;

/// <summary>Compares text with a file of the repository; with EHRGRAINS_WRITE_GOLDEN=1 writes the file instead, for review as a diff.</summary>
internal static class Golden
{
    internal static void ShouldMatch(string actual, string path)
    {
        var text = actual.ReplaceLineEndings("\n");
        if (Environment.GetEnvironmentVariable("EHRGRAINS_WRITE_GOLDEN") == "1")
        {
            File.WriteAllText(path, text);
        }

        File.Exists(path).ShouldBeTrue($"{path} is missing; run this test once with EHRGRAINS_WRITE_GOLDEN=1.");
        text.Split('\n').ShouldBe(File.ReadAllText(path).Split('\n'), $"If this is right, run the test with EHRGRAINS_WRITE_GOLDEN=1 and commit {path}.");
    }
}
