using EhrGrains.Contracts;
using EhrGrains.Fhir.V2;
using static EhrGrains.Fhir.Tests.V2.Mapped;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>What a site says beyond the shared rules, and what is wrong with it.</summary>
public sealed class SiteLayerTests
{
    [Fact]
    public void A_Z_segment_has_rules_of_the_site()
    {
        var site = new SiteLayer
        {
            Rules = """
                ZPI +> Patient
                  ZPI-2   extension[https://hospital.example/loyalty].valueString
                  ZPI-3   telecom:
                    ZPI-3    value
                    "email"  system
                  ignore  ZPI-1 "the number of the segment"
                """,
        };

        var mapped = By(site, Admission, "PID|1||1^^^H^MR", "PV1|1|I", "ZPI|1|gold|a@b.example");

        mapped.Exceptions.ShouldBeEmpty();
        At(mapped.One("Patient"), "extension.0.valueString").ShouldBe("gold");
        At(mapped.One("Patient"), "telecom.0.value").ShouldBe("a@b.example");
    }

    [Fact]
    public void A_map_of_the_site_replaces_the_shared_one_and_no_other()
    {
        var site = new SiteLayer { Rules = "CX -> Identifier\n  CX.1  value\n  \"usual\" use\n  ignore CX \"ours\"\n" };

        var patient = By(site, Admission, "PID|1||1^^^H^MR||DOE", "PV1|1|I").One("Patient");

        At(patient, "identifier.0.use").ShouldBe("usual");
        At(patient, "identifier.0.type").ShouldBeNull();
        At(patient, "name.0.family").ShouldBe("DOE");
    }

    [Fact]
    public void Codes_of_the_site_come_first_and_stay_beside_what_was_sent()
    {
        var site = new SiteLayer { Codes = [new SiteCode("PV1-14", "ER", "http://terminology.hl7.org/CodeSystem/admit-source", "emd", "From accident/emergency department"), new SiteCode("PID-8", "W", "", "female", null)] };

        var mapped = By(site, Admission, "PID|1||1^^^H^MR|||||W", Segment("PV1", (2, "I"), (14, "ER^Emergency^L")));

        At(mapped.One("Encounter"), "hospitalization.admitSource.coding.0.code").ShouldBe("emd");
        At(mapped.One("Encounter"), "hospitalization.admitSource.coding.1.code").ShouldBe("ER");
        At(mapped.One("Patient"), "gender").ShouldBe("female");
        mapped.Exceptions.ShouldNotContain(exception => exception.Location == "PID-8");
    }

    [Fact]
    public void Times_without_an_offset_are_the_sites()
    {
        var site = new SiteLayer { TimeZone = "America/New_York" };

        var encounter = By(site, Admission, "PID|1||1", Segment("PV1", (2, "I"), (44, "202407011200"), (45, "20240702120000+0100"))).One("Encounter");

        At(encounter, "period.start").ShouldBe("2024-07-01T12:00:00-04:00");
        At(encounter, "period.end").ShouldBe("2024-07-02T12:00:00+01:00");
    }

    [Fact]
    public void Everything_that_is_wrong_with_a_site_layer_is_named_by_line()
    {
        var site = new SiteLayer
        {
            TimeZone = "Mars/Olympus",
            Codes = [new SiteCode("gender", "W", "", "female", null)],
            Rules = """
                ZPI -> Patiend
                ZPI +> Patient
                  ZPI-1  nme
                  ZPI-1  gender              table NoSuchTable
                  ZPI-1  name
                  "m"    gender
                  ZPI-1  photo               XTN
                  ZPI-1  name                XPN -> Practitioner
                  @Nobody managingOrganization
                  ZPI-1  active              by magic
                  ZPI-1
                  ignore ZPI-2
                  ZPI-1  birthDate           if
                what is this
                """,
        };

        var refusal = Should.Throw<ProblemException>(() => V2Mapping.Compile(site));

        refusal.Kind.ShouldBe(ProblemKind.Invalid);
        refusal.Problems.Where(problem => problem.Code == "EHR-MAP-001").Select(problem => problem.Path).Distinct()
            .ShouldBe(((int[])[1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]).Select(line => $"mapping.rules:{line}"));
        refusal.Problems.Select(problem => problem.Code).Distinct().ShouldBe(["EHR-MAP-001", "EHR-MAP-002", "EHR-MAP-003"]);
        refusal.Problems.ShouldContain(problem => problem.Message == "Patient has no element nme.");
    }
}
