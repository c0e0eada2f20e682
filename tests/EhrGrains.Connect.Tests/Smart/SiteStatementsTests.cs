using EhrGrains.Connect.Smart;
using EhrGrains.Connect.Tests.Peers;

namespace EhrGrains.Connect.Tests.Smart;

public sealed class SiteStatementsTests
{
    [Fact]
    public async Task A_sites_statement_is_read_without_a_token()
    {
        await using var peer = await Peer.StartAsync(Peer.Says("""
            {"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","software":{"name":"EHR","version":"7"},"rest":[{"mode":"server","resource":[
            {"type":"Patient","interaction":[{"code":"read"}],"searchParam":[{"name":"_id"}]}]}]}
            """));
        using var rig = new Rig();

        var answer = await new SiteStatements(rig.Egress, rig.Options, rig.Time).ReadAsync(Rig.Tenant, Rig.To(peer), TestContext.Current.CancellationToken);

        answer.Failure.ShouldBeNull();
        answer.Statement!.Software.ShouldBe("EHR 7");
        answer.Statement.Resources["Patient"].Search.ShouldBe(["_id"]);
        var request = peer.Requests.Single();
        request.Headers.ShouldNotContainKey("Authorization");
        request.Headers["Accept"].ShouldBe("application/fhir+json");
    }

    [Theory]
    [InlineData(401, "{}", "EHR-QRK-001")]
    [InlineData(200, """{"resourceType":"Patient"}""", "EHR-QRK-001")]
    [InlineData(503, "{}", "EHR-TOK-022")]
    public async Task A_site_that_shows_none_is_told(int status, string body, string code)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(body, status));
        using var rig = new Rig();

        var answer = await new SiteStatements(rig.Egress, rig.Options, rig.Time).ReadAsync(Rig.Tenant, Rig.To(peer), TestContext.Current.CancellationToken);

        (answer.Statement, answer.Failure!.Code).ShouldBe((null, code));
    }
}
