using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Audit;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Tenants;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Tenants;

public sealed class HospitalTenantOnSqliteTests(SqliteGrainCluster cluster)
    : HospitalTenantTests(cluster), IClassFixture<SqliteGrainCluster>;

public sealed class HospitalTenantOnPostgresTests(PostgresGrainCluster cluster)
    : HospitalTenantTests(cluster), IClassFixture<PostgresGrainCluster>;

public abstract class HospitalTenantTests(GrainCluster fixture)
{
    private readonly GrainCluster cluster = fixture.OrSkip();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Registering_is_idempotent_and_says_what_it_changed()
    {
        await using var hospital = await Hospital.RegisterAsync(cluster);
        using var admin = cluster.EnterAdmin();
        (await hospital.Grain.RegisterAsync(hospital.Spec, dryRun: false, Ct)).Differences.ShouldBeEmpty();

        var changed = hospital.Spec with { DisplayName = "Renamed" };
        (await hospital.Grain.RegisterAsync(changed, dryRun: true, Ct)).Differences.ShouldHaveSingleItem().Path.ShouldBe("displayName");
        (await hospital.Grain.DescribeAsync(Ct)).Spec.DisplayName.ShouldBe("Test hospital");

        var change = await hospital.Grain.RegisterAsync(changed, dryRun: false, Ct);
        (change.Created, change.Version).ShouldBe((false, 2));
        (await hospital.Grain.DescribeAsync(Ct)).Spec.DisplayName.ShouldBe("Renamed");
    }

    [Fact]
    public async Task A_site_layer_that_cannot_be_compiled_is_refused_by_its_lines()
    {
        await using var hospital = await Hospital.RegisterAsync(cluster);
        using var admin = cluster.EnterAdmin();
        var wrong = hospital.Spec with { Mapping = new MappingSpec { Rules = "ZPI -> Patient\n  ZPI-3 nme.family\nthis is no rule\n" } };
        var refusal = await Should.ThrowAsync<ProblemException>(() => hospital.Grain.RegisterAsync(wrong, dryRun: false, Ct));
        refusal.Problems.Select(problem => (problem.Code, problem.Path)).Distinct().ShouldBe([("EHR-MAP-001", "mapping.rules:2"), ("EHR-MAP-001", "mapping.rules:3")]);
        (await hospital.Grain.DescribeAsync(Ct)).Spec.Mapping.Rules.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_spec_with_errors_changes_nothing_and_lists_them_all()
    {
        await using var hospital = await Hospital.RegisterAsync(cluster);
        using var admin = cluster.EnterAdmin();
        var wrong = hospital.Spec with { DisplayName = "", TimeZone = "Mars/Olympus", Budget = new BudgetSpec { Requests = 0 } };
        var refusal = await Should.ThrowAsync<ProblemException>(() => hospital.Grain.RegisterAsync(wrong, dryRun: false, Ct));
        refusal.Kind.ShouldBe(ProblemKind.Invalid);
        refusal.Problems.Select(problem => problem.Path).ShouldBe(["displayName", "timeZone", "budget.requests"]);
        (await hospital.Grain.DescribeAsync(Ct)).Version.ShouldBe(1);
    }

    [Theory]
    [InlineData("no-such-vendor", "connection.vendor")]
    [InlineData("athenahealth", "connection.settings.practice")]
    public async Task A_spec_must_be_what_the_vendor_profile_needs(string vendor, string path)
    {
        await using var hospital = await Hospital.RegisterAsync(cluster);
        using var admin = cluster.EnterAdmin();
        var wrong = hospital.Spec with { Connection = hospital.Spec.Connection with { Vendor = vendor } };
        var refusal = await Should.ThrowAsync<ProblemException>(() => hospital.Grain.RegisterAsync(wrong, dryRun: false, Ct));
        refusal.Problems.Select(problem => problem.Path).ShouldContain(path);
    }

    [Fact]
    public async Task A_tenant_goes_live_only_with_an_active_credential()
    {
        await using var hospital = await Hospital.RegisterAsync(cluster);
        using var admin = cluster.EnterAdmin();
        var refusal = await Should.ThrowAsync<ProblemException>(() => hospital.Grain.ChangeLifecycleAsync(Lifecycle.Live, "go", Ct));
        refusal.Problems.Single().Code.ShouldBe("EHR-TEN-073");

        await using var open = await Hospital.OpenAsync(cluster);
        using var again = cluster.EnterAdmin();
        (await open.Grain.ChangeLifecycleAsync(Lifecycle.Live, "go", Ct)).Lifecycle.ShouldBe(Lifecycle.Live);
    }

    [Fact]
    public async Task What_is_committed_is_read_back_by_the_next_activation()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        using var admin = cluster.EnterAdmin();
        var before = await hospital.Grain.DescribeAsync(Ct);
        await cluster.Cluster.DeactivateAsync(hospital.Grain);
        var after = await hospital.Grain.DescribeAsync(Ct);
        TenantSpecRules.Differences(before.Spec, after.Spec).ShouldBeEmpty();
        (after.Version, after.Lifecycle, after.PinnedTokenEndpoint)
            .ShouldBe((before.Version, before.Lifecycle, before.PinnedTokenEndpoint));
        after.Credentials.ShouldBe(before.Credentials);
    }

    [Fact]
    public async Task The_directory_lists_a_tenant_and_the_apps_that_may_see_it()
    {
        await using var hospital = await Hospital.RegisterAsync(cluster);
        var app = await RegisterAppAsync("lister");
        using var admin = cluster.EnterAdmin();
        var directory = cluster.Inside.GetGrain<ITenantDirectoryGrain>(TenantDirectory.Key);
        await hospital.Grain.GrantAsync(app, ["system/Patient.rs"], Ct);

        var table = cluster.Silo(1).GetRequiredService<TenantTable>();
        (await table.ListGrantedAsync(app, Ct)).ShouldBe([hospital.Tenant]);
        var listed = await directory.ListAsync(null, 1_000, Ct);
        listed.Single(line => line.Tenant == hospital.Tenant).Lifecycle.ShouldBe(Lifecycle.Draft);

        await hospital.Grain.RevokeAsync(app, Ct);
        (await table.ListGrantedAsync(app, Ct)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_grant_names_an_app_that_exists_and_scopes_that_mean_something()
    {
        await using var hospital = await Hospital.RegisterAsync(cluster);
        var app = await RegisterAppAsync("scoped");
        using var admin = cluster.EnterAdmin();
        await RefusedAsync("EHR-TEN-093", () => hospital.Grain.GrantAsync(Hospital.App("nobody"), ["system/Patient.rs"], Ct));
        await RefusedAsync("EHR-TEN-091", () => hospital.Grain.GrantAsync(app, ["patient/Patient.rs"], Ct));
        await RefusedAsync("EHR-TEN-090", () => hospital.Grain.GrantAsync(app, [], Ct));

        static async Task RefusedAsync(string code, Func<Task> command) =>
            (await Should.ThrowAsync<ProblemException>(command)).Problems.Single().Code.ShouldBe(code);
    }

    [Fact]
    public async Task Every_command_is_on_the_audit_trail_before_it_is_answered()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        var app = await RegisterAppAsync("audited");
        using (cluster.EnterAdmin())
        {
            await hospital.Grain.GrantAsync(app, ["system/Patient.rs"], Ct);
            await hospital.Grain.ChangeLifecycleAsync(Lifecycle.Suspended, "maintenance", Ct);
        }

        using var admin = cluster.EnterAdmin();
        var audit = cluster.Inside.GetGrain<IAuditGrain>(GrainKeys.Tenant(hospital.Tenant));
        var verification = await audit.VerifyAsync(Ct);
        (verification.Intact, verification.Rows).ShouldBe((true, 10), "five commands, an intent and an outcome each");
        var clusterChain = await cluster.Inside.GetGrain<IAuditGrain>(AuditChains.Cluster.Value).VerifyAsync(Ct);
        clusterChain.Rows.ShouldBeGreaterThanOrEqualTo(2);
    }

    [Fact]
    public async Task An_offboarded_tenant_is_gone_for_good()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        using var admin = cluster.EnterAdmin();
        (await hospital.Grain.ChangeLifecycleAsync(Lifecycle.Offboarded, "contract ended", Ct)).Lifecycle.ShouldBe(Lifecycle.Offboarded);
        (await hospital.Grain.DescribeAsync(Ct)).Credentials.ShouldAllBe(
            credential => credential.State == Contracts.Credentials.CredentialState.Retired);

        await cluster.Cluster.DeactivateAsync(hospital.Grain);
        await RefusedAsync("EHR-TEN-102", () => hospital.Grain.DescribeAsync(Ct));
        await RefusedAsync("EHR-TEN-071", () => hospital.Grain.RegisterAsync(hospital.Spec, dryRun: false, Ct));
        await RefusedAsync("EHR-TEN-102", () => hospital.Grain.ChangeLifecycleAsync(Lifecycle.Draft, "again", Ct));

        var audit = await cluster.Inside.GetGrain<IAuditGrain>(GrainKeys.Tenant(hospital.Tenant)).VerifyAsync(Ct);
        audit.Intact.ShouldBeTrue("the trail outlives the tenant's keys");

        static async Task RefusedAsync(string code, Func<Task> command) =>
            (await Should.ThrowAsync<ProblemException>(command)).Problems.Single().Code.ShouldBe(code);
    }

    [Fact]
    public async Task An_unknown_tenant_is_not_found()
    {
        using var admin = cluster.EnterAdmin();
        var grain = cluster.Inside.GetGrain<IHospitalTenantGrain>("never-registered");
        (await Should.ThrowAsync<ProblemException>(() => grain.DescribeAsync(Ct))).Kind.ShouldBe(ProblemKind.NotFound);
    }

    private async Task<AppId> RegisterAppAsync(string name)
    {
        var app = Hospital.App(name);
        using var admin = cluster.EnterAdmin();
        await cluster.Inside.GetGrain<IAppGrain>(GrainKeys.App(app)).RegisterAsync(new AppSpec { App = app, DisplayName = name }, Ct);
        return app;
    }
}
