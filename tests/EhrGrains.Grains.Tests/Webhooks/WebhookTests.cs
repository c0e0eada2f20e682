using System.Text.Json;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Sandbox.Webhooks;

namespace EhrGrains.Grains.Tests.Webhooks;

/// <summary>A webhook's grain against a real receiver, which verifies what it gets.</summary>
public abstract class WebhookTests(GrainCluster cluster)
{
    private readonly GrainCluster cluster = cluster.OrSkip();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Changes_of_one_commit_are_one_delivery_that_names_them_and_no_more()
    {
        await using var site = await WebhookSite.OpenWithHookAsync(cluster);
        await site.CommitAsync("p1", "Patient/p1", "Encounter/e1");

        var arrival = await site.NextAsync();
        arrival.Id.ShouldBe($"{site.Tenant}_hook_1");
        arrival.Patient.ShouldBe("p1");
        arrival.Changes.ShouldBe([1, 2]);
        using var body = JsonDocument.Parse(arrival.Body);
        var first = body.RootElement.GetProperty("data").GetProperty("changes")[0];
        first.GetProperty("kind").GetString().ShouldBe("created");
        (first.GetProperty("type").GetString(), first.GetProperty("id").GetString(), first.GetProperty("version").GetInt32()).ShouldBe(("Patient", "p1", 1));
        first.TryGetProperty("resource", out _).ShouldBeFalse();
        var status = await site.UntilAsync(status => status.Position == 2);
        (status.Delivered, status.Head, status.OldestWaitingAt).ShouldBe((2, 2, null));
    }

    [Fact]
    public async Task A_full_delivery_holds_each_resource_in_the_version_of_its_change()
    {
        await using var site = await WebhookSite.OpenWithHookAsync(cluster, spec => spec with { Payload = WebhookPayload.Resource });
        await site.AsAdminAsync(grain => grain.PauseAsync("for the test", Ct));
        await site.CommitAsync("p1", "Patient/p1");
        await site.CommitAsync("p1", "Patient/p1");
        await site.AsAdminAsync(grain => grain.ResumeAsync(Ct));

        foreach (var version in (int[])[1, 2])
        {
            using var body = JsonDocument.Parse((await site.NextAsync()).Body);
            body.RootElement.GetProperty("data").GetProperty("changes")[0].GetProperty("resource").GetProperty("meta").GetProperty("versionId").GetString()
                .ShouldBe(version.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }
    }

    [Fact]
    public async Task Only_what_the_filter_and_the_grant_of_its_app_let_through_is_delivered()
    {
        await using var site = await WebhookSite.OpenAsync(cluster, "system/Observation.rs", "system/Condition.rs");
        await site.SetAsync(site.Spec with { Types = ["Patient", "Observation"], Patients = ["p2"] });
        await site.NextAsync("webhook.challenge");
        await site.CommitAsync("p1", "Observation/a");
        await site.CommitAsync("p2", "Patient/p2", "Observation/b", "Condition/c");

        (await site.NextAsync()).Changes.ShouldBe([3]);
        (await site.UntilAsync(status => status.Position == 4)).Delivered.ShouldBe(1);
    }

    [Fact]
    public async Task A_receiver_that_does_not_give_the_challenge_back_gets_nothing_until_it_does()
    {
        await using var site = await WebhookSite.OpenAsync(cluster);
        site.Receiver.Misbehave(new WebhookFault { IgnoresChallenges = true });
        var status = (await site.SetAsync(site.Spec)).Status;
        status.State.ShouldBe(WebhookState.Pending);
        status.LastFailure!.Code.ShouldBe("EHR-WHK-136");
        await site.CommitAsync("p1", "Patient/p1");
        await site.NextAsync("webhook.challenge");

        site.Receiver.Misbehave(new WebhookFault());
        (await site.AsAdminAsync(grain => grain.ResumeAsync(Ct))).State.ShouldBe(WebhookState.Active);
        await site.NextAsync("webhook.challenge");
        (await site.NextAsync()).Changes.ShouldBe([1]);
    }

    [Fact]
    public async Task What_fails_is_sent_again_under_the_same_id_and_holds_nobody_else_up()
    {
        await using var site = await WebhookSite.OpenWithHookAsync(cluster);
        site.Receiver.Misbehave(new WebhookFault { Status = 500, Patient = "p1", Deliveries = 2 });
        await site.CommitAsync("p1", "Patient/p1");
        await site.CommitAsync("p1", "Encounter/e1");
        await site.CommitAsync("p2", "Patient/p2");

        var arrivals = new List<WebhookArrival>();
        while (arrivals.Count(arrival => arrival.Status == 200) < 3)
        {
            arrivals.Add(await site.NextAsync());
        }

        var ofFirst = arrivals.Where(arrival => arrival.Patient == "p1").ToArray();
        ofFirst.Select(arrival => (arrival.Changes[0], arrival.Status)).ShouldBe([(1, 500), (1, 500), (1, 200), (2, 200)]);
        ofFirst.Take(3).Select(arrival => arrival.Id).Distinct().ShouldHaveSingleItem();
        arrivals.FindIndex(arrival => arrival.Patient == "p2").ShouldBeLessThan(arrivals.FindIndex(arrival => arrival is { Patient: "p1", Status: 200 }));
        (await site.UntilAsync(status => status.Position == 3)).Failures.ShouldBe(0);
        (await site.AsAdminAsync(grain => grain.DeliveriesAsync(null, 100, Ct))).Max(line => line.Try).ShouldBe(3);
    }

    [Fact]
    public async Task A_receiver_that_asks_for_time_gets_it()
    {
        await using var site = await WebhookSite.OpenWithHookAsync(cluster);
        site.Receiver.Misbehave(new WebhookFault { Status = 429, RetryAfterSeconds = 600, Deliveries = 1 });
        await site.CommitAsync("p1", "Patient/p1");
        (await site.NextAsync()).Status.ShouldBe(429);
        var status = await site.UntilAsync(status => status.NextTryAt is not null, TimeSpan.FromMilliseconds(1));
        (status.NextTryAt - cluster.Time.GetUtcNow())!.Value.ShouldBeGreaterThan(TimeSpan.FromMinutes(9));

        cluster.Time.Advance(TimeSpan.FromMinutes(11));
        (await site.NextAsync()).Status.ShouldBe(200);
    }

    [Fact]
    public async Task After_three_days_it_gives_up_keeps_everything_and_goes_on_when_resumed()
    {
        await using var site = await WebhookSite.OpenWithHookAsync(cluster);
        site.Receiver.Misbehave(new WebhookFault { Status = 503 });
        await site.CommitAsync("p1", "Patient/p1");
        await site.UntilAsync(status => status.State == WebhookState.GaveUp, TimeSpan.FromHours(1));
        await site.CommitAsync("p1", "Encounter/e1");

        site.Receiver.Misbehave(new WebhookFault());
        await site.AsAdminAsync(grain => grain.ResumeAsync(Ct));
        await site.UntilAsync(status => status is { State: WebhookState.Active, Position: 2 });
        site.Receiver.Arrivals.Where(arrival => arrival.Status == 200).SelectMany(arrival => arrival.Changes).ShouldBe([1, 2]);
    }

    [Fact]
    public async Task A_receiver_that_is_gone_is_left_alone_and_asked_again_when_resumed()
    {
        await using var site = await WebhookSite.OpenWithHookAsync(cluster);
        site.Receiver.Misbehave(new WebhookFault { Status = 410, Deliveries = 1 });
        await site.CommitAsync("p1", "Patient/p1");
        await site.UntilAsync(status => status.State == WebhookState.Gone);
        await site.NextAsync();

        await site.AsAdminAsync(grain => grain.ResumeAsync(Ct));
        await site.NextAsync("webhook.challenge");
        (await site.NextAsync()).Changes.ShouldBe([1]);
    }

    [Fact]
    public async Task Two_secrets_sign_while_they_overlap_and_then_the_new_one_alone()
    {
        await using var site = await WebhookSite.OpenWithHookAsync(cluster);
        var second = (await site.AsAdminAsync(grain => grain.RotateAsync(TimeSpan.FromHours(1), Ct))).Reveal();
        await site.CommitAsync("p1", "Patient/p1");
        (await site.NextAsync()).Signatures.ShouldBe(2);
        site.Receiver.Trust(second);
        await site.CommitAsync("p1", "Patient/p1");
        (await site.NextAsync()).Signatures.ShouldBe(2);

        cluster.Time.Advance(TimeSpan.FromHours(2));
        await site.CommitAsync("p1", "Patient/p1");
        (await site.NextAsync()).Signatures.ShouldBe(1);
        site.Receiver.Trust(site.Secret);
        await site.CommitAsync("p1", "Patient/p1");
        await site.UntilAsync(status => status.LastFailure is not null && site.Receiver.Read().Forged > 0);
    }

    [Fact]
    public async Task Replay_delivers_again_from_a_change_on_under_the_same_ids()
    {
        await using var site = await WebhookSite.OpenWithHookAsync(cluster);
        await site.CommitAsync("p1", "Patient/p1");
        await site.CommitAsync("p1", "Patient/p1");
        var before = new[] { await site.NextAsync(), await site.NextAsync() };
        await site.UntilAsync(status => status.Position == 2);

        await site.AsAdminAsync(grain => grain.ReplayAsync(1, Ct));
        new[] { await site.NextAsync(), await site.NextAsync() }.Select(arrival => arrival.Id).ShouldBe(before.Select(arrival => arrival.Id));
        (await Should.ThrowAsync<ProblemException>(() => site.AsAdminAsync(grain => grain.ReplayAsync(3, Ct)))).Problems[0].Code.ShouldBe("EHR-WHK-105");
    }

    [Fact]
    public async Task Without_a_grant_of_its_app_it_is_closed_and_changes_wait()
    {
        await using var site = await WebhookSite.OpenWithHookAsync(cluster);
        using (cluster.EnterAdmin())
        {
            await site.TenantGrain.RevokeAsync(WebhookSite.App, Ct);
            cluster.Time.Advance(TimeSpan.FromSeconds(6));
            await site.CommitAsync("p1", "Patient/p1");
            (await site.UntilAsync(status => status.State == WebhookState.Closed)).Position.ShouldBe(0);
            await site.TenantGrain.GrantAsync(WebhookSite.App, ["system/*.rs"], Ct);
        }

        cluster.Time.Advance(TimeSpan.FromSeconds(6));
        await site.CommitAsync("p1", "Patient/p1");
        (await site.NextAsync()).Changes.ShouldBe([1]);
    }

    [Fact]
    public async Task What_is_wrong_with_a_webhook_is_said_all_at_once()
    {
        await using var site = await WebhookSite.OpenAsync(cluster);
        var wrong = site.Spec with { Url = "http://user@10.0.0.1/#x", Types = ["Pizza"], Patients = ["a b"] };
        (await Should.ThrowAsync<ProblemException>(() => site.SetAsync(wrong))).Problems.Select(problem => problem.Path).ShouldBe(["url", "types", "patients"]);
    }

    [Fact]
    public async Task An_address_that_is_not_public_and_not_named_is_not_connected_to()
    {
        await using var site = await WebhookSite.OpenAsync(cluster);
        var status = (await site.SetAsync(site.Spec with { Url = "https://10.255.255.1/webhook" })).Status;
        (status.State, status.LastFailure!.Code).ShouldBe((WebhookState.Pending, "EHR-WHK-131"));
    }

    [Fact]
    public async Task A_removed_webhook_is_gone_with_all_that_was_kept_of_it()
    {
        await using var site = await WebhookSite.OpenWithHookAsync(cluster);
        await site.AsAdminAsync(grain => grain.RemoveAsync(Ct));
        (await Should.ThrowAsync<ProblemException>(() => site.StatusAsync())).Kind.ShouldBe(ProblemKind.NotFound);
        await site.CommitAsync("p1", "Patient/p1");
        var made = await site.SetAsync(site.Spec);
        made.Secret.ShouldNotBeNull().Reveal().ShouldNotBe(site.Secret);
        made.Status.Position.ShouldBe(1);
    }
}

public sealed class SqliteWebhookTests(SqliteGrainCluster cluster) : WebhookTests(cluster), IClassFixture<SqliteGrainCluster>;

public sealed class PostgresWebhookTests(PostgresGrainCluster cluster) : WebhookTests(cluster), IClassFixture<PostgresGrainCluster>;
