using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Fhir.Records;
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
        if (Replaced(item.Mentions.Event) is { } replaced)
        {
            foreach (var (index, mention) in item.Mentions.Patients.Index())
            {
                await ReplaceAsync(job, item, mapped, (index, patients[index], mention), replaced, refusals, cancellationToken);
            }
        }

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

    /// <summary>
    /// The message without the accounts that it names as prior ones: they have become part of others, and are not to come back as what the
    /// message says of them, which is their number.
    /// </summary>
    internal static MappedMessage WithoutPrior(MentionedEntry item, MappedMessage mapped) =>
        Replaced(item.Mentions.Event) is not { Type: "Account" } replaced ? mapped : mapped with
        {
            Resources =
            [
                .. mapped.Resources.Where(resource => resource.Type != replaced.Type || resource.Patient < 0
                    || ResourceNumbers.Has(resource.Json, Numbers(item.Mentions.Patients[resource.Patient].Identifiers, replaced.Of))),
            ],
        };

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
                    await MoveNumberAsync(job, item, mention, patients[index], refusals, cancellationToken);
                }

                break;
            case PatientEvent.Link or PatientEvent.Unlink when patients.Length == 2:
                await TryAsync(
                    refusals,
                    "PID-3",
                    Record(job, patients[0]).LinkAsync(patients[1], item.Mentions.Event == PatientEvent.Link, job.SourceOf(item.Entry), cancellationToken));
                break;
            case PatientEvent.Delete:
                refusals.Add(new(
                    DeletionAsked, "EVN-1", "The hospital asks to delete this person. The Patient is inactive now, and nothing was erased: an operator decides."));
                break;
        }

        return refusals;
    }

    // An account or a visit takes the place of another (HL7 v2.5.1 §3.3.35, §3.3.41, §3.3.42, §3.3.49–51).
    private async Task ReplaceAsync(
        MappingJob job,
        MentionedEntry item,
        MappedMessage mapped,
        (int Index, PatientId Patient, PatientMention Mention) who,
        (string Type, IdentifierOf Of, string Location) what,
        List<MergeRefusal> refusals,
        CancellationToken cancellationToken)
    {
        var (own, prior) = (Numbers(who.Mention.Identifiers, what.Of), Numbers(who.Mention.Prior, what.Of));
        var survivor = mapped.Resources.FirstOrDefault(
            resource => resource.Patient == who.Index && resource.Type == what.Type && ResourceNumbers.Has(resource.Json, own));
        if (survivor is null || prior.Length == 0)
        {
            refusals.Add(new(Unknown, what.Location, $"The message does not say which {what.Type} ends and which one stays. It was taken as an update."));
            return;
        }

        await TryAsync(
            refusals,
            what.Location,
            Record(job, who.Patient).ReplaceAsync(
                new RecordKey(survivor.Type, survivor.Id),
                Array.ConvertAll(prior, number => new RecordIdentifier(number.System, number.Value)),
                job.SourceOf(item.Entry),
                cancellationToken));
    }

    // A43 (§3.3.43): what is subordinate to a number moves with it. Where the prior patient has no other number, that is everything.
    private async Task MoveNumberAsync(
        MappingJob job, MentionedEntry item, PatientMention mention, PatientId target, List<MergeRefusal> refusals, CancellationToken cancellationToken)
    {
        var prior = await matching.FindAsync(job.Tenant, job.Feed, mention.Prior, cancellationToken);
        if (prior is { } owner && owner.Current != target)
        {
            if (await matching.HasOthersAsync(job.Tenant, job.Feed, owner.Bound, mention.Prior, cancellationToken))
            {
                refusals.Add(new(
                    Refused, "MRG-1", "The number was moved. The prior patient has others, and what it was given under this one cannot be told: move visits by A45."));
            }
            else
            {
                await TryAsync(refusals, "MRG-1", Record(job, target).MergeAsync(owner.Bound, job.SourceOf(item.Entry), job.Late, cancellationToken));
            }
        }

        await matching.RebindAsync(job.Tenant, job.Feed, mention.Prior, target, cancellationToken);
    }

    private static (string Type, IdentifierOf Of, string Location)? Replaced(PatientEvent happened) => happened switch
    {
        PatientEvent.MergeAccounts or PatientEvent.ChangeAccount => ("Account", IdentifierOf.Account, "MRG-3"),
        PatientEvent.MergeVisits or PatientEvent.ChangeVisit => ("Encounter", IdentifierOf.Visit, "MRG-5"),
        _ => null,
    };

    private static (string? System, string Value)[] Numbers(IEnumerable<MentionedIdentifier> identifiers, IdentifierOf of) =>
        [.. identifiers.Where(identifier => identifier.Of == of).Select(identifier => (identifier.System, identifier.Value))];

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
