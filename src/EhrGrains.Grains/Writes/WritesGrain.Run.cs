using EhrGrains.Connect.Ehr;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Scopes;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Writes;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Storage.Audit;
using EhrGrains.Storage.Writes;

namespace EhrGrains.Grains.Writes;

/// <summary>What a round does with one write.</summary>
internal sealed partial class WritesGrain
{
    /// <summary>
    /// One write on its way. <c>Accepted → Sending</c> is on disk before the first byte leaves, and whatever came of it after the answer: a
    /// write that is found <c>Sending</c> may have arrived, and is looked for before anything else.
    /// </summary>
    private sealed class WriteRun(WritesGrain grain, WriteWire wire, WriteRules rules, StoredWrite stored)
    {
        private readonly WriteOrder order = grain.forms.OrderOf(stored);
        private StoredWrite write = stored;
        private WriteResult result = grain.forms.ResultOf(stored);

        internal async Task RunAsync(CancellationToken cancellationToken)
        {
            try
            {
                switch (write.State)
                {
                    case WriteState.Accepted:
                        await SendAsync(cancellationToken);
                        break;
                    case WriteState.Sending:
                        await FindOutAsync(cancellationToken);
                        break;
                    default:
                        await ReadBackAsync(cancellationToken);
                        break;
                }
            }
            catch (WriteMovedException)
            {
                // Cancelled while it waited for its permit: nothing was sent.
            }
        }

        private DateTimeOffset Now => grain.time.GetUtcNow();

        private async Task SendAsync(CancellationToken cancellationToken)
        {
            if (!await grain.IsGrantedAsync(write, cancellationToken))
            {
                await StepAsync(WriteState.Cancelled, null, result with { Problems = [WriteVerdicts.NoLongerGranted] });
                return;
            }

            if (order is { EhrId: { } ehrId, IfMatch: not "*" } && !await IsUnchangedAsync(ehrId, cancellationToken))
            {
                return;
            }

            var sent = await wire.SendAsync(order, write.Key.Stamp, grain.LaneOf(write.Number), NoteAsync, cancellationToken);
            switch (sent.Outcome)
            {
                case SendOutcome.Taken:
                    grain.Reached();
                    await StepAsync(WriteState.Sent, Now, sent.Result);
                    await ReadBackAsync(cancellationToken);
                    break;
                case SendOutcome.Refused:
                    grain.Reached();
                    await StepAsync(WriteState.Refused, null, sent.Result);
                    break;
                case SendOutcome.Conflict:
                    grain.Reached();
                    await StepAsync(WriteState.Conflict, null, sent.Result with { Problems = [WriteVerdicts.Moved, .. sent.Result.Problems] });
                    break;
                case SendOutcome.NotSent:
                    await NotSentAsync(sent.Result, sent.RetryAfter);
                    break;
                default:
                    await StepAsync(WriteState.Sending, Now + grain.options.LookDelay, sent.Result with { Problems = [WriteVerdicts.Lost, .. sent.Result.Problems] });
                    break;
            }
        }

        // It is tried for a day, but once at least: whoever says «retry» after that means it.
        private async Task NotSentAsync(WriteResult outcome, TimeSpan? retryAfter)
        {
            var next = grain.Failed(write.Number, outcome.Problems, retryAfter);
            if (Now - write.At > grain.options.GivenUpAfter)
            {
                await StepAsync(WriteState.Cancelled, null, outcome with { Problems = [WriteVerdicts.TooLate, .. outcome.Problems] });
            }
            else
            {
                await StepAsync(WriteState.Accepted, next, outcome);
            }
        }

        // Not every EHR looks at If-Match. This look leaves a moment in which another may be faster; those that do look have none.
        private async Task<bool> IsUnchangedAsync(string ehrId, CancellationToken cancellationToken)
        {
            var current = await wire.ReadAsync(order.Type, ehrId, default, grain.LaneOf(write.Number), cancellationToken);
            if (current.IsGone)
            {
                await StepAsync(WriteState.Refused, null, new WriteResult { Status = current.Status, Problems = current.Problems });
            }
            else if (!current.IsThere)
            {
                await NotSentAsync(new WriteResult { Problems = current.Problems }, null);
            }
            else if (current.ETag is { } now && now != order.IfMatch)
            {
                await StepAsync(WriteState.Conflict, null, new WriteResult { Id = current.Id, ETag = now, Problems = [WriteVerdicts.Moved] });
            }
            else
            {
                return true;
            }

            return false;
        }

        private async Task NoteAsync(CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            await StepAsync(WriteState.Sending, Now + grain.options.LookDelay, result, sends: true);
        }

        private Task FindOutAsync(CancellationToken cancellationToken) =>
            order.EhrId is { } ehrId ? FindUpdateAsync(ehrId, cancellationToken) : FindCreatedAsync(cancellationToken);

        private async Task FindCreatedAsync(CancellationToken cancellationToken)
        {
            if (rules.ConditionalCreate && write.Tries < grain.options.LooksMax)
            {
                await StepAsync(WriteState.Accepted, Now, result);
                return;
            }

            var look = await wire.LookAsync(order, write.Key.Stamp, grain.LaneOf(write.Number), cancellationToken);
            switch (look.Outcome)
            {
                case LookOutcome.Found:
                    await StepAsync(WriteState.Sent, Now, new WriteResult { EhrId = look.EhrId });
                    await ReadBackAsync(cancellationToken);
                    break;
                case LookOutcome.Absent when rules.KeepsIdentifiers && write.Tries < grain.options.LooksMax:
                    await StepAsync(WriteState.Accepted, Now, result);
                    break;
                case LookOutcome.Later when result.Looks + 1 < grain.options.LooksMax:
                    await StepAsync(WriteState.Sending, Now + grain.options.Delay(result.Looks + 1, Random.Shared.NextDouble()), result with { Looks = result.Looks + 1 });
                    break;
                default:
                    await StepAsync(WriteState.Unknown, null, result with { Problems = [WriteVerdicts.CannotLook] });
                    break;
            }
        }

        private async Task FindUpdateAsync(string ehrId, CancellationToken cancellationToken)
        {
            var current = await wire.ReadAsync(order.Type, ehrId, order.Body, grain.LaneOf(write.Number), cancellationToken);
            if (current is { IsThere: true, Differences.Count: 0 } && current.ETag != order.IfMatch)
            {
                await StepAsync(WriteState.Sent, Now, new WriteResult { EhrId = ehrId });
                await ReadBackAsync(cancellationToken);
            }
            else if (current.IsThere && (order.IfMatch == "*" || current.ETag == order.IfMatch) && write.Tries < grain.options.LooksMax)
            {
                // The version is still the one to be changed: nothing has arrived.
                await StepAsync(WriteState.Accepted, Now, result);
            }
            else if (!current.IsThere && !current.IsGone && result.Looks + 1 < grain.options.LooksMax)
            {
                await StepAsync(WriteState.Sending, Now + grain.options.Delay(result.Looks + 1, Random.Shared.NextDouble()), result with { Looks = result.Looks + 1 });
            }
            else
            {
                await StepAsync(WriteState.Unknown, null, result with { Problems = [WriteVerdicts.CannotLook] });
            }
        }

        private async Task ReadBackAsync(CancellationToken cancellationToken)
        {
            var lane = grain.LaneOf(write.Number);
            var ehrId = result.EhrId;
            if (ehrId is null)
            {
                var look = await wire.LookAsync(order, write.Key.Stamp, lane, cancellationToken);
                ehrId = look.EhrId;
                if (ehrId is null)
                {
                    await NotReadAsync(WriteVerdicts.Nowhere, isFinal: look.Outcome == LookOutcome.NoWay);
                    return;
                }
            }

            var current = await wire.ReadAsync(order.Type, ehrId, order.Body, lane, cancellationToken);
            if (!current.IsThere)
            {
                await NotReadAsync(WriteVerdicts.NotReadBack, isFinal: current.Failure is EhrFailure.Forbidden or EhrFailure.Rejected);
                return;
            }

            await StepAsync(
                WriteState.Confirmed, null, new WriteResult { EhrId = ehrId, Id = current.Id, ETag = current.ETag, Differences = [.. current.Differences] });
        }

        private Task NotReadAsync(Problem problem, bool isFinal)
        {
            var looks = result.Looks + 1;
            return StepAsync(
                WriteState.Sent,
                isFinal || looks >= grain.options.LooksMax ? null : Now + grain.options.Delay(looks, Random.Shared.NextDouble()),
                result with { Looks = looks, Problems = [problem] });
        }

        private async Task StepAsync(WriteState state, DateTimeOffset? dueAt, WriteResult outcome, bool sends = false)
        {
            var step = new WriteStep(write, state, dueAt, Now, outcome.Problems.FirstOrDefault()?.Code, grain.forms.Write(outcome)) { Sends = sends };

            // What came of it is true whether we are being stopped or not.
            switch (await grain.table.CommitAsync(grain.Tenant, grain.epoch ?? -1, step, CancellationToken.None))
            {
                case StepOutcome.Fenced:
                    throw grain.Fenced();
                case StepOutcome.Moved:
                    throw new WriteMovedException();
            }

            (write, result) = (write with { State = state, DueAt = dueAt, Tries = write.Tries + (sends ? 1 : 0) }, outcome);
            grain.metrics.Stepped(state);
            if (dueAt is null)
            {
                await grain.SettledAsync(write, order);
            }
        }
    }

    /// <summary>Whether the app may still write what it was let write when it gave it (I4). Nobody is refused from memory.</summary>
    private async Task<bool> IsGrantedAsync(StoredWrite write, CancellationToken cancellationToken)
    {
        return IsIn(await tenants.GetAsync(Tenant, cancellationToken)) || IsIn(await tenants.GetNowAsync(Tenant, cancellationToken));

        bool IsIn(TenantSnapshot? snapshot) => Array.Find(snapshot?.Grants ?? [], grant => grant.App == write.App) is { } grant
            && SmartScope.AnyAllows(grant.Scopes, write.Type, write.IsUpdate ? Interactions.Update : Interactions.Create);
    }

    private sealed class WriteMovedException : Exception;

    private void Reached() => (failures, nextTryAt, lastFailure) = (0, null, null);

    /// <summary>The EHR cannot be written to now: everything waits; answers until when.</summary>
    private DateTimeOffset Failed(long number, Problem[] problems, TimeSpan? retryAfter)
    {
        failures++;
        var delay = options.Delay(failures, Random.Shared.NextDouble());
        delay = retryAfter > delay ? retryAfter.Value : delay;
        (nextTryAt, lastFailure) = (time.GetUtcNow() + delay, problems.FirstOrDefault());
        LogNotSent(log, Tenant, number, lastFailure?.Code ?? "", failures, delay);
        return nextTryAt.Value;
    }

    private async Task SettledAsync(StoredWrite write, WriteOrder order)
    {
        metrics.Settled(write.State, time.GetUtcNow() - write.At);
        if (write.State == WriteState.Unknown)
        {
            LogUnknown(log, Tenant, write.Number);
        }

        Tell(write.Number);
        await AuditOutcomeAsync(write, order);
        if (write.State is WriteState.Sent or WriteState.Confirmed && order.Patient is { } patient)
        {
            await HintAsync(write, patient);
        }
    }

    private async Task AuditOutcomeAsync(StoredWrite write, WriteOrder order)
    {
        try
        {
            await trail.AppendAsync(
                new AuditRecord
                {
                    Tenant = Tenant,
                    App = write.App.Value,
                    Action = write.IsUpdate ? "update" : "create",
                    ResourceType = write.Type,
                    Patients = order.Patient is { } patient ? [patient] : [],
                    Outcome = write.State.ToString().ToLowerInvariant(),
                    Intent = write.Intent,
                },
                CancellationToken.None);
        }
        catch (AuditUnavailableException e)
        {
            metrics.AuditOutcomeLost();
            LogOutcomeLost(log, e, Tenant, write.Number, write.Intent);
        }
    }

    // The copy of a patient that was written to is out of date.
    private async Task HintAsync(StoredWrite write, string patient)
    {
        try
        {
            var record = await links.FindAsync(Tenant, patient, pump.Stopping) ?? PatientId.Parse(patient, null);
            await GrainFactory.GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(Tenant)).HintAsync(record, [write.Type], pump.Stopping);
        }
        catch (Exception e) when (e is OrleansException or TimeoutException or ProblemException or InvalidOperationException or System.Data.Common.DbException)
        {
            LogNotHinted(log, Tenant, write.Number, e.GetType().Name);
        }
    }
}
