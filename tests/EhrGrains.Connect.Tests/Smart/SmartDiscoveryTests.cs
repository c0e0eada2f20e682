using EhrGrains.Connect.Smart;
using EhrGrains.Connect.Tests.Peers;
using Microsoft.AspNetCore.Http;

namespace EhrGrains.Connect.Tests.Smart;

public sealed class SmartDiscoveryTests
{
    private const string WellKnown = "/fhir/r4/.well-known/smart-configuration";

    [Fact]
    public async Task The_well_known_document_is_read_under_the_base_although_that_has_a_path()
    {
        var (found, peer) = await DiscoverAsync(_ => """
            {"token_endpoint":"https://auth.example/token","token_endpoint_auth_methods_supported":["private_key_jwt"],
             "scopes_supported":["system/*.rs"],"capabilities":[]}
            """);
        found.Failure.ShouldBeNull();
        found.TokenEndpoint.ShouldBe("https://auth.example/token");
        found.AuthMethods.ShouldBe(["private_key_jwt"]);
        found.Scopes.ShouldBe(["system/*.rs"]);
        var request = peer.ShouldHaveSingleItem();
        request.Target.ShouldBe(WellKnown);
        request.Headers.ShouldNotContainKey("Authorization");
    }

    [Fact]
    public async Task A_relative_endpoint_is_meant_against_the_base_and_the_old_name_of_the_methods_is_read()
    {
        var (found, peer) = await DiscoverAsync(
            _ => """{"token_endpoint":"oauth2/token","token_endpoint_auth_methods":["client_secret_post"]}""");
        found.TokenEndpoint.ShouldBe($"http://{peer[0].Headers["Host"]}/fhir/r4/oauth2/token");
        found.AuthMethods.ShouldBe(["client_secret_post"]);
    }

    [Theory]
    [InlineData("https://athena.okta.com/oauth2/aus1", "https://api.platform.athenahealth.com/oauth2/v1/token")]
    [InlineData("https://authorization.cerner.com/tenants/t1", "https://authorization.cerner.com/tenants/t1/hosts/fhir-ehr.cerner.com/protocols/oauth2/profiles/smart-v1/token")]
    [InlineData("https://greenfield-auth.meditech.com", "https://greenfield-auth.meditech.com/oauth/token")]
    public async Task Athenahealth_Oracle_and_MEDITECH_sign_in_at_a_host_that_is_neither_the_servers_nor_always_the_issuers(string issuer, string endpoint)
    {
        var (found, _) = await DiscoverAsync(_ => $$"""
            {"issuer":"{{issuer}}","token_endpoint":"{{endpoint}}","token_endpoint_auth_methods_supported":["client_secret_basic","private_key_jwt"]}
            """);
        found.Failure.ShouldBeNull();
        found.TokenEndpoint.ShouldBe(endpoint);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("<html></html>")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("""{"token_endpoint":7}""")]
    [InlineData("""{"token_endpoint":"https://a.example/t","token_endpoint":"https://b.example/t"}""")]
    public async Task Where_it_says_nothing_the_capability_statement_is_asked(string? wellKnown)
    {
        var (found, _) = await DiscoverAsync(path => path == WellKnown ? wellKnown : """
            {"resourceType":"CapabilityStatement","rest":["x",{},{"security":{"extension":[
              {"url":"http://example.org/other"},
              {"url":"http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris","extension":[
                {"url":"authorize","valueUri":"https://auth.example/authorize"},
                {"url":"token","valueUri":"https://auth.example/token"}]}]}}]}
            """);
        found.TokenEndpoint.ShouldBe("https://auth.example/token");
    }

    [Fact]
    public async Task Where_neither_says_anything_the_operator_is_told_what_to_state()
    {
        var (found, peer) = await DiscoverAsync(_ => "{}");
        found.TokenEndpoint.ShouldBeNull();
        found.Failure!.Code.ShouldBe("EHR-TOK-021");
        found.Transient.ShouldBeFalse();
        found.Failure.Message.ShouldContain("connection.tokenEndpoint");
        peer.Count.ShouldBe(2);
    }

    [Theory]
    [InlineData("http://auth.example/token")]
    [InlineData("https://user@auth.example/token")]
    [InlineData("https://auth.example\\\\@evil.example/token")]
    [InlineData("ftp://auth.example/token")]
    [InlineData("//evil.example/token")] // would inherit http
    public async Task An_endpoint_that_is_not_plainly_https_is_refused(string endpoint)
    {
        var (found, _) = await DiscoverAsync(_ => $$"""{"token_endpoint":"{{endpoint}}"}""");
        found.TokenEndpoint.ShouldBeNull();
        found.Failure!.Code.ShouldBe("EHR-TOK-020");
    }

    [Fact]
    public async Task What_the_operator_stated_is_taken_without_asking()
    {
        await using var peer = await Peer.StartAsync(Peer.Says("{}"));
        using var rig = new Rig();
        var found = await rig.Discovery.DiscoverAsync(
            Rig.Tenant, Rig.To(peer) with { TokenEndpoint = "https://auth.example/token" }, TestContext.Current.CancellationToken);
        found.TokenEndpoint.ShouldBe("https://auth.example/token");
        peer.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_document_without_end_is_cut()
    {
        var (found, _) = await DiscoverAsync(
            path => path == WellKnown ? $$"""{"x":"{{new string('a', 5000)}}","token_endpoint":"https://a.example/t"}""" : null);
        found.Failure!.Code.ShouldBe("EHR-TOK-023");
        found.Transient.ShouldBeFalse();
    }

    [Fact]
    public async Task A_server_in_trouble_is_asked_again_later()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(503));
        using var rig = new Rig();
        var found = await rig.Discovery.DiscoverAsync(Rig.Tenant, Rig.To(peer), TestContext.Current.CancellationToken);
        found.Failure!.Code.ShouldBe("EHR-TOK-022");
        found.Transient.ShouldBeTrue();
    }

    [Fact]
    public async Task A_document_that_drips_is_given_up()
    {
        var time = new WatchedTime();
        await using var peer = await Peer.StartAsync(Peer.Stalls("{"), Peer.Says(404));
        using var rig = new Rig(time);
        var asking = rig.Discovery.DiscoverAsync(Rig.Tenant, Rig.To(peer), TestContext.Current.CancellationToken);
        await time.PassAsync(wait => wait > rig.Options.BodyGrace && wait < TimeSpan.FromSeconds(6), TestContext.Current.CancellationToken);
        var found = await asking;
        found.Failure!.Code.ShouldBe("EHR-TOK-023");
        found.Transient.ShouldBeTrue();
    }

    [Fact]
    public async Task An_address_that_is_shut_is_not_asked()
    {
        await using var peer = await Peer.StartAsync(Peer.Says("{}"));
        using var rig = new Rig();
        var found = await rig.Discovery.DiscoverAsync(
            Rig.Tenant, Rig.Connection($"https://127.0.0.1:{peer.Port}"), TestContext.Current.CancellationToken);
        found.Failure!.Code.ShouldBe("EHR-TOK-025");
        peer.Requests.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("not a url")]
    [InlineData("https://user@ehr.example")]
    public async Task A_base_that_is_no_url_is_a_problem_with_its_path(string baseUrl)
    {
        using var rig = new Rig();
        var found = await rig.Discovery.DiscoverAsync(Rig.Tenant, Rig.Connection(baseUrl), TestContext.Current.CancellationToken);
        found.Failure!.Path.ShouldBe("connection.baseUrl");
    }

    private static async Task<(DiscoveryResult Found, List<Received> Requests)> DiscoverAsync(Func<string, string?> says)
    {
        await using var peer = await Peer.StartAsync((HttpContext context, Received received) =>
            says(received.Target) is { } body ? Peer.Says(body, contentType: "application/json")(context) : Peer.Says(404)(context));
        using var rig = new Rig(configure: static o => o.DiscoveryBytesMax = 4096);
        var found = await rig.Discovery.DiscoverAsync(Rig.Tenant, Rig.To(peer), TestContext.Current.CancellationToken);
        return (found, [.. peer.Requests]);
    }
}
