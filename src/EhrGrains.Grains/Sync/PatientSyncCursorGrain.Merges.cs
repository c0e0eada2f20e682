using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Records;
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

    public async Task TakeOverAsync(PatientId prior, CancellationToken cancellationToken)
    {
        if (await table.LoadAsync(Tenant, prior, cancellationToken) is not { } left)
        {
            return;
        }

        var stored = await table.LoadAsync(Tenant, Patient, cancellationToken) ?? throw NotEnrolled();
        var snapshot = await tenants.GetAsync(Tenant, cancellationToken) ?? throw NotEnrolled();
        await RunOf(stored, snapshot, Lane.Backfill, RecordOf(stored)).TakeOverAsync(prior, left.Cursors, cancellationToken);
        await table.RefreshAsync(Tenant, [Patient], isWhole: true, cancellationToken);
    }

    private async Task MergeAsync(SyncPatient patient, PatientRun run, PatientId? record, CancellationToken cancellationToken)
    {
        var survivor = run.Survivor!.Value;
        var copies = GrainFactory.GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(Tenant));
        using var system = tickets.EnterSystem();
        await copies.EnrolFoundAsync([survivor], cancellationToken);
        if (await table.LoadAsync(Tenant, survivor, cancellationToken) is not { Patient: { CompletedAt: not null, Record: { } into } })
        {
            var wait = patient.Failures == 0 ? SurvivorWait : BackOff(patient.Failures);
            await SettleDownAsync(patient with { RunAt = null }, record, SyncProblems.Merged, wait, cancellationToken);
            return;
        }

        try
        {
            if (record is { } prior && prior != into)
            {
                await MergeRecordAsync(prior, into, run.RunAt, cancellationToken);
            }

            await GrainFactory.GetGrain<IPatientSyncCursorGrain>(GrainKeys.Patient(Tenant, survivor)).TakeOverAsync(Patient, cancellationToken);
        }
        catch (ProblemException e)
        {
            LogNotMerged(log, Tenant, e.Problems[0].Code);
            await SettleDownAsync(patient with { RunAt = null }, record, e.Problems[0], null, cancellationToken);
            return;
        }

        await copies.LeaveFoundAsync([Patient], cancellationToken);
        metrics.Merged();
        LogMerged(log, Tenant, Patient, survivor);
    }

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

    [LoggerMessage(3011, LogLevel.Information, "The copy of {Patient} of tenant {Tenant} is a part of {Survivor}'s from now on: the hospital merged them.")]
    private static partial void LogMerged(ILogger logger, TenantId tenant, PatientId patient, PatientId survivor);

    [LoggerMessage(3012, LogLevel.Warning, "The hospital of tenant {Tenant} merged two patients, and their records could not be ({Code}). It is tried again.")]
    private static partial void LogNotMerged(ILogger logger, TenantId tenant, string code);
}
