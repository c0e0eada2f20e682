using System.Text.Json;
using EhrGrains.Connect.Bulk;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Fhir;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Grains.Query;
using EhrGrains.Storage.Populations;

namespace EhrGrains.Grains.Populations;

/// <summary>
/// Lines of one file, normalized and put together by patient, until they are committed; every line is counted as something (I11).
/// Adding is for one thread, what comes of taking for any.
/// </summary>
internal sealed class IntakeBatch(TenantRules rules, IReadOnlySet<string> types, StoredBulkFile file)
{
    private const int LinesMax = 2_000;
    private const int BytesMax = 4 * 1024 * 1024;

    // A resource that is about more people than these is about none of them.
    private const int PatientsMax = 10;

    private readonly Dictionary<PatientId, PendingPatient> patients = [];
    private int lines;
    private int bytes;
    private long stored;
    private long unchanged;
    private long deleted;
    private long notEnrolled;
    private long notCopied;
    private long quarantined;

    internal StoredBulkFile File { get; private set; } = file;

    internal bool IsFull => lines >= LinesMax || bytes >= BytesMax;

    internal IReadOnlyCollection<PendingPatient> Patients => patients.Values;

    internal List<(string Alias, string Original)> Aliases { get; } = [];

    /// <summary>Patients whose own resource is among the lines.</summary>
    internal List<PatientId> Newcomers { get; } = [];

    /// <summary>What the lines say is deleted.</summary>
    internal List<RecordKey> Deletions { get; } = [];

    internal void Add(ReadOnlyMemory<byte> line)
    {
        lines++;
        bytes += line.Length;
        switch ((BulkFileKind)File.Kind)
        {
            case BulkFileKind.Output:
                AddResource(line);
                break;
            case BulkFileKind.Deleted:
                AddDeletions(line);
                break;
            default:
                // Not everything that stands among errors is one.
                quarantined += OperationOutcomes.Read(line.Span, rules.Profile) is [_, ..] issues && issues.All(issue => issue.Severity is "information" or "warning") ? 0 : 1;
                break;
        }
    }

    internal void Delete(PatientId patient, RecordKey key) => Of(patient).Deleted.Add(key);

    internal void NothingToDelete() => unchanged++;

    /// <summary>What came of a part; null: its patient is not enrolled.</summary>
    internal void Taken(SyncBatch part, RecordReceipt? receipt)
    {
        if (receipt is null)
        {
            Interlocked.Add(ref notEnrolled, part.Resources.Length + part.Deleted.Length);
            return;
        }

        // What was deleted is among what was written; what the cursor knows already does not come to the record at all.
        Interlocked.Add(ref deleted, part.Deleted.Length);
        var written = Math.Clamp(receipt.Written - part.Deleted.Length, 0, part.Resources.Length);
        Interlocked.Add(ref stored, written);
        Interlocked.Add(ref unchanged, part.Resources.Length - written);
    }

    /// <summary>Lines that are longer than the bound, of the whole file so far.</summary>
    internal void TooLong(int count)
    {
        lines += count;
        quarantined += count;
    }

    internal BulkFileCounts Counts() => File.Counts with
    {
        Fetched = File.Counts.Fetched + lines,
        Stored = File.Counts.Stored + stored,
        Unchanged = File.Counts.Unchanged + unchanged,
        Deleted = File.Counts.Deleted + deleted,
        NotEnrolled = File.Counts.NotEnrolled + notEnrolled,
        NotCopied = File.Counts.NotCopied + notCopied,
        Quarantined = File.Counts.Quarantined + quarantined,
    };

    private void AddResource(ReadOnlyMemory<byte> line)
    {
        using var content = new PooledBuffer(line.Length + 512);
        ResourceResult found;
        try
        {
            found = rules.Normalizer.NormalizeResource(line.Span, content);
        }
        catch (FhirFormatException)
        {
            quarantined++;
            return;
        }

        if (found.Id.Length == 0 || !ResourceTypes.All.Contains(found.Type) || (File.Type.Length > 0 && File.Type != found.Type))
        {
            quarantined++;
            return;
        }

        File = File.Type.Length > 0 ? File : File with { Type = found.Type };
        Aliases.AddRange(found.Aliases.Select(static alias => (alias.Alias, alias.Original)));
        var resource = new RecordResource(found.Type, found.Id, content.Written.ToArray(), []);
        var whose = found.Type switch
        {
            "Patient" => [found.Id],
            "Group" => [],
            _ => found.Patients,
        };
        if (whose.Count is 0 or > PatientsMax || !types.Contains(found.Type))
        {
            notCopied++;
            return;
        }

        foreach (var id in whose)
        {
            var patient = PatientId.Parse(id, null);
            Of(patient).Add(resource);
            if (found.Type == "Patient")
            {
                Newcomers.Add(patient);
            }
        }
    }

    // Bulk Data Access 2.0.0, "deleted": each line a transaction Bundle whose entries have a DELETE request.
    private void AddDeletions(ReadOnlyMemory<byte> line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            foreach (var entry in document.RootElement.GetProperty("entry"u8).EnumerateArray())
            {
                var url = entry.GetProperty("request"u8) is var request && request.GetProperty("method"u8).ValueEquals("DELETE"u8)
                    ? request.GetProperty("url"u8).GetString()!.Split('/')
                    : [];
                if (url is [.., var unwanted, _] && ResourceTypes.All.Contains(unwanted) && !types.Contains(unwanted))
                {
                    notCopied++;
                }
                else if (url is [.., var type, var id] && types.Contains(type) && id.Length > 0)
                {
                    Deletions.Add(new RecordKey(type, ResourceIds.ToLegal(id, out _)));
                }
                else
                {
                    quarantined++;
                }
            }
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            quarantined++;
        }
    }

    private PendingPatient Of(PatientId patient) =>
        patients.TryGetValue(patient, out var pending) ? pending : patients[patient] = new PendingPatient(patient);
}

/// <summary>What a batch has of one patient.</summary>
internal sealed class PendingPatient(PatientId patient)
{
    private const int CountMax = 1_000;
    private const int BytesMax = 8 * 1024 * 1024;

    private readonly List<RecordResource> resources = [];

    internal PatientId Patient { get; } = patient;

    internal List<RecordKey> Deleted { get; } = [];

    internal void Add(RecordResource resource) => resources.Add(resource);

    /// <summary>As much at a time as a cursor takes.</summary>
    internal IEnumerable<SyncBatch> Parts()
    {
        foreach (var gone in Deleted.Chunk(CountMax))
        {
            yield return new SyncBatch { Resources = [], Deleted = gone };
        }

        var (start, bytes) = (0, 0L);
        for (var i = 0; i < resources.Count; i++)
        {
            if (i > start && (i - start == CountMax || bytes + resources[i].Json.Length > BytesMax))
            {
                yield return new SyncBatch { Resources = [.. resources[start..i]] };
                (start, bytes) = (i, 0);
            }

            bytes += resources[i].Json.Length;
        }

        if (start < resources.Count)
        {
            yield return new SyncBatch { Resources = [.. resources[start..]] };
        }
    }
}
