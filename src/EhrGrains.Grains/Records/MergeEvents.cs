using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Fhir.V2;

namespace EhrGrains.Grains.Records;

/// <summary>What of a merge, move, change or link could not be done: an exception of the message.</summary>
/// <param name="Kind">What kind.</param>
/// <param name="Location">Where the message says it.</param>
/// <param name="Message">Why it was not done.</param>
internal sealed record MergeRefusal(string Kind, string Location, string Message);

/// <summary>
/// What messages do to the identity of patients (HL7 v2.5.1 §3.6.2, and §3.3 by event). Nothing that is refused stops the feed: it becomes
/// an exception with the reason. All of it may be done again.
/// </summary>
internal sealed class MergeEvents(PatientMatching matching, IGrainFactory grains)
{
    internal const string Unknown = "merge-unknown-patient";
    internal const string Refused = "merge-refused";
    internal const string DeletionAsked = "deletion-asked";

    /// <summary>What is done before it is looked up whom the message is about: identifiers change or move.</summary>
    internal async Task<IReadOnlyList<MergeRefusal>> BeforeAsync(MappingJob job, MentionedEntry item, CancellationToken cancellationToken)
    {
        var refusals = new List<MergeRefusal>();
        if (item.Mentions.Event is not (PatientEvent.ChangeIdentifiers or PatientEvent.MoveIdentifiers))
        {
            return refusals;
        }

        foreach (var mention in item.Mentions.Patients)
        {
            var prior = await matching.FindAsync(job.Tenant, job.Feed, mention.Prior, cancellationToken);
            if (prior is null)
            {
                refusals.Add(new(Unknown, "MRG-1", "Nobody is known by the prior identifier. The message was taken as an update."));
            }
            else if (item.Mentions.Event == PatientEvent.ChangeIdentifiers)
            {
                var own = await matching.FindAsync(job.Tenant, job.Feed, mention.Identifiers, cancellationToken);
                if (own is null)
                {
                    await matching.RebindAsync(job.Tenant, job.Feed, mention.Identifiers, prior.Value.Bound, cancellationToken);
                }
                else if (own.Value.Bound != prior.Value.Bound && own.Value.Current != prior.Value.Current)
                {
                    refusals.Add(new(Refused, "PID-3", "The new identifier is another patient's already. It would be a merge, which the message does not say."));
                }
            }
        }

        return refusals;
    }

    /// <summary>What moves from the prior patient to the one of the message, before the message's own resources are taken.</summary>
    internal async Task<IReadOnlyList<MergeRefusal>> MoveAsync(
        MappingJob job, MentionedEntry item, PatientId[] patients, MappedMessage mapped, CancellationToken cancellationToken)
    {
        var refusals = new List<MergeRefusal>();
        if (item.Mentions.Event is not (PatientEvent.MoveAccount or PatientEvent.MoveVisits))
        {
            return refusals;
        }

        foreach (var (index, mention) in item.Mentions.Patients.Index())
        {
            var from = await matching.FindAsync(job.Tenant, job.Feed, mention.Prior, cancellationToken);
            if (from is null)
            {
                refusals.Add(new(Unknown, "MRG-1", "Nobody is known by the prior identifier: nothing was moved."));
                continue;
            }

            RecordKey[] roots =
            [
                .. mapped.Resources.Where(resource => resource.Patient == index && resource.Type is "Encounter" or "Account")
                    .Select(resource => new RecordKey(resource.Type, resource.Id)),
            ];
            await TryAsync(refusals, "PV1-19", Record(job, patients[index]).TakeAsync(from.Value.Current, roots, job.SourceOf(item.Entry), cancellationToken));
        }

        return refusals;
    }

    /// <summary>What is done when the message's own resources are taken: merges and links.</summary>
    internal async Task<IReadOnlyList<MergeRefusal>> AfterAsync(
        MappingJob job, MentionedEntry item, PatientId[] patients, CancellationToken cancellationToken)
    {
        var refusals = new List<MergeRefusal>();
        switch (item.Mentions.Event)
        {
            case PatientEvent.MergePatients:
                foreach (var (index, mention) in item.Mentions.Patients.Index())
                {
                    await MergeAsync(job, item, mention, patients[index], refusals, cancellationToken);
                }

                break;
            case PatientEvent.MoveIdentifiers:
                foreach (var (index, mention) in item.Mentions.Patients.Index())
                {
                    await matching.RebindAsync(job.Tenant, job.Feed, mention.Prior, patients[index], cancellationToken);
                }

                break;
            case PatientEvent.Link or PatientEvent.Unlink when patients.Length == 2:
                await TryAsync(
                    refusals,
                    "PID-3",
                    Record(job, patients[0]).LinkAsync(patients[1], item.Mentions.Event == PatientEvent.Link, job.SourceOf(item.Entry), cancellationToken));
                break;
            case PatientEvent.Delete:
                refusals.Add(new(DeletionAsked, "EVN-1", "The hospital asks to delete this person. Nothing was deleted: an operator decides."));
                break;
        }

        return refusals;
    }

    private async Task MergeAsync(
        MappingJob job, MentionedEntry item, PatientMention mention, PatientId survivor, List<MergeRefusal> refusals, CancellationToken cancellationToken)
    {
        var prior = await matching.FindAsync(job.Tenant, job.Feed, mention.Prior, cancellationToken);
        if (prior is null)
        {
            refusals.Add(new(Unknown, "MRG-1", "Nobody is known by the prior identifier: there was nothing to merge."));
            return;
        }

        await TryAsync(refusals, "MRG-1", Record(job, survivor).MergeAsync(prior.Value.Bound, job.SourceOf(item.Entry), job.Late, cancellationToken));
    }

    private static async Task TryAsync(List<MergeRefusal> refusals, string location, Task command)
    {
        try
        {
            await command;
        }
        catch (ProblemException e) when (e.Kind is ProblemKind.Conflict or ProblemKind.NotFound or ProblemKind.Invalid)
        {
            refusals.Add(new(e.Kind == ProblemKind.NotFound ? Unknown : Refused, location, e.Problems[0].Message));
        }
    }

    private IPatientRecordGrain Record(MappingJob job, PatientId patient) =>
        grains.GetGrain<IPatientRecordGrain>(GrainKeys.Patient(job.Tenant, patient));
}
