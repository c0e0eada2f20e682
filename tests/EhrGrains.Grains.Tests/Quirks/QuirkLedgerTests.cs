using EhrGrains.Contracts;
using EhrGrains.Contracts.Quirks;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Grains.Tests.Quirks;

/// <summary>How a site differs from its vendor profile: found, shown, in force, and an alarm when it changes.</summary>
public sealed class QuirkLedgerTests(SqliteGrainCluster cluster) : IClassFixture<SqliteGrainCluster>
{
    private const string WithLastUpdated = """{"name":"_lastUpdated"},""";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_look_finds_holds_is_shown_and_a_change_is_told()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        using var admin = cluster.EnterAdmin();
        var quirks = cluster.Inside.GetGrain<IQuirkLedgerGrain>(GrainKeys.Tenant(hospital.Tenant));
        hospital.Statement = Statement("1", "");
        var first = await quirks.LookAsync(Ct);

        first.Software.ShouldBe("EHR 1");
        first.Changes.ShouldBeEmpty();
        first.Quirks.ShouldAllBe(quirk => !quirk.Adopted);
        (await hospital.Grain.DescribeAsync(Ct)).ProbedProfile.ShouldBeNull();

        cluster.Time.Advance(TimeSpan.FromSeconds(1));
        hospital.Statement = Statement("2", WithLastUpdated);
        var second = await quirks.LookAsync(Ct);

        second.Changes.Select(change => change.Path).ShouldBe(["software", "resources.Condition.search", "sync.types.Condition.strategy"], ignoreOrder: true);
        second.Quirks.Single(quirk => quirk.Path == "sync.types.Condition.strategy").ShouldSatisfyAllConditions(
            quirk => (quirk.Documented, quirk.Found, quirk.Adopted).ShouldBe(("Crawl", "LastUpdated", true)),
            quirk => quirk.Since.ShouldBe(second.LookedAt!.Value));
        first.Quirks.ShouldBeSubsetOf(second.Quirks);
        var site = await SiteAsync(hospital);
        site.Sync.Types["Condition"].Strategy.ShouldBe(SyncStrategy.LastUpdated);

        (await quirks.LookAsync(Ct)).ShouldSatisfyAllConditions(
            third => third.Changes.ShouldBe(second.Changes), third => third.Quirks.ShouldBe(second.Quirks));

        cluster.Time.Advance(TimeSpan.FromSeconds(1));
        hospital.Statement = Statement("2", "");
        (await quirks.LookAsync(Ct)).Changes.First().ShouldSatisfyAllConditions(change => change.Before.ShouldNotBeNull(), change => change.After.ShouldBeNull());
        (await SiteAsync(hospital)).Sync.Types["Condition"].Strategy.ShouldBe(SyncStrategy.Crawl);
    }

    [Fact]
    public async Task What_is_stated_for_the_site_wins_over_what_is_found()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        using var admin = cluster.EnterAdmin();
        hospital.Statement = Statement("1", WithLastUpdated);
        await cluster.Inside.GetGrain<IQuirkLedgerGrain>(GrainKeys.Tenant(hospital.Tenant)).LookAsync(Ct);
        var spec = hospital.Spec;

        await hospital.Grain.RegisterAsync(
            spec with { Connection = spec.Connection with { Profile = "sync: { types: { Condition: { strategy: Crawl } } }" } }, dryRun: false, Ct);

        var site = await SiteAsync(hospital);
        site.Sync.Types["Condition"].Strategy.ShouldBe(SyncStrategy.Crawl);
        site.Resources["Condition"].Search.ShouldContain("_lastUpdated");
    }

    [Fact]
    public async Task A_look_that_fails_says_why_and_keeps_what_was_known()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        using var admin = cluster.EnterAdmin();
        var quirks = cluster.Inside.GetGrain<IQuirkLedgerGrain>(GrainKeys.Tenant(hospital.Tenant));
        hospital.Statement = Statement("1", WithLastUpdated);
        var known = await quirks.LookAsync(Ct);
        hospital.Statement = null;

        var failed = await quirks.LookAsync(Ct);

        failed.Failure!.Code.ShouldBe("EHR-QRK-001");
        (failed.LookedAt, failed.Software).ShouldBe((known.LookedAt, known.Software));
        failed.Quirks.ShouldBe(known.Quirks);
        (await SiteAsync(hospital)).Sync.Types["Condition"].Strategy.ShouldBe(SyncStrategy.LastUpdated);
    }

    [Fact]
    public async Task A_tenant_that_is_not_open_is_not_looked_at()
    {
        await using var hospital = await Hospital.RegisterAsync(cluster);
        using var admin = cluster.EnterAdmin();

        var refusal = await Should.ThrowAsync<ProblemException>(
            () => cluster.Inside.GetGrain<IQuirkLedgerGrain>(GrainKeys.Tenant(hospital.Tenant)).LookAsync(Ct));

        refusal.Problems.ShouldHaveSingleItem().Code.ShouldBe("EHR-QRK-002");
    }

    [Fact]
    public async Task A_site_profile_with_mistakes_is_refused_by_path()
    {
        await using var hospital = await Hospital.RegisterAsync(cluster);
        using var admin = cluster.EnterAdmin();
        var spec = hospital.Spec;

        var refusal = await Should.ThrowAsync<ProblemException>(() => hospital.Grain.RegisterAsync(
            spec with { Connection = spec.Connection with { Profile = "resources: { Condition: { countMax: many } }\nnonsense: 1" } }, dryRun: true, Ct));

        refusal.Problems.Select(problem => problem.Path).ShouldBe(["connection.profile.resources.Condition.countMax", "connection.profile.nonsense"]);
    }

    private static async Task<VendorProfile> SiteAsync(Hospital hospital)
    {
        var description = await hospital.Grain.DescribeAsync(Ct);
        return VendorProfiles.For(description.Spec.Connection, description.ProbedProfile)!;
    }

    private static string Statement(string version, string more) => $$"""
        {"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","software":{"name":"EHR","version":"{{version}}"},"rest":[{"mode":"server","resource":[
        {"type":"Condition","interaction":[{"code":"read"},{"code":"search-type"}],"searchParam":[{{more}}{"name":"patient"}]},
        {"type":"Group","operation":[{"name":"export","definition":"http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export"}]}]}]}
        """;
}
