using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.V2;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Storage.Journal;

namespace EhrGrains.Grains.Populations;

/// <summary>
/// Lets the patients of messages join the cohort <c>messages</c> (<see cref="SyncSpec.EnrolOn"/>): by the identifier that the message
/// knows them by, since it does not say what the EHR's FHIR server calls them. May be done again: who belongs to it belongs to it once.
/// </summary>
internal sealed class MessageEnrolment(IGrainFactory grains)
{
    private static readonly CohortId Cohort = CohortId.Parse("messages", null);

    /// <summary>Takes the patients of messages that can be read.</summary>
    internal async Task TakeAsync(TenantId tenant, V2Mapping mapping, IReadOnlyList<JournalEntry> entries, CancellationToken cancellationToken)
    {
        using var message = new Hl7Message();
        var named = new HashSet<(string? System, string Value)>();
        foreach (var entry in entries)
        {
            if (message.Read(entry.Message).Ok)
            {
                named.UnionWith(mapping.ReadPatients(message).Patients.Select(NameOf).OfType<(string? System, string Value)>());
            }
        }

        // One message may name more patients than join at a time.
        foreach (var part in named.Select((name, i) => new RosterEntry(i + 1, null, name.System, name.Value)).Chunk(RosterEntry.CountMax))
        {
            await grains.GetGrain<IPopulationSyncGrain>(GrainKeys.Cohort(tenant, Cohort)).JoinAsync(part, cancellationToken);
        }
    }

    // The best first; one whose system is known is found without doubt. What no search could be made of is left.
    private static (string? System, string Value)? NameOf(PatientMention patient) =>
        patient.Identifiers.Where(identifier => identifier.Of == IdentifierOf.Patient && CohortRules.IsName(identifier.System, identifier.Value))
            .OrderBy(identifier => identifier.System is null)
            .Select(identifier => ((string?, string)?)(identifier.System, identifier.Value))
            .FirstOrDefault();
}
