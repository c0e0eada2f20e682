using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using EhrGrains.Connect;
using EhrGrains.Connect.Egress;
using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Audit;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Tenants;
using EhrGrains.Storage.GrainStorage;
using EhrGrains.Storage.Outbound;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Feeds;

/// <summary>
/// One outbound feed. Works in rounds: as many messages as may be outstanding are sent in order, their acknowledgements are waited
/// for, what became of them is committed under the epoch that this activation took (I3); nothing is sent when that is over. Rounds
/// run one after the other; commands interleave and change what is stored only through <see cref="UpdateAsync"/>. What was sent and
/// not committed is sent again after a crash: the receiver knows it by its MSH-10.
/// </summary>
[GrainType("ehr.sender")]
internal sealed partial class MllpSenderGrain(
    [PersistentState("sender", EhrGrainsStorage.Name)] IPersistentState<OutboundState> stored,
    OutboundQueue queue,
    SenderCertificates certificates,
    TenantSnapshots tenants,
    FeedNudges nudges,
    CommandAudit audit,
    CallerTickets tickets,
    ConnectMetrics connectMetrics,
    FeedMetrics metrics,
    TimeProvider time,
    ILogger<MllpSenderGrain> log) : Grain, IMllpSenderGrain, IDisposable
{
    internal const int RoundBytesMax = 16 * 1024 * 1024;
    private const int ReadAheadMax = 64;
    private static readonly TimeSpan BrokenDelay = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan EpochCheckInterval = TimeSpan.FromSeconds(1);

    private readonly Turns writes = new();
    private readonly Dictionary<long, int> refusals = [];
    private readonly List<OutboundEntry> ahead = [];
    private Pump pump = null!; // Made on activation.
    private IGrainTimer? wake;
    private MllpClientConnection? connection;
    private Destination? connectedTo;
    private X509Certificate2? certificate;
    private DateTimeOffset? nextTryAt;
    private Problem? lastFailure;
    private long? epoch;
    private long epochCheckedAt;
    private int failures;
    private int outstanding;
    private bool overtaken;

    private TenantId Tenant { get; set; }

    private FeedId Feed { get; set; }

    private OutboundState State => stored.State;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        (Tenant, Feed) = GrainKeys.TryGetFeed(this.GetPrimaryKeyString(), out var tenant, out var feed) ? (tenant, feed) : throw NoFeed();
        pump = new Pump(tickets, RoundAsync, RoundFailedAsync);
        return Task.CompletedTask;
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        await pump.StopAsync(cancellationToken);
        await DisconnectAsync();
        metrics.Forget(this);
        if (overtaken)
        {
            // What this activation leaves is for the next one, which has to be there for that.
            nudges.Outbound(Tenant, Feed);
        }
    }

    public void Dispose() => pump?.Dispose();

    public Task NudgeAsync(CancellationToken cancellationToken)
    {
        pump.Tell();
        return Task.CompletedTask;
    }

    private async Task RoundFailedAsync(Exception failure)
    {
        if (failure is ProblemException)
        {
            // No longer a feed of the tenant, or another silo's now. Where it is still needed it is woken again.
            DeactivateOnIdle();
            return;
        }

        // The database is away, or another activation wrote: the next round begins from what is stored.
        LogBroken(log, failure, Tenant, Feed);
        epoch = null;
        ahead.Clear();
        await DisconnectAsync();
        WakeAfter(BrokenDelay);
    }

    /// <summary>One round; answers whether there may be more at once.</summary>
    private async Task<bool> RoundAsync()
    {
        var (tenant, spec) = await ReadSpecAsync();
        if (tenant.Lifecycle is not (Lifecycle.Sandbox or Lifecycle.Uat or Lifecycle.Live) || State is { PausedFor: not null } or { GaveUp: true } or { BlockedBy: not null })
        {
            await DisconnectAsync();
            return false;
        }

        if (nextTryAt > time.GetUtcNow())
        {
            WakeAfter(nextTryAt.Value - time.GetUtcNow());
            return false;
        }

        epoch ??= await TakeEpochAsync();
        if (ahead.Count == 0)
        {
            ahead.AddRange(await queue.ReadAsync(Tenant, Feed, 0, Math.Max(spec.OutstandingMax, ReadAheadMax), RoundBytesMax, pump.Stopping));
        }

        OutboundEntry[] entries = [.. ahead.Take(spec.OutstandingMax)];
        if (entries.Length == 0)
        {
            return false;
        }

        metrics.Waited(time.GetUtcNow() - entries[0].QueuedAt);
        if (await ConnectAsync(tenant, spec) is { } failure)
        {
            await FailAsync(entries[0], failure, spec);
            return false;
        }

        await CheckEpochAsync();
        outstanding = entries.Length;
        var results = await Task.WhenAll(entries.Select(SendAsync));
        outstanding = 0;
        ahead.RemoveRange(0, Math.Min(entries.Length, ahead.Count));
        return await ConcludeAsync(entries, results, spec);
    }

    private async Task<MllpSendResult?> SendAsync(OutboundEntry entry)
    {
        var begin = time.GetTimestamp();
        try
        {
            var result = await connection!.SendAsync(entry.Message, pump.Stopping);
            metrics.Sent(result.Outcome, time.GetElapsedTime(begin));
            return result;
        }
        catch (ArgumentException)
        {
            // Not HL7, or without MSH-10: nobody could acknowledge it.
            return null;
        }
    }

    private async Task<bool> ConcludeAsync(IReadOnlyList<OutboundEntry> entries, MllpSendResult?[] results, OutboundFeedSpec spec)
    {
        var delivered = new List<long>();
        var aside = new List<QuarantinedMessage>();
        (OutboundEntry Entry, Problem Problem)? failed = null;
        foreach (var (entry, result) in entries.Zip(results))
        {
            var tries = refusals.GetValueOrDefault(entry.Position) + 1;
            var verdict = result is { } answer ? SendPolicy.Judge(answer.Outcome, tries, spec.TriesMax) : SendVerdict.Refused;
            var problem = result is { } known ? SendPolicy.Explain(known) : Unsendable;
            switch (verdict)
            {
                case SendVerdict.Delivered:
                    delivered.Add(entry.Position);
                    break;
                case SendVerdict.Refused:
                    aside.Add(new QuarantinedMessage(entry.Position, time.GetUtcNow(), tries, problem.Code, problem.Message));
                    break;
                default:
                    _ = verdict == SendVerdict.AgainLater && (refusals[entry.Position] = tries) > 0;
                    failed ??= (entry, problem);
                    break;
            }
        }

        var stop = spec.Refused == RefusedPolicy.Pause && aside.Count > 0;
        await CommitAsync(delivered, stop ? [] : aside);
        if (delivered.Count > 0)
        {
            await SucceededAsync();
        }

        if (aside.Count > 0)
        {
            await RefusedAsync(aside, stop);
        }

        if (failed is { } first)
        {
            await FailAsync(first.Entry, first.Problem, spec);
        }

        return failed is null && !stop;
    }

    private async Task CommitAsync(IReadOnlyList<long> delivered, IReadOnlyList<QuarantinedMessage> aside)
    {
        var commit = new OutboundCommit { Tenant = Tenant, Feed = Feed, Epoch = epoch!.Value, Delivered = delivered, Quarantined = aside };
        if (!await queue.CommitAsync(commit, CancellationToken.None))
        {
            throw Fenced();
        }

        epochCheckedAt = time.GetTimestamp();
        foreach (var position in delivered.Concat(aside.Select(message => message.Position)))
        {
            refusals.Remove(position);
        }
    }

    private async Task<long> TakeEpochAsync()
    {
        var taken = await queue.TakeEpochAsync(Tenant, Feed, pump.Stopping);
        epochCheckedAt = time.GetTimestamp();
        return taken;
    }

    // A process that was paused finds out here that another sends in its place, before it sends as well.
    private async Task CheckEpochAsync()
    {
        if (time.GetElapsedTime(epochCheckedAt) >= EpochCheckInterval)
        {
            await CommitAsync([], []);
        }
    }

    private ProblemException Fenced()
    {
        LogFenced(log, Tenant, Feed, epoch ?? 0);
        (epoch, overtaken) = (null, true);
        DeactivateOnIdle();
        return new ProblemException(ProblemKind.Conflict, "EHR-FED-101", "", "Another silo has taken the feed over meanwhile. Ask again.");
    }

    /// <summary>Connects unless there is a connection to where the feed goes now; answers why it could not.</summary>
    private async Task<Problem?> ConnectAsync(TenantSnapshot tenant, OutboundFeedSpec spec)
    {
        var networks = tenant.Spec.Connection.PrivateNetworks;
        var wanted = new Destination(spec, string.Join(' ', networks), State.Certificate);
        if (connection is { IsOpen: true } && wanted == connectedTo)
        {
            return null;
        }

        await DisconnectAsync();
        certificate = State.SealedCertificate is { } pem && spec.Tls
            ? await certificates.OpenAsync(Tenant, Feed, pem.ToArray(), pump.Stopping)
            : null;
        try
        {
            var destination = new MllpDestination(spec, networks, certificate);
            connection = await MllpClientConnection.ConnectAsync(destination, time, connectMetrics, pump.Stopping);
            connectedTo = wanted;
            return null;
        }
        catch (EgressRefusedException e)
        {
            return new Problem("EHR-FED-134", "outbound.host", e.Message);
        }
        catch (HttpRequestException)
        {
            return new Problem("EHR-FED-135", "outbound.host", "The receiver does not take the connection. Is it running, and the way to it open?");
        }
        catch (Exception e) when (e is AuthenticationException or IOException)
        {
            return new Problem(
                "EHR-FED-136", "outbound.tls",
                "The TLS handshake failed: the receiver's certificate is not trusted (outbound.trustedCertificates), or it does not take ours.");
        }
    }

    private async Task DisconnectAsync()
    {
        if (connection is { } open)
        {
            (connection, connectedTo) = (null, null);
            await open.DisposeAsync();
        }

        certificate?.Dispose();
        certificate = null;
    }

    private async Task<(TenantSnapshot Tenant, OutboundFeedSpec Spec)> ReadSpecAsync()
    {
        var snapshot = await tenants.GetAsync(Tenant, pump.Stopping);
        var spec = Find(snapshot) ?? Find(snapshot = await tenants.GetNowAsync(Tenant, pump.Stopping)) ?? throw NoFeed();
        return (snapshot!, spec);
    }

    private OutboundFeedSpec? Find(TenantSnapshot? tenant) =>
        tenant is { Lifecycle: not Lifecycle.Offboarded } ? tenant.Spec.Feeds.FirstOrDefault(feed => feed.Feed == Feed.Value)?.Outbound : null;

    private void WakeAfter(TimeSpan delay)
    {
        wake?.Dispose();
        wake = this.RegisterGrainTimer(
            _ => NudgeAsync(CancellationToken.None), new GrainTimerCreationOptions(delay, Timeout.InfiniteTimeSpan) { Interleave = true, KeepAlive = true });
    }

    // What a connection was made for: when it changes, another is made.
    private sealed record Destination(OutboundFeedSpec Spec, string Networks, FeedCertificate? Certificate);

    private static ProblemException NoFeed() => new(ProblemKind.NotFound, "EHR-FED-102", "feed", "The tenant has no such outbound feed.");

    private static readonly Problem Unsendable = new(
        "EHR-FED-137", "", "The message is not HL7 v2, or has no MSH-10 and yet asks for an acknowledgement: nobody could acknowledge it.");

    [LoggerMessage(4120, LogLevel.Error, "Outbound feed {Tenant}/{Feed} could not go on; it tries again in a moment.")]
    private static partial void LogBroken(ILogger logger, Exception exception, TenantId tenant, FeedId feed);

    [LoggerMessage(4121, LogLevel.Information, "Outbound feed {Tenant}/{Feed} was taken over by another silo; epoch {Epoch} is over.")]
    private static partial void LogFenced(ILogger logger, TenantId tenant, FeedId feed, long epoch);
}
