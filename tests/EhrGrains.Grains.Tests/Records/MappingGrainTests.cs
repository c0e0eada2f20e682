using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Records;
using EhrGrains.Grains.Tests.Feeds;

namespace EhrGrains.Grains.Tests.Records;

/// <summary>What operators see of the mapping, from a feed's journal on.</summary>
public sealed class MappingGrainTests(SqliteGrainCluster fixture) : IClassFixture<SqliteGrainCluster>
{
    private readonly GrainCluster cluster = fixture.OrSkip();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Exceptions_are_listed_with_their_messages_and_mapping_again_takes_those_away_that_are_none_any_more()
    {
        await using var site = await FeedSite.OpenAsync(cluster);
        string[] messages = [Message(site, "X1", "A40", "2", prior: "1"), Message(site, "X2", "A08", "1")];
        await site.ReceiveAsync(messages);
        await site.ForwardedAsync("X1", "X2");

        var before = await AskAsync(site, mapping => mapping.ListAsync(MergeEvents.Unknown, null, 10, Ct));
        before.ShouldHaveSingleItem().Position.ShouldBe(1);
        (await AskAsync(site, mapping => mapping.CountAsync(Ct))).ShouldContain(count => count.Kind == MergeEvents.Unknown && count.Location == "MRG-1" && count.Count == 1);

        var replay = await AskAsync(site, mapping => mapping.ReplayAsync(MergeEvents.Unknown, null, 10, Ct));
        (replay.Messages, replay.Gone).ShouldBe((1, 0));
        replay.Written.ShouldBe(0, "it had said nothing new");
        (await AskAsync(site, mapping => mapping.ListAsync(MergeEvents.Unknown, null, 10, Ct))).ShouldBeEmpty();
        (await cluster.LookAsync($"SELECT count(*) FROM record_heads WHERE tenant_id = '{site.Tenant}' AND merged_into IS NOT NULL")).ShouldBe(["1"]);
    }

    [Fact]
    public async Task A_changed_mapping_is_shown_by_element_before_it_is_used_and_changes_nothing()
    {
        await using var site = await FeedSite.OpenAsync(cluster);
        await site.ReceiveAsync(Message(site, "S1", "A08", "1"), Message(site, "S2", "A08", "2"));
        await site.ForwardedAsync("S1", "S2");
        var changed = new MappingSpec { Authorities = new Dictionary<string, string> { ["H"] = "urn:oid:1.2.3" } };

        var shadow = await AskAsync(site, mapping => mapping.ShadowAsync(changed, "America/Chicago", 100, Ct));
        var same = await AskAsync(site, mapping => mapping.ShadowAsync(new MappingSpec(), "America/Chicago", 100, Ct));

        (shadow.Messages, shadow.Differing, same.Differing).ShouldBe((2, 2, 0));
        shadow.Elements.ShouldContain(element => element.Element == "Patient.identifier.system" && element.Added + element.Changed == 2 && element.Example == "adt/1");
        var refused = await Should.ThrowAsync<ProblemException>(() => AskAsync(
            site, mapping => mapping.ShadowAsync(new MappingSpec { Rules = "this is no rule" }, "America/Chicago", 100, Ct)));
        refused.Kind.ShouldBe(ProblemKind.Invalid);
    }

    private async Task<T> AskAsync<T>(FeedSite site, Func<IMappingGrain, Task<T>> ask)
    {
        using var admin = cluster.EnterAdmin();
        return await ask(cluster.Inside.GetGrain<IMappingGrain>(GrainKeys.Tenant(site.Tenant)));
    }

    private static string Message(FeedSite site, string controlId, string trigger, string mrn, string prior = "") =>
        $"MSH|^~\\&|{site.Tenant}|HOSP|US|HERE|20260101120000||ADT^{trigger}|{controlId}|P|2.5.1\rEVN|{trigger}|20260101120000\r"
        + $"PID|1||{mrn}^^^H^MR||Moser^Anna||19700101|F\r{(prior.Length > 0 ? $"MRG|{prior}^^^H^MR\r" : "")}";
}
