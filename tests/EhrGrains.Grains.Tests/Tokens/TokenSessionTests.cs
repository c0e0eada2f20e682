using EhrGrains.Contracts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Tokens;
using EhrGrains.Grains.Tokens;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Tokens;

public sealed class TokenSessionOnSqliteTests(SqliteGrainCluster cluster) : TokenSessionTests(cluster), IClassFixture<SqliteGrainCluster>;

public sealed class TokenSessionOnPostgresTests(PostgresGrainCluster cluster)
    : TokenSessionTests(cluster), IClassFixture<PostgresGrainCluster>;

public abstract class TokenSessionTests(GrainCluster fixture)
{
    private readonly GrainCluster cluster = fixture.OrSkip();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_hundred_callers_on_two_silos_cost_the_hospital_one_request()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.Hold = new(TaskCreationOptions.RunContinuationsAsynchronously);

        var asked = Enumerable.Range(0, 200).Select(i => Hand(i % 2).GetAsync(hospital.Tenant, 0, Ct).AsTask()).ToArray();
        hospital.Hold.SetResult();
        var results = await Task.WhenAll(asked);

        hospital.TokenRequests.ShouldBe(1);
        results.Select(result => result.Token!.Value).Distinct().ShouldHaveSingleItem().ShouldBe(hospital.Issued.Single());
    }

    [Fact]
    public async Task A_token_in_hand_costs_no_grain_call()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        var first = await Hand(0).GetAsync(hospital.Tenant, 0, Ct);
        await Session(hospital).ResetAsyncAsSystem(cluster, Ct);

        // The session has no token any more: whoever asked it would get another one.
        (await Hand(0).GetAsync(hospital.Tenant, 0, Ct)).Token!.Value.ShouldBe(first.Token!.Value);
        hospital.TokenRequests.ShouldBe(1);
    }

    [Fact]
    public async Task A_token_is_refreshed_ahead_of_its_end_and_nobody_waits()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        var first = (await Hand(0).GetAsync(hospital.Tenant, 0, Ct)).Token!;
        first.RefreshAt.ShouldBe(first.ExpiresAt - TimeSpan.FromSeconds(60));
        hospital.Hold = new(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.Time.Advance(TimeSpan.FromSeconds(241));

        // The hospital does not answer, and the token is still good: it is served, on a silo that has it and on one that has not.
        (await Hand(0).GetAsync(hospital.Tenant, 0, Ct)).Token!.Serial.ShouldBe(first.Serial);
        (await Hand(1).GetAsync(hospital.Tenant, 0, Ct)).Token!.Serial.ShouldBe(first.Serial);
        hospital.Hold.SetResult();

        // Who wants the next one gets it; it was asked for once.
        (await Hand(0).GetAsync(hospital.Tenant, first.Serial, Ct)).Token!.Serial.ShouldBe(first.Serial + 1);
        (await Hand(1).GetAsync(hospital.Tenant, first.Serial, Ct)).Token!.Serial.ShouldBe(first.Serial + 1);
        hospital.TokenRequests.ShouldBe(2);
    }

    [Fact]
    public async Task A_short_token_is_refreshed_after_four_fifths_of_its_life()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.ExpiresIn = 50;
        var token = (await Hand(0).GetAsync(hospital.Tenant, 0, Ct)).Token!;
        (token.ExpiresAt - token.RefreshAt).ShouldBe(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task A_token_that_the_EHR_refuses_is_replaced_once_for_all_who_had_it()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        var first = (await Hand(0).GetAsync(hospital.Tenant, 0, Ct)).Token!;
        await Hand(1).GetAsync(hospital.Tenant, 0, Ct);

        var results = await Task.WhenAll(
            Enumerable.Range(0, 50).Select(i => Hand(i % 2).GetAsync(hospital.Tenant, first.Serial, Ct).AsTask()));

        results.ShouldAllBe(result => result.Token!.Serial == first.Serial + 1);
        hospital.TokenRequests.ShouldBe(2);
    }

    [Fact]
    public async Task An_EHR_that_refuses_every_token_is_not_asked_for_one_with_every_query()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        var serial = (await Hand(0).GetAsync(hospital.Tenant, 0, Ct)).Token!.Serial;
        for (var i = 0; i < 20; i++)
        {
            serial = (await Hand(0).GetAsync(hospital.Tenant, serial, Ct)).Token?.Serial ?? serial;
        }

        hospital.TokenRequests.ShouldBe(2);
        (await Hand(0).GetAsync(hospital.Tenant, serial, Ct)).Failure!.Code.ShouldBe("EHR-TOK-002");
        cluster.Time.Advance(TimeSpan.FromSeconds(11));
        (await Hand(0).GetAsync(hospital.Tenant, serial, Ct)).Token!.Serial.ShouldBe(serial + 1);
    }

    [Fact]
    public async Task An_activation_that_moved_does_not_ask_again()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        var first = (await Hand(0).GetAsync(hospital.Tenant, 0, Ct)).Token!;
        await cluster.Cluster.DeactivateAsync(Session(hospital));

        (await Hand(1).GetAsync(hospital.Tenant, 0, Ct)).Token!.Value.ShouldBe(first.Value);
        hospital.TokenRequests.ShouldBe(1);
    }

    [Fact]
    public async Task A_hospital_that_is_down_is_left_alone_and_asked_again_later()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.Broken = 503;
        var results = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => Hand(i % 2).GetAsync(hospital.Tenant, 0, Ct).AsTask()));
        for (var i = 0; i < 20; i++)
        {
            await Hand(i % 2).GetAsync(hospital.Tenant, 0, Ct);
        }

        results.ShouldAllBe(result => result.Failure != null && result.Transient);
        hospital.TokenRequests.ShouldBe(1);

        hospital.Broken = 0;
        cluster.Time.Advance(TimeSpan.FromSeconds(2));
        (await Hand(0).GetAsync(hospital.Tenant, 0, Ct)).Token.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_token_that_is_still_good_is_served_while_the_hospital_is_down()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        var first = (await Hand(0).GetAsync(hospital.Tenant, 0, Ct)).Token!;
        hospital.Broken = 500;
        cluster.Time.Advance(TimeSpan.FromSeconds(250));

        (await Hand(0).GetAsync(hospital.Tenant, 0, Ct)).Token!.Serial.ShouldBe(first.Serial);
        (await Hand(0).GetAsync(hospital.Tenant, first.Serial, Ct)).Failure.ShouldNotBeNull();
        (await Hand(0).GetAsync(hospital.Tenant, 0, Ct)).Token!.Serial.ShouldBe(first.Serial);
    }

    [Fact]
    public async Task A_hospital_that_no_longer_takes_the_active_key_is_asked_with_the_one_before()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        using (cluster.EnterAdmin())
        {
            var rotation = await hospital.Grain.RotateCredentialAsync(
                new NewCredential { Method = ClientAuthMethod.PrivateKeyJwtEs384 }, Ct);
            rotation.Succeeded.ShouldBeTrue();
        }

        hospital.Refused[hospital.KeyIds.Last()] = true;
        hospital.ResetCounters();

        (await Hand(0).GetAsync(hospital.Tenant, 0, Ct)).Token.ShouldNotBeNull();
        hospital.KeyIds.Distinct().Count().ShouldBe(2);
        hospital.TokenRequests.ShouldBe(2);
        (await DescribeAsync(hospital)).CredentialVersion.ShouldBe(1);
    }

    [Fact]
    public async Task A_suspended_tenant_gets_no_token()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        using (cluster.EnterAdmin())
        {
            await hospital.Grain.ChangeLifecycleAsync(Lifecycle.Suspended, "test", Ct);
        }

        (await Hand(0).GetAsync(hospital.Tenant, 0, Ct)).Failure!.Code.ShouldBe("EHR-TOK-003");
        hospital.TokenRequests.ShouldBe(0);
    }

    [Fact]
    public async Task A_token_endpoint_that_moved_is_refused_until_an_operator_says_so()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.TokenPath = "elsewhere";

        var result = await Hand(0).GetAsync(hospital.Tenant, 0, Ct);
        result.Failure!.Code.ShouldBe("EHR-TEN-101");
        hospital.Issued.ShouldBeEmpty();

        using (cluster.EnterAdmin())
        {
            await hospital.Grain.UpdateConnectionAsync(hospital.Spec.Connection with { TokenEndpoint = $"{hospital.Url}/elsewhere" }, Ct);
        }

        cluster.Time.Advance(TimeSpan.FromSeconds(6));
        (await Hand(0).GetAsync(hospital.Tenant, 0, Ct)).Token.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_token_of_a_connection_that_changed_is_not_used_any_more()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        var first = (await Hand(1).GetAsync(hospital.Tenant, 0, Ct)).Token!;
        using (cluster.EnterAdmin())
        {
            await hospital.Grain.UpdateConnectionAsync(hospital.Spec.Connection with { Scopes = ["system/Patient.rs"] }, Ct);
        }

        cluster.Time.Advance(TimeSpan.FromSeconds(6));
        (await Hand(1).GetAsync(hospital.Tenant, 0, Ct)).Token!.Serial.ShouldBe(first.Serial + 1);
    }

    private TokenHand Hand(int silo) => cluster.Silo(silo).GetRequiredService<TokenHand>();

    private ITokenSessionGrain Session(Hospital hospital) =>
        cluster.Inside.GetGrain<ITokenSessionGrain>(GrainKeys.TokenSession(hospital.Tenant, GrainKeys.BackendPurpose));

    private async Task<TokenSessionDescription> DescribeAsync(Hospital hospital)
    {
        using var admin = cluster.EnterAdmin();
        return await Session(hospital).DescribeAsync(Ct);
    }
}

internal static class TokenSessionCalls
{
    internal static async Task ResetAsyncAsSystem(
        this ITokenSessionGrain session, GrainCluster cluster, CancellationToken cancellationToken)
    {
        using var system = cluster.Tickets.EnterSystem();
        await session.ResetAsync(cancellationToken);
    }
}
