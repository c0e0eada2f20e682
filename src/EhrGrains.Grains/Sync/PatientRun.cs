using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Budgets;
using EhrGrains.Storage.Sync;

namespace EhrGrains.Grains.Sync;

/// <summary>How a turn of a patient's run ended.</summary>
internal enum RunEnd
{
    /// <summary>Everything that was due has been read, or put off.</summary>
    Over,

    /// <summary>It is others' turn; there is more to do.</summary>
    More,

    /// <summary>Nothing can be had of the EHR now.</summary>
    Down,

    /// <summary>The hospital has made the patient a part of another: there is nothing more to read, and nothing of what is missing is gone.</summary>
    Merged,
}

/// <summary>
/// One turn of a patient's run: type by type, page by page, each page committed with its cursor before the next one counts as read; then
/// what was referred to and not found by a search. Not thread-safe; what it holds is worth nothing once a commit has failed.
/// </summary>
internal sealed partial class PatientRun(
    TenantId tenant, SyncSpec spec, VendorProfile profile, StoredSync stored, EhrReader reader, RecordSide record, CursorSeals seals, SyncOptions options, TimeProvider time)
{
    private const int HydrateAtOnce = 20;

    private readonly PatientId patient = stored.Patient.Patient;
    private readonly Dictionary<string, TypeRun> runs = new(StringComparer.Ordinal);
    private readonly long startedAt = time.GetTimestamp();
    private long committedAt = time.GetTimestamp();

    /// <summary>Since when the run is under way, over all its turns: what ended since then is done.</summary>
    internal DateTimeOffset RunAt { get; } = stored.Patient.RunAt ?? stored.Patient.DueAt;

    /// <summary>Why the EHR cannot be asked.</summary>
    internal Problem? Problem { get; private set; }

    /// <summary>How long to leave it alone, where that is known.</summary>
    internal TimeSpan? RetryAfter { get; private set; }

    /// <summary>How each type stands.</summary>
    internal IEnumerable<SyncTypeStatus> Statuses => stored.Cursors.Select(cursor => cursor.Status).Where(status => !runs.ContainsKey(status.Type))
        .Concat(runs.Values.Select(run => run.Status));

    /// <summary>Whether a type is to be copied at all.</summary>
    internal bool IsWanted(string type) => IsWanted(type, spec, profile);

    /// <summary>Whether a type is to be copied at a site at all.</summary>
    internal static bool IsWanted(string type, SyncSpec spec, VendorProfile profile) =>
        profile.Sync.Types.ContainsKey(type) && (spec.Types.Length == 0 || spec.Types.Contains(type, StringComparer.Ordinal));

    /// <summary>Runs for a bounded time.</summary>
    /// <param name="isDue">Which types are due.</param>
    /// <param name="cancellationToken">Ends it.</param>
    internal async Task<RunEnd> RunAsync(Func<string, bool> isDue, CancellationToken cancellationToken)
    {
        var end = RunEnd.Over;
        try
        {
            foreach (var (type, rules) in profile.Sync.Types.Where(type => type.Value.Strategy != SyncStrategy.ByReference && IsWanted(type.Key) && isDue(type.Key)))
            {
                if (end == RunEnd.Over && !isUnseen && !IsDone(type))
                {
                    end = await SearchAsync(await OpenAsync(type, rules, cancellationToken), cancellationToken);
                }
            }

            if (end == RunEnd.Over && !isUnseen)
            {
                end = await FollowAsync(cancellationToken);
            }
        }
        catch (BudgetRefusedException e)
        {
            (end, Problem, RetryAfter) = (RunEnd.Down, SyncProblems.Throttled, e.RetryAfter);
        }

        await CommitAsync(null, [], [], cancellationToken);
        return end;
    }

    /// <summary>Takes a part of a bulk export.</summary>
    internal async Task<RecordReceipt> TakeAsync(SyncBatch batch, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var changed = new List<SyncEntry>();
        var gone = new List<RecordKey>();
        foreach (var resources in batch.Resources.GroupBy(resource => resource.Type).Where(type => IsWanted(type.Key)))
        {
            var run = await OpenBulkAsync(resources.Key);
            var entries = resources.Select(resource => new SyncEntry(ResourceFacts.Read(resource.Json, run.Rules.Hydrate), resource.Json)).ToArray();
            changed.AddRange(run.Take(entries));
            await ReferAsync(entries, cancellationToken);
        }

        foreach (var key in batch.Deleted.Where(key => IsWanted(key.Type)))
        {
            (await OpenBulkAsync(key.Type)).Delete(key.Id);
            gone.Add(key);
        }

        // What was asked for since the time that the export is of, it does not answer: the run that waits is to read it.
        var at = batch.At ?? now;
        var isAsked = stored.Patient.IsWhole || stored.Patient.Hinted.Length > 0;
        foreach (var type in (batch.Whole ?? []).Where(IsWanted))
        {
            var run = await OpenBulkAsync(type);
            gone.AddRange(run.FinishBulk(at, isAsked && at < RunAt ? at : now, spec.AbsencesMax).Select(id => new RecordKey(type, id)));
        }

        return await CommitAsync(null, changed, gone, cancellationToken);

        async Task<TypeRun> OpenBulkAsync(string type)
        {
            var run = await OpenAsync(type, profile.Sync.Types[type], cancellationToken);
            run.BeginBulk(now, isWhole: !batch.IsIncremental);
            return run;
        }
    }

    private bool IsDone(string type) =>
        runs.TryGetValue(type, out var run) ? run.Status.FinishedAt >= RunAt : stored.Cursors.Any(cursor => cursor.Status.Type == type && cursor.Status.FinishedAt >= RunAt);

    private bool IsTurnOver => time.GetElapsedTime(startedAt) >= options.SliceMax;

    private async Task<TypeRun> OpenAsync(string type, SyncTypeRules rules, CancellationToken cancellationToken)
    {
        if (!runs.TryGetValue(type, out var run))
        {
            var cursor = stored.Cursors.FirstOrDefault(cursor => cursor.Status.Type == type);
            runs[type] = run = new TypeRun(
                patient.Value, rules, cursor is null ? TypeRun.New(type) : await seals.OpenAsync(tenant, patient, cursor, cancellationToken));
        }

        return run;
    }

    private async Task<RunEnd> SearchAsync(TypeRun run, CancellationToken cancellationToken)
    {
        var recrawl = TimeSpan.FromHours(spec.CrawlHours > 0 ? spec.CrawlHours : profile.Sync.RecrawlHours);

        // The Patient is one resource: to read it costs what asking whether it has changed costs.
        var isWhole = stored.Patient.IsWhole || spec.AlwaysWhole || run.Type == "Patient";
        run.Begin(time.GetUtcNow(), isWhole, recrawl, EhrReader.ScopeOf(run.Rules, spec));
        while (true)
        {
            var read = await reader.PageAsync(run, patient, cancellationToken);
            if (read.Page is not { } page)
            {
                if (read.Outcome == ReadOutcome.Expired && run.Restart())
                {
                    continue;
                }

                return Stop(run, read);
            }

            var asked = run.Position!.Next;
            if ((page.Next is not null && (page.Next == asked || run.Position.Page >= TypeRun.PagesMax)) || run.Take(page) is not { } changed)
            {
                run.Fail(SyncProblems.EndlessPages, time.GetUtcNow());
                return RunEnd.Over;
            }

            if (run.IsTooLarge)
            {
                run.Fail(SyncProblems.TooMany, time.GetUtcNow());
                return RunEnd.Over;
            }

            if (run.Type == "Patient" && await FindSurvivorAsync(run, page, cancellationToken) is { } end)
            {
                return end;
            }

            await ReferAsync(run.Position.IsWhole ? page.Entries : changed, cancellationToken);
            var isOver = run.Advance(page.Next, run.Rules.Searches.Count);
            var gone = isOver ? Finish(run) : [];
            if (changed.Count > 0 || gone.Length > 0 || time.GetElapsedTime(committedAt) >= options.CheckpointEvery)
            {
                await CommitAsync(run, changed, gone, cancellationToken);
            }

            if (isOver)
            {
                return RunEnd.Over;
            }

            if (IsTurnOver)
            {
                return RunEnd.More;
            }
        }
    }

    private RunEnd Stop(TypeRun run, SyncRead read)
    {
        switch (read.Outcome)
        {
            case ReadOutcome.Down:
                Problem = read.Problem;
                return RunEnd.Down;
            case ReadOutcome.Later:
                run.PutOff(read.Problem!, time.GetUtcNow());
                return RunEnd.Over;
            case ReadOutcome.NotServed when run.Type != "Patient" && run.TryEndNotServed(time.GetUtcNow()):
                return RunEnd.Over;
            default:
                run.Fail(read.Problem ?? SyncProblems.SessionsExpired, time.GetUtcNow());
                return RunEnd.Over;
        }
    }

    /// <summary>Notes what resources refer to, where that is to be read.</summary>
    private async Task ReferAsync(IReadOnlyList<SyncEntry> entries, CancellationToken cancellationToken)
    {
        foreach (var target in entries.SelectMany(entry => entry.Facts.References).Distinct(StringComparer.Ordinal).GroupBy(reference => reference.Split('/')[0]))
        {
            if (target.Key != "Patient" && IsWanted(target.Key) && (target.Key != "Binary" || spec.DocumentBytesMax > 0))
            {
                var run = await OpenAsync(target.Key, profile.Sync.Types[target.Key], cancellationToken);
                run.Refer(target.Select(reference => reference.Split('/')[1]));
            }
        }
    }

    /// <summary>Reads what was referred to and is not known: now, and what a run before this one has left.</summary>
    private async Task<RunEnd> FollowAsync(CancellationToken cancellationToken)
    {
        foreach (var cursor in stored.Cursors.Where(cursor => cursor.Seen.Count > 0 && IsWanted(cursor.Status.Type)))
        {
            await OpenAsync(cursor.Status.Type, profile.Sync.Types[cursor.Status.Type], cancellationToken);
        }

        // What is read may refer to more, a few steps deep.
        for (var depth = 0; depth < 3; depth++)
        {
            foreach (var run in runs.Values.Where(run => run.IsToFollow).ToArray())
            {
                if (await FollowAsync(run, cancellationToken) is not RunEnd.Over and var end)
                {
                    return end;
                }
            }
        }

        return RunEnd.Over;
    }

    private async Task<RunEnd> FollowAsync(TypeRun run, CancellationToken cancellationToken)
    {
        run.BeginReferred(time.GetUtcNow());
        foreach (var ids in run.Referred.Chunk(HydrateAtOnce))
        {
            var changed = new List<SyncEntry>();
            foreach (var id in ids)
            {
                var read = await reader.ResourceAsync(run, id, cancellationToken);
                if (read.Outcome == ReadOutcome.Down)
                {
                    Problem = read.Problem;
                    return RunEnd.Down;
                }

                if (read.Outcome != ReadOutcome.NotServed && read.Problem is { } problem)
                {
                    run.Defer(id, problem);
                }
                else if (read.Page is not { Entries: [var entry] } || entry.Facts.Id != id)
                {
                    run.Miss(id, "not-readable");
                }
                else if (run.Type == "Binary" && entry.Json.Length > DocumentLengthMax)
                {
                    run.Quarantine(id, entry.Facts.Hash, "too-large");
                }
                else
                {
                    changed.AddRange(run.Take([entry]));
                }
            }

            await ReferAsync(changed, cancellationToken);
            await CommitAsync(run, changed, [], cancellationToken);
            if (IsTurnOver && run.Referred.Count > 0)
            {
                return RunEnd.More;
            }
        }

        run.FinishReferred(time.GetUtcNow());
        return RunEnd.Over;
    }

    // Base 64 and what is around it.
    private long DocumentLengthMax => (spec.DocumentBytesMax * 4L / 3) + 4_096;

    /// <summary>Commits resources of one type, and every cursor that has moved.</summary>
    private async Task<RecordReceipt> CommitAsync(
        TypeRun? run, IReadOnlyList<SyncEntry> changed, IReadOnlyList<RecordKey> gone, CancellationToken cancellationToken)
    {
        var moved = runs.Values.Where(one => one.IsDirty).ToArray();
        if (moved.Length == 0)
        {
            return new RecordReceipt();
        }

        var rows = new CursorRow[moved.Length];
        for (var i = 0; i < rows.Length; i++)
        {
            rows[i] = await seals.SealAsync(tenant, patient, moved[i].Delta(), cancellationToken);
        }

        var receipt = await record.CommitAsync(changed, gone, rows, cancellationToken);
        Array.ForEach(moved, one => one.Settle());
        run?.CorrectUnchanged(receipt.Unchanged);
        committedAt = time.GetTimestamp();
        return receipt;
    }
}
