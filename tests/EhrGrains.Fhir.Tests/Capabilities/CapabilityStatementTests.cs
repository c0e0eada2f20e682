using EhrGrains.Fhir.Capabilities;
using EhrGrains.Fhir.Tests.Normalization;
using EhrGrains.Fhir.Vendors;
using Hl7.Fhir.Model;

namespace EhrGrains.Fhir.Tests.Capabilities;

public sealed class CapabilityStatementTests
{
    private static readonly DateTimeOffset Date = new(2026, 11, 23, 10, 0, 0, TimeSpan.Zero);

    public static TheoryData<string> Vendors => [.. VendorProfiles.All.Select(p => p.Id)];

    [Theory, MemberData(nameof(Vendors))]
    public void The_statement_is_FHIR_and_says_what_the_profile_says(string vendor)
    {
        var profile = VendorProfiles.Find(vendor)!;

        var statement = Read(profile, summary: false);

        statement.FhirVersion.ShouldBe(FHIRVersion.N4_0_1);
        statement.Kind.ShouldBe(CapabilityStatementKind.Instance);
        statement.Implementation!.Url.ShouldBe("https://gateway.example/fhir/st-mary");
        statement.Implementation!.Description!.ShouldContain("St Mary \"North\"");
        var rest = statement.Rest.ShouldHaveSingleItem();
        rest.Security!.Service.ShouldHaveSingleItem().Coding[0].Code.ShouldBe("SMART-on-FHIR");
        ((FhirUri)rest.Security.Extension.ShouldHaveSingleItem().GetExtension("token")!.Value!).Value.ShouldBe("https://gateway.example/oauth/token");
        rest.Resource.Select(r => r.Type!).ShouldBe(profile.Resources.Keys, ignoreOrder: true);
        foreach (var resource in rest.Resource)
        {
            var rules = profile.Resources[resource.Type!];
            var interactions = resource.Interaction.Select(i => i.Code);
            interactions.Contains(CapabilityStatement.TypeRestfulInteraction.Read).ShouldBe(rules.Read);
            interactions.Contains(CapabilityStatement.TypeRestfulInteraction.SearchType).ShouldBe(rules.Search.Count > 0);
            resource.SearchParam.Select(p => p.Name).ShouldBe(
                rules.Search.Count > 0 ? [.. rules.Search.Except(["_include", "_revinclude"]), "_count"] : []);
            resource.SearchInclude.ShouldBe(rules.Include);
            resource.SearchRevInclude.ShouldBe(rules.RevInclude);
        }
    }

    [Fact]
    public void The_types_of_search_parameters_are_those_of_FHIR()
    {
        var standard = ModelInfo.SearchParameters.ToLookup(p => (p.Resource, p.Name), p => p.Type);
        foreach (var (type, parameter) in VendorProfiles.All.SelectMany(p => Read(p, summary: false).Rest[0].Resource)
            .SelectMany(r => r.SearchParam, (r, p) => (r.Type!, p)))
        {
            foreach (var expected in standard[(type, parameter.Name)])
            {
                parameter.Type.ShouldBe(expected, $"{type}.{parameter.Name}");
            }
        }
    }

    [Fact]
    public void A_summary_leaves_the_parameters_out_and_says_so()
    {
        var statement = Read(VendorProfiles.Find("epic")!, summary: true);

        statement.Meta!.Tag.ShouldHaveSingleItem().Code.ShouldBe("SUBSETTED");
        statement.FhirVersion.ShouldBe(FHIRVersion.N4_0_1);
        statement.Rest[0].Resource.ShouldAllBe(r => r.SearchParam.Count == 0 && r.Interaction.Count > 0);
    }

    private static CapabilityStatement Read(VendorProfile profile, bool summary) =>
        RealDataTests.Strict(CapabilityStatements.Write(profile, "https://gateway.example/fhir/st-mary", "https://gateway.example/oauth/token", "St Mary \"North\"", Date, summary))
            .ShouldBeOfType<CapabilityStatement>();
}
