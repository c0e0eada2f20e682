using System.Runtime.InteropServices;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.V2;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Storage.Journal;
using EhrGrains.Storage.Keys;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Records;

/// <summary>What became of messages that were to be mapped.</summary>
/// <param name="Applied">How many, from the first on, are in the records, as far as they could be mapped; there may be more to do.</param>
/// <param name="Written">Versions that were written.</param>
/// <param name="Exceptions">What could not be mapped as it should.</param>
/// <param name="Failure">Why the message after those cannot be mapped at all; null: all were.</param>
internal sealed record MappedBatch(int Applied, int Written, IReadOnlyList<MappingExceptionEntry> Exceptions, Problem? Failure);

/// <summary>Whose messages are mapped, and how.</summary>
/// <param name="Tenant">The tenant.</param>
/// <param name="Feed">The feed.</param>
/// <param name="Mapping">The tenant's mapping.</param>
/// <param name="Identity">Makes the tenant's ids.</param>
/// <param name="Settled">Up to where all messages of the feed were processed before.</param>
/// <param name="Late">Whether they may be older than what the records have (<see cref="RecordInput.Late"/>).</param>
internal sealed record MappingJob(TenantId Tenant, FeedId Feed, V2Mapping Mapping, ResourceIdentity Identity, long Settled, bool Late)
{
    /// <summary>What a record is told of where something came from.</summary>
    internal RecordSource SourceOf(JournalEntry entry) => RecordSource.Of(Feed, entry.Position, Settled);
}

/// <summary>
/// Takes messages of a feed into patient records, in order of each patient: what is about one patient each goes on beside the other
/// patients' messages; what touches several, or whom an identifier belongs to, is a barrier, with everything before it committed and
/// nothing after it begun (I1). All of it may be done again: the records know what they have taken.
/// </summary>
internal sealed partial class FeedMapping(
    PatientMatching matching, MergeEvents merges, IGrainFactory grains, KeyRing keys, RecordMetrics metrics, TimeProvider time, ILogger<FeedMapping> log)
{
    internal const string NoIdentifier = "no-identifier";
    internal const string Divided = "identifiers-of-two";
    private const int ExceptionsMax = 50;
    private const int MovesMax = 16;

    /// <summary>Messages that are mapped in one turn of the feed's grain: some milliseconds, so that sixteen feeds on two cores all go on.</summary>
    private const int TurnMax = 16;

    /// <summary>What is needed to map messages of a feed now.</summary>
    internal async Task<MappingJob> PrepareAsync(
        TenantId tenant, FeedId feed, V2Mapping mapping, long settled, bool late, CancellationToken cancellationToken)
    {
        var key = await keys.DeriveAsync(tenant.Value, KeyClass.Identity, cancellationToken);
        return new MappingJob(tenant, feed, mapping, new ResourceIdentity(key), settled, late);
    }

    /// <summary>
    /// Maps messages that can be read, and commits what they say to the records: those up to the next barrier, or the barrier that comes
    /// first. The caller commits the position before it goes on, so that what a crash makes be done again never reaches back over a barrier.
    /// </summary>
    internal async Task<MappedBatch> ApplyAsync(MappingJob job, IReadOnlyList<JournalEntry> entries, CancellationToken cancellationToken)
    {
        using var message = new Hl7Message();
        var batch = new BatchTally();
        var run = new List<MentionedEntry>(entries.Count);
        foreach (var entry in entries)
        {
            Read(message, entry);
            var mentions = job.Mapping.ReadPatients(message);
            if (!IsBarrier(mentions))
            {
                run.Add(new MentionedEntry(entry, mentions));
                continue;
            }

            if (run.Count == 0)
            {
                await ApplyBarrierAsync(job, new MentionedEntry(entry, mentions), message, batch, cancellationToken);
            }

            break;
        }

        if (run.Count > 0)
        {
            await ApplyRunAsync(job, run, message, batch, cancellationToken);
        }

        return batch.Result();
    }

    /// <summary>Whether nothing may overtake a message: it is about several patients, or changes who is who.</summary>
    internal static bool IsBarrier(PatientMentions mentions) => mentions.Event != PatientEvent.Update || mentions.Patients.Count > 1;

    /// <summary>Messages about one patient each, up to the first that cannot be mapped.</summary>
    private async Task ApplyRunAsync(
        MappingJob job, List<MentionedEntry> run, Hl7Message message, BatchTally batch, CancellationToken cancellationToken)
    {
        var matches = await matching.ResolveAsync(
            job.Tenant, job.Feed, [.. run.Select(item => item.Mentions.Patients.Count == 0 ? NoOne : item.Mentions.Patients[0])], job.Identity, cancellationToken);
        var byPatient = new Dictionary<PatientId, List<(MentionedEntry Item, RecordInput Input)>>();
        var done = 0;
        for (; done < run.Count; done++)
        {
            if (done % TurnMax == TurnMax - 1)
            {
                await Task.Yield();
            }

            var (item, match) = (run[done], matches[done]);
            if (match.Patient is not { } patient)
            {
                batch.Add(Exception(job, item.Entry, NoIdentifier, "PID-3", "No identifier says whose the message is. It is in the journal only."));
                continue;
            }

            if (TryMap(job, item.Entry, message, [patient.Value], batch) is not { } mapped)
            {
                break;
            }

            if (match.IsDivided)
            {
                batch.Add(Exception(job, item.Entry, Divided, "PID-3", "Its identifiers belong to two patients. It was taken for the first one's."));
            }

            ref var inputs = ref CollectionsMarshal.GetValueRefOrAddDefault(byPatient, patient, out _);
            (inputs ??= []).Add((item, Input(job, item.Entry, mapped, 0)));
        }

        await Task.WhenAll(byPatient.Select(async patient =>
            batch.Write(await GiveAsync(job, patient.Key, patient.Value, cancellationToken))));
        batch.Applied += done;
    }

    /// <summary>Gives inputs to a record, and to the one that it was merged into if it says so.</summary>
    private async Task<int> GiveAsync(
        MappingJob job, PatientId patient, List<(MentionedEntry Item, RecordInput Input)> items, CancellationToken cancellationToken)
    {
        for (var moves = 0; moves <= MovesMax; moves++)
        {
            var receipt = await Record(job, patient).ApplyAsync([.. items.Select(item => item.Input)], cancellationToken);
            if (receipt.MovedTo is not { } survivor)
            {
                return receipt.Written;
            }

            patient = survivor;
            using var message = new Hl7Message();
            for (var i = 0; i < items.Count; i++)
            {
                var item = items[i].Item;
                Read(message, item.Entry);
                var mapped = job.Mapping.Map(message, Context(job, item.Entry, [patient.Value]));
                items[i] = (item, Input(job, item.Entry, mapped, 0));
            }
        }

        throw new ProblemException(ProblemKind.Unavailable, "EHR-REC-010", "patient", "The record was merged again and again meanwhile. It is tried again.");
    }

    /// <summary>A message that touches several patients, or their identity.</summary>
    private async Task ApplyBarrierAsync(
        MappingJob job, MentionedEntry item, Hl7Message message, BatchTally batch, CancellationToken cancellationToken)
    {
        var before = await merges.BeforeAsync(job, item, cancellationToken);
        batch.AddAll(before.Select(refusal => Exception(job, item.Entry, refusal.Kind, refusal.Location, refusal.Message)));
        var mentioned = item.Mentions.Patients;
        var matches = await matching.ResolveAsync(job.Tenant, job.Feed, mentioned, job.Identity, cancellationToken);
        if (matches.Any(match => match.Patient is null))
        {
            batch.Add(Exception(job, item.Entry, NoIdentifier, "PID-3", "A patient of the message has no identifier. It is in the journal only."));
            batch.Applied++;
            return;
        }

        Read(message, item.Entry);
        var patients = Array.ConvertAll(matches, match => match.Patient!.Value);
        if (TryMap(job, item.Entry, message, Array.ConvertAll(patients, patient => patient.Value), batch) is not { } mapped)
        {
            return;
        }

        // What moves must have moved before the message lays over it what it says.
        var refusals = await merges.MoveAsync(job, item, patients, mapped, cancellationToken);
        mapped = MergeEvents.WithoutPrior(item, mapped);
        foreach (var patient in patients.Distinct())
        {
            var input = Input(job, item.Entry, mapped, [.. patients.Index().Where(other => other.Item == patient).Select(other => other.Index)]);
            var receipt = await Record(job, patient).ApplyAsync([input], cancellationToken);
            batch.Write(receipt.Written);
            if (receipt.MovedTo is not null)
            {
                throw new ProblemException(ProblemKind.Unavailable, "EHR-REC-010", "patient", "The record was merged meanwhile. It is tried again.");
            }
        }

        refusals = [.. refusals, .. await merges.AfterAsync(job, item, patients, cancellationToken)];
        batch.AddAll(refusals.Select(refusal => Exception(job, item.Entry, refusal.Kind, refusal.Location, refusal.Message)));
        batch.Applied++;
    }

    /// <summary>Maps a message; null when that fails, which no message should achieve.</summary>
    private MappedMessage? TryMap(MappingJob job, JournalEntry entry, Hl7Message message, string[] patients, BatchTally batch)
    {
        var start = time.GetTimestamp();
        Read(message, entry);
        try
        {
            var mapped = job.Mapping.Map(message, Context(job, entry, patients));
            batch.AddAll(Bounded(job, entry, mapped.Exceptions));
            metrics.Mapped(time.GetElapsedTime(start));
            return mapped;
        }
        catch (Exception e) when (e is not (OutOfMemoryException or OperationCanceledException))
        {
            // The message of an exception may quote what it stumbled over.
            LogNotMapped(log, job.Tenant, job.Feed, entry.Position, e.GetType().Name, e.StackTrace?.Split('\n')[0].Trim() ?? "");
            batch.Failure = new Problem(
                "EHR-REC-011", "", "The mapping failed on this message, which is an error of this program: report it with the entry of the log. Skip or retry the message.");
            return null;
        }
    }

    private IEnumerable<MappingExceptionEntry> Bounded(MappingJob job, JournalEntry entry, IReadOnlyList<MappingException> exceptions)
    {
        foreach (var exception in exceptions.Take(ExceptionsMax))
        {
            yield return Exception(job, entry, exception.Kind, exception.Location, exception.Message);
        }

        if (exceptions.Count > ExceptionsMax)
        {
            yield return Exception(
                job, entry, MappingExceptionKinds.TooLarge, "", $"{exceptions.Count - ExceptionsMax} more exceptions of this message are not listed.");
        }
    }

    private MappingExceptionEntry Exception(MappingJob job, JournalEntry entry, string kind, string location, string message)
    {
        metrics.Exception(kind);
        return new MappingExceptionEntry(job.Feed, entry.Position, entry.ReceivedAt, kind, location, message);
    }

    private static MappingContext Context(MappingJob job, JournalEntry entry, IReadOnlyList<string> patients) =>
        new(job.Identity, patients, job.SourceOf(entry).ToString(), entry.ReceivedAt) { OfPatientsOnly = true };

    /// <summary>What a message says about the patients at some positions; what is about the message itself stays in the journal.</summary>
    private static RecordInput Input(MappingJob job, JournalEntry entry, MappedMessage mapped, params int[] positions) => new()
    {
        Source = job.SourceOf(entry),
        Late = job.Late,
        Resources =
        [
            .. mapped.Resources.Where(resource => positions.Contains(resource.Patient))
                .Select(resource => new RecordResource(resource.Type, resource.Id, Bytes(resource.Json), [.. resource.Deleted])),
        ],
    };

    private static byte[] Bytes(ReadOnlyMemory<byte> json) =>
        MemoryMarshal.TryGetArray(json, out var segment) && segment.Offset == 0 && segment.Count == segment.Array!.Length ? segment.Array : json.ToArray();

    private static void Read(Hl7Message message, JournalEntry entry)
    {
        var result = message.Read(entry.Message);
        if (!result.Ok)
        {
            throw new ArgumentException("A message was given that cannot be read.", nameof(entry));
        }
    }

    private IPatientRecordGrain Record(MappingJob job, PatientId patient) =>
        grains.GetGrain<IPatientRecordGrain>(GrainKeys.Patient(job.Tenant, patient));

    private static readonly PatientMention NoOne = new([], []);

    [LoggerMessage(5020, LogLevel.Error, "The message at {Position} of feed {Tenant}/{Feed} could not be mapped: {Type} {Where}")]
    private static partial void LogNotMapped(ILogger logger, TenantId tenant, FeedId feed, long position, string type, string where);

    /// <summary>What has been done of a batch.</summary>
    private sealed class BatchTally
    {
        private readonly List<MappingExceptionEntry> exceptions = [];
        private int written;

        internal int Applied { get; set; }

        internal Problem? Failure { get; set; }

        internal void Add(MappingExceptionEntry entry) => exceptions.Add(entry);

        internal void AddAll(IEnumerable<MappingExceptionEntry> entries) => exceptions.AddRange(entries);

        internal void Write(int versions) => Interlocked.Add(ref written, versions);

        internal MappedBatch Result() => new(Applied, written, exceptions, Failure);
    }
}

/// <summary>A message, and whom it is about.</summary>
internal sealed record MentionedEntry(JournalEntry Entry, PatientMentions Mentions);
