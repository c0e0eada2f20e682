using CsCheck;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Sync;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage.Journal;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Feeds;

public sealed class InboundFeedOnSqliteTests(SqliteGrainCluster cluster) : InboundFeedTests(cluster), IClassFixture<SqliteGrainCluster>;

public sealed class InboundFeedOnPostgresTests(PostgresGrainCluster cluster) : InboundFeedTests(cluster), IClassFixture<PostgresGrainCluster>;

public abstract class InboundFeedTests(GrainCluster fixture)
{
    private readonly GrainCluster cluster = fixture.OrSkip();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Messages_are_processed_in_order_counted_and_forwarded_once()
    {
        await using var site = await FeedSite.OpenAsync(cluster);
        var ids = Enumerable.Range(1, 100).Select(i => $"M{i}").ToArray();
        await site.ReceiveAsync([.. ids.Select(site.Message)]);
        await site.ForwardedAsync(ids);

        await site.DoAsync(feed => feed.PauseAsync("look", Ct));
        var status = await site.AskAsync(feed => feed.StatusAsync(Ct));
        (status.Position, status.Head, status.Quarantined).ShouldBe((100, 100, 0));
        status.Hours.Sum(hour => hour.Types.Single(type => type.Name == "ADT^A08").Count).ShouldBe(100);
        site.Receiver.Peek().ShouldBeNull();
    }

    [Fact]
    public async Task Patients_of_the_messages_that_are_named_join_the_cohort_of_messages()
    {
        await using var site = await FeedSite.OpenAsync(cluster, sync: new SyncSpec { EnrolOn = ["ADT^A08"] });
        await site.ReceiveAsync(site.Message("E1"), site.Message("E2"));
        await site.ForwardedAsync("E1", "E2");

        using var admin = cluster.EnterAdmin();
        var cohort = await cluster.Inside.GetGrain<IPopulationSyncGrain>(GrainKeys.Cohort(site.Tenant, CohortId.Parse("messages", null))).DescribeAsync(Ct);
        cohort.Members.Values.Sum().ShouldBe(1);
    }

    [Fact]
    public async Task A_paused_feed_processes_nothing_and_loses_nothing()
    {
        await using var site = await FeedSite.OpenAsync(cluster);
        await site.DoAsync(feed => feed.PauseAsync("upgrade", Ct));
        await site.ReceiveAsync(site.Message("P1"), site.Message("P2"));

        var status = await site.AskAsync(feed => feed.StatusAsync(Ct));
        (status.State, status.Reason, status.Position, status.Head).ShouldBe((FeedState.Paused, "upgrade", 0, 2));
        await site.DoAsync(feed => feed.ResumeAsync(Ct));
        await site.ForwardedAsync("P1", "P2");
    }

    [Fact]
    public async Task A_message_that_cannot_be_processed_is_parked_with_an_alarm_and_the_others_go_on()
    {
        using var alarms = new Alarms(cluster);
        await using var site = await FeedSite.OpenAsync(cluster);
        await site.ReceiveAsync(site.Message("A1"), site.Poison("A2"), site.Message("A3"));
        await site.ForwardedAsync("A1", "A3");
        await alarms.RaisedAsync("quarantine");

        var aside = (await site.AskAsync(feed => feed.QuarantineAsync(0, 10, Ct))).ShouldHaveSingleItem();
        (aside.Position, aside.Code, aside.Tries).ShouldBe((2, "EHR-HL7-001", 1));
        aside.Reason.ShouldNotContain("4711");
        var retried = await Should.ThrowAsync<ProblemException>(() => site.DoAsync(feed => feed.RetryAsync(2, Ct)));
        retried.Kind.ShouldBe(ProblemKind.CheckFailed);

        await site.DoAsync(feed => feed.SkipAsync(2, "garbage", Ct));
        var status = await site.AskAsync(feed => feed.StatusAsync(Ct));
        (status.Quarantined, status.Alarms.Length, status.Position).ShouldBe((0, 0, 3));
        (await Should.ThrowAsync<ProblemException>(() => site.DoAsync(feed => feed.SkipAsync(2, "again", Ct)))).Kind.ShouldBe(ProblemKind.NotFound);
    }

    [Fact]
    public async Task A_feed_that_blocks_stops_in_front_of_the_message_until_it_is_skipped()
    {
        using var alarms = new Alarms(cluster);
        await using var site = await FeedSite.OpenAsync(cluster, inbound => inbound with { Poison = PoisonPolicy.Block });
        await site.ReceiveAsync(site.Message("B1"), site.Poison("B2"), site.Message("B3"));
        await site.ForwardedAsync("B1");
        await alarms.RaisedAsync("blocked");
        await site.NudgeAsync();

        // In a turn of its own, so behind whatever the nudges began.
        await site.DoAsync(feed => feed.ResumeAsync(Ct));
        var status = await site.AskAsync(feed => feed.StatusAsync(Ct));
        (status.State, status.Position).ShouldBe((FeedState.Blocked, 1));
        status.Alarms.ShouldHaveSingleItem().Kind.ShouldBe(FeedAlarmKind.Blocked);
        (await site.AskAsync(feed => feed.QuarantineAsync(0, 10, Ct))).ShouldHaveSingleItem().Position.ShouldBe(2);

        await site.DoAsync(feed => feed.SkipAsync(2, "garbage", Ct));
        await site.ForwardedAsync("B3");
        (await site.AskAsync(feed => feed.StatusAsync(Ct))).Alarms.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_replay_processes_again_and_sends_nothing_twice()
    {
        await using var site = await FeedSite.OpenAsync(cluster);
        await site.ReceiveAsync(site.Message("R1"), site.Message("R2"), site.Message("R3"));
        await site.ForwardedAsync("R1", "R2", "R3");

        (await site.AskAsync(feed => feed.ReplayAsync(2, null, Ct))).ShouldBe(2);
        (await site.AskAsync(feed => feed.ReplayAsync(null, DateTimeOffset.UnixEpoch, Ct))).ShouldBe(1);
        (await Should.ThrowAsync<ProblemException>(() => site.DoAsync(feed => feed.ReplayAsync(4, null, Ct)))).Problems.Single().Code.ShouldBe("EHR-FED-113");
        (await Should.ThrowAsync<ProblemException>(() => site.DoAsync(feed => feed.ReplayAsync(null, null, Ct)))).Problems.Single().Code.ShouldBe("EHR-FED-110");
        await site.ReceiveAsync(site.Message("R4"));
        await site.ForwardedAsync("R4");

        var status = await site.AskAsync(feed => feed.StatusAsync(Ct));
        status.Hours.Sum(hour => hour.Types.Sum(type => type.Count)).ShouldBeLessThanOrEqualTo(4, "a replay counts nothing twice");
    }

    [Fact]
    public async Task An_activation_that_another_has_overtaken_changes_nothing()
    {
        await using var site = await FeedSite.OpenAsync(cluster);
        await site.ReceiveAsync(site.Message("F1"));
        await site.ForwardedAsync("F1");

        // Another silo takes the feed over: what is in memory here is worth nothing any more.
        var progress = cluster.Silo(1).GetRequiredService<FeedProgress>();
        var other = await progress.TakeEpochAsync(site.Tenant, FeedSite.Adt, Ct);
        await site.ReceiveAsync(site.Message("F2"));
        await site.DoAsync(async feed =>
        {
            // Fenced in its next step or in this turn, whichever is first; and then at once a new activation with a new epoch.
            try
            {
                await feed.ReplayAsync(1, null, Ct);
            }
            catch (ProblemException e) when (e.Problems[0].Code == "EHR-FED-101")
            {
                await feed.ReplayAsync(1, null, Ct);
            }
        });
        await site.ForwardedAsync("F2");
        (await progress.CommitAsync(new FeedCommit { Tenant = site.Tenant, Feed = FeedSite.Adt, Epoch = other.Epoch, Position = 0 }, Ct)).ShouldBeFalse();
        (await site.AskAsync(feed => feed.StatusAsync(Ct))).Epoch.ShouldBeGreaterThan(other.Epoch);
        site.Receiver.Peek().ShouldBeNull();
    }

    [Fact]
    public async Task Silence_raises_an_alarm_and_the_next_message_ends_it()
    {
        using var alarms = new Alarms(cluster);
        await using var site = await FeedSite.OpenAsync(cluster, inbound => inbound with { SilenceAlarmMinutes = 60 });
        await site.NudgeAsync();
        await site.PassTimeUntilAsync(alarms.RaisedAsync("silence"), TimeSpan.FromMinutes(1));
        await site.DoAsync(feed => feed.PauseAsync("look", Ct));
        (await site.AskAsync(feed => feed.StatusAsync(Ct))).Alarms.ShouldHaveSingleItem().Kind.ShouldBe(FeedAlarmKind.Silence);

        await site.AppendAsync(site.Message("S1"));
        await site.DoAsync(feed => feed.ResumeAsync(Ct));
        await site.ForwardedAsync("S1");
        await site.DoAsync(feed => feed.PauseAsync("look", Ct));
        (await site.AskAsync(feed => feed.StatusAsync(Ct))).Alarms.ShouldBeEmpty();
    }

    [Fact]
    public async Task Raw_messages_are_for_an_administrator_whose_token_says_so_and_are_audited()
    {
        await using var site = await FeedSite.OpenAsync(cluster);
        await site.ReceiveAsync(site.Message("W1"));
        await site.ForwardedAsync("W1");
        (await Should.ThrowAsync<ProblemException>(() => site.AskAsync(feed => feed.ReadAsync(0, 1, Ct)))).Problems.Single().Code.ShouldBe("EHR-AUT-010");

        using var reader = cluster.Tickets.Enter(new Caller(AppId.Parse("admin", null), AppRole.Admin, [CallContext.ReadMessagesScope], default));
        var read = (await site.Feed.ReadAsync(0, 10, Ct)).ShouldHaveSingleItem();
        System.Text.Encoding.UTF8.GetString(read.Message).ShouldBe(site.Message("W1"));
        read.ToString().ShouldBe("FeedMessage 1");
    }

    [Fact]
    public async Task What_one_hospital_sends_reaches_its_own_receiver_in_order_and_no_other()
    {
        await using var a = await FeedSite.OpenAsync(cluster);
        await using var b = await FeedSite.OpenAsync(cluster);
        await using var c = await FeedSite.OpenAsync(cluster);
        FeedSite[] sites = [a, b, c];
        var counts = new int[3];
        await Gen.Int[0, 2].List[1, 12].SampleAsync(
            async order =>
            {
                var expected = new List<string>[] { [], [], [] };
                foreach (var index in order)
                {
                    var id = $"{index}-{++counts[index]}";
                    expected[index].Add(id);
                    await sites[index].ReceiveAsync(sites[index].Message(id));
                }

                for (var index = 0; index < 3; index++)
                {
                    await sites[index].ForwardedAsync([.. expected[index]]);
                    sites[index].Receiver.Peek().ShouldBeNull();
                }
            },
            iter: 4, threads: 1);
    }

    [Fact]
    public async Task Feeds_of_two_hospitals_that_one_message_could_mean_cannot_both_be_registered()
    {
        await using var site = await FeedSite.OpenAsync(cluster);
        await using var second = await Hospital.RegisterAsync(cluster);
        var feed = new FeedSpec { Feed = "adt", DisplayName = "Same", Inbound = new InboundFeedSpec { Match = new FeedMatch { SendingApplication = site.Tenant.Value } } };
        using var admin = cluster.EnterAdmin();
        var refusal = await Should.ThrowAsync<ProblemException>(() => second.Grain.RegisterAsync(second.Spec with { Feeds = [feed] }, dryRun: true, Ct));
        (refusal.Problems.Single().Code, refusal.Problems.Single().Path).ShouldBe(("EHR-FED-050", "feeds[0].inbound.match"));

        var narrower = feed with { Inbound = feed.Inbound with { Match = feed.Inbound.Match with { SendingFacility = "EAST" } } };
        (await second.Grain.RegisterAsync(second.Spec with { Feeds = [narrower] }, dryRun: false, Ct)).Differences.ShouldNotBeEmpty();
    }
}
