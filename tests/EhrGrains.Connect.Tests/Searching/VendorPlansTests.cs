using EhrGrains.Connect.Searching;
using EhrGrains.Connect.Tests.Peers;
using EhrGrains.Contracts.Query;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.Tests.Searching;

/// <summary>The planner over the vendor profiles as they are shipped.</summary>
public sealed class VendorPlansTests
{
    private const string GatewayBase = "https://gateway.example/fhir/st-mary";

    public static TheoryData<string> Vendors => [.. VendorProfiles.All.Select(static p => p.Id)];

    [Theory]
    [MemberData(nameof(Vendors))]
    public void Every_combination_that_a_profile_asks_for_can_be_sent(string vendor)
    {
        var profile = VendorProfiles.Find(vendor)!;
        foreach (var (type, rules) in profile.Resources.Where(static r => r.Value.Search.Count > 0))
        {
            var alone = rules.Search.First(static name => name is not ("_include" or "_revinclude"));
            foreach (var combination in rules.RequiredAnyOf.DefaultIfEmpty([alone]))
            {
                var plan = Plan(profile, type, [.. combination.Select(static name => new SearchParameter(name, "1"))]);
                plan.Problems.ShouldBeEmpty($"{vendor} {type} {string.Join('+', combination)}");
                plan.Warnings.ShouldBeEmpty();
                var request = plan.Request.ShouldNotBeNull();
                request.Method.ShouldBe(request.Form is null ? HttpMethod.Get : HttpMethod.Post);
                (request.Form is null || profile.Search.Post).ShouldBeTrue();
                request.Url.ShouldStartWith($"https://ehr.example/r4/{type}");
                foreach (var always in profile.Search.Always.Keys)
                {
                    (request.Url + string.Join('&', request.Form?.Select(static p => p.Name) ?? [])).ShouldContain(always);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Vendors))]
    public void A_search_for_everyone_is_refused_before_it_is_sent_where_the_vendor_refuses_it(string vendor)
    {
        var profile = VendorProfiles.Find(vendor)!;
        foreach (var (type, _) in profile.Resources.Where(static r => r.Value.RequiredAnyOf.Count > 0))
        {
            Plan(profile, type, []).Problems.ShouldContain(static p => p.DetailCode == "EHR-PLN-012");
        }
    }

    [Theory]
    [MemberData(nameof(Vendors))]
    public void Every_readable_type_is_read_and_no_other(string vendor)
    {
        var profile = VendorProfiles.Find(vendor)!;
        foreach (var (type, rules) in profile.Resources)
        {
            var id = profile.OwnIds.Count > 0 ? "a-195900.E-1" : "1";
            (PlanRead(profile, type, id).Request is not null).ShouldBe(rules.Read, type);
        }
    }

    [Theory]
    [InlineData("a-195900.E-7", true)]
    [InlineData("a-1.Practice-195900", true)]
    [InlineData("a-195901.E-7", false)]
    [InlineData("a-1959001.E-7", false)]
    [InlineData("A-195900.E-7", false)]
    [InlineData("a-195900", false)]
    [InlineData("a-1.Practice-1959001", false)]
    [InlineData("a-1.Practice-2", false)]
    [InlineData("7", false)]
    public void An_id_of_another_practice_is_not_found_and_nothing_is_sent(string id, bool own)
    {
        var plan = PlanRead(VendorProfiles.Find("athenahealth")!, "Patient", id);

        (plan.Request is not null).ShouldBe(own);
        plan.Problems.Select(static p => (p.Code, p.DetailCode)).ShouldBe(own ? [] : [("not-found", "EHR-PLN-013")]);
    }

    private static SearchPlan PlanRead(VendorProfile profile, string type, string id) =>
        SearchPlanner.PlanRead(new FhirRead { Type = type, Id = id, GatewayBase = GatewayBase }, TenantOf(profile), profile);

    private static SearchPlan Plan(VendorProfile profile, string type, SearchParameter[] parameters) => SearchPlanner.Plan(
        new FhirSearch { Type = type, Parameters = parameters, GatewayBase = GatewayBase, Handling = SearchHandling.Strict },
        TenantOf(profile),
        profile);

    private static Contracts.Tenants.TenantSpec TenantOf(VendorProfile profile) => Rig.TenantAt(
        Rig.Connection("https://ehr.example/r4") with { Vendor = profile.Id, Settings = new() { ["practice"] = "195900" } });
}
