using System.Collections.Immutable;
using CsCheck;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Grains.Credentials;

namespace EhrGrains.Grains.Tests.Credentials;

public sealed class CredentialWalkTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Overlap = TimeSpan.FromHours(24);

    [Fact]
    public void Whatever_is_done_at_most_three_are_published_one_is_active_and_no_retired_one_has_a_secret() =>
        Gen.Select(Gen.Int[0, 5], Gen.Int[0, 30]).Array[0, 120].Sample(steps =>
        {
            var credentials = ImmutableArray<Credential>.Empty;
            var now = Start;
            foreach (var (what, hours) in steps)
            {
                now += TimeSpan.FromHours(hours);
                credentials = Step(credentials, what, now);
                CheckInvariants(credentials, now);
            }
        });

    [Fact]
    public void A_rotation_keeps_the_previous_credential_as_fall_back_until_the_overlap_is_over()
    {
        var credentials = Rotated(Rotated([], Start), Start.AddHours(1));

        CredentialWalk.Usable(credentials, Start.AddHours(2)).Select(credential => (credential.Version, credential.State))
            .ShouldBe([(2, CredentialState.Active), (1, CredentialState.Retiring)]);
        CredentialWalk.Published(credentials, Start.AddHours(2)).ShouldBe(["jwk-1", "jwk-2"]);

        CredentialWalk.NextExpiry(credentials).ShouldBe(Start.AddHours(25));
        CredentialWalk.Usable(credentials, Start.AddHours(25)).Select(credential => credential.Version).ShouldBe([2]);
        CredentialWalk.Published(credentials, Start.AddHours(25)).ShouldBe(["jwk-2"]);

        var expired = CredentialWalk.Expire(credentials, Start.AddHours(25));
        expired[0].ShouldBe(credentials[0] with
        {
            State = CredentialState.Retired,
            RetiredAt = Start.AddHours(25),
            SealedSecret = null,
            PublicJwk = null,
        });
    }

    [Fact]
    public void A_third_rotation_within_the_overlap_retires_the_oldest_at_once()
    {
        var credentials = Rotated(Rotated(Rotated([], Start), Start), Start);
        credentials.Select(credential => credential.State)
            .ShouldBe([CredentialState.Retired, CredentialState.Retiring, CredentialState.Active]);
        credentials[0].SealedSecret.ShouldBeNull();
    }

    [Fact]
    public void What_the_hospital_refused_is_withdrawn_and_the_active_one_stays()
    {
        var credentials = CredentialWalk.Stage(Rotated([], Start), New(2, Start), Start);
        credentials = CredentialWalk.Withdraw(credentials, 2, Start, "No.");
        CredentialWalk.Active(credentials)!.Version.ShouldBe(1);
        credentials[1].State.ShouldBe(CredentialState.Retired);
        credentials[1].Note.ShouldBe("No.");
        credentials[1].SealedSecret.ShouldBeNull();
    }

    [Fact]
    public void Nothing_becomes_active_that_was_not_verified()
    {
        var credentials = CredentialWalk.Stage([], New(1, Start), Start);
        Should.Throw<InvalidOperationException>(() => CredentialWalk.Activate(credentials, 1, Start, Overlap));
    }

    [Fact]
    public void Records_of_retired_ones_are_bounded_and_versions_are_never_used_again()
    {
        var credentials = Enumerable.Range(0, 200).Aggregate(ImmutableArray<Credential>.Empty, (before, _) => Rotated(before, Start));
        credentials.Length.ShouldBe(CredentialWalk.RecordsMax + 2);
        credentials[^1].Version.ShouldBe(200);
    }

    private static ImmutableArray<Credential> Rotated(ImmutableArray<Credential> before, DateTimeOffset now)
    {
        var version = CredentialWalk.NextVersion(before);
        return CredentialWalk.Activate(
            CredentialWalk.Verify(CredentialWalk.Stage(before, New(version, now), now), version), version, now, Overlap);
    }

    private static ImmutableArray<Credential> Step(ImmutableArray<Credential> credentials, int what, DateTimeOffset now)
    {
        var staged = credentials.LastOrDefault(credential => credential.State == CredentialState.Staged)?.Version;
        var verified = credentials.LastOrDefault(credential => credential.State == CredentialState.Verified)?.Version;
        return (what, staged, verified) switch
        {
            (0, _, _) => CredentialWalk.Stage(credentials, New(CredentialWalk.NextVersion(credentials), now), now),
            (1, { } version, _) => CredentialWalk.Verify(credentials, version),
            (2, { } version, _) => CredentialWalk.Refuse(credentials, version, "No."),
            (3, { } version, _) => CredentialWalk.Withdraw(credentials, version, now, "No."),
            (4, _, { } version) => CredentialWalk.Activate(credentials, version, now, Overlap),
            _ => CredentialWalk.Expire(credentials, now),
        };
    }

    private static void CheckInvariants(ImmutableArray<Credential> credentials, DateTimeOffset now)
    {
        CredentialWalk.Published(credentials, now).Count().ShouldBeLessThanOrEqualTo(3);
        credentials.Count(credential => credential.State is CredentialState.Staged or CredentialState.Verified)
            .ShouldBeLessThanOrEqualTo(1);
        credentials.Count(credential => credential.State == CredentialState.Active).ShouldBeLessThanOrEqualTo(1);
        credentials.Count(credential => credential.State == CredentialState.Retiring).ShouldBeLessThanOrEqualTo(1);
        credentials.Where(credential => credential.State == CredentialState.Retired)
            .ShouldAllBe(credential => credential.SealedSecret == null && credential.PublicJwk == null);
        credentials.Where(credential => credential.State != CredentialState.Retired)
            .ShouldAllBe(credential => credential.SealedSecret != null);
        credentials.Select(credential => credential.Version).ShouldBeInOrder(SortDirection.Ascending);
        credentials.Length.ShouldBeLessThanOrEqualTo(CredentialWalk.RecordsMax + 3);
    }

    private static Credential New(int version, DateTimeOffset now) => new()
    {
        Version = version,
        Method = ClientAuthMethod.PrivateKeyJwtEs384,
        State = CredentialState.Staged,
        KeyId = $"key-{version}",
        PublicJwk = $"jwk-{version}",
        SealedSecret = [1],
        CreatedAt = now,
    };
}
