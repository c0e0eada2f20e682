using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Query;
using EhrGrains.Grains.Tenants;
using EhrGrains.Storage.Audit;
using EhrGrains.Storage.Ids;
using EhrGrains.Storage.Records;
using EhrGrains.Storage.Sync;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Sync;

/// <summary>
/// One patient's copy. In memory only while it runs; what a commit that failed has left in memory is thrown away with it, and the rows say
/// where to go on.
/// </summary>
[GrainType("ehr.sync.cursor")]
internal sealed partial class PatientSyncCursorGrain(
    SyncTable table,
    CursorSeals seals,
    TenantSnapshots tenants,
    Normalizers normalizers,
    EhrLine line,
    IdAliasTable aliases,
    EhrPatientLinks links,
    RecordWriter writer,
    CallerTickets tickets,
    AuditLog audit,
    SyncOptions options,
    SyncMetrics metrics,
    TimeProvider time,
    ILogger<PatientSyncCursorGrain> log) : Grain, IPatientSyncCursorGrain
{
    private static readonly TimeSpan BackOffMax = TimeSpan.FromHours(1);

    private TenantId Tenant { get; set; }

    private PatientId Patient { get; set; }

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        (Tenant, Patient) = GrainKeys.TryGetPatient(this.GetPrimaryKeyString(), out var tenant, out var patient) ? (tenant, patient) : throw NotEnrolled();
        return Task.CompletedTask;
    }

    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        var more = false;
        try
        {
            if (await table.LoadAsync(Tenant, Patient, cancellationToken) is { } stored)
            {
                more = await RunAsync(stored, cancellationToken);
            }
        }
        finally
        {
            if (!more)
            {
                // A million patients that nothing happens to cost their rows.
                DeactivateOnIdle();
            }
        }

        return more;
    }

    public async Task<RecordReceipt> TakeAsync(SyncBatch batch, CancellationToken cancellationToken)
    {
        var stored = await table.LoadAsync(Tenant, Patient, cancellationToken) ?? throw NotEnrolled();
        var snapshot = await tenants.GetAsync(Tenant, cancellationToken) ?? throw NotEnrolled();
        var record = RecordOf(stored);
        var receipt = await RunOf(stored, snapshot, Lane.Backfill, record).TakeAsync(batch, cancellationToken);
        if (record.Record != stored.Patient.Record)
        {
            await table.SettleAsync(Tenant, stored.Patient, stored.Patient with { Record = record.Record }, cancellationToken);
        }

        return receipt;
    }

    public async Task<SyncStatus> StatusAsync(CancellationToken cancellationToken) =>
        StatusOf(await table.LoadAsync(Tenant, Patient, cancellationToken) ?? throw NotEnrolled());

    /// <summary>How a copy stands.</summary>
    internal static SyncStatus StatusOf(StoredSync stored) => new()
    {
        Patient = stored.Patient.Patient,
        Record = stored.Patient.Record,
        State = stored.Patient.State,
        DueAt = stored.Patient.DueAt,
        CompletedAt = stored.Patient.CompletedAt,
        Problem = stored.Patient.Problem,
        Types = [.. stored.Cursors.Select(cursor => cursor.Status)],
    };

    private async Task<bool> RunAsync(StoredSync stored, CancellationToken cancellationToken)
    {
        var patient = stored.Patient;
        var snapshot = await tenants.GetAsync(Tenant, cancellationToken);
        if (snapshot is not { Lifecycle: Lifecycle.Sandbox or Lifecycle.Uat or Lifecycle.Live })
        {
            await SettleDownAsync(patient, patient.Record, SyncProblems.NotOpen, null, cancellationToken);
            return false;
        }

        var freshness = TimeSpan.FromSeconds(snapshot.Spec.Sync.FreshnessSeconds);
        var now = time.GetUtcNow();
        var isHint = patient.Hinted is not ("" or "*") && patient.CompletedAt is { } complete && now < complete + freshness;
        var hinted = patient.Hinted.Split(',', StringSplitOptions.RemoveEmptyEntries).ToHashSet(StringComparer.Ordinal);
        var record = RecordOf(stored);
        var run = RunOf(stored, snapshot, isHint ? Lane.Event : Lane.Backfill, record);
        var start = time.GetTimestamp();
        RunEnd end;
        try
        {
            await AuditAsync("sync", [(record.Record ?? Patient).Value], cancellationToken);

            // Whose record is another's too may have been merged into that one: first of all is to be seen whether there is such a patient.
            bool IsDue(string type) => !isHint || hinted.Contains(type) || (type == "Patient" && record.Record is { } shared && shared != Patient);
            end = await run.RunAsync(IsDue, cancellationToken);
        }
        catch (AuditUnavailableException e)
        {
            await SettleDownAsync(patient, record.Record, new Problem("EHR-AUD-001", "", e.Message), null, cancellationToken);
            return false;
        }
        catch (ProblemException e) when (e.Kind is ProblemKind.Conflict or ProblemKind.Unavailable)
        {
            LogNotCommitted(log, Tenant, e.Problems[0].Code);

            // Where the record is another's too from now on, the run begins anew: whether there is such a patient comes first.
            var runAt = record.Record == stored.Patient.Record ? patient.RunAt ?? patient.DueAt : (DateTimeOffset?)null;
            await PutOffAsync(patient, runAt, record.Record, e.Problems[0], null, cancellationToken);
            return false;
        }

        metrics.Turn(time.GetElapsedTime(start), end);
        switch (end)
        {
            case RunEnd.More:
                return true;
            case RunEnd.Down:
                await SettleDownAsync(patient with { RunAt = run.RunAt }, record.Record, run.Problem!, run.RetryAfter, cancellationToken);
                return false;
            case RunEnd.Merged:
                await MergeAsync(stored, snapshot, run, record.Record, cancellationToken);
                return false;
            default:
                await SettleAsync(patient, run, record.Record, isHint, freshness, cancellationToken);
                return false;
        }
    }

    private async Task SettleAsync(
        SyncPatient patient, PatientRun run, PatientId? record, bool isHint, TimeSpan freshness, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var isComplete = run.Statuses.Where(status => run.IsWanted(status.Type)).All(status => status.IsComplete);
        if (isComplete)
        {
            // The turn that began the record may have been cut off before it could note which it is.
            record ??= await links.FindAsync(Tenant, Patient.Value, cancellationToken) ?? Patient;
        }

        var completedAt = isHint ? patient.CompletedAt : isComplete ? now : patient.CompletedAt;

        // Not all at once the next time either.
        var spread = freshness * (0.8 + (0.2 * Random.Shared.NextDouble()));
        var due = isHint ? patient.CompletedAt!.Value + spread : now + (isComplete ? spread : TimeSpan.FromTicks(Math.Min(spread.Ticks, BackOff(patient.Failures).Ticks)));
        await table.SettleAsync(
            Tenant,
            patient,
            patient with
            {
                Record = record,
                Hinted = "",
                IsWhole = false,
                State = isComplete ? SyncState.Complete : SyncState.Incomplete,
                Failures = isComplete ? 0 : patient.Failures + 1,
                CompletedAt = completedAt,
                DueAt = due,
                RunAt = null,
                Problem = null,
            },
            cancellationToken);
        metrics.Ended(isComplete, patient.CompletedAt is { } before ? now - before : null);
    }

    // It goes on where it is: what was read of this run need not be read again.
    private Task SettleDownAsync(SyncPatient patient, PatientId? record, Problem problem, TimeSpan? retryAfter, CancellationToken cancellationToken) =>
        PutOffAsync(patient, patient.RunAt ?? patient.DueAt, record, problem, retryAfter, cancellationToken);

    private async Task PutOffAsync(
        SyncPatient patient, DateTimeOffset? runAt, PatientId? record, Problem problem, TimeSpan? retryAfter, CancellationToken cancellationToken)
    {
        var wait = retryAfter is { } named && named > TimeSpan.Zero ? named : BackOff(patient.Failures);
        await table.SettleAsync(
            Tenant,
            patient,
            patient with
            {
                Record = record,
                State = patient.CompletedAt is null ? SyncState.Waiting : SyncState.Incomplete,
                Failures = patient.Failures + 1,
                DueAt = time.GetUtcNow() + (wait * (1 + (0.2 * Random.Shared.NextDouble()))),
                RunAt = runAt,
                Problem = problem,
            },
            cancellationToken);
    }

    // What is read of a hospital is the system's doing: a row a turn, before anything is asked (I5).
    private Task<long> AuditAsync(string action, string[] patients, CancellationToken cancellationToken) => audit.AppendAsync(
        new AuditRecord { Tenant = Tenant, App = "~sync", Action = action, Patients = patients, Outcome = AuditRecord.IntentOutcome }, cancellationToken);

    private RecordSide RecordOf(StoredSync stored) => new(GrainFactory, tickets, writer, links, Tenant, stored.Patient.Patient, stored.Patient.Record);

    private PatientRun RunOf(StoredSync stored, TenantSnapshot snapshot, Lane lane, RecordSide record)
    {
        var rules = normalizers.For(Tenant, snapshot);
        var reader = new EhrReader(line, aliases, Tenant, snapshot.Spec, rules, lane);
        return new PatientRun(Tenant, snapshot.Spec.Sync, rules.Profile, stored, reader, record, seals, options, time);
    }

    private static TimeSpan BackOff(int failures) =>
        TimeSpan.FromTicks(Math.Min(BackOffMax.Ticks, TimeSpan.FromSeconds(5).Ticks << Math.Min(failures, 20)));

    private static ProblemException NotEnrolled() => new(ProblemKind.NotFound, "EHR-SYN-013", "patient", "There is no such tenant, or the patient is not enrolled.");

    [LoggerMessage(3010, LogLevel.Information, "A run of a patient's copy at tenant {Tenant} was not committed ({Code}); it goes on from its cursors.")]
    private static partial void LogNotCommitted(ILogger logger, TenantId tenant, string code);
}
