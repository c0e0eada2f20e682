using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Tests.Peers;

namespace EhrGrains.Connect.Tests.Ehr;

public sealed class EhrCredentialTests
{
    [Theory]
    [InlineData(301)]
    [InlineData(302)]
    [InlineData(303)]
    [InlineData(307)]
    [InlineData(308)]
    public async Task A_redirect_is_never_followed_to_another_host_nor_to_the_same(int status)
    {
        await using var elsewhere = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset));
        await using var peer = await Peer.StartAsync(
            Peer.Says(status, ("Location", elsewhere.Url + "/fhir/r4/Patient")), Peer.Says(status, ("Location", "/fhir/r4/Patient")));
        using var rig = new Rig();
        for (var i = 0; i < 2; i++)
        {
            using var answer = await rig.SendAsync(Rig.To(peer));
            answer.Failure.ShouldBe(EhrFailure.Redirected);
            answer.Problem!.Message.ShouldContain("redirect");
        }

        elsewhere.Requests.ShouldBeEmpty();
        peer.Requests.Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_url_of_another_origin_is_not_asked()
    {
        await using var elsewhere = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset));
        await using var peer = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig();
        var access = new Access(Rig.To(peer));
        var request = Rig.Search(Rig.To(peer)) with { Url = elsewhere.Url + "/fhir/r4/Patient?_id=1" };

        using var answer = await rig.SendAsync(Rig.To(peer), request, access);

        answer.Failure.ShouldBe(EhrFailure.ForeignOrigin);
        elsewhere.Requests.ShouldBeEmpty();
        access.Permits.ShouldBe(0);
    }

    [Theory]
    [InlineData("https://127.0.0.1:{0}")] // another scheme
    [InlineData("http://127.0.0.1:1")] // another port
    [InlineData("http://127.0.0.2:{0}")] // another host
    [InlineData("")]
    [InlineData("http://user@127.0.0.1:{0}")]
    public async Task A_token_of_another_origin_is_not_sent(string origin)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig();
        using var answer = await rig.SendAsync(Rig.To(peer), access: new Access(Rig.To(peer), string.Format(null, origin, peer.Port)));
        answer.Failure.ShouldBe(EhrFailure.ForeignOrigin);
        peer.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task After_401_exactly_one_new_token_is_asked_for_and_used()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(401), Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig();
        var access = new Access(Rig.To(peer));

        using var answer = await rig.SendAsync(Rig.To(peer), access: access);

        answer.Failure.ShouldBe(EhrFailure.None);
        access.Rejected.ShouldBe([0, 1]);
        peer.Requests.Select(static r => r.Headers["Authorization"]).ShouldBe(["Bearer token-1", "Bearer token-2"]);
        access.Permits.ShouldBe(2);
    }

    [Fact]
    public async Task A_second_401_ends_it()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(401));
        using var rig = new Rig();
        var access = new Access(Rig.To(peer));

        using var answer = await rig.SendAsync(Rig.To(peer), access: access);

        answer.Failure.ShouldBe(EhrFailure.Unauthorized);
        answer.Problem!.Code.ShouldBe("EHR-CON-008");
        peer.Requests.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Trouble_between_two_401_does_not_earn_another_token()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(401), Peer.Says(503), Peer.Says(401), Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig();
        var access = new Access(Rig.To(peer));

        using var answer = await rig.SendAsync(Rig.To(peer), access: access);

        answer.Failure.ShouldBe(EhrFailure.Unauthorized);
        access.Rejected.ShouldBe([0, 1, 1]);
        peer.Requests.Count.ShouldBe(3);
    }

    [Fact]
    public async Task Neither_token_nor_url_nor_parameters_are_logged()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(400), Peer.Says(503), Peer.Says(401));
        using var rig = new Rig();
        var connection = Rig.To(peer);
        for (var i = 0; i < 3; i++)
        {
            using var answer = await rig.SendAsync(connection, Rig.Search(connection, "Patient?family=Marked-778812"));
            (answer.Problem! + answer.ToString()).ShouldNotContain("778812");
        }

        rig.Logged.ShouldContain("Rejected");
        rig.Logged.ShouldNotContain("778812");
        rig.Logged.ShouldNotContain("token-");
        rig.Logged.ShouldNotContain("127.0.0.1");
    }
}
