using CsCheck;
using EhrGrains.Connect.Searching;
using EhrGrains.Connect.Tests.Peers;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.Tests.Searching;

public sealed class SearchPlannerTests
{
    private const string GatewayBase = "https://gateway.example/fhir/st-mary";
    private static readonly TenantSpec Tenant = Rig.TenantAt(Rig.Connection("https://ehr.example/api/FHIR/R4/"));

    [Fact]
    public void A_search_with_personal_values_goes_in_the_body_alone()
    {
        var plan = Plan("Patient?family=Smith&given=Ann&birthdate=1970-01-01&_count=10");
        plan.Problems.ShouldBeEmpty();
        plan.Request!.Method.ShouldBe(HttpMethod.Post);
        plan.Request.Url.ShouldBe("https://ehr.example/api/FHIR/R4/Patient/_search");
        Text(plan.Request.Form!).ShouldBe("family=Smith&given=Ann&birthdate=1970-01-01&_count=10");
        Text(plan.Used).ShouldBe("family=Smith&given=Ann&birthdate=1970-01-01&_count=10");
        plan.Request.ToString().ShouldNotContain("Smith");
        plan.ToString().ShouldNotContain("Smith");
    }

    [Fact]
    public void A_search_by_id_alone_is_a_get()
    {
        var plan = Plan("Patient?_id=a,b&_revinclude=Provenance:target");
        plan.Request!.Method.ShouldBe(HttpMethod.Get);
        plan.Request.Form.ShouldBeNull();
        plan.Request.Url.ShouldBe("https://ehr.example/api/FHIR/R4/Patient?_id=a%2Cb&_revinclude=Provenance%3Atarget");
    }

    [Fact]
    public void Where_the_vendor_takes_no_post_everything_is_escaped_into_the_url()
    {
        var profile = TestProfile.Epic with { Search = new SearchRules { Post = false } };
        Plan("Patient?identifier=urn:x|a b&c", profile).Request!.Url
            .ShouldBe("https://ehr.example/api/FHIR/R4/Patient?identifier=urn%3Ax%7Ca%20b%26c");
    }

    [Fact]
    public void An_unknown_type_or_one_that_cannot_be_searched_or_read_is_refused()
    {
        Code(Plan("Slot?_id=1")).ShouldBe("EHR-PLN-001");
        Code(Plan("Provenance?_id=1")).ShouldBe("EHR-PLN-002");
        Code(Read("Group", "1")).ShouldBe("EHR-PLN-003");
        Plan("<script>?_id=1").Problems[0].Diagnostics.ShouldNotContain("script");
    }

    [Fact]
    public void An_unknown_parameter_is_left_out_with_a_warning_or_refused_when_strict()
    {
        var lenient = Plan("Patient?_id=1&shoe-size=44");
        lenient.Problems.ShouldBeEmpty();
        Text(lenient.Used).ShouldBe("_id=1");
        lenient.Request!.Url.ShouldNotContain("shoe");
        var warning = lenient.Warnings.ShouldHaveSingleItem();
        warning.Severity.ShouldBe("warning");
        warning.Diagnostics.ShouldContain("'shoe-size'");
        warning.Diagnostics.ShouldNotContain("44");

        var strict = Plan("Patient?_id=1&shoe-size=44", handling: SearchHandling.Strict);
        strict.Request.ShouldBeNull();
        strict.Problems.ShouldHaveSingleItem().DetailCode.ShouldBe("EHR-PLN-007");
    }

    [Theory]
    [InlineData("_revinclude=Provenance:target", "")]
    [InlineData("_revinclude=Provenance:target:Patient", "")]
    [InlineData("_revinclude=Observation:subject", "EHR-PLN-020")]
    [InlineData("_revinclude=Provenance:targets", "EHR-PLN-020")]
    [InlineData("_revinclude=*", "EHR-PLN-020")]
    [InlineData("_revinclude=Provenance:target:Observation", "EHR-PLN-019")]
    [InlineData("_revinclude=Provenance", "EHR-PLN-017")]
    [InlineData("_revinclude=Provenance:", "EHR-PLN-017")]
    [InlineData("_revinclude=provenance:target", "EHR-PLN-017")]
    [InlineData("_revinclude=Provenance:target:patient", "EHR-PLN-017")]
    [InlineData("_revinclude=Provenance:target:Patient:more", "EHR-PLN-017")]
    [InlineData("_revinclude=Observation:code", "EHR-PLN-018")]
    [InlineData("_include=*", "")]
    [InlineData("_include=Patient:organization", "")]
    [InlineData("_include=Patient:organization:Organization", "")]
    [InlineData("_include:iterate=Organization:partof", "")]
    [InlineData("_include=Organization:partof", "EHR-PLN-019")]
    [InlineData("_include=Patient:birthdate", "EHR-PLN-018")]
    [InlineData("_include=organization", "EHR-PLN-017")]
    public void An_include_is_checked_by_its_form_its_types_and_what_the_hospital_offers(string include, string code)
    {
        var profile = VendorProfiles.Find("epic")!;
        var plan = Plan("Patient?_id=1&" + include, profile, SearchHandling.Strict);

        plan.Problems.Select(static p => p.DetailCode ?? "").ShouldBe(code.Length == 0 ? [] : [code]);
        plan.Problems.ShouldAllBe(p => p.Expression == "http." + include.Split('=', 2)[0]);
        (plan.Request is not null).ShouldBe(code.Length == 0);
        var lenient = Plan("Patient?_id=1&" + include, profile);
        (lenient.Request is not null).ShouldBe(code is "" or "EHR-PLN-020", "what is merely not offered may be left out");
        if (code == "EHR-PLN-020")
        {
            lenient.Warnings.ShouldHaveSingleItem().Diagnostics.ShouldContain("Provenance:target");
        }
    }

    [Theory]
    [InlineData("Observation?patient=1&date=ge2020-01-01&_lastUpdated=ge2020-01-01", "_lastUpdated", "EHR-PLN-021")]
    [InlineData("DocumentReference?patient=1&period=ge2020-01-01&period=lt2021-01-01&date=ge2020-01-01", "period", "EHR-PLN-021")]
    [InlineData("DocumentReference?patient=1&period=ge2020-01-01&period=lt2021-01-01", null, null)]
    [InlineData("Observation?_id=1&code=2", "code", "EHR-PLN-022")]
    [InlineData("Observation?_id=1&_revinclude=Provenance:target&_count=20", null, null)]
    public void Parameters_that_exclude_each_other_are_refused_by_name(string search, string? name, string? code)
    {
        var plan = Plan(search, VendorProfiles.Find("oracle-health")!);

        plan.Problems.Select(static p => (p.Expression, p.DetailCode)).ShouldBe(code is null ? [] : [($"http.{name}", code)]);
        if (search.Contains("_id", StringComparison.Ordinal) && plan.Request is { } request)
        {
            request.Url.ShouldEndWith("/Observation?_id=1&_revinclude=Provenance%3Atarget", Case.Sensitive, "no page size goes with _id");
        }
    }

    [Fact]
    public void A_name_that_is_no_name_is_not_repeated() =>
        Plan("Patient?_id=1&John Smith, born 1970=1").Warnings.ShouldHaveSingleItem().Diagnostics.ShouldNotContain("Smith");

    [Theory]
    [InlineData("Patient?family=Smith")]
    [InlineData("Patient?")]
    [InlineData("Patient?family=Smith&given=Ann&birthdate:missing=true")]
    [InlineData("Patient?unknown=1")]
    public void Without_a_combination_that_the_vendor_takes_nothing_is_sent_and_the_combinations_are_listed(string search)
    {
        var plan = Plan(search);
        plan.Request.ShouldBeNull();
        plan.Problems.ShouldHaveSingleItem().Diagnostics.ShouldContain("_id; identifier; family + given + birthdate");
    }

    [Theory]
    [InlineData("0")]
    [InlineData("00")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData("1.5")]
    [InlineData("ten")]
    [InlineData(" 5")]
    [InlineData("٥")] // ARABIC-INDIC DIGIT FIVE
    public void A_count_that_is_none_is_refused(string count) => Code(Plan($"Patient?_id=1&_count={count}")).ShouldBe("EHR-PLN-010");

    [Theory]
    [InlineData("Patient?_id=1", "1000000000", "50")]
    [InlineData("Patient?_id=1", "99999999999999999999", "50")]
    [InlineData("Patient?_id=1", "51", "50")]
    [InlineData("Patient?_id=1", "50", "50")]
    [InlineData("Observation?patient=1&category=laboratory", "1000000000", "1000")]
    public void A_count_beyond_the_most_is_lowered_and_the_used_one_told(string search, string count, string used)
    {
        var plan = Plan($"{search}&_count={count}");
        plan.Used[^1].ShouldBe(new SearchParameter("_count", used));
        plan.Warnings.Count.ShouldBe(count == used ? 0 : 1);
    }

    [Fact]
    public void A_count_given_twice_is_refused_and_one_not_given_is_the_vendors_default()
    {
        Code(Plan("Patient?_id=1&_count=5&_count=6")).ShouldBe("EHR-PLN-010");
        var plan = Plan("Observation?patient=1&category=laboratory");
        Text(plan.Request!.Form!).ShouldBe("patient=1&category=laboratory&_count=20");
        Text(plan.Used).ShouldBe("patient=1&category=laboratory");
    }

    [Fact]
    public void The_vendors_own_name_of_the_page_size_is_sent_and_ours_is_told()
    {
        var plan = Plan("Patient?_id=1&_count=5", TestProfile.Epic with { Search = new SearchRules { CountParameter = "_maxresults" } });
        plan.Request!.Url.ShouldEndWith("?_id=1&_maxresults=5");
        Text(plan.Used).ShouldBe("_id=1&_count=5");
    }

    [Fact]
    public void Format_and_pretty_are_the_gateways_business() =>
        Text(Plan("Patient?_id=1&_format=json&_pretty=true").Used).ShouldBe("_id=1");

    [Theory]
    [InlineData("Patient?_id=", "EHR-PLN-006")]
    [InlineData("Patient?_id=1&family: exact=x", "EHR-PLN-008")]
    [InlineData("Patient?_id=1&family:like=x", "EHR-PLN-008")]
    [InlineData("Patient?_id=1&family:=x", "EHR-PLN-008")]
    public void What_would_widen_the_search_if_it_were_left_out_is_refused_even_when_lenient(string search, string code) =>
        Plan(search).Problems.ShouldContain(p => p.DetailCode == code);

    [Theory]
    [InlineData("family:exact")]
    [InlineData("family:contains")]
    [InlineData("identifier:of-type")]
    public void A_known_modifier_passes(string name) =>
        Plan($"Patient?_id=1&{name}=x").Request!.Form!.ShouldContain(new SearchParameter(name, "x"));

    [Fact]
    public void Too_many_or_too_long_parameters_are_refused()
    {
        Code(Plan("Patient?" + string.Join('&', Enumerable.Repeat("_id=1", 65)))).ShouldBe("EHR-PLN-004");
        Plan("Patient?_id=" + new string('1', 5000)).Problems.ShouldContain(static p => p.DetailCode == "EHR-PLN-005");
    }

    [Fact]
    public void Everything_that_is_wrong_is_said_at_once() =>
        Plan("Patient?family=&_count=0&x=1", handling: SearchHandling.Strict).Problems.Select(static p => p.DetailCode)
            .ShouldBe(["EHR-PLN-006", "EHR-PLN-010", "EHR-PLN-007", "EHR-PLN-012"]);

    [Theory]
    [InlineData("1")]
    [InlineData("Patient/1")]
    [InlineData(GatewayBase + "/Patient/1")]
    public void Ids_and_references_to_us_become_the_hospitals_own(string value)
    {
        var original = "eh:+/ü,|$\\1";
        var legal = ResourceIds.ToLegal(original, out var needsAlias);
        needsAlias.ShouldBeFalse();
        legal.ShouldNotBe(original);
        var plan = Plan($"Observation?patient={value[..^1]}{legal}&category=laboratory");
        var sent = plan.Request!.Form!.First(static p => p.Name == "patient").Value;
        sent.ShouldBe((value.Length > 1 ? "Patient/" : "") + @"eh:+/ü\,\|\$\\1");
        plan.Used[0].Value.ShouldEndWith(legal);
    }

    [Fact]
    public void A_legal_id_passes_as_it_is() =>
        Gen.String[Gen.Char["abcXYZ019-."], 1, 64].Sample(id =>
        {
            if (ResourceIds.ToLegal(id, out _) == id)
            {
                Plan($"Observation?patient={id}&category=laboratory").Request!.Form![0].Value.ShouldBe(id);
            }
        });

    [Fact]
    public void Any_id_comes_back_as_what_it_was() =>
        Gen.String[Gen.Char[" abcXYZ019-.:/+=_ü€"], 1, 90].Sample(original =>
        {
            var legal = ResourceIds.ToLegal(original, out _);
            var plan = SearchPlanner.Plan(
                Search($"Patient?_id={legal}"), Tenant, TestProfile.Epic, alias => alias == legal ? original : null);
            plan.Request!.Url.ShouldEndWith("?_id=" + Uri.EscapeDataString(original));
        });

    [Fact]
    public void An_alias_is_looked_up_and_an_unknown_one_is_refused()
    {
        var original = new string('x', 100);
        var alias = ResourceIds.ToLegal(original, out var needsAlias);
        needsAlias.ShouldBeTrue();
        var search = Search($"Observation?patient=Patient/{alias},2&category=laboratory&date={alias}x");
        SearchPlanner.AliasesIn(search).ShouldBe([alias]);
        SearchPlanner.Plan(search, Tenant, TestProfile.Epic, id => id == alias ? original : null).Request!.Form![0].Value
            .ShouldBe($"Patient/{original},2");
        var unknown = SearchPlanner.Plan(search, Tenant, TestProfile.Epic);
        Code(unknown).ShouldBe("EHR-PLN-013");
        unknown.Problems[0].Diagnostics.ShouldNotContain(alias);
    }

    [Theory]
    [InlineData("patient:identifier", "urn:x|eg-.2F")]
    [InlineData("patient:missing", "true")]
    [InlineData("category", "eg-.2F")]
    [InlineData("patient", "https://elsewhere.example/Patient/eg-.2F")]
    [InlineData("patient", "not an id")]
    public void What_is_no_id_of_ours_is_left_as_it_is(string name, string value)
    {
        var profile = TestProfile.Epic with
        {
            Resources = new Dictionary<string, ResourceRules> { ["Observation"] = new() { Search = ["patient", "category"] } },
        };
        Plan($"Observation?{name}={value}", profile).Request!.Form!.ShouldBe([new SearchParameter(name, value)]);
    }

    [Fact]
    public void The_tenant_of_a_shared_server_comes_from_its_settings_and_from_nowhere_else()
    {
        var plan = PlanAthena("Patient?_id=1", "195900");
        plan.Request!.Url.ShouldEndWith("?_id=1&ah-practice=Organization%2Fa-1.Practice-195900");
        Text(plan.Used).ShouldBe("_id=1");

        Code(PlanAthena("Patient?_id=1&ah-practice=Organization/a-1.Practice-1", "195900")).ShouldBe("EHR-PLN-009");
        Code(PlanAthena("Patient?_id=1&ah-practice:not=Organization/a-1.Practice-1", "195900")).ShouldBe("EHR-PLN-009");
        Code(PlanAthena("Patient?_id=1", "195900,Organization/a-1.Practice-1")).ShouldBe("EHR-PLN-014");
        var lacking = PlanAthena("Patient?_id=1", null);
        Code(lacking).ShouldBe("EHR-PLN-014");
        lacking.Problems[0].Diagnostics.ShouldContain("connection.settings.practice");
    }

    [Fact]
    public void A_read_leads_to_the_hospitals_own_id_escaped()
    {
        var plan = Read("Patient", ResourceIds.ToLegal("a/../b c", out _));
        plan.Request!.Url.ShouldBe("https://ehr.example/api/FHIR/R4/Patient/a%2F..%2Fb%20c");
        plan.Request.Op.ShouldBe("read");
        Read("Patient", "abc-1.2").Request!.Url.ShouldEndWith("/Patient/abc-1.2");
    }

    [Theory]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("")]
    [InlineData("a/b")]
    [InlineData("a b")]
    [InlineData("eg-")]
    [InlineData("eg-.41")] // escapes what needs no escape
    public void An_id_that_we_never_gave_out_is_not_read(string id) => Code(Read("Patient", id)).ShouldBe("EHR-PLN-013");

    private static SearchPlan Plan(string search, VendorProfile? profile = null, SearchHandling handling = SearchHandling.Lenient) =>
        SearchPlanner.Plan(Search(search) with { Handling = handling }, Tenant, profile ?? TestProfile.Epic);

    private static SearchPlan PlanAthena(string search, string? practice)
    {
        var settings = practice is null ? [] : new Dictionary<string, string> { ["practice"] = practice };
        var tenant = Tenant with { Connection = Tenant.Connection with { Settings = settings } };
        return SearchPlanner.Plan(Search(search), tenant, TestProfile.Athena);
    }

    private static SearchPlan Read(string type, string id) =>
        SearchPlanner.PlanRead(new FhirRead { Type = type, Id = id, GatewayBase = GatewayBase }, Tenant, TestProfile.Epic);

    private static FhirSearch Search(string search)
    {
        var parts = search.Split('?', 2);
        return new FhirSearch
        {
            Type = parts[0],
            GatewayBase = GatewayBase,
            Parameters =
            [
                .. parts[1].Split('&', StringSplitOptions.RemoveEmptyEntries)
                    .Select(static p => p.Split('=', 2))
                    .Aggregate(new List<SearchParameter>(), static (all, p) =>
                    {
                        // A part without "=" belongs to the value before it.
                        if (p.Length == 1)
                        {
                            all[^1] = new SearchParameter(all[^1].Name, all[^1].Value + "&" + p[0]);
                        }
                        else
                        {
                            all.Add(new SearchParameter(p[0], p[1]));
                        }

                        return all;
                    }),
            ],
        };
    }

    private static string? Code(SearchPlan plan)
    {
        plan.Request.ShouldBeNull();
        return plan.Problems.ShouldHaveSingleItem().DetailCode;
    }

    private static string Text(IEnumerable<SearchParameter> parameters) =>
        string.Join('&', parameters.Select(static p => $"{p.Name}={p.Value}"));
}
