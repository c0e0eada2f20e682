using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Audit;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Changes;
using EhrGrains.Grains.Sync;
using EhrGrains.Grains.Tenants;
using EhrGrains.Storage.Records;
using EhrGrains.Storage.Sync;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Records;

/// <summary>
/// One patient's record. A change is drafted over the state, committed under the head's version (I3) and only then becomes the state, so
/// that readers, who interleave, see what is committed. When another activation was faster, or it is not known what became of a commit,
/// the state is thrown away and read again.
/// </summary>
[GrainType("ehr.record")]
internal sealed partial class PatientRecordGrain(
    RecordStore store,
    RecordWriter writer,
    TenantSnapshots tenants,
    ChangeNews news,
    SyncHints hints,
    CommandAudit audit,
    CallerTickets tickets,
    RecordBounds bounds,
    CopiedRecords copied,
    RecordMetrics metrics,
    TimeProvider time,
    ILogger<PatientRecordGrain> log) : Grain, IPatientRecordGrain
{
    private const int TriesMax = 5;

    private readonly Turns loads = new();
    private RecordState? held;
    private bool isWanted;

    private TenantId Tenant { get; set; }

    private PatientId Patient { get; set; }

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        (Tenant, Patient) = GrainKeys.TryGetPatient(this.GetPrimaryKeyString(), out var tenant, out var patient) ? (tenant, patient) : throw NoRecord();
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        metrics.Forget(this);
        copied.Forget(this);
        return Task.CompletedTask;
    }

    public Task<RecordReceipt> ApplyAsync(RecordInput[] inputs, CancellationToken cancellationToken) => TakeAsync(inputs, null, cancellationToken);

    public Task<RecordReceipt> ApplySyncAsync(RecordInput[] inputs, CursorAdvance advance, CancellationToken cancellationToken) =>
        TakeAsync(inputs, advance, cancellationToken);

    private async Task<RecordReceipt> TakeAsync(RecordInput[] inputs, CursorAdvance? advance, CancellationToken cancellationToken)
    {
        for (var attempt = 1; attempt <= TriesMax; attempt++)
        {
            var state = await LoadAsync(inputs.SelectMany(input => input.Resources).Select(resource => resource.Type), cancellationToken, isCopy: advance is not null);
            if (state.Head.MergedInto is { } survivor)
            {
                return new RecordReceipt { MovedTo = survivor };
            }

            var draft = new RecordDraft(state, time.GetUtcNow());
            Array.ForEach(inputs, draft.Apply);
            if ((draft.IsEmpty && advance is null) || await CommitAsync([(state, draft, draft.Head())], advance, cancellationToken))
            {
                metrics.Applied(draft.Written, draft.Unchanged);
                if (!isWanted)
                {
                    copied.Touch(this, state.Head.Bytes, LetGo);
                }

                // What a message says, the hospital's FHIR server may say in full.
                if (draft.Written > 0 && advance is null && inputs.Any(input => input.Source.Position > 0))
                {
                    hints.Tell(Tenant, Patient, draft.Writes.Select(write => write.Resource.Type));
                }

                return new RecordReceipt { Written = draft.Written, Unchanged = draft.Unchanged };
            }
        }

        throw Contended();
    }

    public Task ForgetAsync(CancellationToken cancellationToken)
    {
        held = null;
        return Task.CompletedTask;
    }

    private void LetGo() => GrainContext.Deactivate(
        new DeactivationReason(DeactivationReasonCode.ApplicationRequested, "Others are copied, and nobody has asked for this record."), CancellationToken.None);

    /// <summary>The record with at least these types; read when it is not held.</summary>
    private async Task<RecordState> LoadAsync(IEnumerable<string> types, CancellationToken cancellationToken, bool isCopy = false)
    {
        if (!isCopy && !isWanted)
        {
            isWanted = true;
            copied.Forget(this);
        }

        if (held is { Spilled.Count: 0 } whole)
        {
            return whole;
        }

        return await loads.RunAsync(async () =>
        {
            var state = held;
            if (state is null)
            {
                var start = time.GetTimestamp();
                held = state = await ReadAsync(Patient, bounds.BytesMax, cancellationToken);
                metrics.Loaded(this, time.GetElapsedTime(start), state.Chart.Bytes);
                if (state.Spilled.Count > 0)
                {
                    LogSpilled(log, Tenant, state.Head.Bytes, state.Spilled.Count);
                }
            }

            await state.NeedAsync(store, Tenant, types, cancellationToken);
            return state;
        });
    }

    /// <summary>A record as the database has it.</summary>
    private async Task<RecordState> ReadAsync(PatientId patient, long bytesMax, CancellationToken cancellationToken) =>
        await RecordState.LoadAsync(store, Tenant, patient, await ZoneAsync(cancellationToken), bytesMax, cancellationToken);

    private async ValueTask<TimeZoneInfo> ZoneAsync(CancellationToken cancellationToken) =>
        TimeZoneInfo.TryFindSystemTimeZoneById((await tenants.GetAsync(Tenant, cancellationToken))?.Spec.TimeZone ?? "UTC", out var zone)
            ? zone
            : TimeZoneInfo.Utc;

    /// <summary>Commits drafts of one or two records at once; false when another commit was in between, and the state was thrown away.</summary>
    private async Task<bool> CommitAsync(
        IReadOnlyList<(RecordState State, RecordDraft Draft, ChartHead Head)> parts, CursorAdvance? advance, CancellationToken cancellationToken)
    {
        // Where only a cursor advances, the record stays as it is, and so does its head.
        parts = advance is null ? parts : [.. parts.Where(part => !part.Draft.IsEmpty)];
        var commit = new ChartCommit
        {
            Tenant = Tenant,
            Heads = [.. parts.Select(part => part.Head)],
            Writes = [.. parts.SelectMany(part => part.Draft.Writes)],
            Advance = advance,
        };
        try
        {
            if (!await writer.CommitAsync(commit, cancellationToken))
            {
                held = null;
                return false;
            }
        }
        catch (CursorFencedException e)
        {
            throw new ProblemException(ProblemKind.Conflict, "EHR-SYN-001", "", e.Message);
        }
        catch (RecordUnavailableException e)
        {
            held = null;
            throw new ProblemException(ProblemKind.Unavailable, "EHR-REC-001", "", e.Message);
        }
        catch (OperationCanceledException)
        {
            // It may have been committed all the same.
            held = null;
            throw;
        }

        foreach (var (_, draft, head) in parts)
        {
            draft.Settle(head);
        }

        if (commit.Writes.Count > 0)
        {
            news.Committed(Tenant);
        }

        return true;
    }

    private static ProblemException NoRecord() => new(ProblemKind.NotFound, "EHR-REC-002", "patient", "There is no such patient record.");

    private static ProblemException Contended() => new(
        ProblemKind.Unavailable, "EHR-REC-003", "", "Others kept changing the record meanwhile. Ask again.");

    [LoggerMessage(5010, LogLevel.Warning, "A record of {Tenant} has {Bytes} bytes: {Types} of its types are not kept in memory but read when needed.")]
    private static partial void LogSpilled(ILogger logger, TenantId tenant, long bytes, int types);
}
