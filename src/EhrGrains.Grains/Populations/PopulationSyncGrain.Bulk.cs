using EhrGrains.Connect.Bulk;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Budgets;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Populations;

/// <summary>The bulk export: asked for, waited for, and ended.</summary>
internal sealed partial class PopulationSyncGrain
{
    private const int PatientsListedMax = 10_000;
    private const int FailuresMax = 100;
    private static readonly TimeSpan FirstAskDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan FailureDelayMin = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan FailureDelayMax = TimeSpan.FromMinutes(10);

    public async Task<BulkStatus> StartBulkAsync(BulkRequest request, CancellationToken cancellationToken)
    {
        var spec = Spec;
        if (State.Job is { IsUnderWay: true })
        {
            throw new ProblemException(ProblemKind.Conflict, "EHR-POP-026", "cohort", "A bulk export of the cohort is under way.");
        }

        var snapshot = await OpenSnapshotAsync(cancellationToken)
            ?? throw new ProblemException(ProblemKind.Conflict, "EHR-POP-027", "tenant", "The tenant's lifecycle does not allow requests to the hospital now.");
        var profile = normalizers.For(Tenant, snapshot).Profile;
        var types = CohortRules.Check(request, spec, profile, Synced(snapshot.Spec, profile));
        var now = time.GetUtcNow();
        if (profile.Bulk.HoursBetween > 0 && State.Job is { StatusUrl: not null } last && last.RequestedAt.AddHours(profile.Bulk.HoursBetween) is var again && again > now)
        {
            throw new ProblemException(
                ProblemKind.Conflict, "EHR-POP-025", "cohort", $"{profile.Name} exports a group once in {profile.Bulk.HoursBetween} hours: start it after {again:u}.");
        }

        await audit.RunAsync(
            Tenant,
            "bulk.start",
            () => SaveAsync(state => state with
            {
                Job = new BulkJob
                {
                    Number = (state.Job?.Number ?? 0) + 1,
                    Request = request,
                    State = BulkState.Requested,
                    RequestedAt = now,
                    Types = [.. types],
                    Since = request.Incremental && state.Exported.TryGetValue(ExportedKey(request, spec), out var since) ? since : null,
                    NextAskAt = now,
                },
            }),
            cancellationToken);
        await table.SaveAsync(Tenant, Cohort, now, cancellationToken);
        exports.Tell();
        return (await BulkStatusAsync(cancellationToken))!;
    }

    public async Task<BulkStatus> CancelBulkAsync(CancellationToken cancellationToken)
    {
        _ = Spec;
        if (State.Job is not { IsUnderWay: true } job)
        {
            throw new ProblemException(ProblemKind.Conflict, "EHR-POP-028", "cohort", "No bulk export of the cohort is under way.");
        }

        await audit.RunAsync(Tenant, "bulk.cancel", () => EndAsync(BulkState.Cancelled, job.Problem), cancellationToken);
        await (reading?.CancelAsync() ?? Task.CompletedTask);
        if (job.StatusUrl is { } url && await OpenSnapshotAsync(cancellationToken) is { } snapshot)
        {
            await DeleteAsync(snapshot, url, cancellationToken);
        }

        return (await BulkStatusAsync(cancellationToken))!;
    }

    public async Task<BulkStatus?> BulkStatusAsync(CancellationToken cancellationToken)
    {
        _ = Spec;
        if (State.Job is not { } job)
        {
            return null;
        }

        var totals = await files.TotalsAsync(KeyOf(job), cancellationToken);
        return BulkTotals.Status(job, totals);
    }

    /// <summary>One step; answers whether there is another at once.</summary>
    private async Task<bool> ExportRoundAsync()
    {
        _ = Spec;
        if (State.Job is not { IsUnderWay: true } job)
        {
            exportDue = null;
            await SleepAsync(exports.Stopping);
            return false;
        }

        var now = time.GetUtcNow();
        if (job.NextAskAt > now || await OpenSnapshotAsync(exports.Stopping) is not { } snapshot)
        {
            exportDue = job.NextAskAt > now ? job.NextAskAt : now + ClosedDelay;
            await SleepAsync(exports.Stopping);
            return false;
        }

        exportDue = null;
        try
        {
            await (job.State switch
            {
                BulkState.Requested => KickOffAsync(job, snapshot),
                BulkState.Preparing => AskAsync(job, snapshot),
                _ => ReadFilesAsync(job, snapshot),
            });
        }
        catch (BudgetRefusedException e)
        {
            await DelayAsync(new Problem("EHR-QRY-005", "", e.Message), e.RetryAfter);
        }

        return true;
    }

    private async Task KickOffAsync(BulkJob job, TenantSnapshot snapshot)
    {
        var site = SiteOf(snapshot);
        var isListed = job.Request.Level == ExportLevel.Patient && site.Profile.Bulk.PatientList;
        var export = new BulkExport
        {
            Level = job.Request.Level,
            Group = Spec.Group,
            Patients = isListed ? await OriginalsAsync() : [],
            Types = site.Profile.Bulk.Type ? job.Types : [],
            Since = job.Since,
        };
        if (isListed && export.Patients.Count == 0)
        {
            await EndAsync(BulkState.Failed, new Problem("EHR-BLK-028", "", "The hospital exports only patients that are named, and none of the cohort is enrolled."));
            return;
        }

        switch (await bulk.StartAsync(site, export, exports.Stopping))
        {
            case BulkKickoff.Started started:
                LogStarted(log, Tenant, Cohort, job.Number);
                await SaveJobAsync(now => now with
                {
                    State = BulkState.Preparing,
                    StatusUrl = started.StatusUrl,
                    NextAskAt = time.GetUtcNow() + Earlier(site, FirstAskDelay),
                    Problem = null,
                    Failures = 0,
                });
                break;
            case BulkKickoff.Later later:
                await DelayAsync(later.Problem, later.RetryAfter);
                break;
            case BulkKickoff.Refused when job.Request.Types.Length == 0 && job.Types.Length > 0:
                // A site need not have every type that its product can export, and refuses the list for one of them.
                LogUnnamed(log, Tenant, Cohort, job.Number);
                await SaveJobAsync(now => now with { Types = [] });
                break;
            case BulkKickoff.Refused refused:
                await EndAsync(BulkState.Failed, refused.Problem);
                break;
        }
    }

    private async Task AskAsync(BulkJob job, TenantSnapshot snapshot)
    {
        var site = SiteOf(snapshot);
        switch (await bulk.AskAsync(site, job.StatusUrl!, exports.Stopping))
        {
            case BulkProgress.Preparing preparing:
                var wait = preparing.RetryAfter is { } said && said > TimeSpan.Zero ? said : TimeSpan.FromSeconds(site.Profile.Bulk.PollSeconds);
                await SaveJobAsync(now => now with { Percent = preparing.Percent ?? now.Percent, NextAskAt = time.GetUtcNow() + wait, Problem = null, Failures = 0 });
                break;
            case BulkProgress.Done done:
                await TakeManifestAsync(job, done.Manifest);
                break;
            case BulkProgress.Later later:
                await DelayAsync(later.Problem, later.RetryAfter);
                break;
            case BulkProgress.Gone gone:
                await RenewAsync(job, job.Types, gone.Problem);
                break;
            case BulkProgress.Failed failed:
                await EndAsync(BulkState.Failed, failed.Problem);
                break;
        }
    }

    /// <summary>Something is in the way now: the same again after a while, which grows, and not for ever.</summary>
    private async Task DelayAsync(Problem problem, TimeSpan? retryAfter)
    {
        var failures = State.Job!.Failures + 1;
        if (failures > FailuresMax)
        {
            await EndAsync(BulkState.Failed, BulkProblems.GaveUp);
            return;
        }

        var backOff = FailureDelayMin * Math.Pow(2, Math.Min(failures, 16));
        backOff = backOff < FailureDelayMax ? backOff : FailureDelayMax;
        var wait = retryAfter > backOff ? retryAfter.Value : backOff;
        await SaveJobAsync(job => job with { Problem = problem, Failures = failures, NextAskAt = time.GetUtcNow() + wait });
        metrics.Delayed();
    }

    private async Task EndAsync(BulkState end, Problem? problem)
    {
        var now = time.GetUtcNow();
        await SaveAsync(state => state.Job is not { IsUnderWay: true } job
            ? state
            : state with
            {
                Job = job with { State = end, EndedAt = now, Problem = problem },
                Exported = end == BulkState.Complete && job.TransactionTime is { } at && state.Spec is { } spec
                    ? state.Exported.SetItem(ExportedKey(job.Request, spec), at)
                    : state.Exported,
            });
        metrics.Ended(end);
        LogEnded(log, Tenant, Cohort, State.Job!.Number, end, problem?.Code);
    }

    // A command may have ended the job meanwhile: then nothing of it changes any more.
    private Task<bool> SaveJobAsync(Func<BulkJob, BulkJob> change) =>
        SaveAsync(state => state.Job is { IsUnderWay: true } job ? state with { Job = change(job) } : state);

    private async Task DeleteAsync(TenantSnapshot snapshot, string statusUrl, CancellationToken cancellationToken)
    {
        try
        {
            if (!await bulk.DeleteAsync(SiteOf(snapshot), statusUrl, cancellationToken))
            {
                LogNotDeleted(log, Tenant, Cohort);
            }
        }
        catch (BudgetRefusedException)
        {
            // The EHR deletes it by itself when its time is over.
            LogNotDeleted(log, Tenant, Cohort);
        }
    }

    /// <summary>The enrolled patients by the EHR's own ids, as many as a request can name.</summary>
    private async Task<string[]> OriginalsAsync()
    {
        var originals = new List<string>();
        for (var after = ""; await table.PatientsAsync(Tenant, Cohort, after, EnrolMax, exports.Stopping) is [.., var last] patients; after = last.Value)
        {
            originals.AddRange(patients.Select(patient => ResourceIds.TryToOriginal(patient.Value, out var original) ? original : null).OfType<string>());
            if (originals.Count >= PatientsListedMax)
            {
                break;
            }
        }

        return [.. originals.Take(PatientsListedMax)];
    }

    private static string[] Synced(TenantSpec spec, VendorProfile profile) =>
        [.. profile.Sync.Types.Where(type => type.Value.Strategy != SyncStrategy.ByReference).Select(type => type.Key)
            .Where(type => spec.Sync.Types.Length == 0 || spec.Sync.Types.Contains(type))];

    private static TimeSpan Earlier(BulkSite site, TimeSpan other) =>
        TimeSpan.FromSeconds(site.Profile.Bulk.PollSeconds) is var usual && usual < other ? usual : other;

    private static string ExportedKey(BulkRequest request, CohortSpec spec) =>
        $"{request.Level}|{(request.Level == ExportLevel.Group ? spec.Group : null)}|{string.Join(',', request.Types.Order(StringComparer.Ordinal))}";

    [LoggerMessage(3320, LogLevel.Information, "Bulk export {Job} of cohort {Tenant}/{Cohort} was begun at the hospital.")]
    private static partial void LogStarted(ILogger logger, TenantId tenant, CohortId cohort, int job);

    [LoggerMessage(3324, LogLevel.Information, "Bulk export {Job} of cohort {Tenant}/{Cohort} was refused for its types; it is asked for without naming them.")]
    private static partial void LogUnnamed(ILogger logger, TenantId tenant, CohortId cohort, int job);

    [LoggerMessage(3321, LogLevel.Information, "Bulk export {Job} of cohort {Tenant}/{Cohort} ended: {State} ({Code}).")]
    private static partial void LogEnded(ILogger logger, TenantId tenant, CohortId cohort, int job, BulkState state, string? code);

    [LoggerMessage(3322, LogLevel.Warning, "A bulk export of cohort {Tenant}/{Cohort} could not be deleted at the hospital; it expires there by itself.")]
    private static partial void LogNotDeleted(ILogger logger, TenantId tenant, CohortId cohort);
}
