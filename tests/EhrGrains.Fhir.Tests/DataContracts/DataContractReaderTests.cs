using CsCheck;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Scopes;
using EhrGrains.Fhir.DataContracts;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Testing;

namespace EhrGrains.Fhir.Tests.DataContracts;

public sealed class DataContractReaderTests
{
    private const string Small = """
        contract: small
        atLeast: 0.9
        features:
          trends:
            resources:
              Observation:
                searches: [category=laboratory&date]
                must: [Observation.code where system=loinc, value atLeast 0.5]
                should: [interpretation]
                writes: [create]
          visits:
            need: should
            resources:
              Encounter: { must: [period.start] }
              Observation: { atLeast: 0.1, must: [status], writes: [update] }
        """;

    [Fact]
    public void A_contract_says_by_feature_what_is_needed_and_how_much_of_it()
    {
        var contract = DataContractReader.Read(Small);

        contract.Features.Select(feature => feature.Name).ShouldBe(["trends", "visits"]);
        var observation = contract.Features[0].Resources.ShouldHaveSingleItem();
        observation.Searches.ShouldHaveSingleItem().ToString().ShouldBe("Observation?category=laboratory&date");
        observation.Searches[0].HasValues.ShouldBeFalse();
        observation.Searches[0].For("p1").Select(p => $"{p.Name}={p.Value}").ShouldBe(["patient=p1", "category=laboratory", "date={date}"]);
        observation.Elements.Select(e => (e.Text, e.IsMust, e.AtLeast)).ShouldBe(
            [("Observation.code where system=loinc", true, 0.9), ("value", true, 0.5), ("interpretation", false, null)]);
        contract.Features[1].Resources.ShouldAllBe(resource => !resource.IsMust);
        contract.Features[1].Resources[1].Elements[0].AtLeast.ShouldBe(0.1);
    }

    [Theory]
    [InlineData("epic", "system/Encounter.rs system/Observation.crus")]
    [InlineData("us-core", "system/Encounter.rs system/Observation.rs")]
    public void The_scopes_are_those_that_the_needs_come_to_at_a_vendor(string vendor, string scopes) =>
        string.Join(' ', ContractScopes.For(DataContractReader.Read(Small), VendorProfiles.Find(vendor)!)).ShouldBe(scopes);

    [Fact]
    public void Scopes_of_version_1_are_words()
    {
        var profile = VendorProfiles.Find("epic")!;
        var version1 = profile with { Auth = profile.Auth with { ScopeVersion = ScopeVersion.V1 } };
        ContractScopes.For(DataContractReader.Read(Small), version1).ShouldBe(["system/Encounter.read", "system/Observation.read", "system/Observation.write"]);
    }

    [Fact]
    public void Everything_that_is_wrong_is_told_at_once_by_path_and_line()
    {
        const string Bad = """
            contract: Bad Name
            atLeast: 90
            owner: me
            features:
              one:
                need: perhaps
                resources:
                  Observations: { must: [value] }
                  Observation:
                    searches: [patient=1, colour=red, "date="]
                    must: [valu, code where system=lonic, value atLeast 2, value.nope]
                    writes: [upsert]
              two: {}
            """;

        var refused = Should.Throw<ProblemException>(() => DataContractReader.Read(Bad));

        refused.Problems.ShouldAllBe(problem => problem.Code == "EHR-DCT-001");
        refused.Problems.Select(problem => $"{problem.Path}|{problem.Message[(problem.Message.LastIndexOf('(') + 1)..].TrimEnd('.', ')')}").ShouldBe(
            [
                "atLeast|line 2",
                "features.one.need|line 6",
                "features.one.resources.Observations|line 8",
                "features.one.resources.Observation.searches|line 10",
                "features.one.resources.Observation.searches|line 10",
                "features.one.resources.Observation.searches|line 10",
                "features.one.resources.Observation.must|line 11",
                "features.one.resources.Observation.must|line 11",
                "features.one.resources.Observation.must|line 11",
                "features.one.resources.Observation.must|line 11",
                "features.one.resources.Observation.writes|line 12",
                "features.two.resources|has to name 1 to 64 resource types; it is missing",
                "contract|line 1",
                "owner|line 3",
            ],
            ignoreOrder: true);
    }

    [Theory]
    [InlineData("{", "not YAML")]
    [InlineData("a: &x 1\nb: *x", "Anchors")]
    [InlineData("[[[[[[[[[[[[[[1]]]]]]]]]]]]]]", "deeper")]
    [InlineData("a: 1\n---\nb: 2", "one YAML document")]
    [InlineData("just a text", "mapping")]
    [InlineData("contract: [a\natLeast: 1", "not closed")]
    public void What_is_no_contract_at_all_is_refused(string text, string why) =>
        Should.Throw<ProblemException>(() => DataContractReader.Read(text)).Message.ShouldContain(why);

    [Fact]
    public void Whatever_becomes_of_a_contract_it_is_read_or_refused_in_sentences()
    {
        var cuts = Gen.Select(Gen.Int[0, Small.Length - 1], Gen.Int[0, 40], Gen.OneOf("", ":", "- ", "[", "}", "\n", "  ", "~", "\"", "must: ", "where ", "= and ", "é", "\t"));
        cuts.Array[1, 4].Sample(edits =>
        {
            var text = edits.Aggregate(Small, (all, edit) => all[..Math.Min(edit.Item1, all.Length)] + edit.Item3 + all[Math.Min(edit.Item1 + edit.Item2, all.Length)..]);
            try
            {
                DataContractReader.Read(text).Needs.SelectMany(need => need.Resource.Elements).ShouldAllBe(element => element.Text.Length > 0);
            }
            catch (ProblemException e)
            {
                e.Problems.ShouldAllBe(problem => problem.Code.StartsWith("EHR-DCT-00", StringComparison.Ordinal) && problem.Message.EndsWith('.'));
            }
        });
    }

    [Fact]
    public void The_contract_of_the_repository_is_one()
    {
        var file = Path.Combine(SharedData.RepositoryRoot(), "deploy", "contracts", "chronic-care.yaml");
        var contract = DataContractReader.Read(File.ReadAllText(file));
        ContractScopes.Needed(contract).First(need => need.ResourceType == "DocumentReference").Interactions.HasFlag(Interactions.Create).ShouldBeTrue();
    }
}
