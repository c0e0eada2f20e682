using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage.Journal;
using EhrGrains.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Feeds;

/// <summary>
/// A hospital with one inbound feed, <c>adt</c>, that is forwarded to one outbound feed, <c>out</c>, which sends to a real receiver.
/// What the listener does is done here by hand: messages go into the journal, then the grain is told.
/// </summary>
internal sealed class FeedSite : IAsyncDisposable
{
    private readonly GrainCluster cluster;
    private readonly Hospital hospital;
    private int sent;

    private FeedSite(GrainCluster cluster, Hospital hospital, Hl7Receiver receiver) => (this.cluster, this.hospital, Receiver) = (cluster, hospital, receiver);

    internal static FeedId Adt { get; } = FeedId.Parse("adt", null);

    internal static FeedId Out { get; } = FeedId.Parse("out", null);

    internal Hl7Receiver Receiver { get; private set; }

    internal TenantId Tenant => hospital.Tenant;

    internal IMllpConnectionGrain Feed => cluster.Inside.GetGrain<IMllpConnectionGrain>(GrainKeys.Feed(Tenant, Adt));

    internal IMllpSenderGrain Sender => cluster.Inside.GetGrain<IMllpSenderGrain>(GrainKeys.Feed(Tenant, Out));

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    internal static async Task<FeedSite> OpenAsync(
        GrainCluster cluster,
        Func<InboundFeedSpec, InboundFeedSpec>? inbound = null,
        Func<OutboundFeedSpec, OutboundFeedSpec>? outbound = null,
        Hl7Receiver? receiver = null,
        SyncSpec? sync = null)
    {
        var site = new FeedSite(cluster, await Hospital.OpenAsync(cluster), receiver ?? new Hl7Receiver());
        var to = new OutboundFeedSpec { Host = "127.0.0.1", Port = site.Receiver.Port, Tls = false, AcknowledgementTimeoutSeconds = 600 };
        var from = new InboundFeedSpec { Match = new FeedMatch { SendingApplication = site.Tenant.Value }, ForwardTo = ["out"], TriesMax = 1 };
        var spec = site.hospital.Spec with
        {
            Sync = sync ?? new SyncSpec(),
            Feeds =
            [
                new FeedSpec { Feed = "adt", DisplayName = "Admissions", Inbound = inbound?.Invoke(from) ?? from },
                new FeedSpec { Feed = "out", DisplayName = "Registry", Outbound = outbound?.Invoke(to) ?? to },
            ],
        };
        using var admin = cluster.EnterAdmin();
        await site.hospital.Grain.RegisterAsync(spec, dryRun: false, Ct);
        cluster.Time.Advance(TimeSpan.FromSeconds(6));
        return site;
    }

    internal string Message(string controlId) =>
        $"MSH|^~\\&|{Tenant}|HOSP|US|HERE|20260101120000||ADT^A08^ADT_A01|{controlId}|P|2.5.1\rPID|1||4711^^^H^MR\r";

    // Two messages in one: no tolerance makes one of them.
    internal string Poison(string controlId) => Message(controlId) + Message(controlId);

    /// <summary>What the listener does with messages that it takes.</summary>
    internal async Task ReceiveAsync(params string[] messages)
    {
        await AppendAsync(messages);
        await NudgeAsync();
    }

    internal async Task AppendAsync(params string[] messages)
    {
        var journal = cluster.Silo(sent++ % 2).GetRequiredService<JournalWriter>();
        foreach (var message in messages)
        {
            await journal.AppendAsync(
                new JournalMessage
                {
                    Tenant = Tenant,
                    Feed = Adt,
                    Message = Encoding.UTF8.GetBytes(message),
                    Sender = "HIS|HOSP",
                    ControlId = Mllp.Field(message, 10),
                },
                Ct);
        }
    }

    internal async Task NudgeAsync()
    {
        using var system = cluster.Tickets.EnterSystem();
        await Feed.NudgeAsync(Ct);
    }

    internal async Task NudgeSenderAsync()
    {
        using var system = cluster.Tickets.EnterSystem();
        await Sender.NudgeAsync(Ct);
    }

    internal async Task ForwardedAsync(params string[] controlIds)
    {
        foreach (var controlId in controlIds)
        {
            Mllp.Field(await Receiver.NextAsync(Ct), 10).ShouldBe(controlId);
        }
    }

    internal async Task<T> AskAsync<T>(Func<IMllpConnectionGrain, Task<T>> ask)
    {
        using var admin = cluster.EnterAdmin();
        return await ask(Feed);
    }

    internal Task DoAsync(Func<IMllpConnectionGrain, Task> command) => AskAsync(async feed =>
    {
        await command(feed);
        return true;
    });

    internal async Task<T> AskSenderAsync<T>(Func<IMllpSenderGrain, Task<T>> ask)
    {
        using var admin = cluster.Tickets.Enter(new Caller(AppId.Parse("admin", null), AppRole.Admin, [CallContext.ReadMessagesScope], default));
        return await ask(Sender);
    }

    internal Task DoSenderAsync(Func<IMllpSenderGrain, Task> command) => AskSenderAsync(async sender =>
    {
        await command(sender);
        return true;
    });

    /// <summary>The receiver is switched off; the port stays free for it to come back.</summary>
    internal ValueTask StopReceiverAsync() => Receiver.DisposeAsync();

    internal void StartReceiver(int port) => Receiver = new Hl7Receiver(port);

    /// <summary>Lets time pass until something has happened.</summary>
    internal async Task PassTimeUntilAsync(Task happened, TimeSpan? step = null)
    {
        await cluster.Time.PassUntilAsync(happened, step ?? TimeSpan.FromSeconds(1), Ct);
        await happened;
    }

    public async ValueTask DisposeAsync()
    {
        await Receiver.DisposeAsync();
        await hospital.DisposeAsync();
    }
}

/// <summary>The alarms that a cluster's feeds have raised since this was made, as they are measured.</summary>
internal sealed class Alarms : IDisposable
{
    private readonly MeterListener listener = new();
    private readonly ConcurrentDictionary<string, TaskCompletionSource> raised = new();

    internal Alarms(GrainCluster cluster)
    {
        object[] ofCluster = [.. Enumerable.Range(0, 2).Select(silo => cluster.Silo(silo).GetRequiredService<IMeterFactory>())];
        listener.InstrumentPublished = (instrument, own) =>
        {
            if (instrument.Name == "ehrgrains.hl7.alarms" && ofCluster.Contains(instrument.Meter.Scope))
            {
                own.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, _, tags, _) => Of((string)tags[0].Value!).TrySetResult());
        listener.Start();
    }

    internal Task RaisedAsync(string kind) => Of(kind).Task.WaitAsync(TestContext.Current.CancellationToken);

    public void Dispose() => listener.Dispose();

    private TaskCompletionSource Of(string kind) =>
        raised.GetOrAdd(kind, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
}
