using EhrGrains.Testing;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>What the rules have of the guide.</summary>
public sealed class GuideCoverageTests
{
    [Fact]
    public void Every_row_of_the_guide_has_a_rule_or_a_reason()
    {
        var open = GuideCoverage.Segments().Concat(GuideCoverage.DataTypes())
            .Select(row => (row, verdict: GuideCoverage.Judge(row)))
            .Where(judged => judged.verdict is { Files.Count: 0, Reason: null })
            .Select(judged => $"{judged.row.Map} {judged.row.Part} -> {judged.row.Element}")
            .ToList();

        open.ShouldBeEmpty(string.Join('\n', open));
    }

    [Fact]
    public void The_reference_is_made_from_the_rules()
    {
        var made = GuideReference.Write();
        var path = Path.Combine(SharedData.RepositoryRoot(), "docs", "reference", "v2-to-fhir.md");
        if (Environment.GetEnvironmentVariable("EHRGRAINS_WRITE_GOLDEN") == "1")
        {
            File.WriteAllText(path, made);
        }

        made.Split('\n').ShouldBe(
            File.ReadAllLines(path).Append(""), $"If this is right, run the test with EHRGRAINS_WRITE_GOLDEN=1 and commit {path}.");
    }
}
