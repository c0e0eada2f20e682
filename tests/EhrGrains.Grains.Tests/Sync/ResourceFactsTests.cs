using System.Text;
using EhrGrains.Grains.Sync;

namespace EhrGrains.Grains.Tests.Sync;

/// <summary>What copying has to know of a resource.</summary>
public sealed class ResourceFactsTests
{
    private const string Report =
        """
        {"resourceType":"DiagnosticReport","id":"r1","meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00Z","source":"#1","profile":["p"]},"subject":{"reference":"Patient/p1"},
        "result":[{"reference":"Observation/o1"},{"reference":"https://other.example/Observation/o2"},{"reference":"#o3"}],"resultsInterpreter":[{"reference":"Practitioner/d1"}]}
        """;

    [Fact]
    public void Type_id_patient_time_and_the_references_that_were_asked_for_are_found()
    {
        var facts = Read(Report);
        (facts.Type, facts.Id, facts.Patient).ShouldBe(("DiagnosticReport", "r1", "p1"));
        facts.LastUpdated.ShouldBe(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        facts.References.ShouldBe(["Observation/o1"]);
    }

    [Fact]
    public void Names_that_are_escaped_are_the_same_names() =>
        Read(Report.Replace("\"id\"", "\"\\u0069d\"", StringComparison.Ordinal)).ShouldSatisfyAllConditions(
            facts => facts.Id.ShouldBe("r1"),
            facts => facts.Hash.ShouldBe(Read(Report).Hash));

    [Theory]
    [InlineData("\"versionId\":\"1\"", "\"versionId\":\"2\"", true)]
    [InlineData("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", true)]
    [InlineData("\"source\":\"#1\"", "\"source\":\"#2\"", true)]
    [InlineData("\"profile\":[\"p\"]", "\"profile\":[\"q\"]", false)]
    [InlineData("Observation/o1", "Observation/o9", false)]
    [InlineData("Patient/p1", "Patient/p2", false)]
    public void Only_version_time_and_source_make_no_other_content(string was, string becomes, bool isSame) =>
        (Read(Report.Replace(was, becomes, StringComparison.Ordinal)).Hash == Read(Report).Hash).ShouldBe(isSame);

    private static ResourceFacts Read(string json) => ResourceFacts.Read(Encoding.UTF8.GetBytes(json), ["result", "resultsInterpreter.reference.none", "media.link"]);
}
