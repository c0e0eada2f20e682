using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Storage.Sync;

namespace EhrGrains.Grains.Sync;

/// <summary>What a run makes of a patient whom no search finds: merged into another, or hidden, or gone.</summary>
internal sealed partial class PatientRun
{
    // Whether there is such a patient could not be seen: what is missing says nothing.
    private bool isUnseen;

    /// <summary>Whom the hospital has merged the patient into.</summary>
    internal PatientId? Survivor { get; private set; }

    /// <summary>
    /// Takes on what the copy of a patient who was merged into this one knows: what the hospital no longer has of it is then found missing
    /// here. What this copy knows itself it knows better.
    /// </summary>
    internal async Task TakeOverAsync(PatientId prior, IReadOnlyList<StoredCursor> cursors, CancellationToken cancellationToken)
    {
        foreach (var cursor in cursors.Where(cursor => cursor.Status.Type != "Patient" && IsWanted(cursor.Status.Type)))
        {
            var run = await OpenAsync(cursor.Status.Type, profile.Sync.Types[cursor.Status.Type], cancellationToken);
            run.TakeOver((await seals.OpenAsync(tenant, prior, cursor, cancellationToken)).Known, time.GetUtcNow());
        }

        await CommitAsync(null, [], [], cancellationToken);
    }

    /// <summary>
    /// Who was merged into another is readable by id at most: with a link to the survivor, or by a redirect there (Epic 4107); no search finds
    /// them, and what was theirs is under the survivor's id.
    /// </summary>
    /// <returns>How the turn ends; null: it goes on.</returns>
    private async Task<RunEnd?> FindSurvivorAsync(TypeRun run, SyncPage page, CancellationToken cancellationToken)
    {
        var survivor = page.Entries.FirstOrDefault(entry => entry.Facts.Id == patient.Value)?.Facts.ReplacedBy;
        if (page.Next is null && run.Status.Counts.Fetched == 0)
        {
            var read = await reader.ResourceAsync(run, patient.Value, cancellationToken);
            if (read.Outcome is ReadOutcome.Down or ReadOutcome.Later)
            {
                isUnseen = true;
                return Stop(run, read);
            }

            survivor = read.Elsewhere ?? (read.Page is { Entries: [var self] } ? self.Facts.ReplacedBy : null);
        }

        if (survivor is null || survivor == patient.Value || !PatientId.TryParse(survivor, out var found))
        {
            return null;
        }

        Survivor = found;
        run.Fail(SyncProblems.Merged, time.GetUtcNow());
        return RunEnd.Merged;
    }

    private RecordKey[] Finish(TypeRun run)
    {
        var isThere = run is not { Type: "Patient", Status.Counts.Fetched: 0, Status.Mode: SyncMode.Crawl };
        if (!isThere && record.Record is { } shared && shared != patient)
        {
            // What is in a record that is another's too is not to be judged by what this one has no longer.
            isUnseen = true;
            run.Fail(SyncProblems.NoPatient, time.GetUtcNow());
            return [];
        }

        var gone = run.Finish(time.GetUtcNow(), spec.AbsencesMax);
        if (!isThere)
        {
            run.PutOff(SyncProblems.NoPatient, time.GetUtcNow());
        }

        return [.. gone.Select(id => new RecordKey(run.Type, id))];
    }
}
