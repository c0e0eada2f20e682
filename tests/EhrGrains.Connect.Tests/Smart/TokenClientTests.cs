using System.Text;
using EhrGrains.Connect.Smart;
using EhrGrains.Connect.Tests.Peers;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Fhir.Vendors;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Connect.Tests.Smart;

public sealed class TokenClientTests
{
    private const string Secret = "p@ss w0rd&+:ü";
    private const string Ok = """{"access_token":"abc.def","token_type":"Bearer","expires_in":300,"scope":"system/Patient.rs"}""";

    [Theory]
    [InlineData(ClientAuthMethod.PrivateKeyJwtEs384, "ES384", null)]
    [InlineData(ClientAuthMethod.PrivateKeyJwtRs384, "RS384", null)]
    [InlineData(ClientAuthMethod.PrivateKeyJwtEs384, "ES384", "https://issuer.example/aud")]
    public async Task An_assertion_is_taken_by_an_independent_validator(ClientAuthMethod method, string algorithm, string? audience)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Ok, contentType: "application/json"));
        using var rig = new Rig();
        var endpoint = peer.Url + "/oauth2/token";
        var key = ClientKeys.Create(method);
        var connection = Rig.To(peer) with { AssertionAudience = audience };

        for (var i = 0; i < 2; i++)
        {
            var answer = await rig.TokenAsync(connection, endpoint, method, key.Pkcs8, key.KeyId);
            answer.AccessToken.ShouldBe("abc.def");
            answer.ExpiresIn.ShouldBe(TimeSpan.FromSeconds(300));
            answer.Scope.ShouldBe("system/Patient.rs");
        }

        var jwks = new JsonWebKeySet(Encoding.UTF8.GetString(ClientKeys.WriteJwks([ClientKeys.PublicJwk(method, key.KeyId, key.Pkcs8)])));
        var ids = new HashSet<string>(StringComparer.Ordinal);
        foreach (var request in peer.Requests)
        {
            request.Method.ShouldBe("POST");
            request.Headers.ShouldNotContainKey("Authorization");
            var form = request.Form;
            form.Keys.Order(StringComparer.Ordinal).ShouldBe(["client_assertion", "client_assertion_type", "grant_type", "scope"]);
            form["grant_type"].ShouldBe("client_credentials");
            form["client_assertion_type"].ShouldBe("urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
            var valid = await new JsonWebTokenHandler().ValidateTokenAsync(form["client_assertion"], new TokenValidationParameters
            {
                IssuerSigningKeys = jwks.GetSigningKeys(),
                TryAllIssuerSigningKeys = false,
                ValidAlgorithms = [algorithm],
                ValidTypes = ["JWT"],
                ValidIssuer = "client-1",
                ValidAudience = audience ?? endpoint,
                ClockSkew = TimeSpan.Zero,
            });
            valid.IsValid.ShouldBeTrue(valid.Exception?.Message);
            var token = (JsonWebToken)valid.SecurityToken;
            token.Subject.ShouldBe("client-1");
            token.Kid.ShouldBe(key.KeyId);
            (token.ValidTo - DateTime.UtcNow).ShouldBeInRange(TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(5));
            Base64UrlEncoder.DecodeBytes(token.Id).Length.ShouldBe(16);
            ids.Add(token.Id).ShouldBeTrue("a jti is used once");
        }
    }

    [Fact]
    public async Task Id_and_secret_are_form_encoded_before_they_are_joined_for_basic()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Ok, contentType: "application/json"));
        using var rig = new Rig();
        var connection = Rig.To(peer) with { ClientId = "client:1" };

        await rig.TokenAsync(connection, peer.Url + "/t", ClientAuthMethod.ClientSecretBasic, Encoding.UTF8.GetBytes(Secret));

        var request = peer.Requests.Single();
        request.Form.Keys.Order(StringComparer.Ordinal).ShouldBe(["grant_type", "scope"]);
        var header = request.Headers["Authorization"];
        header.ShouldStartWith("Basic ");
        var pair = Encoding.UTF8.GetString(Convert.FromBase64String(header["Basic ".Length..])).Split(':');
        pair.Length.ShouldBe(2);
        pair.Select(static p => Uri.UnescapeDataString(p.Replace('+', ' '))).ShouldBe(["client:1", Secret]);
    }

    [Fact]
    public async Task Id_and_secret_stand_in_the_body_for_post()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Ok, contentType: "application/json"));
        using var rig = new Rig();

        await rig.TokenAsync(Rig.To(peer), peer.Url + "/t", ClientAuthMethod.ClientSecretPost, Encoding.UTF8.GetBytes(Secret));

        var request = peer.Requests.Single();
        request.Headers.ShouldNotContainKey("Authorization");
        request.Form["client_id"].ShouldBe("client-1");
        request.Form["client_secret"].ShouldBe(Secret);
    }

    [Theory]
    [InlineData(ScopeVersion.V2, true, "system/*.rs")]
    [InlineData(ScopeVersion.V1, true, "system/*.read")]
    [InlineData(ScopeVersion.V2, false, "system/Group.s system/Observation.rs system/Patient.rs system/Provenance.r")]
    [InlineData(ScopeVersion.V1, false, "system/Group.read system/Observation.read system/Patient.read system/Provenance.read")]
    public async Task Scopes_are_written_as_the_vendor_writes_them(ScopeVersion version, bool wildcard, string scope)
    {
        var profile = TestProfile.Epic with { Auth = new AuthRules { ScopeVersion = version, WildcardScopes = wildcard } };
        (await AskedScopeAsync([], profile)).ShouldBe(scope);
        (await AskedScopeAsync(["system/Patient.read", "custom"], profile)).ShouldBe("system/Patient.read custom");
    }

    [Theory]
    [InlineData("""{"access_token":"abc","token_type":"bearer"}""", 270)]
    [InlineData("""{"access_token":"abc","token_type":"BEARER","expires_in":"900"}""", 900)]
    [InlineData("""{"access_token":"abc","expires_in":570.5}""", 570.5)]
    [InlineData("""{"access_token":"abc","expires_in":0}""", 270)]
    [InlineData("""{"access_token":"abc","expires_in":-7}""", 270)]
    [InlineData("""{"access_token":"abc","expires_in":"soon"}""", 270)]
    [InlineData("""{"access_token":"abc","expires_in":null}""", 270)]
    [InlineData("""{"access_token":"abc","expires_in":99999999999999999999}""", 86400)]
    [InlineData("""{"access_token":"abc","expires_in":"NaN"}""", 270)]
    public async Task An_absent_or_absurd_lifetime_is_made_good(string body, double seconds)
    {
        var profile = TestProfile.Epic with { Auth = new AuthRules { ExpiresInDefault = 270, WildcardScopes = true } };
        var (answer, _) = await AnsweredAsync(Peer.Says(body, contentType: "application/json"), profile: profile);
        answer.AccessToken.ShouldBe("abc");
        answer.ExpiresIn.ShouldBe(TimeSpan.FromSeconds(seconds));
        answer.Scope.ShouldBe("system/*.rs"); // granted as asked, RFC 6749 §5.1
    }

    [Theory]
    [InlineData(400, """{"error":"invalid_client","error_description":"secret"}""", "EHR-TOK-012", true, false)]
    [InlineData(401, """{"error":"invalid_client"}""", "EHR-TOK-012", true, false)]
    [InlineData(401, "<html>secret</html>", "EHR-TOK-012", true, false)]
    [InlineData(400, """{"error":"invalid_scope"}""", "EHR-TOK-013", false, false)]
    [InlineData(400, """{"error":"unauthorized_client"}""", "EHR-TOK-014", false, false)]
    [InlineData(400, """{"error":"access_denied"}""", "EHR-TOK-014", false, false)]
    [InlineData(400, """{"error":"invalid_request"}""", "EHR-TOK-015", false, false)]
    [InlineData(400, """{"error":"secret"}""", "EHR-TOK-016", false, false)]
    [InlineData(400, """["secret"]""", "EHR-TOK-016", false, false)]
    [InlineData(404, "secret", "EHR-TOK-016", false, false)]
    [InlineData(500, """{"error":"invalid_client"}""", "EHR-TOK-010", false, true)]
    [InlineData(503, "<html>secret</html>", "EHR-TOK-010", false, true)]
    [InlineData(429, "", "EHR-TOK-010", false, true)]
    [InlineData(408, "", "EHR-TOK-010", false, true)]
    [InlineData(200, "<html>secret</html>", "EHR-TOK-003", false, false)]
    [InlineData(200, "", "EHR-TOK-003", false, false)]
    [InlineData(200, "[]", "EHR-TOK-003", false, false)]
    [InlineData(200, """{"error":"invalid_client"}""", "EHR-TOK-004", false, false)]
    [InlineData(200, """{"access_token":7}""", "EHR-TOK-004", false, false)]
    [InlineData(200, """{"access_token":"a\r\nX-Evil: 1"}""", "EHR-TOK-004", false, false)]
    [InlineData(200, """{"access_token":"abc","token_type":"mac"}""", "EHR-TOK-005", false, false)]
    public async Task An_answer_is_classified_and_its_text_shown_to_nobody(
        int status, string body, string code, bool invalidClient, bool transient)
    {
        var (answer, logged) = await AnsweredAsync(Peer.Says(body, status, "text/html"));
        answer.AccessToken.ShouldBeNull();
        answer.Failure!.Code.ShouldBe(code);
        answer.InvalidClient.ShouldBe(invalidClient);
        answer.Transient.ShouldBe(transient);
        (answer.Failure.Message + answer + logged).ShouldNotContain("secret\"");
        (answer.Failure.Message + answer + logged).ShouldNotContain("html");
        (answer.Failure.Message + answer + logged).ShouldNotContain(Secret);
    }

    [Fact]
    public async Task The_wait_that_is_asked_for_is_handed_on()
    {
        var (answer, _) = await AnsweredAsync(Peer.Says(429, ("Retry-After", "17")));
        answer.RetryAfter.ShouldBe(TimeSpan.FromSeconds(17));
    }

    [Fact]
    public async Task A_redirect_is_not_followed_with_credentials()
    {
        await using var elsewhere = await Peer.StartAsync(Peer.Says(Ok, contentType: "application/json"));
        var (answer, _) = await AnsweredAsync(Peer.Says(307, ("Location", elsewhere.Url + "/t")));
        answer.Failure!.Code.ShouldBe("EHR-TOK-011");
        elsewhere.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task An_answer_without_end_is_cut()
    {
        var (answer, _) = await AnsweredAsync(Peer.Says(new string('a', 70_000), contentType: "application/json"));
        answer.Failure!.Code.ShouldBe("EHR-TOK-007");
        answer.Transient.ShouldBeFalse();
    }

    [Fact]
    public async Task Silence_ends_at_the_deadline_and_is_transient()
    {
        var time = new WatchedTime();
        var arrived = new TaskCompletionSource();
        await using var peer = await Peer.StartAsync(Peer.KeepsSilent(arrived));
        using var rig = new Rig(time);

        var asking = rig.TokenAsync(Rig.To(peer), peer.Url + "/t", ClientAuthMethod.ClientSecretPost, Encoding.UTF8.GetBytes(Secret));
        await arrived.Task;
        time.Advance(rig.Options.TokenTimeout - TimeSpan.FromMilliseconds(1));
        asking.IsCompleted.ShouldBeFalse();
        time.Advance(TimeSpan.FromMilliseconds(1));
        var answer = await asking;

        answer.Failure!.Code.ShouldBe("EHR-TOK-002");
        answer.Transient.ShouldBeTrue();
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_transient()
    {
        var peer = await Peer.StartAsync(Peer.Says(Ok));
        var connection = Rig.To(peer);
        await peer.DisposeAsync();
        using var rig = new Rig();

        var answer = await rig.TokenAsync(connection, peer.Url + "/t", ClientAuthMethod.ClientSecretPost, Encoding.UTF8.GetBytes(Secret));

        answer.Failure!.Code.ShouldBe("EHR-TOK-009");
        answer.Transient.ShouldBeTrue();
    }

    [Theory]
    [InlineData("http://ehr.example/token")]
    [InlineData("https://user@ehr.example/token")]
    [InlineData("http://localhost/token")]
    [InlineData("/token")]
    [InlineData("file:///etc/passwd")]
    public async Task Credentials_go_to_no_endpoint_that_is_not_https(string endpoint)
    {
        using var rig = new Rig();
        var answer = await rig.TokenAsync(
            Rig.Connection("https://ehr.example", "127.0.0.0/8"),
            endpoint,
            ClientAuthMethod.ClientSecretPost,
            Encoding.UTF8.GetBytes(Secret));
        answer.Failure!.Code.ShouldBe("EHR-TOK-020");
    }

    [Fact]
    public async Task A_key_that_cannot_be_read_is_a_credential_to_replace()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Ok));
        using var rig = new Rig();
        var answer = await rig.TokenAsync(Rig.To(peer), peer.Url + "/t", ClientAuthMethod.PrivateKeyJwtEs384, [1, 2, 3], "kid");
        answer.Failure!.Code.ShouldBe("EHR-TOK-001");
        answer.InvalidClient.ShouldBeTrue();
        peer.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task Each_request_is_counted_with_its_outcome()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Ok, contentType: "application/json"), Peer.Says(401));
        using var rig = new Rig();
        using var counted = new MetricCollector<long>(rig.Meters, "EhrGrains", "ehrgrains.token.refresh");
        for (var i = 0; i < 2; i++)
        {
            await rig.TokenAsync(Rig.To(peer), peer.Url + "/t", ClientAuthMethod.ClientSecretPost, Encoding.UTF8.GetBytes(Secret));
        }

        counted.GetMeasurementSnapshot().Select(static m => (m.Tags["vendor"], m.Tags["method"], m.Tags["outcome"])).ShouldBe(
            [("epic", "client_secret_post", "ok"), ("epic", "client_secret_post", "invalid_client")]);
    }

    private static async Task<string> AskedScopeAsync(string[] stated, VendorProfile profile)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Ok, contentType: "application/json"));
        using var rig = new Rig();
        await rig.TokenAsync(
            Rig.To(peer) with { Scopes = stated },
            peer.Url + "/t",
            ClientAuthMethod.ClientSecretPost,
            Encoding.UTF8.GetBytes(Secret),
            profile: profile);
        return peer.Requests.Single().Form["scope"];
    }

    private static async Task<(TokenAnswer Answer, string Logged)> AnsweredAsync(
        Func<Microsoft.AspNetCore.Http.HttpContext, Task> says, VendorProfile? profile = null)
    {
        await using var peer = await Peer.StartAsync(says);
        using var rig = new Rig();
        var answer = await rig.TokenAsync(
            Rig.To(peer), peer.Url + "/t", ClientAuthMethod.ClientSecretPost, Encoding.UTF8.GetBytes(Secret), profile: profile);
        return (answer, rig.Logged);
    }
}
