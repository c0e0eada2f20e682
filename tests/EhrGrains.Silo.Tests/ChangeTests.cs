using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;
using EhrGrains.Sandbox.Webhooks;
using EhrGrains.Testing;

namespace EhrGrains.Silo.Tests;

/// <summary>Flow 2 of the design to its end: a message comes in over MLLP, its changes go out as a page, as events and by webhook.</summary>
public sealed class ChangeTests(FeedSilo silo) : IClassFixture<FeedSilo>
{
    private const string Tenant = "feeds-south";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_becomes_changes_that_are_read_streamed_and_delivered()
    {
        using var app = await RegisterAsync("changes-app");
        await using var receiver = await WebhookReceiver.StartAsync(0, cancellationToken: Cancel);
        var made = await silo.CallAsync(
            HttpMethod.Put, $"/admin/v1/tenants/{Tenant}/webhooks/all", new { app = "changes-app", url = receiver.Url }, Cancel);
        made.GetProperty("webhook").GetProperty("state").GetString().ShouldBe("active");
        receiver.Trust(made.GetProperty("secret").GetString()!);
        (await receiver.NextAsync(Cancel)).Type.ShouldBe("webhook.challenge");

        var waiting = ReadAsync(app, "after=0&wait=30");
        (await silo.SendAsync(FeedSilo.Message("SOUTH", "CH-1"), Cancel)).ShouldNotBeNull().ShouldContain("MSA|AA|CH-1");

        var arrival = await receiver.NextAsync(Cancel);
        var page = await waiting;
        var changes = page.GetProperty("changes").EnumerateArray().ToArray();
        changes.ShouldContain(change => change.GetProperty("type").GetString() == "Patient" && change.GetProperty("kind").GetString() == "created");
        arrival.Patient.ShouldBe(changes[0].GetProperty("patient").GetString());
        arrival.Changes[0].ShouldBe(1);
        receiver.Read().Forged.ShouldBe(0);

        using var request = new HttpRequestMessage(HttpMethod.Get, $"/tenants/{Tenant}/changes");
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        request.Headers.Add("Last-Event-ID", "0");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await app.TokenAsync(Cancel));
        using var stream = await silo.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);
        stream.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
        await foreach (var item in SseParser.Create(await stream.Content.ReadAsStreamAsync(Cancel)).EnumerateAsync(Cancel))
        {
            (item.EventType, item.EventId).ShouldBe(("change", "1"));
            JsonDocument.Parse(item.Data).RootElement.GetProperty("seq").GetInt64().ShouldBe(1);
            break;
        }

        var status = await silo.CallAsync(HttpMethod.Get, $"/admin/v1/tenants/{Tenant}/webhooks/all", null, Cancel);
        status.GetProperty("head").GetInt64().ShouldBeGreaterThanOrEqualTo(changes.Length);
        (await silo.CallAsync(HttpMethod.Post, $"/admin/v1/tenants/{Tenant}/webhooks/all:test", null, Cancel)).GetProperty("outcome").GetString().ShouldBe("200");
        await silo.CallAsync(HttpMethod.Delete, $"/admin/v1/tenants/{Tenant}/webhooks/all", null, Cancel);
    }

    [Fact]
    public async Task A_subscription_is_made_and_ended_by_fhir()
    {
        const string Profiles = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/";
        using var app = await RegisterAsync("subscription-app");
        await using var receiver = await WebhookReceiver.StartAsync(0, cancellationToken: Cancel);
        var subscription = new
        {
            resourceType = "Subscription",
            status = "requested",
            reason = "test",
            criteria = "https://ehrgrains.dev/fhir/SubscriptionTopic/record-changed",
            channel = new
            {
                type = "rest-hook",
                endpoint = receiver.Url,
                payload = "application/fhir+json",
                _payload = new { extension = new[] { new { url = Profiles + "backport-payload-content", valueCode = "id-only" } } },
            },
        };
        using var made = await SendAsync(app, HttpMethod.Post, "/fhir/feeds-south/Subscription", subscription);
        made.StatusCode.ShouldBe(HttpStatusCode.Created, await made.Content.ReadAsStringAsync(Cancel));
        var location = made.Headers.Location!.PathAndQuery;
        (await made.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("status").GetString().ShouldBe("active");

        using var status = await SendAsync(app, HttpMethod.Get, $"{location}/$status", null);
        (await status.Content.ReadAsStringAsync(Cancel)).ShouldContain("backport-subscription-status-r4");
        (await SendAsync(app, HttpMethod.Delete, location, null)).StatusCode.ShouldBe(HttpStatusCode.NoContent);
        using var gone = await SendAsync(app, HttpMethod.Get, location, null);
        gone.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await gone.Content.ReadAsStringAsync(Cancel)).ShouldContain("OperationOutcome");
    }

    [Theory]
    [InlineData("after=-1", HttpStatusCode.BadRequest)]
    [InlineData("limit=100000", HttpStatusCode.BadRequest)]
    [InlineData("wait=NaN", HttpStatusCode.BadRequest)]
    public async Task What_cannot_be_asked_is_refused(string query, HttpStatusCode expected)
    {
        using var app = await RegisterAsync("asking-app");
        using var answer = await SendAsync(app, HttpMethod.Get, $"/tenants/{Tenant}/changes?{query}", null);
        answer.StatusCode.ShouldBe(expected);
    }

    private async Task<JsonElement> ReadAsync(Identity app, string query)
    {
        using var answer = await SendAsync(app, HttpMethod.Get, $"/tenants/{Tenant}/changes?{query}", null);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private async Task<HttpResponseMessage> SendAsync(Identity app, HttpMethod method, string path, object? body)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await app.TokenAsync(Cancel));
        return await silo.Http.SendAsync(request, Cancel);
    }

    private async Task<Identity> RegisterAsync(string app)
    {
        const string Scopes = "system/*.rs system/Subscription.cruds";
        var identity = new Identity(app, Scopes, silo.Http, new Uri(silo.Http.BaseAddress!, "/oauth/token"));
        var jwks = JsonSerializer.Deserialize<JsonElement>(identity.JsonWebKeySet);
        await silo.CallAsync(HttpMethod.Put, $"/admin/v1/apps/{app}", new { displayName = app, role = "application", jwks }, Cancel);
        await silo.CallAsync(HttpMethod.Put, $"/admin/v1/tenants/{Tenant}/grants/{app}", new { scopes = Scopes.Split(' ') }, Cancel);
        return identity;
    }
}
