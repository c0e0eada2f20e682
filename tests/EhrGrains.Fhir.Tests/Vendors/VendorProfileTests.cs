using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Fhir.Tests.Vendors;

public sealed class VendorProfileTests
{
    private const string Minimal = """
        id: test
        name: Test
        sources: [a document]
        auth: { methods: [private_key_jwt], scopeVersion: V2 }
        search: { countParameter: _count }
        resources:
          Patient: { search: [_id, name], requiredAnyOf: [[_id], [name]] }
          Condition: { search: [category, onset-date, patient], requiredAnyOf: [[patient, category]] }
        sync: { types: { Condition: { strategy: DateWindow, dateParameter: onset-date, searches: [{ category: x }] } } }
        bulk: { levels: [Group] }
        normalization: { rules: [code-systems] }
        """;

    [Fact]
    public void The_built_in_profiles_load_and_name_their_sources()
    {
        VendorProfiles.All.Select(p => p.Id).ShouldBe(["athenahealth", "epic", "meditech", "modmed", "modmed-ema", "oracle-health", "us-core", "veradigm"]);
        VendorProfiles.All.ShouldAllBe(p => p.Sources.Count > 0 && p.Resources.ContainsKey("Patient"));
        VendorProfiles.Find("epic")!.Resources.Count.ShouldBe(59);
        VendorProfiles.Find("nobody").ShouldBeNull();
    }

    [Fact]
    public void A_profile_says_what_the_file_says()
    {
        var athena = VendorProfiles.Find("athenahealth")!;

        athena.Search.Always["ah-practice"].ShouldBe("Organization/a-1.Practice-{practice}");
        athena.Search.AlwaysOnNext.ShouldBeTrue();
        athena.Resources["MedicationRequest"].RequiredAnyOf.ShouldBe([["_id"], ["patient", "intent"]]);
        athena.OutcomeCodes["too-costly"].Incomplete.ShouldBeTrue();
        var oracle = VendorProfiles.Find("oracle-health")!;
        (oracle.Resources["Observation"].CountDefault, oracle.Resources["Observation"].CountMax).ShouldBe((50, 200));
        oracle.Auth.ExpiresInDefault.ShouldBe(570);
        oracle.Resources["Binary"].Read.ShouldBeTrue();
        oracle.Resources["Binary"].Search.ShouldBeEmpty();
        oracle.Resources["Goal"].Search.ShouldBe(["_id", "patient", "target-date", "_revinclude"]);
    }

    [Fact]
    public void A_minimal_profile_loads() => Read(Minimal).Resources["Patient"].Search.ShouldBe(["_id", "name"]);

    [Theory]
    [InlineData("name: Test", "name: Test\nnam: Test", "nam", "not known")]
    [InlineData("id: test", "id: other", "id", "name of the file")]
    [InlineData("sources: [a document]", "sources: []", "sources", "where the facts come from")]
    [InlineData("private_key_jwt", "password", "auth.methods", "private_key_jwt")]
    [InlineData("scopeVersion: V2", "scopeVersion: V3", "auth.scopeVersion", "V1, V2")]
    [InlineData("scopeVersion: V2", "scopeVersion: V2, wildcardScopes: perhaps", "auth.wildcardScopes", "true or false")]
    [InlineData("countParameter: _count", "countParameter: _count, always: { a: 'x{y' }", "search.always", "braces")]
    [InlineData("countParameter: _count", "countParameter: _count, ownParameters: { a: text }", "search.ownParameters", "parameter types")]
    [InlineData("Patient:", "Patience:", "resources.Patience", "resource type")]
    [InlineData("[_id, name]", "[_id, name, madeUp]", "resources.Patient.search", "madeUp")]
    [InlineData("[_id, name]", "[_id, name, name]", "resources.Patient.search", "different")]
    [InlineData("[[_id], [name]]", "[[_id], [family]]", "resources.Patient.requiredAnyOf", "parameters of search")]
    [InlineData("[[_id], [name]]", "[[_id], []]", "resources.Patient.requiredAnyOf.1", "list of texts")]
    [InlineData("[[_id], [name]]", "[[_id], [name]], countDefault: 9, countMax: 5", "resources.Patient.countDefault", "countMax")]
    [InlineData("[[_id], [name]]", "[[_id], [name]], count: false, countMax: 5", "resources.Patient.count", "no countMax")]
    [InlineData("[[_id], [name]]", "[[_id], [name]], countMax: many", "resources.Patient.countMax", "whole number")]
    [InlineData("[[_id], [name]]", "[[_id], [name]], revInclude: [Provenance]", "resources.Patient.revInclude", "Type:parameter")]
    [InlineData("{ search: [_id, name], requiredAnyOf: [[_id], [name]] }", "{ search: [], include: ['*'] }", "resources.Patient.search", "include")]
    [InlineData("[[_id], [name]]", "[[_id], [name]], serch: [x]", "resources.Patient.serch", "not known")]
    [InlineData("[code-systems]", "[code-system]", "normalization.rules", "encounter-class")]
    [InlineData("[code-systems]", "[identifier-types], identifierTypes: { EPI: QQ }", "normalization.identifierTypes", "v2-0203")]
    [InlineData("[code-systems]", "[code-systems], identifierTypes: { EPI: MR }", "normalization.identifierTypes", "no effect")]
    [InlineData("[code-systems]", "[encounter-class], encounterClasses: { x: INPATIENT }", "normalization.encounterClasses", "v3-ActCode")]
    [InlineData("[code-systems]", "[code-systems], codeSystems: { x: loinc }", "normalization.codeSystems", "absolute")]
    [InlineData("[code-systems]", "[code-systems], codeSystems: { x: 'http://loinc.org/' }", "normalization.codeSystems", "canonical")]
    [InlineData("name: Test", "name: Test\noutcomeCodes: { '1': { issue: nonsense, severity: error, meaning: X. } }", "outcomeCodes.1.issue", "issue type")]
    [InlineData("name: Test", "name: Test\noutcomeCodes: { '1': { issue: invalid, severity: bad, meaning: X. } }", "outcomeCodes.1.severity", "fatal")]
    [InlineData("name: Test", "name: Test\noutcomeCodes: { '1': { issue: invalid, severity: error, meaning: X } }", "outcomeCodes.1.meaning", "sentence")]
    [InlineData("sync: {", "sync: { recrawlHours: 0,", "sync.recrawlHours", "at least 1")]
    [InlineData("{ types: { Condition", "{ types: { Goal", "sync.types.Goal", "type of resources")]
    [InlineData("DateWindow, dateParameter: onset-date", "Always", "sync.types.Condition.strategy", "LastUpdated")]
    [InlineData("DateWindow, dateParameter: onset-date", "LastUpdated", "sync.types.Condition.searches", "_lastUpdated")]
    [InlineData("DateWindow, dateParameter", "Crawl, dateParameter", "sync.types.Condition.dateParameter", "DateWindow")]
    [InlineData("dateParameter: onset-date", "dateParameter: category", "sync.types.Condition.dateParameter", "date parameter")]
    [InlineData("onset-date, searches", "onset-date, dateOnly: true, overlapSeconds: 60, searches", "sync.types.Condition.overlapSeconds", "a day")]
    [InlineData("searches: [{ category: x }]", "searches: [{ status: x }, { category: x }]", "sync.types.Condition.searches", "status")]
    [InlineData("searches: [{ category: x }]", "searches: [{}]", "sync.types.Condition.searches", "required combination")]
    [InlineData("[[patient, category]] }", "[[patient, category]], exclusive: [[category, onset-date]] }", "sync.types.Condition.searches", "exclude each other")]
    [InlineData("searches: [{ category: x }]", "searches: [{ category: x }], hydrate: ['a b']", "sync.types.Condition.hydrate", "paths")]
    [InlineData("levels: [Group]", "levels: [Groups]", "bulk.levels", "Group, Patient, System")]
    [InlineData("levels: [Group]", "levels: [Group], patientList: true", "bulk.patientList", "level Patient")]
    [InlineData("levels: [Group]", "levels: [Group], pollSeconds: 0", "bulk.pollSeconds", "at least 1")]
    [InlineData("levels: [Group]", "levels: [Group], notExported: [Binaries]", "bulk.notExported", "Binaries")]
    [InlineData("name: Test", "name: Test\nwrites: { create: [Nothing] }", "writes.create", "Nothing")]
    [InlineData("name: Test", "name: Test\nlimits: { guideline: slow }", "limits.guideline", "sentence")]
    public void A_mistake_is_told_by_its_path(string right, string wrong, string path, string message)
    {
        Minimal.ShouldContain(right);
        var problem = Refused(Minimal.Replace(right, wrong, StringComparison.Ordinal)).DistinctBy(p => p.Path).ShouldHaveSingleItem();

        problem.Path.ShouldBe($"test.yaml: {path}");
        problem.Message.ShouldContain(message);
    }

    [Fact]
    public void All_mistakes_are_told_at_once()
    {
        var problems = Refused("""
            id: test
            nmae: Test
            sources: [x]
            auth: { methods: [magic], scopeVersion: V9 }
            search: { countParameters: x }
            resources: { Nothing: { search: [what] } }
            normalization: { rules: [nonsense] }
            """);

        problems.Select(p => p.Path["test.yaml: ".Length..]).ShouldBe(
            ["name", "nmae", "auth.methods", "auth.scopeVersion", "search.countParameters", "resources.Nothing", "resources.Nothing.search", "normalization.rules"],
            ignoreOrder: true);
    }

    [Theory]
    [InlineData("a: [")]
    [InlineData("a: 1\na: 2")]
    [InlineData("")]
    public void What_is_not_YAML_is_told(string text) => Refused(text).ShouldHaveSingleItem().Code.ShouldBe("EHR-VEN-002");

    [Fact]
    public void A_site_changes_what_it_states_and_nothing_else()
    {
        var site = Site("""
            search: { post: false }
            resources:
              Observation: { countMax: 40, countDefault: 40 }
              Goal: ~
            sync: { types: { Goal: ~, Observation: { strategy: Crawl } } }
            """)!;
        var oracle = VendorProfiles.Find("oracle-health")!;

        site.Search.Post.ShouldBeFalse();
        site.Resources["Observation"].CountMax.ShouldBe(40);
        site.Resources["Observation"].Search.ShouldBe(oracle.Resources["Observation"].Search);
        site.Resources.Keys.ShouldBe(oracle.Resources.Keys.Except(["Goal"]), ignoreOrder: true);
        site.Sync.Types["Observation"].Strategy.ShouldBe(SyncStrategy.Crawl);
        site.Sync.Types["Condition"].ShouldBeEquivalentTo(oracle.Sync.Types["Condition"]);
        Site("search: { post: false }", "search: { post: true, countParameter: _n }")!.Search.ShouldBeEquivalentTo(oracle.Search with { Post = false, CountParameter = "_n" });
    }

    [Theory]
    [InlineData("resources: { Observation: { countMax: many } }", "connection.profile.resources.Observation.countMax", "whole number")]
    [InlineData("resources: { Observatoin: { search: [_id] } }", "connection.profile.resources.Observatoin", "resource type")]
    [InlineData("sync: { types: { Condition: { strategy: Never } } }", "connection.profile.sync.types.Condition.strategy", "LastUpdated")]
    [InlineData("serach: { post: false }", "connection.profile.serach", "not known")]
    [InlineData("id: epic", "connection.profile.id", "cannot be changed")]
    [InlineData("ownIds: ['*']", "connection.profile.ownIds", "cannot be changed")]
    [InlineData("search: { always: { x: y } }", "connection.profile.search.always", "cannot be changed")]
    [InlineData("- 1", "connection.profile", "mapping")]
    public void A_mistake_of_a_site_is_told_by_its_path(string stated, string path, string message)
    {
        var problem = Should.Throw<ProblemException>(() => Site(stated)).Problems.ShouldHaveSingleItem();

        (problem.Path, problem.Message.Contains("line", StringComparison.Ordinal)).ShouldBe((path, false));
        problem.Message.ShouldContain(message);
    }

    [Fact]
    public void What_a_look_found_is_forgotten_when_it_does_not_go_with_what_is_stated()
    {
        var stated = "resources: { Observation: { search: [_id, patient, category, _lastUpdated], exclusive: ~, requiredAnyOf: [[patient]] } }";

        Site(stated, "resources: { Observation: { requiredAnyOf: [[code]] } }")!.Resources["Observation"].RequiredAnyOf.ShouldBe([["patient"]]);
        Site("resources: { Observation: { countMax: 70 } }", "nonsense: 1")!.Resources["Observation"].CountMax.ShouldBe(70);
    }

    [Fact]
    public void The_certification_floor_holds_every_search_that_US_Core_demands_or_advises()
    {
        var floor = VendorProfiles.Find("us-core")!;
        var statement = UsCore.Files("package/CapabilityStatement-us-core-server").ShouldHaveSingleItem().Json;
        foreach (var resource in JsonNode.Parse(statement)!["rest"]![0]!["resource"]!.AsArray())
        {
            var type = (string)resource!["type"]!;
            var searches = Combinations(resource["extension"]).Concat(resource["searchParam"]?.AsArray()
                .Where(p => (string?)p!["extension"]![0]!["valueCode"] is "SHALL" or "SHOULD").Select(p => new[] { (string)p!["name"]! }) ?? []);
            foreach (var search in searches.Where(s => s.Length > 0))
            {
                search.ShouldBeSubsetOf(floor.Resources[type].Search, type);
                floor.Resources[type].RequiredAnyOf.Any(c => c.All(search.Contains)).ShouldBeTrue($"{type}: {string.Join("+", search)}");
            }
        }

        static IEnumerable<string[]> Combinations(JsonNode? extensions) => (extensions?.AsArray() ?? [])
            .Select(e => (e!["extension"]?.AsArray() ?? []).Where(x => (string?)x!["url"] == "required").Select(x => (string)x!["valueString"]!).ToArray());
    }

    private static VendorProfile? Site(string stated, string? probed = null) => VendorProfiles.For(
        new ConnectionSpec { Vendor = "oracle-health", BaseUrl = "https://ehr.example/r4", ClientId = "c", Profile = stated }, probed);

    private static VendorProfile Read(string text) => ProfileReader.Read("test.yaml", new StringReader(text));

    private static Problem[] Refused(string text) => Should.Throw<ProblemException>(() => Read(text)).Problems;
}
