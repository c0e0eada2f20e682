using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Writes;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage.Writes;

namespace EhrGrains.Grains.Writes;

/// <summary>What applications and operators ask of the outbox.</summary>
internal sealed partial class WritesGrain
{
    private const int ListMax = 1_000;
    private const int WaitingMax = 10_000;

    private static readonly WriteState[] Retriable = [WriteState.Refused, WriteState.Conflict, WriteState.Unknown, WriteState.Cancelled];
    private static readonly WriteState[] Cancellable = [WriteState.Accepted, WriteState.Unknown];

    public async Task<WriteReceipt> SendAsync(FhirWrite write, CancellationToken cancellationToken)
    {
        var (stored, isRepeat) = await intake.AcceptAsync(Tenant, AppCaller(), write, cancellationToken);
        pump.Tell();
        if (stored.DueAt is not null && write.WaitSeconds > 0 && waiting.Count < WaitingMax)
        {
            await WaitAsync(stored.Number, TimeSpan.FromSeconds(write.WaitSeconds), cancellationToken);
            stored = await FindAsync(stored.Number, cancellationToken);
        }

        return forms.ReceiptOf(stored, isRepeat);
    }

    public async Task<Problem[]> CheckAsync(FhirWrite write, CancellationToken cancellationToken)
    {
        var caller = AppCaller();
        PreparedWrite prepared;
        try
        {
            prepared = await intake.PrepareAsync(Tenant, caller, write, cancellationToken);
        }
        catch (ProblemException e) when (e.Kind == ProblemKind.Invalid)
        {
            return e.Problems;
        }

        await intake.AuditAsync(Tenant, caller, "validate", prepared, cancellationToken);
        var wire = new WriteWire(line, aliases, Tenant, prepared.Snapshot.Spec, prepared.Rules, time, options);
        var problems = new List<Problem>();
        if (prepared.EhrPatient is { } patient && !(await wire.ReadAsync("Patient", patient, default, Lane.Interactive, cancellationToken)).IsThere)
        {
            problems.Add(new("EHR-WRT-031", "subject", "The hospital does not show this patient: it would refuse the write."));
        }

        if (prepared.Order.EhrId is { } ehrId)
        {
            var current = await wire.ReadAsync(write.Type, ehrId, default, Lane.Interactive, cancellationToken);
            if (!current.IsThere)
            {
                problems.Add(new("EHR-WRT-032", "id", "The hospital does not show the resource that is to be updated."));
            }
            else if (current.ETag is { } now && write.IfMatch != "*" && write.IfMatch != now)
            {
                problems.Add(WriteVerdicts.Moved with { Path = "If-Match" });
            }
        }

        return [.. problems];
    }

    public async Task<WriteReceipt> ReceiptAsync(long number, CancellationToken cancellationToken)
    {
        var app = AppCaller().App;
        var stored = await FindAsync(number, cancellationToken);
        return stored.App == app ? forms.ReceiptOf(stored) : throw NoWrite();
    }

    public async Task<WriteReceipt> ShowAsync(long number, CancellationToken cancellationToken) => forms.ReceiptOf(await FindAsync(number, cancellationToken));

    public async Task<WriteReceipt[]> ListAsync(long after, WriteState? state, int countMax, CancellationToken cancellationToken)
    {
        if (countMax is < 1 or > ListMax)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-WRT-033", "countMax", "Ask for 1 to 1,000.");
        }

        return [.. (await table.ListAsync(Tenant, after, state, countMax, cancellationToken)).Select(write => forms.ReceiptOf(write))];
    }

    public async Task<WritesStatus> StatusAsync(CancellationToken cancellationToken)
    {
        var (states, open, oldest) = await table.CountAsync(Tenant, cancellationToken);
        return new WritesStatus
        {
            States = states,
            Open = open,
            OldestOpenAt = oldest,
            Failures = failures,
            NextTryAt = nextTryAt > time.GetUtcNow() ? nextTryAt : null,
            LastFailure = lastFailure,
        };
    }

    public Task RetryAsync(long number, CancellationToken cancellationToken) =>
        MoveAsync("write.retry", number, Retriable, WriteState.Accepted, "EHR-WRT-034", "It is under way, or at the hospital already: there is nothing to send again.", cancellationToken);

    public Task CancelAsync(long number, CancellationToken cancellationToken) =>
        MoveAsync("write.cancel", number, Cancellable, WriteState.Cancelled, "EHR-WRT-035", "It is under way, or settled: what was sent cannot be taken back.", cancellationToken);

    private async Task MoveAsync(
        string action, long number, WriteState[] from, WriteState to, string code, string refusal, CancellationToken cancellationToken)
    {
        var write = await FindAsync(number, cancellationToken);
        var patient = forms.OrderOf(write).Patient;
        await audit.RunAsync(
            Tenant,
            action,
            async () =>
            {
                if (!await table.MoveAsync(Tenant, number, from, to, time.GetUtcNow(), cancellationToken))
                {
                    throw new ProblemException(ProblemKind.Conflict, code, "number", refusal);
                }
            },
            cancellationToken,
            patient is null ? [] : [patient]);
        if (to == WriteState.Cancelled)
        {
            Tell(number);
        }

        // The operator's word that something has changed: it is tried at once.
        nextTryAt = null;
        pump.Tell();
    }

    private async Task WaitAsync(long number, TimeSpan wait, CancellationToken cancellationToken)
    {
        var waiters = waiting.TryGetValue(number, out var others) ? others : waiting[number] = new Waiters();
        waiters.Count++;
        try
        {
            // It may have come to its end before anybody waited.
            if ((await FindAsync(number, cancellationToken)).DueAt is not null)
            {
                await waiters.Ended.Task.WaitAsync(wait, time, cancellationToken);
            }
        }
        catch (TimeoutException)
        {
            // It goes on; the receipt says how it stands.
        }
        finally
        {
            if (--waiters.Count == 0)
            {
                waiting.Remove(number);
            }
        }
    }

    private async Task<StoredWrite> FindAsync(long number, CancellationToken cancellationToken) =>
        await table.FindAsync(Tenant, number, cancellationToken) ?? throw NoWrite();

    private static Caller AppCaller() => Caller.Current ?? throw new ProblemException(
        ProblemKind.Unauthenticated, "EHR-AUT-001", "", "No access token came with the call.");

    private static ProblemException NoWrite() => new(
        ProblemKind.NotFound, "EHR-WRT-036", "number", "There is no such write of yours, or it is no longer kept: settled ones are for 30 days.");
}
