using EhrGrains.Contracts.Records;
using EhrGrains.Fhir.Charts;
using EhrGrains.Fhir.Records;

namespace EhrGrains.Grains.Records;

/// <summary>What merging, moving and unmerging make of two records (HL7 v2.5.1 §3.6.2; FHIR R4 Patient.link). Pure.</summary>
internal static class RecordMoves
{
    private const string PatientType = "Patient";

    /// <summary>Types that several patients' records each have a copy of, because their resources refer to them.</summary>
    private static readonly HashSet<string> Supporting = new(StringComparer.Ordinal)
    {
        "Practitioner", "PractitionerRole", "Organization", "Location", "Device", "Medication",
    };

    /// <summary>Everything of one record moves to another; both Patients link each other, and the prior one becomes inactive.</summary>
    internal static void Merge(RecordState prior, RecordDraft from, RecordState survivor, RecordDraft to, RecordSource source)
    {
        var (priorId, survivorId) = (prior.Head.Patient.Value, survivor.Head.Patient.Value);
        foreach (var entry in Entries(prior).Where(entry => entry.Type != PatientType || entry.Id != priorId))
        {
            Move(entry, from, to, priorId, survivorId, source);
        }

        Relink(from, priorId, content => PatientLinks.Link(content, survivorId, "replaced-by", active: false), ChangeKind.Merged, source);
        Relink(to, survivorId, content => PatientLinks.Link(content, priorId, "replaces"), ChangeKind.Merged, source);
    }

    /// <summary>Resources, and what refers to them, move to another record, with a copy of what they refer to; false when there are none.</summary>
    internal static bool Take(
        RecordState left, RecordDraft from, RecordState taker, RecordDraft to, IReadOnlyCollection<RecordKey> roots, RecordSource source)
    {
        var (leftId, takerId) = (left.Head.Patient.Value, taker.Head.Patient.Value);
        var all = Entries(left).Where(entry => entry.Type != PatientType && !Supporting.Contains(entry.Type)).ToArray();
        var moved = all.Where(entry => roots.Contains(KeyOf(entry))).ToDictionary(KeyOf);
        for (var grown = moved.Count > 0; grown;)
        {
            grown = false;
            foreach (var entry in all.Where(entry => !moved.ContainsKey(KeyOf(entry))))
            {
                if (moved.Keys.Any(key => PatientLinks.RefersTo(entry.Json, key.Type, key.Id)))
                {
                    grown = moved.TryAdd(KeyOf(entry), entry);
                }
            }
        }

        foreach (var copied in Entries(left).Where(entry => Supporting.Contains(entry.Type) && to.Find(KeyOf(entry)) is not { Content.IsEmpty: false }))
        {
            if (moved.Values.Any(entry => PatientLinks.RefersTo(entry.Json, copied.Type, copied.Id)))
            {
                to.Put(KeyOf(copied), copied.Json, 0, ChangeKind.Created, source);
            }
        }

        foreach (var entry in moved.Values)
        {
            Move(entry, from, to, leftId, takerId, source);
        }

        return moved.Count > 0;
    }

    /// <summary>
    /// What the merge moved goes back as it is now; what the survivor had itself stays there, and its copy here comes back as it was.
    /// </summary>
    /// <param name="prior">The record that was merged.</param>
    /// <param name="to">Its draft.</param>
    /// <param name="survivor">The record that it was merged into.</param>
    /// <param name="from">Its draft.</param>
    /// <param name="moved">What the merge moved there.</param>
    /// <param name="before">The content of the prior record's resources before the merge, of those that the merge did not move, and of its Patient.</param>
    /// <param name="source">What undoes it.</param>
    internal static void Unmerge(
        RecordState prior,
        RecordDraft to,
        RecordState survivor,
        RecordDraft from,
        IReadOnlySet<RecordKey> moved,
        IReadOnlyDictionary<RecordKey, ReadOnlyMemory<byte>> before,
        RecordSource source)
    {
        var (priorId, survivorId) = (prior.Head.Patient.Value, survivor.Head.Patient.Value);
        foreach (var key in moved)
        {
            if (survivor.Chart.Find(key.Type, key.Id) is { } entry)
            {
                to.Put(key, PatientLinks.Redirect(entry.Json, survivorId, priorId), entry.Version, ChangeKind.Unmerged, source);
                from.Remove(key, ChangeKind.Unmerged, source);
            }
        }

        foreach (var (key, content) in before)
        {
            to.Put(key, content, 0, ChangeKind.Unmerged, source);
        }

        Relink(from, survivorId, content => PatientLinks.Unlink(content, priorId), ChangeKind.Unmerged, source);
    }

    /// <summary>The resource of a type that has one of some numbers; null: there is none.</summary>
    internal static RecordKey? Find(RecordState state, string type, IReadOnlyCollection<(string? System, string Value)> numbers) =>
        state.Chart.Of(type).FirstOrDefault(entry => ResourceNumbers.Has(entry.Json, numbers)) is { } found ? KeyOf(found) : null;

    /// <summary>
    /// An account or a visit becomes part of another, or gets another number (HL7 v2.5.1 §3.3.35, §3.3.41, §3.3.42, §3.3.49–51): the other has
    /// what it had not, under the prior numbers too, and what referred to the one refers to the other.
    /// </summary>
    internal static void Replace(RecordState state, RecordDraft draft, RecordKey prior, RecordKey survivor, RecordSource source)
    {
        draft.Fill(survivor, ResourceNumbers.Superseded(draft.Find(prior)!.Content, survivor.Id), source);
        foreach (var key in Entries(state).Select(KeyOf).Append(survivor).Distinct().Where(key => key != prior))
        {
            if (draft.Find(key) is { Content.IsEmpty: false } current && PatientLinks.RefersTo(current.Content, prior.Type, prior.Id))
            {
                draft.Put(key, PatientLinks.Redirect(current.Content, prior.Type, prior.Id, survivor.Id), 0, ChangeKind.Updated, source);
            }
        }

        draft.Remove(prior, ChangeKind.Merged, source);
    }

    /// <summary>Both Patients say that they are of one person, or no longer (HL7 v2.5.1 §3.3.24 A24, §3.3.37 A37).</summary>
    internal static void Link(RecordDraft draft, string self, string other, bool linked, RecordSource source) => Relink(
        draft,
        self,
        content => linked ? PatientLinks.Link(content, other, "seealso") : PatientLinks.Unlink(content, other),
        ChangeKind.Updated,
        source);

    private static void Move(ChartEntry entry, RecordDraft from, RecordDraft to, string fromId, string toId, RecordSource source)
    {
        if (to.Find(KeyOf(entry)) is not { Content.IsEmpty: false })
        {
            to.Put(KeyOf(entry), PatientLinks.Redirect(entry.Json, fromId, toId), entry.Version, ChangeKind.Merged, source);
        }

        from.Remove(KeyOf(entry), ChangeKind.Merged, source);
    }

    private static void Relink(
        RecordDraft draft, string patient, Func<ReadOnlyMemory<byte>, byte[]?> edit, ChangeKind kind, RecordSource source)
    {
        var key = new RecordKey(PatientType, patient);
        if (draft.Find(key) is { Content.IsEmpty: false } current && edit(current.Content) is { } edited)
        {
            draft.Put(key, edited, 0, kind, source);
        }
    }

    private static ChartEntry[] Entries(RecordState state) => [.. state.Chart.Types.ToArray().SelectMany(state.Chart.Of)];

    private static RecordKey KeyOf(ChartEntry entry) => new(entry.Type, entry.Id);
}
