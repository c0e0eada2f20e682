using EhrGrains.Fhir.V2;
using EhrGrains.Testing;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>
/// What messages become, compared by facts with what another project expects of them (shared/data/hl7/README.md has the method). The
/// report, which says what is missing and what is surplus, is written to <c>artifacts/v2-facts.txt</c>.
/// </summary>
public sealed class FactComparisonTests
{
    private const double RecallMin = 0.81;
    private const double PrecisionMin = 0.75;

    [Fact]
    public void Most_of_what_is_expected_of_132_messages_is_found_and_most_of_what_is_found_is_expected()
    {
        var comparison = new FactComparison();
        var pairs = 0;
        foreach (var path in Directory.EnumerateFiles(SharedData.Require("hl7/expected-fhir"), "*.fhir.json").Order(StringComparer.Ordinal))
        {
            var name = Path.GetFileName(path)[..^".fhir.json".Length];
            var mapped = Corpus.Map(name).ShouldNotBeNull(name);
            comparison.Add(TypeOf(name), name, Facts.Of(File.ReadAllBytes(path)), Facts.Of(MappedBundle.Write(mapped)));
            pairs++;
        }

        var report = comparison.Report();
        var artifacts = Directory.CreateDirectory(Path.Combine(SharedData.RepositoryRoot(), "artifacts")).FullName;
        File.WriteAllText(Path.Combine(artifacts, "v2-facts.txt"), report);
        TestContext.Current.TestOutputHelper?.WriteLine(report);

        pairs.ShouldBe(132);
        comparison.Total.Recall.ShouldBeGreaterThanOrEqualTo(RecallMin);
        comparison.Total.Precision.ShouldBeGreaterThanOrEqualTo(PrecisionMin);
        ChosenDifferences.All.Select(difference => difference.Path).Where(path => !comparison.Missing.ContainsKey(path) && !comparison.Surplus.ContainsKey(path))
            .ShouldBeEmpty("These are no differences any more: take them out of the list.");
    }

    [Fact]
    public void A_comparison_counts_what_is_expected_found_and_surplus()
    {
        var expected = Facts.Of("""
            {"entry":[{"resource":{"resourceType":"Patient","id":"1","meta":{"tag":[]},"text":{"div":"x"},"gender":"male","active":true,
            "extension":[{"url":"http://example.com/x","valueCode":"a"},{"url":"http://hl7.org/fhir/y","valueCode":"b"}],
            "deceasedDateTime":"2021-08-18T14:41:30+05:30","name":[{"given":["A","B"]},{"given":["A"]}]}}]}
            """u8);
        var stated = Facts.Of("""
            {"entry":[{"resource":{"resourceType":"Patient","id":"2","gender":"male","active":false,"deceasedDateTime":"2021-08-18T11:26:00+02:15",
            "name":[{"given":["B"]}]}}]}
            """u8);

        var comparison = new FactComparison();
        comparison.Add("ADT", "a", expected, stated);

        comparison.Total.ShouldBe(new Score(Expected: 7, Stated: 4, Common: 3));
        comparison.Missing.Keys.ShouldBe(
            ["Patient.active", "Patient.extension.url", "Patient.extension.valueCode", "Patient.name.given"], ignoreOrder: true);
        comparison.Surplus.Keys.ShouldBe(["Patient.active"]);
        comparison.Report().ShouldContain("recall 0.429  precision 0.750");
    }

    // ms-fhir-converter__Hl7v2-ADT-A01-01 is of ADT-A01.
    private static string TypeOf(string name)
    {
        var words = name[(name.IndexOf("__", StringComparison.Ordinal) + 2)..].Replace("Hl7v2-", "", StringComparison.Ordinal);
        return words.Length > 3 && words[^3] == '-' ? words[..^3] : words;
    }
}
