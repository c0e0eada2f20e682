using System.Text;
using System.Text.Json;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Webhooks;
using EhrGrains.Sandbox.Webhooks;

namespace EhrGrains.Grains.Tests.Webhooks;

/// <summary>FHIR Subscriptions (R5 backport on R4): what is made, what arrives, what is refused.</summary>
public sealed class SubscriptionTests(SqliteGrainCluster cluster) : IClassFixture<SqliteGrainCluster>
{
    private const string Base = "https://gateway.test/fhir/t";
    private const string Extensions = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_subscription_is_greeted_notified_paused_and_ended()
    {
        await using var site = await WebhookSite.OpenAsync(cluster, "system/*.rs", "system/Subscription.cruds");
        using var app = Enter();
        var made = await Webhooks(site).CreateAsync(Subscription(site, "full-resource"), Base, Ct);
        using var resource = JsonDocument.Parse(made.Body);
        resource.RootElement.GetProperty("status").GetString().ShouldBe("active");
        resource.RootElement.GetProperty("channel").TryGetProperty("header", out _).ShouldBeFalse();
        Status(await site.NextAsync("Bundle")).ShouldBe(("handshake", "0"));

        await site.CommitAsync("p1", "Patient/p1", "Observation/o");
        await site.CommitAsync("p2", "Observation/o");
        var arrival = await site.NextAsync("Bundle");
        Status(arrival).ShouldBe(("event-notification", "1"));
        using var bundle = JsonDocument.Parse(arrival.Body);
        bundle.RootElement.GetProperty("type").GetString().ShouldBe("history");
        var entry = bundle.RootElement.GetProperty("entry")[1];
        entry.GetProperty("fullUrl").GetString().ShouldBe($"{Base}/Observation/o");
        entry.GetProperty("resource").GetProperty("id").GetString().ShouldBe("o");
        entry.GetProperty("request").GetProperty("method").GetString().ShouldBe("POST");

        var off = await Webhooks(site).UpdateAsync(made.Id, Subscription(site, "id-only", "off"), Base, Ct);
        JsonDocument.Parse(off.Body).RootElement.GetProperty("status").GetString().ShouldBe("off");
        await site.CommitAsync("p1", "Observation/o");
        await Webhooks(site).UpdateAsync(made.Id, Subscription(site, "id-only"), Base, Ct);
        var second = await site.NextAsync("Bundle");
        Status(second).ShouldBe(("event-notification", "2"));
        JsonDocument.Parse(second.Body).RootElement.GetProperty("entry")[1].TryGetProperty("resource", out _).ShouldBeFalse();

        Encoding.UTF8.GetString(await Webhooks(site).SearchAsync(Base, Ct)).ShouldContain(made.Id);
        Encoding.UTF8.GetString(await Webhooks(site).GetStatusAsync(made.Id, Ct)).ShouldContain("query-status");
        await Webhooks(site).DeleteAsync(made.Id, Ct);
        (await Should.ThrowAsync<ProblemException>(() => Webhooks(site).ReadAsync(made.Id, Ct))).Kind.ShouldBe(ProblemKind.NotFound);
    }

    [Fact]
    public async Task A_receiver_that_refuses_the_handshake_leaves_the_subscription_in_error()
    {
        await using var site = await WebhookSite.OpenAsync(cluster, "system/*.rs", "system/Subscription.cruds");
        site.Receiver.Misbehave(new WebhookFault { Status = 500 });
        using var app = Enter();
        using var resource = JsonDocument.Parse((await Webhooks(site).CreateAsync(Subscription(site, "id-only"), Base, Ct)).Body);
        resource.RootElement.GetProperty("status").GetString().ShouldBe("error");
        resource.RootElement.GetProperty("error").GetString()!.ShouldContain("EHR-WHK-135");
    }

    [Fact]
    public async Task A_subscription_is_its_apps_alone()
    {
        await using var site = await WebhookSite.OpenAsync(cluster, "system/*.rs", "system/Subscription.cruds");
        string id;
        using (Enter())
        {
            id = (await Webhooks(site).CreateAsync(Subscription(site, "id-only"), Base, Ct)).Id;
        }

        var other = AppId.Parse("other-subscriber", null);
        using (cluster.EnterAdmin())
        {
            await cluster.Inside.GetGrain<IAppGrain>(GrainKeys.App(other)).RegisterAsync(new AppSpec { App = other, DisplayName = "Other" }, Ct);
            await site.TenantGrain.GrantAsync(other, ["system/*.cruds"], Ct);
        }

        using var stranger = cluster.Tickets.Enter(new Caller(other, AppRole.Application, ["system/*.cruds"], default));
        await NotFoundAsync(() => Webhooks(site).ReadAsync(id, Ct));
        await NotFoundAsync(() => Webhooks(site).UpdateAsync(id, Subscription(site, "id-only"), Base, Ct));
        await NotFoundAsync(() => Webhooks(site).DeleteAsync(id, Ct));
        await NotFoundAsync(() => Webhooks(site).GetStatusAsync(id, Ct));

        static async Task NotFoundAsync(Func<Task> call) => (await Should.ThrowAsync<ProblemException>(call)).Kind.ShouldBe(ProblemKind.NotFound);
    }

    [Fact]
    public async Task Without_the_scope_there_is_no_subscription()
    {
        await using var site = await WebhookSite.OpenAsync(cluster, "system/*.rs");
        using var app = Enter();
        (await Should.ThrowAsync<ProblemException>(() => Webhooks(site).CreateAsync(Subscription(site, "id-only"), Base, Ct))).Kind.ShouldBe(ProblemKind.Forbidden);
    }

    [Theory]
    [InlineData("\"rest-hook\"", "\"websocket\"", "EHR-WHK-012")]
    [InlineData("id-only", "empty", "EHR-WHK-014")]
    [InlineData("record-changed", "admission", "EHR-WHK-011")]
    [InlineData("Observation?patient=Patient/p1", "Observation?code=1", "EHR-WHK-017")]
    [InlineData("Authorization: Bearer", "Host: x", "EHR-WHK-016")]
    [InlineData("backport-payload-content", "backport-heartbeat-period", "EHR-WHK-019")]
    [InlineData("\"reason\"", "\"end\": \"2030-01-01\", \"reason\"", "EHR-WHK-015")]
    [InlineData("{", "", "EHR-WHK-018")]
    public async Task What_is_not_done_here_is_refused_by_name(string part, string other, string code)
    {
        await using var site = await WebhookSite.OpenAsync(cluster);
        var text = Encoding.UTF8.GetString(Subscription(site, "id-only"));
        var start = text.IndexOf(part, StringComparison.Ordinal);
        var changed = text[..start] + other + text[(start + part.Length)..];
        Should.Throw<ProblemException>(() => SubscriptionReader.Read(Encoding.UTF8.GetBytes(changed), WebhookSite.App, Base))
            .Problems.ShouldContain(problem => problem.Code == code);
    }

    private CallerScope Enter() =>
        cluster.Tickets.Enter(new Caller(WebhookSite.App, AppRole.Application, ["system/*.rs", "system/Subscription.cruds"], default));

    private IWebhooksGrain Webhooks(WebhookSite site) => cluster.Inside.GetGrain<IWebhooksGrain>(GrainKeys.Tenant(site.Tenant));

    private static (string? Type, string? Events) Status(WebhookArrival arrival)
    {
        using var bundle = JsonDocument.Parse(arrival.Body);
        var parameters = bundle.RootElement.GetProperty("entry")[0].GetProperty("resource").GetProperty("parameter").EnumerateArray().ToArray();
        return (
            parameters.Single(p => p.GetProperty("name").GetString() == "type").GetProperty("valueCode").GetString(),
            parameters.Single(p => p.GetProperty("name").GetString() == "events-since-subscription-start").GetProperty("valueString").GetString());
    }

    private static byte[] Subscription(WebhookSite site, string content, string status = "requested") => Encoding.UTF8.GetBytes(
        $$"""
        {"resourceType": "Subscription", "status": "{{status}}", "reason": "test",
         "criteria": "https://ehrgrains.dev/fhir/SubscriptionTopic/record-changed",
         "_criteria": {"extension": [{"url": "{{Extensions}}backport-filter-criteria", "valueString": "Observation?patient=Patient/p1"}]},
         "channel": {"type": "rest-hook", "endpoint": "{{site.Receiver.Url}}", "payload": "application/fhir+json",
           "header": ["Authorization: Bearer x"],
           "_payload": {"extension": [{"url": "{{Extensions}}backport-payload-content", "valueCode": "{{content}}"}]} } }
        """);
}
