using EhrGrains.Fhir.Capabilities;
using EhrGrains.Fhir.Charts;
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
        profile.Resources.Keys.ShouldBeSubsetOf(rest.Resource.Select(r => r.Type!));
        foreach (var resource in rest.Resource)
        {
            // What names the records as its source is theirs; the rest is what the profile says.
            var rules = profile.Resources.GetValueOrDefault(resource.Type!);
            resource.SearchParam.Where(p => p.Documentation is null).Select(p => p.Name).ShouldBe(
                [.. (rules?.Search ?? []).Except(["_include", "_revinclude"]), "_count"]);
            (rules?.Include ?? []).ShouldBeSubsetOf(resource.SearchInclude);
            (rules?.RevInclude ?? []).ShouldBeSubsetOf(resource.SearchRevInclude);
        }
    }

    [Fact]
    public void The_statement_says_no_more_of_the_records_than_they_do()
    {
        var context = new ChartContext(TimeZoneInfo.Utc, Date, "");
        foreach (var resource in Read(VendorProfiles.Find("epic")!, summary: false).Rest[0].Resource)
        {
            resource.Versioning.ShouldBe(CapabilityStatement.ResourceVersionPolicy.Versioned);
            resource.Operation.Select(o => o.Name).ShouldBe(resource.Type == "Patient" ? ["everything"] : []);
            foreach (var parameter in resource.SearchParam.Where(p => p.Documentation is not null))
            {
                Parses(resource.Type!, $"{parameter.Name}:missing", "true");
            }

            foreach (var include in resource.SearchInclude.OfType<string>().Where(include => include.StartsWith(resource.Type + ":", StringComparison.Ordinal)))
            {
                Parses(resource.Type!, "_include", include);
            }
        }

        void Parses(string type, string name, string value) => ChartQuery
            .TryParse(type, [new(name, value)], context, Contracts.Query.SearchHandling.Strict, out _, out _).ShouldBeTrue($"{type}?{name}={value}");
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
