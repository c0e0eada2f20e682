using System.Text;
using EhrGrains.Connect.Tests.Peers;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tokens;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.Tests.Smart;

/// <summary>An API key that goes with every request beside the token, as ModMed's EMA wants it.</summary>
public sealed class ApiKeyTests
{
    private static readonly VendorProfile Ema = VendorProfiles.Find("modmed-ema")!;

    [Fact]
    public async Task The_key_is_the_last_word_of_the_secret_and_is_not_sent_to_the_token_endpoint()
    {
        await using var peer = await Peer.StartAsync(Peer.Says("""{"access_token":"abc","token_type":"Bearer"}""", contentType: "application/json"));
        using var rig = new Rig();

        var answer = await rig.TokenAsync(
            Rig.To(peer), peer.Url + "/t", ClientAuthMethod.ClientSecretPost, Encoding.UTF8.GetBytes("s3 cret KEY-1"), profile: Ema);

        (answer.AccessToken, answer.ApiKeyHeader, answer.ApiKey).ShouldBe(("abc", "x-api-key", "KEY-1"));
        var request = peer.Requests.Single();
        request.Form["client_secret"].ShouldBe("s3 cret");
        (string.Join(' ', request.Form.Values) + string.Join(' ', request.Headers.Values)).ShouldNotContain("KEY-1");
        (answer.ToString() + rig.Logged).ShouldNotContain("KEY-1");
    }

    [Theory]
    [InlineData("secret-alone")]
    [InlineData("secret ")]
    [InlineData(" KEY-1")]
    public async Task Without_a_key_nothing_is_asked_and_it_is_said_what_to_add(string secret)
    {
        await using var peer = await Peer.StartAsync(Peer.Says("{}", contentType: "application/json"));
        using var rig = new Rig();

        var answer = await rig.TokenAsync(Rig.To(peer), peer.Url + "/t", ClientAuthMethod.ClientSecretPost, Encoding.UTF8.GetBytes(secret), profile: Ema);

        answer.Failure!.Code.ShouldBe("EHR-TOK-030");
        peer.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task The_key_goes_with_the_token_and_nowhere_without_it()
    {
        await using var peer = await Peer.StartAsync(Peer.Says("""{"resourceType":"Bundle","type":"searchset"}"""));
        using var rig = new Rig();
        var connection = Rig.To(peer);
        var access = new Access(connection);
        var token = new TokenResult
        {
            Token = new AccessToken("t", 1, DateTimeOffset.MaxValue, DateTimeOffset.MaxValue, "", Rig.Token(connection).Origin) { ApiKeyHeader = "x-api-key", ApiKey = "KEY-1" },
        };

        (await rig.SendAsync(connection, access: new Access(connection) { Hands = access.Hands with { Token = (_, _) => ValueTask.FromResult(token) } })).Dispose();
        (await rig.SendAsync(connection)).Dispose();

        peer.Requests.Select(r => r.Headers.GetValueOrDefault("x-api-key")).ShouldBe(["KEY-1", null]);
    }
}
