using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Records;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Records;

/// <summary>
/// Merges and moves: this activation drafts both records and commits them at once under both heads; the other's activation, if there is
/// one, finds itself fenced, and is told.
/// </summary>
internal sealed partial class PatientRecordGrain
{
    /// <summary>The code of a merge that somebody else has done.</summary>
    internal const string MergedAlready = "EHR-REC-012";

    public async Task MergeAsync(PatientId prior, RecordSource source, bool late, CancellationToken cancellationToken)
    {
        if (prior == Patient)
        {
            throw Refused("EHR-REC-005", ProblemKind.Invalid, "The message merges a patient with itself.");
        }

        var merged = await WithOtherAsync(
            prior,
            (other, self) =>
            {
                var head = other.State.Head;
                if (head.MergedBy == source.ToString() || (!late && RecordMarks.Has(head.Marks, source)))
                {
                    return false;
                }

                Check(head, self.State.Head);
                RecordMoves.Merge(other.State, other.Draft, self.State, self.Draft, source);
                other.Draft.TryMark(source);
                self.Draft.TakeMarks(head.Marks);
                return true;
            },
            head => head with { MergedInto = Patient, MergedBy = source.ToString() },
            cancellationToken);
        metrics.Merged(merged ? "merged" : "known");
        if (merged)
        {
            LogMerged(log, Tenant, prior, Patient, source);
        }
    }

    public async Task TakeAsync(PatientId from, RecordKey[] resources, RecordSource source, CancellationToken cancellationToken)
    {
        if (from == Patient)
        {
            return;
        }

        var found = false;
        var roots = resources.ToHashSet();
        await WithOtherAsync(
            from,
            (other, self) =>
            {
                Check(other.State.Head, self.State.Head);
                found = RecordMoves.Take(other.State, other.Draft, self.State, self.Draft, roots, source);
                return found;
            },
            head => head,
            cancellationToken);
        if (!found && !resources.Any(key => held?.Find(key) is { Content.IsEmpty: false }))
        {
            throw Refused("EHR-REC-008", ProblemKind.NotFound, "What is to be moved is in neither record.");
        }

        metrics.Merged("moved");
    }

    public async Task ReplaceAsync(RecordKey survivor, RecordIdentifier[] prior, RecordSource source, CancellationToken cancellationToken)
    {
        var numbers = Array.ConvertAll(prior, number => (number.System, number.Value));
        for (var attempt = 1; attempt <= TriesMax; attempt++)
        {
            var state = await LoadAllAsync(cancellationToken);
            if (state.Head.MergedInto is not null)
            {
                throw Refused("EHR-REC-004", ProblemKind.Conflict, "The patient is merged into another.");
            }

            if (state.Gone.Any(gone => gone.Type == survivor.Type && gone.Kind == ChangeKind.Merged && gone.Source == source.ToString()))
            {
                return;
            }

            var key = RecordMoves.Find(state, survivor.Type, numbers)
                ?? throw Refused("EHR-REC-008", ProblemKind.NotFound, "The record has nothing under the prior number.");
            var draft = new RecordDraft(state, time.GetUtcNow());
            if (key != survivor)
            {
                RecordMoves.Replace(state, draft, key, survivor, source);
            }

            if (draft.IsEmpty || await CommitAsync([(state, draft, draft.Head())], null, cancellationToken))
            {
                metrics.Merged("replaced");
                return;
            }
        }

        throw Contended();
    }

    public async Task LinkAsync(PatientId other, bool linked, RecordSource source, CancellationToken cancellationToken)
    {
        if (other == Patient)
        {
            throw Refused("EHR-REC-005", ProblemKind.Invalid, "The message links a patient with itself.");
        }

        await WithOtherAsync(
            other,
            (there, here) =>
            {
                Check(there.State.Head, here.State.Head);
                RecordMoves.Link(there.Draft, other.Value, Patient.Value, linked, source);
                RecordMoves.Link(here.Draft, Patient.Value, other.Value, linked, source);
                return true;
            },
            head => head,
            cancellationToken);
        metrics.Merged(linked ? "linked" : "unlinked");
    }

    public async Task<RecordDescription> UnmergeAsync(CancellationToken cancellationToken)
    {
        await audit.RunAsync(Tenant, "record.unmerge", () => UndoAsync(cancellationToken), cancellationToken, Patient.Value);
        metrics.Merged("unmerged");
        return await DescribeAsync(cancellationToken);
    }

    private async Task UndoAsync(CancellationToken cancellationToken)
    {
        var source = new RecordSource("unmerge", 0);
        for (var attempt = 1; attempt <= TriesMax; attempt++)
        {
            var state = held = await ReadAsync(Patient, long.MaxValue, cancellationToken);
            if (state.Head.MergedInto is not { } survivor)
            {
                throw Refused("EHR-REC-006", ProblemKind.Conflict, "The record is not merged into another.");
            }

            var other = await ReadAsync(survivor, long.MaxValue, cancellationToken);
            if (other.Head.MergedInto is not null)
            {
                throw Refused("EHR-REC-007", ProblemKind.Conflict, "The record that it was merged into was merged itself since: undo that first.");
            }

            var (mine, theirs) = (new RecordDraft(state, time.GetUtcNow()), new RecordDraft(other, time.GetUtcNow()));
            var moved = (await store.ListMovedAsync(Tenant, survivor, state.Head.MergedBy!, cancellationToken)).ToHashSet();
            var before = await BeforeAsync(state, moved, cancellationToken);
            // What the survivor took of this patient's messages meanwhile is not to be taken again here.
            mine.TakeMarks(other.Head.Marks);
            RecordMoves.Unmerge(state, mine, other, theirs, moved, before, source);
            var head = mine.Head() with { MergedInto = null, MergedBy = null };
            if (await CommitAsync([(state, mine, head), (other, theirs, theirs.Head())], null, cancellationToken))
            {
                held = null;
                await TellAsync(survivor, cancellationToken);
                return;
            }
        }

        throw Contended();
    }

    /// <summary>What a merge left without content here and did not move, as it was before; and the Patient.</summary>
    private async Task<Dictionary<RecordKey, ReadOnlyMemory<byte>>> BeforeAsync(
        RecordState state, HashSet<RecordKey> moved, CancellationToken cancellationToken)
    {
        var before = new Dictionary<RecordKey, ReadOnlyMemory<byte>>();
        var lost = state.Gone
            .Where(gone => gone.Kind == ChangeKind.Merged && gone.Source == state.Head.MergedBy)
            .Select(gone => (Key: new RecordKey(gone.Type, gone.Id), gone.Version))
            .Where(gone => !moved.Contains(gone.Key));
        var self = new RecordKey("Patient", Patient.Value);
        if (state.Find(self) is { } patient)
        {
            lost = lost.Append((self, patient.Version));
        }

        foreach (var (key, version) in lost)
        {
            if (await store.ReadVersionAsync(Tenant, Patient, key, version - 1, cancellationToken) is { Content.IsEmpty: false } last)
            {
                before.Add(key, last.Content);
            }
        }

        return before;
    }

    /// <summary>Drafts this record and another, commits both, and tells the other's activation; false when the draft says there is nothing to do.</summary>
    private async Task<bool> WithOtherAsync(
        PatientId id,
        Func<(RecordState State, RecordDraft Draft), (RecordState State, RecordDraft Draft), bool> draft,
        Func<ChartHead, ChartHead> otherHead,
        CancellationToken cancellationToken)
    {
        for (var attempt = 1; attempt <= TriesMax; attempt++)
        {
            var state = await LoadAllAsync(cancellationToken);
            var other = await ReadAsync(id, long.MaxValue, cancellationToken);
            if (other.Head.Version == 0)
            {
                throw Refused("EHR-REC-002", ProblemKind.NotFound, "There is no record of the patient that the message names as prior.");
            }

            var (mine, theirs) = (new RecordDraft(state, time.GetUtcNow()), new RecordDraft(other, time.GetUtcNow()));
            var needed = draft((other, theirs), (state, mine));
            if (!needed || (mine.IsEmpty && theirs.IsEmpty)
                || await CommitAsync([(other, theirs, otherHead(theirs.Head())), (state, mine, mine.Head())], null, cancellationToken))
            {
                // Also when it was done before: the one who did it may have ended before it told.
                await TellAsync(id, cancellationToken);
                return needed;
            }
        }

        throw Contended();
    }

    private async Task<RecordState> LoadAllAsync(CancellationToken cancellationToken)
    {
        var state = await LoadAsync([], cancellationToken);
        if (state.Spilled.Count > 0)
        {
            await state.NeedAsync(store, Tenant, [.. state.Spilled], cancellationToken);
        }

        return state;
    }

    private static void Check(ChartHead prior, ChartHead survivor)
    {
        if (prior.MergedInto is not null)
        {
            throw prior.MergedInto == survivor.Patient
                ? Refused(MergedAlready, ProblemKind.Conflict, "The prior patient is merged into this one already.")
                : Refused("EHR-REC-004", ProblemKind.Conflict, "The prior patient is merged into another already.");
        }

        if (survivor.MergedInto is not null)
        {
            throw Refused("EHR-REC-004", ProblemKind.Conflict, "The surviving patient is itself merged into another.");
        }
    }

    private async Task TellAsync(PatientId other, CancellationToken cancellationToken)
    {
        using var system = tickets.EnterSystem();
        await GrainFactory.GetGrain<IPatientRecordGrain>(GrainKeys.Patient(Tenant, other)).ForgetAsync(cancellationToken);
    }

    private static ProblemException Refused(string code, ProblemKind kind, string message) => new(kind, code, "patient", message);

    [LoggerMessage(5011, LogLevel.Information, "Record {Prior} of {Tenant} was merged into {Survivor} by {Source}.")]
    private static partial void LogMerged(ILogger logger, TenantId tenant, PatientId prior, PatientId survivor, RecordSource source);
}
