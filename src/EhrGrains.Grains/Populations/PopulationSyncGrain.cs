using EhrGrains.Connect.Bulk;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Audit;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Query;
using EhrGrains.Grains.Tenants;
using EhrGrains.Storage.GrainStorage;
using EhrGrains.Storage.Populations;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Populations;

/// <summary>
/// One cohort. Two pieces of work go on side by side, each in rounds: looking up who belongs to it, and its bulk export. What they do is
/// stored before anything follows from it, so that a round that was cut off is simply done again.
/// </summary>
[GrainType("ehr.population")]
internal sealed partial class PopulationSyncGrain : Grain, IPopulationSyncGrain, IDisposable
{
    private static readonly TimeSpan BrokenDelay = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ClosedDelay = TimeSpan.FromMinutes(1);

    private readonly IPersistentState<CohortData> stored;
    private readonly CohortTable table;
    private readonly BulkFileTable files;
    private readonly PatientFinder finder;
    private readonly BulkClient bulk;
    private readonly BulkIntake intake;
    private readonly EhrLine line;
    private readonly Normalizers normalizers;
    private readonly TenantSnapshots tenants;
    private readonly CommandAudit audit;
    private readonly PopulationMetrics metrics;
    private readonly TimeProvider time;
    private readonly ILogger<PopulationSyncGrain> log;
    private readonly Turns writes = new();
    private readonly Pump members;
    private readonly Pump exports;

    private DateTimeOffset? membersDue;
    private DateTimeOffset? exportDue;
    private IGrainTimer? wake;

    public PopulationSyncGrain(
        [PersistentState("cohort", EhrGrainsStorage.Name)] IPersistentState<CohortData> stored,
        CohortTable table,
        BulkFileTable files,
        PatientFinder finder,
        BulkClient bulk,
        BulkIntake intake,
        EhrLine line,
        Normalizers normalizers,
        TenantSnapshots tenants,
        CommandAudit audit,
        CallerTickets tickets,
        PopulationMetrics metrics,
        TimeProvider time,
        ILogger<PopulationSyncGrain> log)
    {
        (this.stored, this.table, this.files, this.finder, this.bulk, this.intake) = (stored, table, files, finder, bulk, intake);
        (this.line, this.normalizers, this.tenants, this.audit, this.metrics, this.time, this.log) = (line, normalizers, tenants, audit, metrics, time, log);
        members = new Pump(tickets, MembersRoundAsync, failure => RoundFailedAsync(failure, isExport: false));
        exports = new Pump(tickets, ExportRoundAsync, failure => RoundFailedAsync(failure, isExport: true));
    }

    private TenantId Tenant { get; set; }

    private CohortId Cohort { get; set; }

    private CohortData State => stored.State;

    private CohortSpec Spec => State.Spec ?? throw NotThere();

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        (Tenant, Cohort) = GrainKeys.TryGetCohort(this.GetPrimaryKeyString(), out var tenant, out var cohort) ? (tenant, cohort) : throw NotThere();
        return Task.CompletedTask;
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        await members.StopAsync(cancellationToken);
        await exports.StopAsync(cancellationToken);
    }

    public void Dispose()
    {
        members.Dispose();
        exports.Dispose();
        reading?.Dispose();
    }

    public async Task<CohortDescription> SetAsync(CohortSpec spec, CancellationToken cancellationToken)
    {
        CohortRules.Check(spec);
        _ = await SnapshotAsync(cancellationToken) ?? throw new ProblemException(ProblemKind.NotFound, "EHR-TEN-100", "tenant", "There is no such tenant.");
        await audit.RunAsync(
            Tenant,
            "cohort.set",
            async () =>
            {
                await table.SaveAsync(Tenant, Cohort, time.GetUtcNow(), cancellationToken);
                await SaveAsync(state => state with { Spec = spec, RefreshAt = null });
            },
            cancellationToken);
        members.Tell();
        return await DescribeAsync(cancellationToken);
    }

    public async Task<CohortDescription> DescribeAsync(CancellationToken cancellationToken) => new()
    {
        Cohort = Cohort,
        Spec = Spec,
        Members = new Dictionary<MemberState, long>(await table.CountAsync(Tenant, Cohort, cancellationToken)),
        RefreshedAt = State.RefreshedAt,
        Problem = State.Problem,
        Bulk = await BulkStatusAsync(cancellationToken),
    };

    public async Task<RosterReceipt> ImportAsync(RosterEntry[] entries, bool dryRun, CancellationToken cancellationToken)
    {
        _ = Spec;
        CohortRules.Check(entries);
        string[] names = [.. entries.Select(CohortRules.NameOf).Distinct(StringComparer.Ordinal)];
        if (dryRun)
        {
            return new RosterReceipt(0, 0);
        }

        var added = await audit.RunAsync(
            Tenant, "cohort.import", () => table.AddAsync(Tenant, Cohort, names, time.GetUtcNow(), cancellationToken), cancellationToken);
        await table.SaveAsync(Tenant, Cohort, time.GetUtcNow(), cancellationToken);
        members.Tell();
        return new RosterReceipt(added, names.Length - added);
    }

    public async Task JoinAsync(RosterEntry[] entries, CancellationToken cancellationToken)
    {
        CohortRules.Check(entries);
        if (State.Spec is null)
        {
            await SaveAsync(state => state with { Spec = new CohortSpec() });
        }

        var now = time.GetUtcNow();
        await table.AddAgainAsync(Tenant, Cohort, [.. entries.Select(CohortRules.NameOf).Distinct(StringComparer.Ordinal)], now, cancellationToken);
        await table.SaveAsync(Tenant, Cohort, now, cancellationToken);
        members.Tell();
    }

    public async Task<CohortMember[]> MembersAsync(string? after, MemberState? state, int countMax, CancellationToken cancellationToken)
    {
        _ = Spec;
        if (countMax is < 1 or > 1_000)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-POP-010", "countMax", "Ask for 1 to 1,000.");
        }

        if (after is not (null or { Length: 32 }) || after?.All(char.IsAsciiHexDigit) == false)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-POP-011", "after", "Give the entry of the last member that was seen.");
        }

        return [.. await table.ListAsync(Tenant, Cohort, after is null ? [] : Convert.FromHexString(after), state, countMax, cancellationToken)];
    }

    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        _ = Spec;
        await table.RetryAsync(Tenant, Cohort, time.GetUtcNow(), cancellationToken);
        await table.SaveAsync(Tenant, Cohort, time.GetUtcNow(), cancellationToken);
        await SaveAsync(state => state with { RefreshAt = null });
        members.Tell();
    }

    public async Task RemoveAsync(CancellationToken cancellationToken)
    {
        _ = Spec;
        if (State.Job is { IsUnderWay: true })
        {
            throw new ProblemException(ProblemKind.Conflict, "EHR-POP-012", "cohort", "A bulk export of the cohort is under way: cancel it first.");
        }

        await audit.RunAsync(
            Tenant,
            "cohort.remove",
            async () =>
            {
                await SaveAsync(state => state with { Spec = null });
                var sync = GrainFactory.GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(Tenant));
                for (var after = ""; await table.OnlyHereAsync(Tenant, Cohort, after, EnrolMax, cancellationToken) is [.., var last] patients; after = last.Value)
                {
                    await sync.LeaveAsync([.. patients], cancellationToken);
                }

                await table.RemoveAsync(Tenant, Cohort, cancellationToken);
                await stored.ClearStateAsync(cancellationToken);
            },
            cancellationToken);
        DeactivateOnIdle();
    }

    public Task NudgeAsync(CancellationToken cancellationToken)
    {
        members.Tell();
        exports.Tell();
        return Task.CompletedTask;
    }

    /// <summary>The tenant, if its EHR may be asked now.</summary>
    private async Task<TenantSnapshot?> OpenSnapshotAsync(CancellationToken cancellationToken) =>
        await SnapshotAsync(cancellationToken) is { Lifecycle: Lifecycle.Sandbox or Lifecycle.Uat or Lifecycle.Live } open ? open : null;

    private async Task<TenantSnapshot?> SnapshotAsync(CancellationToken cancellationToken) => await tenants.GetAsync(Tenant, cancellationToken);

    private BulkSite SiteOf(TenantSnapshot snapshot) =>
        new(snapshot.Spec, normalizers.For(Tenant, snapshot).Profile, line.Access(Tenant, Lane.Backfill));

    /// <summary>Stores a change of the state. One that another activation was faster with ends this one.</summary>
    private Task<bool> SaveAsync(Func<CohortData, CohortData> change) => writes.RunAsync(async () =>
    {
        var before = stored.State;
        stored.State = change(before);
        try
        {
            await stored.WriteStateAsync(CancellationToken.None);
            return true;
        }
        catch (Exception e)
        {
            stored.State = before;
            if (e is Orleans.Storage.InconsistentStateException)
            {
                DeactivateOnIdle();
            }

            throw;
        }
    });

    /// <summary>Says when there is something to do again, here and to whoever looks after all cohorts.</summary>
    private async Task SleepAsync(CancellationToken cancellationToken)
    {
        // An export that works just now is due: who looks after all cohorts has to find it if this silo dies.
        DateTimeOffset? export = State.Job is { IsUnderWay: true } job ? exportDue ?? job.NextAskAt : null;
        DateTimeOffset[] due = [.. new[] { membersDue, export }.OfType<DateTimeOffset>()];
        var next = due.Length == 0 ? DateTimeOffset.MaxValue : due.Min();
        await table.SaveAsync(Tenant, Cohort, next, cancellationToken);
        var delay = next - time.GetUtcNow();
        if (delay > TimeSpan.Zero && delay < TimeSpan.FromHours(1))
        {
            WakeAfter(delay);
        }
    }

    private void WakeAfter(TimeSpan delay)
    {
        wake?.Dispose();
        wake = this.RegisterGrainTimer(
            _ => NudgeAsync(CancellationToken.None),
            new GrainTimerCreationOptions(delay > TimeSpan.Zero ? delay : TimeSpan.Zero, Timeout.InfiniteTimeSpan) { Interleave = true });
    }

    private Task RoundFailedAsync(Exception failure, bool isExport)
    {
        if (failure is ProblemException { Kind: ProblemKind.NotFound or ProblemKind.Conflict } or Orleans.Storage.InconsistentStateException)
        {
            // No longer a cohort, or another silo's now.
            DeactivateOnIdle();
            return Task.CompletedTask;
        }

        // The database is away, or the silo of another grain: the next round begins from what is stored.
        LogBroken(log, failure, Tenant, Cohort, isExport ? "bulk export" : "roster");
        WakeAfter(BrokenDelay);
        return Task.CompletedTask;
    }

    private static ProblemException NotThere() => new(ProblemKind.NotFound, "EHR-POP-013", "cohort", "The tenant has no such cohort.");

    [LoggerMessage(3310, LogLevel.Error, "The {Work} of cohort {Tenant}/{Cohort} could not go on; it tries again in a moment.")]
    private static partial void LogBroken(ILogger logger, Exception exception, TenantId tenant, CohortId cohort, string work);
}
