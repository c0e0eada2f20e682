using System.Globalization;
using EhrGrains.Storage.Databases;

namespace EhrGrains.EndToEnd.Tests.Feeds;

/// <summary>
/// A silo is killed again and again under 16 senders: nothing that was acknowledged is lost, reordered or kept twice (I1). A few
/// times here; EHRGRAINS_KILLS=50 is the full form, see docs/feeds-durability.md.
/// </summary>
[CollectionDefinition(nameof(KillTests), DisableParallelization = true)]
[Collection(nameof(KillTests))]
public sealed class KillTests(ITestOutputHelper output)
{
    private const int Senders = 16;
    private const int Feeds = 4;
    private const int KillsInShort = 3;

    /// <summary>Between two kills each sender has got this many on average; then comes a random while more.</summary>
    private const int AcknowledgedBetweenKills = Senders * 10;

    private static readonly TimeSpan WhileMax = TimeSpan.FromMilliseconds(500);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static int Kills =>
        int.TryParse(Environment.GetEnvironmentVariable("EHRGRAINS_KILLS"), CultureInfo.InvariantCulture, out var kills) ? kills : KillsInShort;

    [Theory]
    [InlineData(DatabaseKind.Sqlite)]
    [InlineData(DatabaseKind.PostgreSql)]
    public async Task Nothing_acknowledged_is_lost_reordered_or_kept_twice_when_the_silo_is_killed_under_sixteen_senders(DatabaseKind kind)
    {
        await using var database = await FeedDatabase.CreateAsync(kind, Cancelled);
        await database.RegisterAsync(Feeds, Cancelled);
        await using var silo = await FeedSilo.StartAsync(database, Cancelled);

        var senders = await RunAsync(silo, silo.Port, Kills);

        var sent = senders.SelectMany(sender => sender.History).ToArray();
        output.WriteLine(
            $"{Kills} kills, {sent.Count(s => s.AcknowledgedAt is not null)} messages acknowledged, {sent.Count(s => s.TimesSent > 1)} sent more than once");
        (await FindWrongAsync(database, senders)).ShouldBeEmpty();
        sent.ShouldContain(s => s.TimesSent > 1);
    }

    [Theory]
    [InlineData(DatabaseKind.Sqlite)]
    [InlineData(DatabaseKind.PostgreSql)]
    public async Task Each_acknowledged_message_is_in_its_patients_record_exactly_once_and_in_order_and_its_changes_are_delivered_when_the_silo_is_killed(DatabaseKind kind)
    {
        await using var database = await FeedDatabase.CreateAsync(kind, Cancelled);
        await using var silo = await FeedSilo.StartAsync(database, Cancelled);
        await using var subscriber = await Subscriber.SubscribeAsync(silo, Feeds, Cancelled);

        var senders = await RunAsync(silo, silo.Port, Kills);
        await silo.StartAsync(Cancelled);
        var wrong = new List<string>();
        for (var feed = 0; feed < Feeds; feed++)
        {
            await database.ProcessedAsync(feed, Cancelled);
            var kept = await database.ReadAsync(feed, Cancelled);
            for (var sender = feed; sender < Senders; sender += Feeds)
            {
                var expected = kept.Select(message => message.ControlId).Where(id => id.StartsWith($"S{sender}-", StringComparison.Ordinal)).ToArray();
                var taken = await database.ReadRecordAsync(sender, Cancelled);
                wrong.AddRange(expected.SequenceEqual(taken) ? [] : [$"sender {sender}: {string.Join(' ', expected)} became {string.Join(' ', taken)}"]);
                expected.Length.ShouldBeGreaterThanOrEqualTo(senders[sender].Acknowledged);
            }
        }

        var changes = await database.ReadChangesAsync(Cancelled);
        await subscriber.CaughtUpAsync(silo, Cancelled);
        wrong.AddRange(subscriber.FindWrong(changes));
        output.WriteLine(
            $"{Kills} kills, {senders.Sum(sender => sender.Acknowledged)} messages acknowledged, {changes.Count} changes, {subscriber.Reading}");
        wrong.ShouldBeEmpty();
        (subscriber.Reading.Forged, subscriber.Reading.Refused).ShouldBe((0, 10));
    }

    [Fact]
    public async Task A_silo_that_sleeps_under_its_senders_holds_up_no_feed_and_wakes_to_nothing_wrong()
    {
        await using var database = await FeedDatabase.CreateAsync(DatabaseKind.PostgreSql, Cancelled);
        await database.RegisterAsync(Feeds, Cancelled);
        await using var waking = await FeedSilo.StartAsync(database, Cancelled);
        await using var sleeping = await waking.StartSiblingAsync(Cancelled);

        // Each feed has senders at both silos.
        var senders = Enumerable.Range(0, Senders).Select(i => new MllpSender(
            i, FeedDatabase.Facility(i % Feeds), i / Feeds % 2 == 0 ? waking.Port : sleeping.Port)).ToArray();
        var (here, there) = (senders.Where((_, i) => i / Feeds % 2 == 0).ToArray(), senders.Where((_, i) => i / Feeds % 2 == 1).ToArray());
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        var sending = Task.WhenAll(senders.Select(sender => sender.RunAsync(enough.Token)));
        await WaitUntilAsync(there, AcknowledgedBetweenKills);
        sleeping.Sleep();
        await WaitUntilAsync(here, here.Sum(sender => sender.Acknowledged) + AcknowledgedBetweenKills);
        sleeping.Wake();
        await WaitUntilAsync(there, there.Sum(sender => sender.Acknowledged) + AcknowledgedBetweenKills);
        await enough.CancelAsync();
        await sending;

        (await FindWrongAsync(database, senders)).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_acknowledgement_before_the_commit_is_found_by_the_same_test()
    {
        await using var database = await FeedDatabase.CreateAsync(DatabaseKind.Sqlite, Cancelled);
        await database.RegisterAsync(Feeds, Cancelled);
        await using var silo = await FeedSilo.StartAsync(database, Cancelled);
        await using var liar = new EarlyAcknowledger(silo.Port);

        var senders = await RunAsync(silo, liar.Port, kills: 2);

        (await FindWrongAsync(database, senders)).ShouldContain(wrong => wrong.EndsWith("was lost", StringComparison.Ordinal));
    }

    /// <summary>Lets the senders send while the silo is killed and started again; at the end it is killed for good.</summary>
    private async Task<MllpSender[]> RunAsync(FeedSilo silo, int port, int kills)
    {
        const int Seed = 20260101;
        var random = new Random(Seed);
        var senders = Enumerable.Range(0, Senders).Select(i => new MllpSender(i, FeedDatabase.Facility(i % Feeds), port)).ToArray();
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        var sending = Task.WhenAll(senders.Select(sender => sender.RunAsync(enough.Token)));
        for (var kill = 0; kill <= kills; kill++)
        {
            await WaitUntilAsync(senders, senders.Sum(sender => sender.Acknowledged) + AcknowledgedBetweenKills);
            using var pause = new PeriodicTimer(WhileMax * random.NextDouble() + TimeSpan.FromMilliseconds(1));
            await pause.WaitForNextTickAsync(Cancelled);
            await silo.KillAsync(Cancelled);
            if (kill < kills)
            {
                await silo.StartAsync(Cancelled);
                output.WriteLine($"kill {kill + 1}: {senders.Sum(sender => sender.Acknowledged)} messages acknowledged so far");
            }
        }

        await enough.CancelAsync();
        await sending;
        return senders;
    }

    private static async Task WaitUntilAsync(MllpSender[] senders, int acknowledged)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        timeout.CancelAfter(TimeSpan.FromSeconds(60));
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (senders.Sum(sender => sender.Acknowledged) < acknowledged)
        {
            await pace.WaitForNextTickAsync(timeout.Token);
        }
    }

    private static async Task<List<string>> FindWrongAsync(FeedDatabase database, MllpSender[] senders)
    {
        var wrong = new List<string>();
        for (var feed = 0; feed < Feeds; feed++)
        {
            var sent = senders.Where((_, i) => i % Feeds == feed).SelectMany(sender => sender.History).ToArray();
            wrong.AddRange(History.Compare(sent, await database.ReadAsync(feed, Cancelled)));
        }

        return wrong;
    }
}
