using System.Collections.Concurrent;
using EhrGrains.Connect.Bulk;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir;
using EhrGrains.Grains.Budgets;
using EhrGrains.Storage.Populations;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Populations;

/// <summary>The files of the bulk export: read three at a time, resumed where reading them stopped, and added up.</summary>
internal sealed partial class PopulationSyncGrain
{
    private const int FilesAtOnce = 3;
    private const int FilesARound = 60;
    private const int FileFailuresMax = 10;
    private const int RenewalsMax = 2;

    // Of the export that is being read; set, what the database says of its files is this activation's.
    private CancellationTokenSource? reading;
    private BulkRun? run;

    private BulkJobKey KeyOf(BulkJob job) => new(Tenant, Cohort, job.Number, State.Epoch);

    private async Task TakeManifestAsync(BulkJob job, BulkManifest manifest)
    {
        await ClaimAsync(job);
        var entered = await files.ReplaceOpenAsync(
            KeyOf(job),
            [.. manifest.Files.Select(file => new StoredBulkFile { Kind = (int)file.Kind, Type = file.Type ?? "", Url = file.Url, Said = file.Count })
                .Select(file => file.Kind == (int)BulkFileKind.Output ? file : file with { Type = ((BulkFileKind)file.Kind).ToString() })],
            exports.Stopping);
        if (!entered)
        {
            throw Overtaken();
        }

        await SaveJobAsync(now => now with
        {
            State = BulkState.Reading,
            TransactionTime = now.TransactionTime is { } before && before < manifest.TransactionTime ? before : manifest.TransactionTime,
            RequiresAccessToken = manifest.RequiresAccessToken,
            Percent = 100,
            NextAskAt = time.GetUtcNow(),
            Problem = null,
            Failures = 0,
        });
    }

    // A number that no other activation has: what one that still runs somewhere commits from now on is refused (I3).
    private async Task ClaimAsync(BulkJob job)
    {
        await SaveAsync(state => state with { Epoch = state.Epoch + 1 });
        await files.ClaimAsync(KeyOf(job), exports.Stopping);
        run = null;
    }

    private async Task ReadFilesAsync(BulkJob job, TenantSnapshot snapshot)
    {
        if (run is null || run.Job.Job != job.Number)
        {
            await ClaimAsync(job);
            run = RunOf(job, snapshot);
        }

        var open = await files.OpenAsync(run.Job, FilesARound, exports.Stopping);
        if (open.Count == 0)
        {
            await ConcludeAsync(job, snapshot);
            return;
        }

        // Patients first, and by themselves: what is theirs in the other files is taken once they are enrolled.
        var isPatients = open[0].Type == "Patient";
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(exports.Stopping);
        reading = ending;
        var ends = new ConcurrentBag<(StoredBulkFile File, FileEnd End)>();
        try
        {
            await audit.RunAsync(
                Tenant,
                "bulk.read",
                () => Parallel.ForEachAsync(
                    open.Where(file => (file.Type == "Patient") == isPatients),
                    new ParallelOptions { MaxDegreeOfParallelism = FilesAtOnce, CancellationToken = ending.Token },
                    async (file, ct) => ends.Add((file, await Detached.RunAsync(() => ReadFileAsync(run, file, ct))))),
                ending.Token);
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested && !exports.Stopping.IsCancellationRequested)
        {
            // Cancelled by command; what was read is committed.
            return;
        }
        finally
        {
            reading = null;
        }

        await JudgeAsync(job, [.. ends]);
    }

    private async Task<FileEnd> ReadFileAsync(BulkRun current, StoredBulkFile file, CancellationToken cancellationToken)
    {
        try
        {
            return await intake.ReadAsync(current, file, cancellationToken);
        }
        catch (BudgetRefusedException e)
        {
            return new FileEnd.Broken(new Problem("EHR-QRY-005", "", e.Message), e.RetryAfter, HasAdvanced: false);
        }
        catch (ProblemException e) when (e.Kind is ProblemKind.Conflict or ProblemKind.Unavailable)
        {
            return new FileEnd.Broken(e.Problems[0], null, HasAdvanced: false);
        }
    }

    private async Task JudgeAsync(BulkJob job, (StoredBulkFile File, FileEnd End)[] ends)
    {
        if (ends.Any(one => one.End is FileEnd.Fenced))
        {
            throw Overtaken();
        }

        if (ends.Select(one => one.End).OfType<FileEnd.Expired>().FirstOrDefault() is { } expired)
        {
            string[] types = [.. ends.Where(one => one.End is not FileEnd.Whole).Select(one => one.File.Type).Where(ResourceTypes.All.Contains).Distinct()];
            await RenewAsync(job, types.Length > 0 ? [.. types] : job.Types, expired.Problem);
            return;
        }

        var broken = ends.Where(one => one.End is FileEnd.Broken).Select(one => (one.File, End: (FileEnd.Broken)one.End)).ToArray();
        var hasAdvanced = broken.Length < ends.Length || broken.Any(one => one.End.HasAdvanced);
        if (broken.Length == 0)
        {
            await SaveJobAsync(now => now with { Failures = 0, Problem = null });
        }
        else if (!hasAdvanced && State.Job!.Failures >= FileFailuresMax)
        {
            foreach (var (file, end) in broken)
            {
                await files.CommitAsync(run!.Job, file with { State = BulkFileState.GivenUp, Problem = end.Problem.Code }, exports.Stopping);
            }

            await SaveJobAsync(now => now with { Failures = 0, Problem = BulkProblems.FilesGivenUp });
        }
        else
        {
            if (hasAdvanced)
            {
                await SaveJobAsync(now => now with { Failures = 0 });
            }

            await DelayAsync(broken[0].End.Problem, broken.Max(one => one.End.RetryAfter));
        }
    }

    /// <summary>Asks for what is missing once more, as an export of these types.</summary>
    private async Task RenewAsync(BulkJob job, IReadOnlyList<string> types, Problem why)
    {
        if (job.Renewals >= RenewalsMax)
        {
            await EndAsync(BulkState.Incomplete, BulkProblems.Expired);
            return;
        }

        LogRenewed(log, Tenant, Cohort, job.Number, why.Code);
        await SaveJobAsync(now => now with
        {
            State = BulkState.Requested,
            StatusUrl = null,
            Types = [.. types],
            Renewals = now.Renewals + 1,
            NextAskAt = time.GetUtcNow(),
            Problem = why,
        });
    }

    /// <summary>All files are read or given up: says whether that is everything, and lets the cursors go on from there.</summary>
    private async Task ConcludeAsync(BulkJob job, TenantSnapshot snapshot)
    {
        var totals = await files.TotalsAsync(run!.Job, exports.Stopping);
        var problem = BulkTotals.Judge(totals);
        if (problem is null)
        {
            await AdvanceCursorsAsync(job, [.. totals.Select(total => total.Type).Where(run.Types.Contains).Distinct()]);
            if (run.Admit is not null && job.Since is null && totals.Any(total => total.Type == "Patient"))
            {
                await LetGoAsync(job.RequestedAt, exports.Stopping);
            }
        }

        await EndAsync(problem is null ? BulkState.Complete : BulkState.Incomplete, problem);
        run = null;
        if (job.StatusUrl is { } url && SiteOf(snapshot).Profile.Bulk.DeleteWhenDone)
        {
            await DeleteAsync(snapshot, url, exports.Stopping);
        }
    }

    // Of a type without a file nothing is known: the EHR may have nothing of it, or not export it.
    private async Task AdvanceCursorsAsync(BulkJob job, string[] types)
    {
        var whole = new SyncBatch { Resources = [], Whole = types, At = job.TransactionTime ?? job.RequestedAt, IsIncremental = job.Since is not null };
        for (var after = ""; await table.PatientsAsync(Tenant, Cohort, after, EnrolMax, exports.Stopping) is [.., var last] patients; after = last.Value)
        {
            await Detached.RunAsync(() => intake.ConcludeAsync(run!, patients, whole, exports.Stopping));
        }
    }

    private BulkRun RunOf(BulkJob job, TenantSnapshot snapshot) => new()
    {
        Job = KeyOf(job),
        Site = SiteOf(snapshot),
        Rules = normalizers.For(Tenant, snapshot),
        Types = Synced(snapshot.Spec, normalizers.For(Tenant, snapshot).Profile).ToHashSet(StringComparer.Ordinal),
        RequiresAccessToken = job.RequiresAccessToken,
        Admit = job.Request.Level == ExportLevel.Group ? AdmitAsync : null,
    };

    // Who is in the export of the cohort's Group is in the Group.
    private async Task AdmitAsync(IReadOnlyList<PatientId> patients, CancellationToken cancellationToken)
    {
        await table.NameAsync(Tenant, Cohort, [.. patients.Select(patient => MemberName.OfId(patient.Value))], time.GetUtcNow(), cancellationToken);
        await intake.EnrolAsync(Tenant, patients, cancellationToken);
    }

    private ProblemException Overtaken()
    {
        run = null;
        DeactivateOnIdle();
        return new ProblemException(ProblemKind.Conflict, "EHR-POP-029", "", "Another silo has taken the cohort over meanwhile. Ask again.");
    }

    [LoggerMessage(3323, LogLevel.Warning, "Bulk export {Job} of cohort {Tenant}/{Cohort} is asked for again: what was to be read is gone ({Code}).")]
    private static partial void LogRenewed(ILogger logger, TenantId tenant, CohortId cohort, int job, string code);
}
