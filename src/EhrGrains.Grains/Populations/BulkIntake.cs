using System.Collections.Concurrent;
using EhrGrains.Connect.Bulk;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Query;
using EhrGrains.Storage.Ids;
using EhrGrains.Storage.Populations;
using EhrGrains.Storage.Records;
using EhrGrains.Storage.Sync;

namespace EhrGrains.Grains.Populations;

/// <summary>What the files of one export have in common while they are read.</summary>
internal sealed record BulkRun
{
    internal required BulkJobKey Job { get; init; }

    internal required BulkSite Site { get; init; }

    internal required TenantRules Rules { get; init; }

    /// <summary>The types that are copied.</summary>
    internal required IReadOnlySet<string> Types { get; init; }

    internal required bool RequiresAccessToken { get; init; }

    /// <summary>Enrols the patients of the export before their data is taken; null: those of the roster are enrolled, and no others.</summary>
    internal required Func<IReadOnlyList<PatientId>, CancellationToken, Task>? Admit { get; init; }

    /// <summary>Patients that are known not to be enrolled.</summary>
    internal ConcurrentDictionary<PatientId, bool> Strangers { get; } = new();

    internal TenantId Tenant => Job.Tenant;
}

/// <summary>How reading a file ended.</summary>
internal abstract record FileEnd
{
    private FileEnd()
    {
    }

    /// <summary>It is read to its end.</summary>
    internal sealed record Whole : FileEnd;

    /// <summary>It is not; what was read is kept.</summary>
    internal sealed record Broken(Problem Problem, TimeSpan? RetryAfter, bool HasAdvanced) : FileEnd;

    /// <summary>It cannot be had any more.</summary>
    internal sealed record Expired(Problem Problem) : FileEnd;

    /// <summary>Another activation reads it.</summary>
    internal sealed record Fenced : FileEnd;
}

/// <summary>
/// Reads files of bulk exports into the copies of patients: lines are normalized, put together by patient and taken by their cursors, and
/// then how far the file was read is committed (I2). A crash reads one batch again, which changes nothing. In memory is a batch a file,
/// whatever the file's length. Thread-safe.
/// </summary>
internal sealed class BulkIntake(
    BulkFiles files,
    BulkFileTable table,
    IdAliasTable aliases,
    RecordDirectory directory,
    SyncTable enrolled,
    IGrainFactory grains,
    CallerTickets tickets,
    PopulationMetrics metrics,
    TimeProvider time)
{
    private const int PatientsAtOnce = 16;
    private const int EnrolMax = 1_000;
    private const int ConflictsMax = 30;
    private const int StrangersMax = 1_000_000;
    private static readonly TimeSpan ConflictDelay = TimeSpan.FromSeconds(1);

    /// <summary>Reads a file from where reading it has stopped.</summary>
    internal async Task<FileEnd> ReadAsync(BulkRun run, StoredBulkFile file, CancellationToken cancellationToken)
    {
        var opening = await files.OpenAsync(
            run.Site,
            new BulkFile((BulkFileKind)file.Kind, file.Type.Length == 0 ? null : file.Type, file.Url, file.Said),
            run.RequiresAccessToken,
            new BulkPosition(file.ReadBytes, file.ETag),
            cancellationToken);
        switch (opening)
        {
            case BulkOpening.Expired expired:
                return new FileEnd.Expired(expired.Problem);
            case BulkOpening.Failed failed:
                return new FileEnd.Broken(failed.Problem, failed.RetryAfter, HasAdvanced: false);
            default:
                using (var download = ((BulkOpening.Opened)opening).Download)
                {
                    return await ReadAsync(run, file, download, cancellationToken);
                }
        }
    }

    /// <summary>Lets the cursors of patients go on from what the export has brought.</summary>
    internal async Task<bool> ConcludeAsync(BulkRun run, IReadOnlyList<PatientId> patients, SyncBatch whole, CancellationToken cancellationToken)
    {
        using var system = tickets.EnterSystem();
        await Parallel.ForEachAsync(
            patients,
            new ParallelOptions { MaxDegreeOfParallelism = PatientsAtOnce, CancellationToken = cancellationToken },
            async (patient, ct) => await TakeAsync(run, patient, whole, ct));
        return true;
    }

    /// <summary>Enrols patients whose own resource the export has.</summary>
    internal async Task EnrolAsync(TenantId tenant, IReadOnlyList<PatientId> patients, CancellationToken cancellationToken)
    {
        var sync = grains.GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(tenant));
        foreach (var part in patients.Chunk(EnrolMax))
        {
            await sync.EnrolFoundAsync(part, cancellationToken);
        }
    }

    private async Task<FileEnd> ReadAsync(BulkRun run, StoredBulkFile file, BulkDownload download, CancellationToken cancellationToken)
    {
        // Read from the beginning though some of it was read: what was counted then is counted again.
        var progress = download.Position.Offset == file.ReadBytes ? file : file with { ReadBytes = 0, Counts = BulkFileCounts.None };
        var batch = new IntakeBatch(run.Rules, run.Types, progress);
        BulkReading reading;
        do
        {
            reading = await download.ReadAsync();
            while (download.TryRead(out var line))
            {
                batch.Add(line);
                if (batch.IsFull)
                {
                    if (await CommitAsync(run, batch, download, BulkFileState.Open, cancellationToken) is not { } advanced)
                    {
                        return new FileEnd.Fenced();
                    }

                    batch = new IntakeBatch(run.Rules, run.Types, progress = advanced);
                }
            }
        }
        while (reading == BulkReading.More);

        var state = reading == BulkReading.End ? BulkFileState.Read : BulkFileState.Open;
        if (await CommitAsync(run, batch, download, state, cancellationToken) is not { } last)
        {
            return new FileEnd.Fenced();
        }

        return reading switch
        {
            BulkReading.End => new FileEnd.Whole(),
            BulkReading.TooLarge => new FileEnd.Broken(BulkProblems.FileTooLarge, null, HasAdvanced: false),
            _ => new FileEnd.Broken(BulkProblems.CutOff, null, HasAdvanced: last.ReadBytes > file.ReadBytes),
        };
    }

    /// <summary>What was read is taken, and then how far. Null: another activation reads the file.</summary>
    private async Task<StoredBulkFile?> CommitAsync(
        BulkRun run, IntakeBatch batch, BulkDownload download, BulkFileState state, CancellationToken cancellationToken)
    {
        using var system = tickets.EnterSystem();
        if (batch.Aliases.Count > 0)
        {
            await aliases.SaveAsync(run.Tenant, batch.Aliases, cancellationToken);
        }

        await PlaceAsync(run, batch, cancellationToken);
        if (run.Admit is not null && batch.Newcomers.Count > 0)
        {
            await run.Admit(batch.Newcomers, cancellationToken);
        }

        await Parallel.ForEachAsync(
            batch.Patients,
            new ParallelOptions { MaxDegreeOfParallelism = PatientsAtOnce, CancellationToken = cancellationToken },
            async (pending, ct) =>
            {
                foreach (var part in pending.Parts())
                {
                    batch.Taken(part, await TakeAsync(run, pending.Patient, part, ct));
                }
            });

        batch.TooLong(download.TooLong);
        var after = batch.File with
        {
            State = state,
            ReadBytes = download.Position.Offset,
            ETag = download.Position.ETag,
            Counts = batch.Counts(),
        };
        if (!await table.CommitAsync(run.Job, after, cancellationToken))
        {
            return null;
        }

        metrics.Read(after.ReadBytes - batch.File.ReadBytes);
        Measure(batch.File.Counts, after.Counts);
        return after;
    }

    /// <summary>Gives a patient's cursor its part. Null: the patient is not enrolled.</summary>
    private async Task<RecordReceipt?> TakeAsync(BulkRun run, PatientId patient, SyncBatch part, CancellationToken cancellationToken)
    {
        if (run.Strangers.ContainsKey(patient))
        {
            return null;
        }

        var cursor = grains.GetGrain<IPatientSyncCursorGrain>(GrainKeys.Patient(run.Tenant, patient));
        for (var conflicts = 0; ; conflicts++)
        {
            try
            {
                return await cursor.TakeAsync(part, cancellationToken);
            }
            catch (ProblemException e) when (e.Kind == ProblemKind.NotFound)
            {
                if (run.Strangers.Count < StrangersMax)
                {
                    run.Strangers[patient] = true;
                }

                return null;
            }
            catch (ProblemException e) when (e.Kind is ProblemKind.Conflict or ProblemKind.Unavailable && conflicts < ConflictsMax)
            {
                // The patient is being read page by page just now, or the database is away: the same again is the same.
                await Task.Delay(ConflictDelay, time, cancellationToken);
            }
        }
    }

    /// <summary>Finds out whose the deleted resources are: the export does not say.</summary>
    private async Task PlaceAsync(BulkRun run, IntakeBatch batch, CancellationToken cancellationToken)
    {
        foreach (var key in batch.Deletions)
        {
            if (key.Type == "Patient" && PatientId.TryParse(key.Id, out var self))
            {
                batch.Delete(self, key);
            }
            else if (await directory.FindAsync(run.Tenant, key, cancellationToken) is { } record)
            {
                // Messages may have named the record before the hospital's patient was copied into it.
                var copied = await enrolled.InRecordAsync(run.Tenant, record, cancellationToken);
                foreach (var patient in copied.DefaultIfEmpty(record))
                {
                    batch.Delete(patient, key);
                }
            }
            else
            {
                batch.NothingToDelete();
            }
        }
    }

    private void Measure(BulkFileCounts before, BulkFileCounts after)
    {
        metrics.Taken("stored", after.Stored - before.Stored);
        metrics.Taken("unchanged", after.Unchanged - before.Unchanged);
        metrics.Taken("deleted", after.Deleted - before.Deleted);
        metrics.Taken("not_enrolled", after.NotEnrolled - before.NotEnrolled);
        metrics.Taken("not_copied", after.NotCopied - before.NotCopied);
        metrics.Taken("quarantined", after.Quarantined - before.Quarantined);
    }
}
