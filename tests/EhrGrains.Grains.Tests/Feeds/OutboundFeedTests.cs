using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Storage.Outbound;
using EhrGrains.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Feeds;

public sealed class OutboundFeedOnSqliteTests(SqliteGrainCluster cluster) : OutboundFeedTests(cluster), IClassFixture<SqliteGrainCluster>;

public sealed class OutboundFeedOnPostgresTests(PostgresGrainCluster cluster) : OutboundFeedTests(cluster), IClassFixture<PostgresGrainCluster>;

public abstract class OutboundFeedTests(GrainCluster fixture)
{
    private readonly GrainCluster cluster = fixture.OrSkip();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_that_could_not_be_taken_is_sent_again_before_the_ones_after_it()
    {
        await using var site = await FeedSite.OpenAsync(cluster);
        var refusals = 2;
        site.Receiver.Answer = _ => refusals-- > 0 ? "AE" : "AA";
        await EnqueueAsync(site, "E1", "E2");
        await site.PassTimeUntilAsync(site.ForwardedAsync("E1", "E1", "E1", "E2"));
        (await SettledAsync(site)).Queued.ShouldBe(0);
    }

    [Fact]
    public async Task A_refused_message_is_parked_with_an_alarm_and_can_be_sent_again()
    {
        using var alarms = new Alarms(cluster);
        await using var site = await FeedSite.OpenAsync(cluster);
        site.Receiver.Answer = message => message.Contains("|R1|", StringComparison.Ordinal) ? "AR" : "AA";
        await EnqueueAsync(site, "R1", "R2");
        await site.ForwardedAsync("R1", "R2");
        await alarms.RaisedAsync("quarantine");
        var aside = (await site.AskSenderAsync(sender => sender.QuarantineAsync(0, 10, Ct))).ShouldHaveSingleItem();
        aside.Code.ShouldBe("EHR-FED-133");

        site.Receiver.Answer = _ => "AA";
        await site.DoSenderAsync(sender => sender.RetryAsync(aside.Position, Ct));
        await site.ForwardedAsync("R1");
        var status = await SettledAsync(site);
        (status.Quarantined, status.Queued, status.Alarms.Length).ShouldBe((0, 0, 0));
    }

    [Fact]
    public async Task A_feed_that_pauses_on_refusal_stops_in_front_of_the_message_until_it_is_skipped()
    {
        using var alarms = new Alarms(cluster);
        await using var site = await FeedSite.OpenAsync(cluster, outbound: outbound => outbound with { Refused = RefusedPolicy.Pause });
        site.Receiver.Answer = message => message.Contains("|K1|", StringComparison.Ordinal) ? "CR" : "CA";
        await EnqueueAsync(site, "K1", "K2");
        await site.ForwardedAsync("K1");
        await alarms.RaisedAsync("blocked");
        await site.NudgeSenderAsync();
        site.Receiver.Peek().ShouldBeNull();

        await StateAsync(site, FeedState.Blocked);
        await site.DoSenderAsync(sender => sender.SkipAsync(1, "wrong patient class", Ct));
        await site.ForwardedAsync("K2");
        (await SettledAsync(site)).Alarms.ShouldBeEmpty();
    }

    [Fact]
    public async Task While_the_receiver_is_away_the_circuit_is_open_and_nothing_is_lost_or_reordered()
    {
        using var alarms = new Alarms(cluster);
        await using var site = await FeedSite.OpenAsync(cluster);
        var port = site.Receiver.Port;
        await site.StopReceiverAsync();
        var ids = Enumerable.Range(1, 20).Select(i => $"C{i}").ToArray();
        await EnqueueAsync(site, ids);
        await site.PassTimeUntilAsync(alarms.RaisedAsync("circuit_open"));

        site.StartReceiver(port);
        await site.PassTimeUntilAsync(site.ForwardedAsync(ids));
        var status = await SettledAsync(site);
        (status.Queued, status.Failures, status.Alarms.Length, status.LastFailure).ShouldBe((0, 0, 0, null));
    }

    [Fact]
    public async Task After_its_hours_of_trying_it_gives_up_with_an_alarm_and_resume_delivers()
    {
        using var alarms = new Alarms(cluster);
        await using var site = await FeedSite.OpenAsync(cluster, outbound: outbound => outbound with { GiveUpAfterHours = 1 });
        var port = site.Receiver.Port;
        await site.StopReceiverAsync();
        await EnqueueAsync(site, "G1");
        await site.PassTimeUntilAsync(alarms.RaisedAsync("gave_up"), TimeSpan.FromMinutes(1));
        await StateAsync(site, FeedState.GaveUp);
        (await site.AskSenderAsync(sender => sender.StatusAsync(Ct))).Queued.ShouldBe(1);

        site.StartReceiver(port);
        await site.DoSenderAsync(sender => sender.ResumeAsync(Ct));
        await site.ForwardedAsync("G1");
    }

    [Fact]
    public async Task An_activation_that_another_has_overtaken_sends_nothing()
    {
        await using var site = await FeedSite.OpenAsync(cluster);
        await EnqueueAsync(site, "O1");
        await site.ForwardedAsync("O1");
        (await SettledAsync(site)).Queued.ShouldBe(0);

        var queue = cluster.Silo(1).GetRequiredService<OutboundQueue>();
        var other = await queue.TakeEpochAsync(site.Tenant, FeedSite.Out, Ct);
        cluster.Time.Advance(TimeSpan.FromSeconds(2));
        await EnqueueAsync(site, "O2");

        // Who looks again, as the directory makes every silo do, finds a new activation, which takes an epoch of its own.
        await site.PassTimeUntilAsync(site.ForwardedAsync("O2"));
        (await SettledAsync(site)).Epoch.ShouldBeGreaterThan(other);
        (await queue.CommitAsync(new OutboundCommit { Tenant = site.Tenant, Feed = FeedSite.Out, Epoch = other }, Ct)).ShouldBeFalse();
        site.Receiver.Peek().ShouldBeNull();
    }

    [Fact]
    public async Task Several_may_be_outstanding_and_a_message_given_twice_is_sent_once()
    {
        await using var site = await FeedSite.OpenAsync(cluster, outbound: outbound => outbound with { OutstandingMax = 16 });
        var ids = Enumerable.Range(1, 64).Select(i => $"W{i}").ToArray();
        await EnqueueAsync(site, ids);
        await EnqueueAsync(site, ids);
        await site.ForwardedAsync(ids);
        (await SettledAsync(site)).Queued.ShouldBe(0);
        site.Receiver.Peek().ShouldBeNull();
    }

    [Fact]
    public async Task The_receiver_sees_our_client_certificate_and_only_a_receiver_that_the_feed_trusts_gets_anything()
    {
        using var server = NewCertificate("receiver");
        using var ours = NewCertificate("us");
        var receiver = new Hl7Receiver(certificate: server);
        await using var site = await FeedSite.OpenAsync(
            cluster, outbound: outbound => outbound with { Tls = true, TrustedCertificates = server.ExportCertificatePem() }, receiver: receiver);
        var pem = ours.ExportCertificatePem() + "\n" + ours.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem();
        var shown = await site.AskSenderAsync(sender => sender.SetClientCertificateAsync(new SecretText(pem), Ct));
        shown!.Sha256.ShouldBe(ours.GetCertHashString(HashAlgorithmName.SHA256));
        await EnqueueAsync(site, "T1");
        await site.ForwardedAsync("T1");
        receiver.ShownSha256.ShouldBe(shown.Sha256);

        // Without it the receiver ends the handshake, and nothing is sent.
        await site.AskSenderAsync(sender => sender.SetClientCertificateAsync(null, Ct));
        using var alarms = new Alarms(cluster);
        await EnqueueAsync(site, "T2");
        await site.PassTimeUntilAsync(alarms.RaisedAsync("circuit_open"));
        receiver.Peek().ShouldBeNull();
        await site.AskSenderAsync(sender => sender.SetClientCertificateAsync(new SecretText(pem), Ct));
        await site.PassTimeUntilAsync(site.ForwardedAsync("T2"));
    }

    private static X509Certificate2 NewCertificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));
    }

    private static Task EnqueueAsync(FeedSite site, params string[] ids) => site.DoSenderAsync(sender => sender.EnqueueAsync(
        [.. ids.Select(id => new OutboundMessage($"test/{id}", System.Text.Encoding.UTF8.GetBytes(site.Message(id))))], Ct));

    private static async Task StateAsync(FeedSite site, FeedState state)
    {
        while ((await site.AskSenderAsync(sender => sender.StatusAsync(Ct))).State != state)
        {
            await Task.Yield();
        }
    }

    // The receiver has the last message before its acknowledgement is committed.
    private static async Task<OutboundStatus> SettledAsync(FeedSite site)
    {
        while (true)
        {
            var status = await site.AskSenderAsync(sender => sender.StatusAsync(Ct));
            if (status is { Queued: 0, Outstanding: 0 } && status.Alarms.All(alarm => alarm.Kind != FeedAlarmKind.CircuitOpen))
            {
                return status;
            }

            await Task.Yield();
        }
    }
}
