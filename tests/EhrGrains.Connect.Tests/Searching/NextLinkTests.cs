using CsCheck;
using EhrGrains.Connect.Egress;
using EhrGrains.Connect.Searching;
using EhrGrains.Connect.Tests.Peers;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Connect.Tests.Searching;

public sealed class NextLinkTests
{
    private const string Base = "https://ehr.example/api/FHIR/R4";
    private static readonly TenantSpec Tenant = Rig.TenantAt(Rig.Connection(Base) with { Settings = new() { ["practice"] = "7" } });

    [Theory]
    [InlineData(Base + "/Patient?page=2&_getpages=a%2Fb%2Bc%3D%3D", Base + "/Patient?page=2&_getpages=a%2Fb%2Bc%3D%3D", "Patient")]
    [InlineData(Base + "/Observation/_search?x=1", Base + "/Observation/_search?x=1", "Observation")]
    [InlineData(Base + "?_getpages=abc", Base + "?_getpages=abc", "Bundle")]
    [InlineData(Base + "/?_getpages=abc", Base + "/?_getpages=abc", "Bundle")]
    [InlineData(Base + "/Unknown?x=1", Base + "/Unknown?x=1", "Bundle")]
    [InlineData("https://EHR.example:443/api/FHIR/R4/Patient?x=1", Base + "/Patient?x=1", "Patient")]
    [InlineData("https://ehr.example/API/fhir/r4/Patient?x=1", "https://ehr.example/API/fhir/r4/Patient?x=1", "Patient")]
    [InlineData("Patient?page=2", Base + "/Patient?page=2", "Patient")]
    [InlineData("/api/FHIR/R4/Patient?page=2", Base + "/Patient?page=2", "Patient")]
    [InlineData(Base + "/Patient?back=https://ehr.example:1/", Base + "/Patient?back=https://ehr.example:1/", "Patient")]
    [InlineData(Base + "/Patient?page=2#x", Base + "/Patient?page=2", "Patient")]
    public void A_link_that_stays_is_followed_as_it_is_written(string next, string url, string type)
    {
        var plan = SearchPlanner.PlanNext(next, Tenant, TestProfile.Epic);
        plan.Problems.ShouldBeEmpty();
        plan.Request!.Method.ShouldBe(HttpMethod.Get);
        plan.Request.Op.ShouldBe("page");
        plan.Request.Url.ShouldBe(url);
        plan.Request.ResourceType.ShouldBe(type);
    }

    [Theory]
    [InlineData("https://evil.example/api/FHIR/R4/Patient?x=1")]
    [InlineData("https://ehr.example.evil.example/api/FHIR/R4/Patient")]
    [InlineData("http://ehr.example/api/FHIR/R4/Patient?x=1")]
    [InlineData("https://ehr.example:8443/api/FHIR/R4/Patient")]
    [InlineData("https://user@ehr.example/api/FHIR/R4/Patient")]
    [InlineData("https://ehr.example@evil.example/api/FHIR/R4/Patient")]
    [InlineData("https://ehr.example\\@evil.example/api/FHIR/R4/Patient")]
    [InlineData("//evil.example/api/FHIR/R4/Patient")]
    [InlineData("\\\\evil.example\\api")]
    [InlineData("/\\evil.example/api/FHIR/R4/Patient")]
    [InlineData("https:evil.example")]
    [InlineData("https:/evil.example")]
    [InlineData("ftp://ehr.example/api/FHIR/R4/Patient")]
    [InlineData("javascript:alert(1)")]
    [InlineData("https://ehr.example/api/FHIR/R4evil/Patient")]
    [InlineData("https://ehr.example/api/FHIR/DSTU2/Patient")]
    [InlineData("https://ehr.example/admin")]
    [InlineData("/admin")]
    [InlineData("../../admin")]
    [InlineData(Base + "/../admin")]
    [InlineData(Base + "/%2e%2e/admin")]
    [InlineData(Base + "/%252e%252e/admin")]
    [InlineData(Base + "/%25252e%25252e/admin")]
    [InlineData(Base + "/..;/admin")]
    [InlineData(Base + "/..;a=b/admin")]
    [InlineData(Base + "/..%2fadmin")]
    [InlineData(Base + "/..%5cadmin")]
    [InlineData(Base + "/x%252f..%252fadmin")]
    [InlineData("")]
    [InlineData(Base + "/Patient?x=\n")]
    [InlineData(" " + Base + "/Patient?x=1")]
    public void A_link_that_leads_elsewhere_is_a_problem_that_says_so(string next)
    {
        var plan = SearchPlanner.PlanNext(next, Tenant, TestProfile.Epic);
        plan.Request.ShouldBeNull();
        var problem = plan.Problems.ShouldHaveSingleItem();
        problem.DetailCode.ShouldBe("EHR-PLN-015");
        problem.Diagnostics.ShouldNotContain("evil");
    }

    [Fact]
    public void A_link_without_end_is_refused() =>
        SearchPlanner.PlanNext(Base + "/Patient?x=" + new string('a', 20_000), Tenant, TestProfile.Epic).Request.ShouldBeNull();

    [Fact]
    public void Whatever_is_followed_is_of_the_base_urls_origin() =>
        Gen.Select(
            Gen.OneOf("", Base, "https://ehr.example", "https://", "//", "/", "/api/FHIR/R4/"),
            Gen.String[Gen.Char["@:/\\?#.%;&=e2f5c evil"], 0, 16],
            Gen.OneOf("", "evil.example", "@evil.example", "/Patient?x=1"),
            static (start, noise, end) => start + noise + end)
        .Sample(
            next =>
            {
                if (SearchPlanner.PlanNext(next, Tenant, TestProfile.Epic).Request is { } request)
                {
                    Origin.Of(new Uri(request.Url)).ToString().ShouldBe("https://ehr.example:443");
                    new Uri(request.Url).AbsolutePath.ShouldStartWith("/api/FHIR/R4", Case.Insensitive);
                }
            },
            iter: 30_000);

    [Theory]
    [InlineData("?cursor=x", "?cursor=x&ah-practice=Organization%2Fa-1.Practice-7")]
    [InlineData("", "?ah-practice=Organization%2Fa-1.Practice-7")]
    [InlineData("?cursor=x&ah-practice=Organization/a-1.Practice-7", "?cursor=x&ah-practice=Organization/a-1.Practice-7")]
    [InlineData("?ah-practice=a-1.Practice-7&cursor=x", "?ah-practice=a-1.Practice-7&cursor=x")]
    public void The_tenant_of_a_shared_server_is_kept_over_pages(string query, string sent) =>
        SearchPlanner.PlanNext(Base + "/Patient" + query, Tenant, TestProfile.Athena).Request!.Url.ShouldBe(Base + "/Patient" + sent);

    [Theory]
    [InlineData("?ah-practice=Organization/a-1.Practice-8")]
    [InlineData("?ah-practice=Organization/a-1.Practice-7&ah-practice=Organization/a-1.Practice-8")]
    [InlineData("?ah%2Dpractice=a-1.Practice-8")]
    [InlineData("?ah-practice")]
    public void A_link_to_another_tenant_of_the_server_is_refused(string query) =>
        SearchPlanner.PlanNext(Base + "/Patient" + query, Tenant, TestProfile.Athena)
            .Problems.ShouldHaveSingleItem().DetailCode.ShouldBe("EHR-PLN-016");
}
