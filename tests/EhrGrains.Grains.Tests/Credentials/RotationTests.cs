using System.Text;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Tokens;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Credentials;

public sealed class RotationOnSqliteTests(SqliteGrainCluster cluster) : RotationTests(cluster), IClassFixture<SqliteGrainCluster>;

public sealed class RotationOnPostgresTests(PostgresGrainCluster cluster) : RotationTests(cluster), IClassFixture<PostgresGrainCluster>;

public abstract class RotationTests(GrainCluster fixture)
{
    private static readonly NewCredential NewKey = new() { Method = ClientAuthMethod.PrivateKeyJwtEs384 };

    private readonly GrainCluster cluster = WithoutWaiting(fixture.OrSkip());

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(ClientAuthMethod.PrivateKeyJwtEs384)]
    [InlineData(ClientAuthMethod.PrivateKeyJwtRs384)]
    public async Task A_rotation_walks_from_staged_to_active_and_publishes_both_keys(ClientAuthMethod method)
    {
        await using var hospital = await Hospital.OpenAsync(cluster, method);
        using var admin = cluster.EnterAdmin();

        var receipt = await hospital.Grain.RotateCredentialAsync(new NewCredential { Method = method }, Ct);

        receipt.Succeeded.ShouldBeTrue();
        (receipt.Previous, receipt.Active).ShouldBe((1, 2));
        receipt.Steps.Length.ShouldBe(3);
        (await StatesAsync(hospital)).ShouldBe([(2, CredentialState.Active), (1, CredentialState.Retiring)]);
        (await KeyIdsAsync(hospital)).Count.ShouldBe(2);
        hospital.TokenRequests.ShouldBe(1, "the check is a real token request");
    }

    [Fact]
    public async Task A_key_that_the_hospital_refuses_is_withdrawn_and_the_previous_one_stays_active()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        var keysBefore = await KeyIdsAsync(hospital);
        hospital.Broken = 400;
        using var admin = cluster.EnterAdmin();

        var receipt = await hospital.Grain.RotateCredentialAsync(NewKey, Ct);

        receipt.Succeeded.ShouldBeFalse();
        receipt.Active.ShouldBe(1);
        (await StatesAsync(hospital)).ShouldBe([(2, CredentialState.Retired), (1, CredentialState.Active)]);
        (await KeyIdsAsync(hospital)).ShouldBe(keysBefore);
        hospital.Broken = 0;
        (await Hand(0).GetAsync(hospital.Tenant, 0, Ct)).Token.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_hospital_that_has_cached_our_keys_is_asked_again_until_it_fetches_them()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.RequestsOnCachedKeys = 3;

        using var admin = cluster.EnterAdmin();
        var receipt = await hospital.Grain.RotateCredentialAsync(NewKey, Ct);

        receipt.Succeeded.ShouldBeTrue(string.Join(" ", receipt.Steps.Select(step => step.What)));
        hospital.TokenRequests.ShouldBe(4);
    }

    [Fact]
    public async Task A_hospital_that_never_fetches_our_keys_is_asked_a_bounded_number_of_times()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.RequestsOnCachedKeys = int.MaxValue;

        using var admin = cluster.EnterAdmin();
        var receipt = await hospital.Grain.RotateCredentialAsync(NewKey, Ct);

        receipt.Succeeded.ShouldBeFalse();
        hospital.TokenRequests.ShouldBe(6);
        receipt.Steps[^1].What.ShouldContain("Credential 1 stays the active one");
    }

    [Fact]
    public async Task A_client_secret_is_checked_once_and_never_shown()
    {
        await using var hospital = await Hospital.RegisterAsync(cluster);
        hospital.Secret = "the-right-s3cret";
        using var admin = cluster.EnterAdmin();
        var wrong = await hospital.Grain.AddCredentialAsync(Secret("the-wrong-s3cret"), Ct);

        var refusal = await Should.ThrowAsync<ProblemException>(() => hospital.Grain.ActivateCredentialAsync(wrong.Version, Ct));
        refusal.Kind.ShouldBe(ProblemKind.CheckFailed);
        refusal.Message.ShouldNotContain("s3cret");
        hospital.TokenRequests.ShouldBe(1);
        (await StatesAsync(hospital)).ShouldBe([(1, CredentialState.Staged)]);

        var right = await hospital.Grain.AddCredentialAsync(Secret("the-right-s3cret"), Ct);
        (await hospital.Grain.ActivateCredentialAsync(right.Version, Ct)).State.ShouldBe(CredentialState.Active);
        (await StatesAsync(hospital)).ShouldBe([(2, CredentialState.Active), (1, CredentialState.Retired)]);
        (await hospital.Grain.DescribeAsync(Ct)).ToString().ShouldNotContain("s3cret");
        (await KeyIdsAsync(hospital)).ShouldBeEmpty();

        static NewCredential Secret(string value) => new() { Method = ClientAuthMethod.ClientSecretBasic, Secret = new SecretText(value) };
    }

    [Fact]
    public async Task The_previous_key_is_retired_when_the_overlap_is_over()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        using var admin = cluster.EnterAdmin();
        await hospital.Grain.RotateCredentialAsync(NewKey, Ct);
        cluster.Time.Advance(TimeSpan.FromHours(24));

        (await KeyIdsAsync(hospital)).Count.ShouldBe(1);
        using var again = cluster.EnterAdmin();
        await hospital.Grain.RotateCredentialAsync(NewKey, Ct);
        (await StatesAsync(hospital)).ShouldBe([(3, CredentialState.Active), (2, CredentialState.Retiring), (1, CredentialState.Retired)]);
    }

    [Fact]
    public async Task Two_hundred_rotations_in_a_row_never_break_a_query()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        hospital.ExpiresIn = 1;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var asked = 0;

        // A token ends with every rotation, so that each time a new one must be fetched while the keys change.
        var queries = Enumerable.Range(0, 4).Select(number => Task.Run(
            async () =>
            {
                while (!stop.IsCancellationRequested)
                {
                    var result = await Hand(number % 2).GetAsync(hospital.Tenant, 0, Ct);
                    result.Failure.ShouldBeNull();
                    Interlocked.Increment(ref asked);
                    await Task.Delay(TimeSpan.FromMilliseconds(2), Ct);
                }
            },
            Ct)).ToArray();
        for (var rotation = 0; rotation < 200; rotation++)
        {
            cluster.Time.Advance(TimeSpan.FromSeconds(1));
            using var admin = cluster.EnterAdmin();
            var receipt = await hospital.Grain.RotateCredentialAsync(NewKey, Ct);
            receipt.Succeeded.ShouldBeTrue(string.Join(" ", receipt.Steps.Select(step => step.What)));
        }

        await stop.CancelAsync();
        await Task.WhenAll(queries);
        asked.ShouldBeGreaterThan(200);
        hospital.Issued.Count.ShouldBeGreaterThan(300, "200 checks, and the tokens of the queries");
        (await KeyIdsAsync(hospital)).Count.ShouldBe(2);
    }

    [Fact]
    public async Task The_state_in_the_database_shows_no_key_of_a_retired_credential()
    {
        await using var hospital = await Hospital.OpenAsync(cluster);
        using var admin = cluster.EnterAdmin();
        for (var i = 0; i < 3; i++)
        {
            await hospital.Grain.RotateCredentialAsync(NewKey, Ct);
        }

        using var system = cluster.Tickets.EnterSystem();
        (await hospital.Grain.GetSealedCredentialsAsync(Ct)).Select(credential => credential.Version).ShouldBe([4, 3]);
    }

    /// <summary>The waits between the tries of a verification, as the cluster is configured, take no time.</summary>
    private static GrainCluster WithoutWaiting(GrainCluster cluster)
    {
        foreach (var seconds in new[] { 3, 6, 12, 24, 29 })
        {
            cluster.Time.Skipped.Add(TimeSpan.FromSeconds(seconds));
        }

        return cluster;
    }

    private TokenHand Hand(int silo) => cluster.Silo(silo).GetRequiredService<TokenHand>();

    private async Task<(int, CredentialState)[]> StatesAsync(Hospital hospital)
    {
        using var admin = cluster.EnterAdmin();
        return [.. (await hospital.Grain.DescribeAsync(Ct)).Credentials.Select(credential => (credential.Version, credential.State))];
    }

    private async Task<List<string>> KeyIdsAsync(Hospital hospital)
    {
        var jwks = await cluster.Outside.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(hospital.Tenant)).GetJsonWebKeySetAsync(Ct);
        Encoding.UTF8.GetString(jwks).ShouldNotContain("\"d\"");
        return [.. Hospital.Parse(jwks).GetProperty("keys").EnumerateArray().Select(key => key.GetProperty("kid").GetString()!)];
    }
}
