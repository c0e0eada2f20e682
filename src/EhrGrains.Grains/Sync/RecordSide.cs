using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Records;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Query;
using EhrGrains.Storage.Records;

namespace EhrGrains.Grains.Sync;

/// <summary>
/// The record that a patient is copied into: the patient's own, or the one that HL7 v2 messages knew the patient by first, or that it was
/// merged into since. Not thread-safe; one a run.
/// </summary>
internal sealed class RecordSide(
    IGrainFactory grains, CallerTickets tickets, RecordWriter writer, EhrPatientLinks links, TenantId tenant, PatientId patient, PatientId? record)
{
    private const int MovesMax = 10;

    /// <summary>The record; null: it is not known yet.</summary>
    internal PatientId? Record { get; private set; } = record;

    /// <summary>Commits what was read with the cursors, in one transaction (I2).</summary>
    /// <exception cref="ProblemException">It was not committed, or that is not known: the cursors are to be read again.</exception>
    internal async Task<RecordReceipt> CommitAsync(
        IReadOnlyList<SyncEntry> changed, IReadOnlyList<RecordKey> gone, CursorRow[] rows, CancellationToken cancellationToken)
    {
        var advance = new CursorAdvance(patient, rows);
        if (changed.Count == 0 && gone.Count == 0)
        {
            await CommitAsync(advance, cancellationToken);
            return new RecordReceipt();
        }

        var into = Record ??= await FindAsync(changed, cancellationToken);
        using var system = tickets.EnterSystem();
        for (var moves = 0; moves < MovesMax; moves++)
        {
            var receipt = await grains.GetGrain<IPatientRecordGrain>(GrainKeys.Patient(tenant, into))
                .ApplySyncAsync([InputFor(into, changed, gone)], advance, cancellationToken);
            if (receipt.MovedTo is not { } survivor)
            {
                Record = into;
                return receipt;
            }

            into = survivor;
            if (gone.Count > 0)
            {
                // The survivor may have by itself what this patient has no longer.
                Record = survivor;
                throw new ProblemException(
                    ProblemKind.Conflict, "EHR-SYN-020", "patient", "The record was merged into another's. What is missing is looked for once more.");
            }
        }

        throw new ProblemException(ProblemKind.Unavailable, "EHR-REC-010", "patient", "The record was merged again and again meanwhile. It is tried again.");
    }

    // The record need not be read for what does not concern it.
    private async Task CommitAsync(CursorAdvance advance, CancellationToken cancellationToken)
    {
        try
        {
            await writer.CommitAsync(new ChartCommit { Tenant = tenant, Heads = [], Writes = [], Advance = advance }, cancellationToken);
        }
        catch (Storage.Sync.CursorFencedException e)
        {
            throw new ProblemException(ProblemKind.Conflict, "EHR-SYN-001", "", e.Message);
        }
        catch (RecordUnavailableException e)
        {
            throw new ProblemException(ProblemKind.Unavailable, "EHR-REC-001", "", e.Message);
        }
    }

    private async Task<PatientId> FindAsync(IReadOnlyList<SyncEntry> changed, CancellationToken cancellationToken)
    {
        if (changed.FirstOrDefault(entry => entry.Facts.Type == "Patient") is { } self)
        {
            await links.LinkAsync(tenant, self.Json, cancellationToken);
        }

        var known = await links.FindAsync(tenant, patient.Value, cancellationToken);
        if (known is null && changed.FirstOrDefault(entry => entry.Facts.Type == "Patient") is { } first)
        {
            // Messages that come from now on find the patient by its numbers.
            await links.AdoptAsync(tenant, first.Json, patient, cancellationToken);
        }

        return known ?? patient;
    }

    private RecordInput InputFor(PatientId into, IReadOnlyList<SyncEntry> changed, IReadOnlyList<RecordKey> gone) => new()
    {
        Source = RecordSource.Fhir,
        Complete = true,
        Resources = [.. changed.Select(entry => ResourceFor(into, entry))],
        Gone = [.. gone.Select(key => key.Type == "Patient" ? key with { Id = into.Value } : key)],
    };

    private RecordResource ResourceFor(PatientId into, SyncEntry entry)
    {
        var (type, id) = (entry.Facts.Type, entry.Facts.Id);
        if (into == patient)
        {
            return new RecordResource(type, id, entry.Json.ToArray(), []);
        }

        var redirected = PatientLinks.Redirect(entry.Json, patient.Value, into.Value);
        return type == "Patient"
            ? new RecordResource(type, into.Value, PatientLinks.Rename(redirected, into.Value), [])
            : new RecordResource(type, id, redirected, []);
    }
}
