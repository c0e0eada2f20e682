using System.Reflection;
using System.Runtime.CompilerServices;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Grains.Callers;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Callers;

/// <summary>Every method of every grain interface, by every kind of caller, at its own and at another tenant.</summary>
public sealed class CallerMatrixTests(SqliteGrainCluster cluster) : IClassFixture<SqliteGrainCluster>
{
    private const string NoGrant = "There is no such tenant, or this app has no grant there.";

    private static readonly AppId Granted = AppId.Parse("granted", null);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static IEnumerable<MethodInfo> Methods() => typeof(IHospitalTenantGrain).Assembly.GetTypes()
        .Where(type => type.IsInterface && typeof(IGrain).IsAssignableFrom(type))
        .SelectMany(type => type.GetMethods());

    [Fact]
    public async Task From_outside_each_caller_may_call_what_its_role_and_grants_say_and_nothing_else()
    {
        var tokens = await TestTokens.CreateAsync(cluster);
        await using var home = await PrepareAsync(tokens);
        await using var foreign = await Hospital.RegisterAsync(cluster);
        var missing = TenantId.Parse("nobody-knows-this-one", null);
        var checkedCalls = 0;

        foreach (var method in Methods())
        {
            var permission = method.GetCustomAttribute<RequiresAttribute>()!.Permission;
            foreach (var (name, token) in new (string, string?)[]
            {
                ("nobody", null),
                ("granted", tokens.Mint("granted", "application")),
                ("operator", tokens.Mint("an-operator", "operator")),
                ("admin", tokens.Mint("an-admin", "admin")),
                ("forger", tokens.Mint("an-admin", "admin") + "x"),
            })
            {
                foreach (var tenant in new[] { home.Tenant, foreign.Tenant, missing })
                {
                    var refusal = await TryCallAsync(cluster.Outside, method, tenant, token);
                    var allowed = permission switch
                    {
                        Permission.Public => true,

                        // A federated query is open to every app: it asks the tenants where the app has a grant, if there are any.
                        Permission.Query when method.DeclaringType == typeof(IFederatedQueryGrain) =>
                            name is "granted" or "operator" or "admin",
                        Permission.Query => name == "granted" && tenant == home.Tenant,
                        Permission.Operate => name is "operator" or "admin",
                        Permission.Administer => name == "admin",
                        _ => false,
                    };
                    (refusal is null).ShouldBe(
                        allowed, $"{method.DeclaringType!.Name}.{method.Name} by {name} at {tenant}: {refusal?.Message}");
                    checkedCalls++;
                }
            }
        }

        checkedCalls.ShouldBeGreaterThan(500);
    }

    [Fact]
    public async Task Inside_the_cluster_an_apps_call_stays_at_the_tenants_that_the_app_may_see()
    {
        var tokens = await TestTokens.CreateAsync(cluster);
        await using var home = await PrepareAsync(tokens);
        await using var foreign = await Hospital.RegisterAsync(cluster);
        foreach (var method in Methods().Where(method =>
            method.GetCustomAttribute<RequiresAttribute>()!.Permission is Permission.Internal or Permission.Query))
        {
            using var app = cluster.Enter("granted", AppRole.Application);
            var atHome = await TryCallAsync(cluster.Inside, method, home.Tenant, null, keepContext: true);
            var elsewhere = await TryCallAsync(cluster.Inside, method, foreign.Tenant, null, keepContext: true);

            var name = $"{method.DeclaringType!.Name}.{method.Name}";
            if (!KeyOf(method, home.Tenant).StartsWith('~'))
            {
                atHome.ShouldBeNull(name);
                elsewhere.ShouldNotBeNull(name).Problems.Single().ShouldBe(new Problem("EHR-AUT-006", "", NoGrant), name);
            }
        }
    }

    [Fact]
    public async Task The_clusters_own_work_may_call_internal_methods_and_nothing_else()
    {
        await using var home = await Hospital.RegisterAsync(cluster);
        foreach (var method in Methods())
        {
            var permission = method.GetCustomAttribute<RequiresAttribute>()!.Permission;
            using var system = cluster.Tickets.EnterSystem();
            var refusal = await TryCallAsync(cluster.Inside, method, home.Tenant, null, keepContext: true);
            (refusal is null).ShouldBe(
                permission is Permission.Internal or Permission.Public, $"{method.DeclaringType!.Name}.{method.Name}");
        }
    }

    [Fact]
    public async Task A_ticket_is_worth_nothing_in_the_hands_of_a_client()
    {
        await using var hospital = await Hospital.RegisterAsync(cluster);
        var grain = cluster.Outside.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(hospital.Tenant));
        var admin = cluster.Tickets.Mint(new Caller(Granted, AppRole.Admin, [], default));
        foreach (var ticket in new[] { cluster.Tickets.MintSystem(), admin, "forged" })
        {
            var refusal = await TestTokens.CallAsync(null, () => grain.GetSealedCredentialsAsync(Ct), ticket);
            refusal.ShouldBeOfType<ProblemException>().Problems.Single().Code.ShouldBe("EHR-AUT-004");
            refusal = await TestTokens.CallAsync(null, () => grain.DescribeAsync(Ct), ticket);
            refusal.ShouldBeOfType<ProblemException>().Problems.Single().Code.ShouldBe("EHR-AUT-001");
        }
    }

    [Fact]
    public async Task A_client_cannot_steer_the_runtime()
    {
        var tokens = await TestTokens.CreateAsync(cluster);
        await tokens.RegisterAsync("an-admin", AppRole.Admin);
        var management = cluster.Outside.GetGrain<IManagementGrain>(0);
        var refusal = await TestTokens.CallAsync(tokens.Mint("an-admin", "admin"), () => management.GetTotalActivationCount(Ct));
        refusal.ShouldBeOfType<ProblemException>().Problems.Single().Code.ShouldBe("EHR-AUT-007");

        // Nor can a grain or a thread of the silo that has not said that it is system work.
        refusal = await TestTokens.CallAsync(null, () => cluster.Inside.GetGrain<IManagementGrain>(0).GetTotalActivationCount(Ct));
        refusal.ShouldBeOfType<ProblemException>().Problems.Single().Code.ShouldBe("EHR-AUT-007");
    }

    [Fact]
    public async Task Who_has_no_grant_does_not_learn_whether_the_tenant_exists()
    {
        await using var hospital = await Hospital.RegisterAsync(cluster);
        using var app = cluster.Enter("stranger", AppRole.Application);
        var there = await TryAsync(hospital.Tenant);
        var missing = await TryAsync(TenantId.Parse("never-registered", null));
        there.Message.ShouldBe(missing.Message);
        there.Kind.ShouldBe(missing.Kind);

        Task<ProblemException> TryAsync(TenantId tenant) => Should.ThrowAsync<ProblemException>(
            () => cluster.Inside.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(tenant)).GetSealedCredentialsAsync(Ct));
    }

    [Fact]
    public async Task A_grant_that_is_taken_away_is_gone_on_every_silo_within_five_seconds()
    {
        var tokens = await TestTokens.CreateAsync(cluster);
        await using var hospital = await PrepareAsync(tokens);
        await Should.NotThrowAsync(() => AskAsync(0));
        await Should.NotThrowAsync(() => AskAsync(1));
        using (cluster.EnterAdmin())
        {
            await hospital.Grain.RevokeAsync(Granted, Ct);
        }

        cluster.Time.Advance(TimeSpan.FromSeconds(5.1));
        await Should.ThrowAsync<ProblemException>(() => AskAsync(0));
        await Should.ThrowAsync<ProblemException>(() => AskAsync(1));

        async Task AskAsync(int silo)
        {
            using var app = cluster.Enter("granted", AppRole.Application);
            await cluster.Silo(silo).GetRequiredService<IGrainFactory>()
                .GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(hospital.Tenant)).GetSealedCredentialsAsync(Ct);
        }
    }

    private async Task<Hospital> PrepareAsync(TestTokens tokens)
    {
        await tokens.RegisterAsync("granted", AppRole.Application);
        await tokens.RegisterAsync("an-operator", AppRole.Operator);
        await tokens.RegisterAsync("an-admin", AppRole.Admin);
        var hospital = await Hospital.RegisterAsync(cluster);
        using var admin = cluster.EnterAdmin();
        await hospital.Grain.GrantAsync(Granted, ["system/*.rs"], Ct);
        return hospital;
    }

    /// <summary>Calls with arguments that mean nothing; null when the call got past the gate, whatever came of it.</summary>
    private static async Task<ProblemException?> TryCallAsync(
        IGrainFactory grains, MethodInfo method, TenantId tenant, string? token, bool keepContext = false)
    {
        var grain = grains.GetGrain(method.DeclaringType!, KeyOf(method, tenant));
        var arguments = method.GetParameters().Select(parameter => Meaningless(parameter.ParameterType)).ToArray();
        Exception? thrown;
        try
        {
            if (token is not null)
            {
                RequestContext.Set(CallContext.AccessToken, token);
            }

            await (Task)method.Invoke(grain, arguments)!;
            thrown = null;
        }
        catch (Exception e)
        {
            thrown = e;
        }
        finally
        {
            if (!keepContext)
            {
                RequestContext.Clear();
            }
        }

        return thrown is ProblemException refusal && refusal.Problems[0].Code.StartsWith("EHR-AUT-", StringComparison.Ordinal)
            ? refusal
            : null;
    }

    private static string KeyOf(MethodInfo method, TenantId tenant) => method.DeclaringType!.Name switch
    {
        nameof(IAppGrain) => GrainKeys.App(AppId.Parse("somebody-else", null)),
        nameof(ITenantDirectoryGrain) => TenantDirectory.Key,
        nameof(IFederatedQueryGrain) => Federation.Key,
        "ITokenSessionGrain" => GrainKeys.TokenSession(tenant, GrainKeys.BackendPurpose),
        "IMllpConnectionGrain" or "IMllpSenderGrain" => GrainKeys.Feed(tenant, FeedId.Parse("adt", null)),
        "IPatientRecordGrain" or "IPatientSyncCursorGrain" => GrainKeys.Patient(tenant, PatientId.Parse("somebody", null)),
        "ISyncShardGrain" => GrainKeys.SyncShard(0),
        "IPopulationSyncGrain" => GrainKeys.Cohort(tenant, CohortId.Parse("some", null)),
        "IWebhookGrain" => GrainKeys.Webhook(tenant, WebhookId.Parse("somewhere", null)),
        _ => GrainKeys.Tenant(tenant),
    };

    private static object? Meaningless(Type type) => Type.GetTypeCode(type) switch
    {
        _ when type == typeof(CancellationToken) => TestContext.Current.CancellationToken,
        _ when type == typeof(AppId) => AppId.Parse("somebody-else", null),
        _ when type == typeof(Lifecycle) => Lifecycle.Live,
        _ when type == typeof(NewCredential) => new NewCredential { Method = (ClientAuthMethod)99 },
        TypeCode.String => "x",
        _ when type.IsArray => Array.CreateInstance(type.GetElementType()!, 0),
        _ when Nullable.GetUnderlyingType(type) is not null => null,
        _ => type.IsValueType ? Activator.CreateInstance(type) : RuntimeHelpers.GetUninitializedObject(type),
    };
}
