using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using EhrGrains.Testing;

namespace EhrGrains.Silo.Tests;

/// <summary>What needs a silo with settings of its own.</summary>
public sealed class SeparateSiloTests(RunningSilo issuer)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task With_an_external_issuer_its_tokens_are_taken_and_none_are_issued_here()
    {
        using var directory = new TempDirectory();
        await using var silo = SiloHost.Build(RunningSilo.Arguments(
            directory.Path, $"--EhrGrains:Auth:ExternalIssuer={issuer.Http.BaseAddress}", "--Logging:LogLevel:Default=Error"));
        await silo.StartAsync(Cancel);
        using var http = new HttpClient { BaseAddress = new Uri(silo.Urls.Single()) };

        using var token = await http.PostAsync("/oauth/token", new FormUrlEncodedContent([]), Cancel);
        var configuration = await http.GetFromJsonAsync<JsonElement>("/fhir/.well-known/smart-configuration", Cancel);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/admin/v1/tenants");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await issuer.Admin.TokenAsync(Cancel));
        using var asAdmin = await http.SendAsync(request, Cancel);

        token.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        configuration.GetProperty("token_endpoint").GetString().ShouldBe(issuer.TokenEndpoint.ToString());
        asAdmin.StatusCode.ShouldBe(HttpStatusCode.OK, "the issuer says who it is, and this silo knows an administrator of that name");
        await silo.StopAsync(Cancel);
    }

    [Fact]
    public async Task Every_line_of_the_log_is_one_object_that_says_each_thing_once()
    {
        using var directory = new TempDirectory();
        await using var silo = await ChildProcess.StartAsync(
            "EhrGrains.Silo.dll", RunningSilo.Arguments(directory.File("data")), new Dictionary<string, string>(), directory.File("log"), "The silo serves", Cancel);
        silo.Terminate();
        await silo.WaitForExitAsync(Cancel);

        var lines = silo.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines.Length.ShouldBeGreaterThan(5);
        foreach (var line in lines)
        {
            var entry = JsonDocument.Parse(line).RootElement;
            entry.EnumerateObject().Select(property => property.Name).Where(name => name != "Exception")
                .ShouldBe(["Timestamp", "EventId", "LogLevel", "Category", "Message", "State"], line);
            entry.GetProperty("State").TryGetProperty("Message", out _).ShouldBeFalse(line);
            line.ShouldNotContain("TagJoiner");
        }

        var serves = lines.Select(line => JsonDocument.Parse(line).RootElement).Single(entry => entry.GetProperty("EventId").GetInt32() == 7000);
        var state = serves.GetProperty("State");
        state.GetProperty("{OriginalFormat}").GetString()!.Replace("{Url}", state.GetProperty("Url").GetString(), StringComparison.Ordinal)
            .ShouldStartWith(serves.GetProperty("Message").GetString()!.Split(';')[0]);
        serves.GetProperty("Timestamp").GetDateTimeOffset().Offset.ShouldBe(TimeSpan.Zero);
    }

    [Fact]
    public async Task One_app_cannot_take_more_than_its_share_of_a_silo()
    {
        using var directory = new TempDirectory();
        await using var silo = SiloHost.Build(RunningSilo.Arguments(
            directory.Path, "--EhrGrains:Gateway:ConcurrentRequestsPerApp=1", "--Logging:LogLevel:Default=Error"));
        await silo.StartAsync(Cancel);
        using var http = new HttpClient { BaseAddress = new Uri(silo.Urls.Single()) };
        using var admin = Identity.FromOperatorFile(directory.File("operator.json"), "ehrgrains/operate", http);
        var token = await admin.TokenAsync(Cancel);

        // A search whose form never comes to its end holds the one place.
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(http.BaseAddress.Host, http.BaseAddress.Port, Cancel);
        await socket.SendAsync(
            Encoding.ASCII.GetBytes(
                $"POST /fhir/st-mary/Patient/_search HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"),
            Cancel);

        // Kestrel says 100 when the endpoint begins to read, which is behind the limiter.
        (await socket.ReceiveAsync(new byte[25], Cancel)).ShouldBe(25);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/fhir/st-mary/Patient");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var second = await http.SendAsync(request, Cancel);

        second.StatusCode.ShouldBe(HttpStatusCode.TooManyRequests);
        second.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(1));
        (await second.Content.ReadAsStringAsync(Cancel)).ShouldContain("throttled");
        (await http.GetAsync("/health/ready", Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
        socket.Close();
        await silo.StopAsync(Cancel);
    }
}
