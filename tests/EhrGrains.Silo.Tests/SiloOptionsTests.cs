using EhrGrains.Silo.Configuration;
using EhrGrains.Testing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace EhrGrains.Silo.Tests;

/// <summary>A silo that would misbehave does not start, and names every bad key at once.</summary>
public sealed class SiloOptionsTests
{
    [Fact]
    public void Nothing_needs_to_be_set_for_an_embedded_silo()
    {
        var options = Read();

        options.Mode.ShouldBe(SiloMode.Embedded);
        options.Silo.Port.ShouldBe(11111);
        options.Database.ConnectionString.ShouldBe("Data Source=ehrgrains-data/ehrgrains.db");
        options.RootKeyFile.ShouldBe("ehrgrains-data/root.key");
        options.Auth.Issuer.ShouldBe("http://127.0.0.1:8080/");
    }

    [Fact]
    public void Every_bad_key_is_named_at_once()
    {
        var failures = FailuresOf(
            ("Silo:Port", "eleven"), ("Silo:GatewayPort", "70000"), ("Http:Url", "ftp://here"), ("Sillo:Port", "1"), ("Mode", "Solo"),
            ("Gateway:ConcurrentRequestsPerApp", "0"), ("Bootstrap:App", "Not An App"), ("Tls:Certificate", "/nowhere.pem"),
            ("Auth:ExternalIssuer", "http://issuer.example"), ("Connect:AttemptTimeout", "soon"), ("Http", "x"));

        foreach (var key in new[]
        {
            "Silo:Port", "GatewayPort", "Http:Url", "Sillo:Port", "Mode", "ConcurrentRequestsPerApp", "Bootstrap:App", "Tls:Certificate",
            "Tls:Key", "Tls:Authority", "Auth:ExternalIssuer", "Connect:AttemptTimeout",
        })
        {
            failures.ShouldContain(failure => failure.Contains(key), $"{key} in {string.Join('\n', failures)}");
        }
    }

    [Fact]
    public void A_cluster_needs_everything_given()
    {
        var failures = FailuresOf(("Mode", "Cluster"));

        foreach (var key in new[] { "RootKeyFile", "ConnectionString", "Cluster:Id", "Cluster:Service", "Bootstrap:JwksFile", "Auth:Issuer" })
        {
            failures.ShouldContain(failure => failure.Contains(key), $"{key} in {string.Join('\n', failures)}");
        }
    }

    [Theory]
    [InlineData("10.1.2.3")]
    [InlineData("0.0.0.0")]
    public void The_orleans_ports_are_not_opened_to_others_without_tls(string address)
    {
        FailuresOf(("Silo:Address", address)).ShouldContain(failure => failure.Contains("loopback"));
        FailuresOf(("Mode", "Cluster"), ("Silo:Address", address)).ShouldContain(failure => failure.Contains("Tls:Certificate"));
    }

    [Theory]
    [InlineData("http://0.0.0.0:8080", null, false)]
    [InlineData("http://*:8080", null, false)]
    [InlineData("http://0.0.0.0:8080", "http://gateway.example", false)]
    [InlineData("http://0.0.0.0:8080", "https://gateway.example", true)]
    [InlineData("http://127.0.0.1:8080", null, true)]
    [InlineData("http://localhost:8080", null, true)]
    public void Plain_http_beyond_loopback_needs_the_https_url_of_a_proxy(string url, string? publicUrl, bool accepted)
    {
        (string, string?)[] settings = [("Http:Url", url), ("Http:PublicUrl", publicUrl)];
        var given = settings.Where(setting => setting.Item2 is not null).Select(setting => (setting.Item1, setting.Item2!)).ToArray();

        if (accepted)
        {
            Read(given).Http.Url.ShouldBe(url);
        }
        else
        {
            FailuresOf(given).ShouldContain(failure => failure.Contains("Http:PublicUrl"));
        }
    }

    [Fact]
    public void Port_0_becomes_a_free_port_that_is_known_before_the_start()
    {
        var options = Read(("Silo:Port", "0"), ("Silo:GatewayPort", "0"), ("Http:Url", "http://127.0.0.1:0"));

        options.Silo.Port.ShouldNotBe(0);
        options.Silo.GatewayPort.ShouldNotBe(0);
        new Uri(options.Http.Url).Port.ShouldBeGreaterThan(0);
        options.Auth.Issuer.ShouldBe(options.Http.Url + "/");
    }

    [Fact]
    public async Task The_process_prints_all_failures_and_exits_with_2()
    {
        using var directory = new TempDirectory();
        var (exitCode, output) = await ChildProcess.RunAsync(
            "EhrGrains.Silo.dll", ["--EhrGrains:Silo:Port=x", "--EhrGrains:Mod=1"], new Dictionary<string, string>(),
            directory.File("log"), TestContext.Current.CancellationToken);

        exitCode.ShouldBe(2, output);
        output.ShouldContain("EhrGrains:Silo:Port");
        output.ShouldContain("EhrGrains:Mod is not a setting");
    }

    private static SiloOptions Read(params (string Key, string Value)[] settings) =>
        SiloOptionsReader.Read(new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create($"EhrGrains:{setting.Key}", (string?)setting.Value)))
            .Build());

    private static string[] FailuresOf(params (string Key, string Value)[] settings) =>
        [.. Should.Throw<OptionsValidationException>(() => Read(settings)).Failures];
}
