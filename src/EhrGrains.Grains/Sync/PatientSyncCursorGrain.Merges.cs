using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Records;
using EhrGrains.Storage.Audit;
using EhrGrains.Storage.Sync;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Sync;

/// <summary>
/// What becomes of the copy of a patient whom the hospital has merged into another: the survivor is copied; once that is complete the
/// record becomes a part of the survivor's, what this cursor knows a part of its cursor, and this one ends. Each step may be done again.
/// </summary>
internal sealed partial class PatientSyncCursorGrain
{
    // How soon it is looked whether the survivor's copy is complete.
    private static readonly TimeSpan SurvivorWait = TimeSpan.FromSeconds(5);

    private async Task MergeAsync(StoredSync stored, TenantSnapshot snapshot, PatientRun run, PatientId? record, CancellationToken cancellationToken)
    {
        var (patient, survivor) = (stored.Patient, run.Survivor!.Value);
        var copies = GrainFactory.GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(Tenant));
        using var system = tickets.EnterSystem();
        var problem = SyncProblems.Merged;
        TimeSpan? wait = patient.Failures == 0 ? SurvivorWait : null;
        try
        {
            await copies.EnrolFoundAsync([survivor], cancellationToken);
            if (await table.LoadAsync(Tenant, survivor, cancellationToken) is { Patient: { CompletedAt: not null, Record: { } into } } theirs)
            {
                await AuditAsync("sync.merge", [Patient.Value, survivor.Value], cancellationToken);
                if (record is { } prior && prior != into)
                {
                    await MergeRecordAsync(prior, into, run.RunAt, cancellationToken);
                }

                await RunOf(theirs, snapshot, Lane.Backfill, RecordOf(theirs)).TakeOverAsync(Patient, stored.Cursors, cancellationToken);
                await table.RefreshAsync(Tenant, [survivor], isWhole: true, cancellationToken);
                await copies.LeaveFoundAsync([Patient], cancellationToken);
                metrics.Merged();
                LogMerged(log, Tenant);
                return;
            }
        }
        catch (AuditUnavailableException e)
        {
            problem = new Problem("EHR-AUD-001", "", e.Message);
        }
        catch (ProblemException e)
        {
            LogNotMerged(log, Tenant, e.Problems[0].Code);
            problem = e.Problems[0];
        }

        // The next run begins anew: that it found the patient merged is not to count as having read it.
        await PutOffAsync(patient, null, record, problem, wait, cancellationToken);
    }

    // A message may have said so before.
    private async Task MergeRecordAsync(PatientId prior, PatientId into, DateTimeOffset at, CancellationToken cancellationToken)
    {
        try
        {
            await GrainFactory.GetGrain<IPatientRecordGrain>(GrainKeys.Patient(Tenant, into))
                .MergeAsync(prior, new RecordSource("fhir-merge", at.ToUnixTimeMilliseconds()), late: false, cancellationToken);
        }
        catch (ProblemException e) when (e.Problems[0].Code == PatientRecordGrain.MergedAlready)
        {
            // A message has said so, or an earlier turn that was cut off.
        }
    }

    [LoggerMessage(3011, LogLevel.Information, "A patient's copy of tenant {Tenant} is a part of another's from now on: the hospital merged them. Who: audit action sync.merge.")]
    private static partial void LogMerged(ILogger logger, TenantId tenant);

    [LoggerMessage(3012, LogLevel.Warning, "The hospital of tenant {Tenant} merged two patients, and their copies could not be ({Code}). It is tried again; who: sync report.")]
    private static partial void LogNotMerged(ILogger logger, TenantId tenant, string code);
}
