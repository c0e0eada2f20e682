using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Audit;
using EhrGrains.Contracts.Changes;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Tests.Webhooks;

namespace EhrGrains.Grains.Tests.Changes;

/// <summary>Reading changes through the grain: rights, waiting, audit.</summary>
public sealed class ChangesTests(SqliteGrainCluster cluster) : IClassFixture<SqliteGrainCluster>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_reader_sees_the_changes_of_types_that_its_scopes_and_its_grant_allow_and_passes_over_the_others()
    {
        await using var site = await WebhookSite.OpenAsync(cluster, "system/Observation.rs", "system/Patient.rs");
        await site.CommitAsync("p1", "Patient/p1", "Observation/o", "Condition/c");
        using var reader = Enter("system/Observation.rs", "system/Condition.rs");

        var page = await Changes(site).PageAsync(0, 10, TimeSpan.Zero, Ct);
        page.Changes.ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            change => (change.Seq, change.Type, change.Id, change.Kind, change.Source).ShouldBe((2, "Observation", "o", Contracts.Records.ChangeKind.Created, "adt/1")));
        page.Next.ShouldBe(3);
    }

    [Fact]
    public async Task Who_waits_is_told_of_a_change_in_the_same_moment_and_of_one_in_another_silo_within_a_second()
    {
        await using var site = await WebhookSite.OpenAsync(cluster);
        for (var silo = 0; silo < 2; silo++)
        {
            Task<ChangePage> waiting;
            using (Enter("system/*.rs"))
            {
                waiting = cluster.Silo(silo).GetChanges(site).PageAsync(silo, 10, TimeSpan.FromSeconds(30), Ct);
            }

            await site.CommitAsync($"p{silo}", "Patient/p");
            (await site.PassTimeUntilAsync(waiting)).Changes.ShouldHaveSingleItem().Seq.ShouldBe(silo + 1);
        }
    }

    [Fact]
    public async Task A_wait_that_is_over_answers_an_empty_page()
    {
        await using var site = await WebhookSite.OpenAsync(cluster);
        using var reader = Enter("system/*.rs");
        (await site.PassTimeUntilAsync(Changes(site).PageAsync(0, 10, TimeSpan.FromSeconds(5), Ct))).ShouldSatisfyAllConditions(
            page => page.Changes.ShouldBeEmpty(), page => page.Next.ShouldBe(0));
    }

    [Fact]
    public async Task Reading_on_and_on_gives_each_change_once()
    {
        await using var site = await WebhookSite.OpenAsync(cluster);
        for (var i = 1; i <= 5; i++)
        {
            await site.CommitAsync("p1", "Patient/p1");
        }

        using var reader = Enter("system/*.rs");
        var seen = new List<long>();
        await foreach (var change in Changes(site).ReadAsync(2, Ct))
        {
            seen.Add(change.Seq);
            if (seen.Count == 3)
            {
                break;
            }
        }

        seen.ShouldBe([3, 4, 5]);
    }

    [Fact]
    public async Task What_is_told_is_on_the_audit_trail_with_its_patients_and_nothing_is_told_to_strangers()
    {
        await using var site = await WebhookSite.OpenAsync(cluster);
        await site.CommitAsync("p1", "Patient/p1");
        using (Enter("system/*.rs"))
        {
            await Changes(site).PageAsync(0, 10, TimeSpan.Zero, Ct);
        }

        using (cluster.EnterAdmin())
        {
            var rows = await cluster.Inside.GetGrain<IAuditGrain>(GrainKeys.Tenant(site.Tenant)).WhoAsync("p1", null, 10, Ct);
            rows.ShouldContain(row => row.Action == "changes" && row.App == WebhookSite.App.Value);
        }

        using var stranger = cluster.Tickets.Enter(new Caller(AppId.Parse("stranger", null), AppRole.Application, ["system/*.rs"], default));
        (await Should.ThrowAsync<ProblemException>(() => Changes(site).PageAsync(0, 10, TimeSpan.Zero, Ct))).Kind.ShouldBe(ProblemKind.NotFound);
    }

    [Fact]
    public async Task What_is_wrong_with_a_question_is_said_all_at_once()
    {
        await using var site = await WebhookSite.OpenAsync(cluster);
        using var reader = Enter("system/*.rs");
        (await Should.ThrowAsync<ProblemException>(() => Changes(site).PageAsync(-1, 0, TimeSpan.FromHours(1), Ct))).Problems
            .Select(problem => problem.Path).ShouldBe(["after", "limit", "wait"]);
    }

    private CallerScope Enter(params string[] scopes) => cluster.Tickets.Enter(new Caller(WebhookSite.App, AppRole.Application, scopes, default));

    private IChangesGrain Changes(WebhookSite site) => cluster.Silo(0).GetChanges(site);
}

internal static class ChangesOfSilo
{
    /// <summary>A stateless worker runs where it is called.</summary>
    internal static IChangesGrain GetChanges(this IServiceProvider silo, WebhookSite site) =>
        ((IGrainFactory)silo.GetService(typeof(IGrainFactory))!).GetGrain<IChangesGrain>(GrainKeys.Tenant(site.Tenant));
}
