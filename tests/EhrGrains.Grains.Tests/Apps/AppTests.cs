using System.Security.Cryptography;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Grains.Apps;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Grains.Tests.Apps;

public sealed class AppTests(SqliteGrainCluster cluster) : IClassFixture<SqliteGrainCluster>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private AppSecrets Secrets => cluster.Silo(1).GetRequiredService<AppSecrets>();

    [Fact]
    public async Task A_client_secret_is_made_here_shown_once_and_known_by_its_hash()
    {
        using var admin = cluster.EnterAdmin();
        var registration = await Grain("with-secret").RegisterAsync(Spec("with-secret"), Ct);
        var secret = registration.ClientSecret!.Value.Reveal();
        secret.Length.ShouldBe(43, "256 bits");

        var client = await ClientAsync("with-secret");
        Secrets.Matches(client!, secret).ShouldBeTrue();
        Secrets.Matches(client!, secret + "x").ShouldBeFalse();
        Secrets.Matches(client!, null).ShouldBeFalse();

        // Bound to the app: another app with the same hash is not let in with this secret.
        Secrets.Matches(new AppClient(Spec("another"), client!.SecretHash), secret).ShouldBeFalse();
    }

    [Fact]
    public async Task Registering_again_replaces_the_secret()
    {
        using var admin = cluster.EnterAdmin();
        var first = (await Grain("twice").RegisterAsync(Spec("twice"), Ct)).ClientSecret!.Value.Reveal();
        var second = (await Grain("twice").RegisterAsync(Spec("twice"), Ct)).ClientSecret!.Value.Reveal();
        var client = await ClientAsync("twice");
        Secrets.Matches(client!, first).ShouldBeFalse();
        Secrets.Matches(client!, second).ShouldBeTrue();
    }

    [Fact]
    public async Task An_app_with_keys_has_no_secret()
    {
        using var admin = cluster.EnterAdmin();
        var registration = await Grain("with-keys")
            .RegisterAsync(Spec("with-keys") with { JsonWebKeySet = Jwks(Ec(ECCurve.NamedCurves.nistP384)) }, Ct);
        registration.ClientSecret.ShouldBeNull();
        (await ClientAsync("with-keys"))!.SecretHash.ShouldBeNull();
    }

    [Fact]
    public async Task The_first_administrator_is_made_once()
    {
        var grain = Grain("first-admin");
        using (cluster.Tickets.EnterSystem())
        {
            await grain.BootstrapAsync(Spec("first-admin") with { Role = AppRole.Admin }, Ct);
            await grain.BootstrapAsync(Spec("first-admin") with { DisplayName = "Somebody else" }, Ct);
        }

        using var admin = cluster.EnterAdmin();
        var spec = await grain.DescribeAsync(Ct);
        (spec!.Role, spec.DisplayName).ShouldBe((AppRole.Admin, "An app"));
    }

    [Fact]
    public async Task A_disabled_app_stays_disabled_when_a_silo_starts_again()
    {
        var grain = Grain("ended");
        using (cluster.EnterAdmin())
        {
            await grain.RegisterAsync(Spec("ended"), Ct);
            await grain.DisableAsync(Ct);
        }

        using (cluster.Tickets.EnterSystem())
        {
            await grain.BootstrapAsync(Spec("ended"), Ct);
        }

        (await ClientAsync("ended")).ShouldBeNull();
    }

    public static TheoryData<string, string> WrongKeys => new()
    {
        { "not JSON", "EHR-APP-010" },
        { "{}", "EHR-APP-010" },
        { """{"keys":[]}""", "EHR-APP-010" },
        { """{"keys":[],"keys":[]}""", "EHR-APP-010" },
        { """{"keys":["x"]}""", "EHR-APP-011" },
        { """{"keys":[{"kty":"oct","k":"AAAA","kid":"1"}]}""", "EHR-APP-012" },
        { """{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA","kid":"1"}]}""", "EHR-APP-012" },
        { """{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"1"}]}""", "EHR-APP-015" },
        { """{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","kid":"1"}]}""", "EHR-APP-015" },
    };

    [Theory]
    [MemberData(nameof(WrongKeys))]
    public void Keys_that_cannot_be_used_are_refused(string jwks, string code) =>
        AppSpecRules.Validate(Spec("app") with { JsonWebKeySet = jwks }, Hospital.App("app")).Select(problem => problem.Code)
            .ShouldBe([code]);

    [Fact]
    public void Keys_are_EC_or_RSA_of_a_decent_size_each_with_an_id_of_its_own()
    {
        Check(Ec(ECCurve.NamedCurves.nistP256)).ShouldBeEmpty();
        Check(Ec(ECCurve.NamedCurves.nistP384)).ShouldBeEmpty();
        Check(Rsa(2_048)).ShouldBeEmpty();
        Check(Rsa(1_024)).ShouldBe(["EHR-APP-015"]);
        Check(Ec(ECCurve.NamedCurves.nistP521)).ShouldBe(["EHR-APP-015"]);
        Check(Rsa(2_048), Rsa(2_048)).ShouldBe(["EHR-APP-013"]);
        Check(Change(Rsa(2_048), key => key.Kid = "")).ShouldBe(["EHR-APP-013"]);
        Check(Change(Rsa(2_048), key => key.Use = "enc")).ShouldBe(["EHR-APP-014"]);
        Check(Change(Rsa(2_048), key => key.Alg = "PS512")).ShouldBe(["EHR-APP-015"]);
        Check(Change(Ec(ECCurve.NamedCurves.nistP256), key => key.Alg = "ES384")).ShouldBe(["EHR-APP-015"]);

        static IEnumerable<string> Check(params JsonWebKey[] keys) =>
            AppSpecRules.Validate(Spec("app") with { JsonWebKeySet = Jwks(keys) }, Hospital.App("app")).Select(problem => problem.Code);

        static JsonWebKey Change(JsonWebKey key, Action<JsonWebKey> change)
        {
            change(key);
            return key;
        }
    }

    private static AppSpec Spec(string app) => new() { App = Hospital.App(app), DisplayName = "An app" };

    private IAppGrain Grain(string app) => cluster.Inside.GetGrain<IAppGrain>(GrainKeys.App(Hospital.App(app)));

    private async Task<AppClient?> ClientAsync(string app)
    {
        using var system = cluster.Tickets.EnterSystem();
        return await Grain(app).GetClientAsync(Ct);
    }

    private static string Jwks(params JsonWebKey[] keys) => System.Text.Json.JsonSerializer.Serialize(new
    {
        keys = keys.Select(key => new Dictionary<string, string?>
        {
            ["kty"] = key.Kty,
            ["kid"] = key.Kid,
            ["use"] = key.Use,
            ["alg"] = key.Alg,
            ["crv"] = key.Crv,
            ["x"] = key.X,
            ["y"] = key.Y,
            ["n"] = key.N,
            ["e"] = key.E,
        }.Where(member => member.Value is not null).ToDictionary()),
    });

    private static JsonWebKey Ec(ECCurve curve)
    {
        using var key = ECDsa.Create(curve);
        var jwk = JsonWebKeyConverter.ConvertFromECDsaSecurityKey(new ECDsaSecurityKey(ECDsa.Create(key.ExportParameters(false))));
        jwk.Kid = "1";
        return jwk;
    }

    private static JsonWebKey Rsa(int bits)
    {
        using var key = RSA.Create(bits);
        var jwk = JsonWebKeyConverter.ConvertFromRSASecurityKey(new RsaSecurityKey(key.ExportParameters(false)));
        jwk.Kid = "1";
        return jwk;
    }
}
