using EhrGrains.Contracts;
using EhrGrains.Contracts.Changes;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Scopes;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Grains.Audit;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Changes;
using EhrGrains.Grains.Tenants;
using EhrGrains.Storage.Changes;
using EhrGrains.Storage.GrainStorage;
using EhrGrains.Storage.Webhooks;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Webhooks;

/// <summary>
/// One webhook. Works in rounds: the changes behind its position are read and cut into deliveries, these are put on the audit trail and
/// sent, those of a patient one after the other and patients side by side; how far everything was taken is committed under the epoch that
/// this activation took (I3). What was sent and not committed is sent again under the same id. A patient whose delivery fails is waited
/// for while others go on; when nothing comes through, the whole webhook waits.
/// </summary>
[GrainType("ehr.webhook")]
internal sealed partial class WebhookGrain : Grain, IWebhookGrain, IDisposable
{
    private const int PatientsAtOnce = 16;
    private static readonly TimeSpan RoundTimeMax = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan BrokenDelay = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan EpochCheckInterval = TimeSpan.FromSeconds(1);

    private readonly IPersistentState<WebhookData> stored;
    private readonly WebhookTable table;
    private readonly ChangeLog changes;
    private readonly WebhookSender sender;
    private readonly WebhookPayloads payloads;
    private readonly WebhookDirectory directory;
    private readonly TenantSnapshots tenants;
    private readonly DisclosureAudit disclosures;
    private readonly CommandAudit audit;
    private readonly WebhookMetrics metrics;
    private readonly TimeProvider time;
    private readonly ILogger<WebhookGrain> log;
    private readonly Turns writes = new();
    private readonly Turns rounds = new();
    private readonly Pump pump;

    // Beyond the position: stretches that are delivered, by their first change; patients whose next delivery is waited for.
    private readonly HashSet<long> ahead = [];
    private readonly Dictionary<PatientId, (int Failures, DateTimeOffset Until)> held = [];
    private WebhookStanding? standing;
    private IGrainTimer? wake;
    private DateTimeOffset? nextTryAt;
    private long epochCheckedAt;
    private int failures;
    private bool overtaken;

    public WebhookGrain(
        [PersistentState("webhook", EhrGrainsStorage.Name)] IPersistentState<WebhookData> stored,
        WebhookTable table,
        ChangeLog changes,
        WebhookSender sender,
        WebhookPayloads payloads,
        WebhookDirectory directory,
        TenantSnapshots tenants,
        DisclosureAudit disclosures,
        CommandAudit audit,
        CallerTickets tickets,
        WebhookMetrics metrics,
        TimeProvider time,
        ILogger<WebhookGrain> log)
    {
        (this.stored, this.table, this.changes, this.sender, this.payloads) = (stored, table, changes, sender, payloads);
        (this.directory, this.tenants, this.disclosures, this.audit) = (directory, tenants, disclosures, audit);
        (this.metrics, this.time, this.log) = (metrics, time, log);
        pump = new Pump(tickets, () => rounds.RunAsync(RoundAsync), RoundFailedAsync);
    }

    private TenantId Tenant { get; set; }

    private WebhookId Webhook { get; set; }

    private WebhookData State => stored.State;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        (Tenant, Webhook) = GrainKeys.TryGetWebhook(this.GetPrimaryKeyString(), out var tenant, out var webhook) ? (tenant, webhook) : throw NotThere();
        return Task.CompletedTask;
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        await pump.StopAsync(cancellationToken);
        metrics.Waiting(this, null);
        if (overtaken)
        {
            // What this activation leaves is for the next one, which has to be there for that.
            directory.Wake(Tenant, Webhook);
        }
    }

    public void Dispose() => pump.Dispose();

    public Task NudgeAsync(CancellationToken cancellationToken)
    {
        pump.Tell();
        return Task.CompletedTask;
    }

    /// <summary>One round; answers whether there may be more at once.</summary>
    private async Task<bool> RoundAsync()
    {
        if (State.Spec is not { } spec)
        {
            throw NotThere();
        }

        if (StandingOf(State) != WebhookState.Active || await GrantAsync(spec) is not { } grant)
        {
            return false;
        }

        if (nextTryAt > time.GetUtcNow())
        {
            WakeAfter(nextTryAt.Value - time.GetUtcNow());
            return false;
        }

        standing ??= await TakeEpochAsync();
        var read = await changes.ReadAsync(Tenant, standing.Position, ChangePage.CountMax, pump.Stopping);
        if (read.IsGone)
        {
            await StopAsync(WebhookState.GaveUp, new Problem("EHR-WHK-120", "", ChangeRefusals.Gone().Problems[0].Message));
            return false;
        }

        metrics.Waiting(this, read.Rows is [var oldest, ..] ? oldest.At : null);
        if (read.Rows.Count == 0)
        {
            return false;
        }

        var isCut = read.Rows.Count == ChangePage.CountMax;
        var stretches = WebhookEvent.Of(read.Rows, isCut, change => IsWanted(spec, grant, change));
        var tries = await DeliverAsync(spec, stretches);
        return await ConcludeAsync(stretches, tries) && isCut;
    }

    private static bool IsWanted(WebhookSpec spec, Grant grant, ChangeRecord change) =>
        (spec.Types.Length == 0 || spec.Types.Contains(change.Type))
        && (spec.Patients.Length == 0 || spec.Patients.Contains(change.Patient.Value))
        && SmartScope.AnyAllows(grant.Scopes, change.Type, Interactions.Read);

    private async Task<List<Tried>> DeliverAsync(WebhookSpec spec, List<WebhookEvent> stretches)
    {
        var now = time.GetUtcNow();
        var before = standing!.Delivered;
        var due = new List<(WebhookEvent Stretch, long Before)>();
        foreach (var stretch in stretches)
        {
            if (stretch.Changes.Count > 0 && !ahead.Contains(stretch.First) && !(held.TryGetValue(stretch.Patient, out var hold) && hold.Until > now))
            {
                due.Add((stretch, before));
            }

            before += stretch.Changes.Count;
        }

        if (due.Count == 0)
        {
            return [];
        }

        await CheckEpochAsync();
        await disclosures.RecordAsync(
            Tenant, spec.App, "webhook", due.Select(one => one.Stretch.Patient), due.Sum(one => one.Stretch.Changes.Count), pump.Stopping);

        var begin = time.GetTimestamp();
        var tries = new List<Tried>();
        using var room = new SemaphoreSlim(PatientsAtOnce);
        await Task.WhenAll(due.GroupBy(one => one.Stretch.Patient).Select(async ofPatient =>
        {
            await room.WaitAsync(pump.Stopping);
            try
            {
                foreach (var (stretch, number) in ofPatient.TakeWhile(_ => time.GetElapsedTime(begin) < RoundTimeMax))
                {
                    var delivery = await payloads.WriteAsync(Tenant, Webhook, spec, stretch, number, pump.Stopping);
                    var answer = await sender.SendAsync(Tenant, State, delivery, pump.Stopping);
                    tries.Add(new Tried(stretch, delivery.Id, answer, time.GetUtcNow()));
                    if (answer.Verdict != DeliveryVerdict.Delivered)
                    {
                        return;
                    }

                    metrics.Delivered(time.GetUtcNow() - stretch.Changes[^1].At);
                }
            }
            finally
            {
                room.Release();
            }
        }));
        return tries;
    }

    private async Task<WebhookStanding> TakeEpochAsync()
    {
        ahead.Clear();
        held.Clear();
        var taken = await table.TakeEpochAsync(Tenant, Webhook, pump.Stopping) ?? throw NotThere();
        epochCheckedAt = time.GetTimestamp();
        return taken;
    }

    // A process that was paused finds out here that another delivers in its place, before it delivers as well.
    private async Task CheckEpochAsync()
    {
        if (time.GetElapsedTime(epochCheckedAt) >= EpochCheckInterval)
        {
            await CommitAsync(standing!, []);
        }
    }

    private async Task CommitAsync(WebhookStanding next, IReadOnlyList<WebhookDelivery> tries)
    {
        if (!await table.CommitAsync(Tenant, Webhook, next, tries, CancellationToken.None))
        {
            LogFenced(log, Tenant, Webhook, next.Epoch);
            (standing, overtaken) = (null, true);
            DeactivateOnIdle();
            throw new ProblemException(ProblemKind.Conflict, "EHR-WHK-101", "", "Another silo has taken the webhook over meanwhile. Ask again.");
        }

        standing = next;
        epochCheckedAt = time.GetTimestamp();
    }

    /// <summary>The grant of the app that the receiver belongs to; null: nothing may be delivered now.</summary>
    private async Task<Grant?> GrantAsync(WebhookSpec spec) =>
        await tenants.GetAsync(Tenant, CancellationToken.None) is { Lifecycle: Lifecycle.Sandbox or Lifecycle.Uat or Lifecycle.Live } open
            ? Array.Find(open.Grants, grant => grant.App == spec.App)
            : null;

    private Task RoundFailedAsync(Exception failure)
    {
        standing = null;
        if (failure is ProblemException { Kind: ProblemKind.NotFound or ProblemKind.Conflict })
        {
            // No longer a webhook, or another silo's now. Where it is still needed it is woken again.
            DeactivateOnIdle();
            return Task.CompletedTask;
        }

        // The database is away, or audit: the next round begins from what is stored.
        LogBroken(log, failure, Tenant, Webhook);
        WakeAfter(BrokenDelay);
        return Task.CompletedTask;
    }

    private void WakeAfter(TimeSpan delay)
    {
        wake?.Dispose();
        wake = this.RegisterGrainTimer(
            _ => NudgeAsync(CancellationToken.None), new GrainTimerCreationOptions(delay, Timeout.InfiniteTimeSpan) { Interleave = true, KeepAlive = true });
    }

    private static ProblemException NotThere() => new(ProblemKind.NotFound, "EHR-WHK-102", "webhook", "The tenant has no such webhook.");

    /// <summary>One try: of what, and what came of it.</summary>
    private sealed record Tried(WebhookEvent Stretch, string Id, DeliveryAnswer Answer, DateTimeOffset At);

    [LoggerMessage(5330, LogLevel.Error, "Webhook {Tenant}/{Webhook} could not go on; it tries again in a moment.")]
    private static partial void LogBroken(ILogger logger, Exception exception, TenantId tenant, WebhookId webhook);

    [LoggerMessage(5331, LogLevel.Information, "Webhook {Tenant}/{Webhook} was taken over by another silo; epoch {Epoch} is over.")]
    private static partial void LogFenced(ILogger logger, TenantId tenant, WebhookId webhook, long epoch);
}
