using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Text.Json;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Hospitals;

namespace EhrGrains.Sandbox.Charts;

/// <summary>
/// All resources of one hospital, ready to be sent. What a search is given stays as it was while charts are edited: arrays are
/// replaced, never changed.
/// </summary>
internal sealed class ChartStore
{
    private readonly Lock gate = new();
    private readonly string fhirBase;
    private readonly TimeZoneInfo zone;
    private readonly ConcurrentDictionary<(string Type, string Id), StoredResource> byId = new();
    private readonly ConcurrentDictionary<string, StoredResource[]> byType;
    private readonly ConcurrentDictionary<(string Type, string Patient), StoredResource[]> byPatient;
    private readonly ConcurrentDictionary<string, StoredResource[]> provenances;
    private readonly ConcurrentDictionary<(string Type, string Id), DeletedResource> deleted = new();
    private readonly FrozenSet<string> restricted;

    public ChartStore(IEnumerable<(JsonObject Resource, DateTime Updated)> resources, string fhirBase, TimeZoneInfo zone)
    {
        this.fhirBase = fhirBase;
        this.zone = zone;
        var order = new List<StoredResource>();
        foreach (var (resource, updated) in resources)
        {
            var stored = Store(resource, updated);
            byId[(stored.Type, stored.Id)] = stored;
            order.Add(stored);
        }

        // A resource that came twice counts as it came last.
        var found = order.Where(stored => stored.MergedInto is null && byId[(stored.Type, stored.Id)] == stored).ToArray();
        byType = Group(found.GroupBy(stored => stored.Type), static type => type);
        byPatient = Group(found.Where(stored => stored.Patient is not null).GroupBy(stored => (stored.Type, stored.Patient!)), static key => key.Type);
        provenances = new(found.SelectMany(stored => stored.Targets, (stored, target) => (target, stored))
            .GroupBy(pair => pair.target)
            .Select(group => KeyValuePair.Create(group.Key, group.Select(pair => pair.stored).ToArray())));
        restricted = found.Where(stored => stored.Restricted && stored.Type == "Patient").Select(stored => stored.Id).ToFrozenSet();
    }

    /// <summary>What was deleted since the start, in no order.</summary>
    public IEnumerable<DeletedResource> Deleted => deleted.Values;

    public StoredResource? Find(string type, string id) => byId.GetValueOrDefault((type, id));

    public StoredResource[] OfType(string type) => byType.GetValueOrDefault(type, []);

    public StoredResource[] OfPatient(string type, string patient) => byPatient.GetValueOrDefault((type, patient), []);

    /// <summary>Everything about a patient, the Patient included.</summary>
    public IEnumerable<StoredResource> OfPatient(string patient) =>
        byType.Keys.Order(StringComparer.Ordinal).SelectMany(type => OfPatient(type, patient));

    public StoredResource[] ProvenanceOf(StoredResource target) => provenances.GetValueOrDefault($"{target.Type}/{target.Id}", []);

    public bool IsRestricted(string patient) => restricted.Contains(patient);

    public bool IsDeleted(string type, string id) => deleted.ContainsKey((type, id));

    /// <summary>Adds a resource, or puts it in the place of the one with its id.</summary>
    public void Put(JsonObject resource, DateTime updated)
    {
        var stored = Store(resource, updated);
        lock (gate)
        {
            if (Find(stored.Type, stored.Id) is { } before)
            {
                TakeOut(before);
            }

            byId[(stored.Type, stored.Id)] = stored;
            deleted.TryRemove((stored.Type, stored.Id), out _);
            if (stored.MergedInto is not null)
            {
                return;
            }

            byType[stored.Type] = Sort(stored.Type, [.. OfType(stored.Type), stored]);
            if (stored.Patient is { } patient)
            {
                byPatient[(stored.Type, patient)] = Sort(stored.Type, [.. OfPatient(stored.Type, patient), stored]);
            }

            foreach (var target in stored.Targets)
            {
                provenances[target] = [.. provenances.GetValueOrDefault(target, []), stored];
            }
        }
    }

    /// <summary>False when there is no such resource.</summary>
    public bool Delete(string type, string id, DateTime at)
    {
        lock (gate)
        {
            if (!byId.TryRemove((type, id), out var before))
            {
                return false;
            }

            TakeOut(before);
            deleted[(type, id)] = new DeletedResource(type, id, before.Patient, at);
            return true;
        }
    }

    private void TakeOut(StoredResource before)
    {
        if (before.MergedInto is not null)
        {
            return;
        }

        byType[before.Type] = Array.FindAll(OfType(before.Type), other => other != before);
        if (before.Patient is { } patient)
        {
            byPatient[(before.Type, patient)] = Array.FindAll(OfPatient(before.Type, patient), other => other != before);
        }

        foreach (var target in before.Targets)
        {
            provenances[target] = Array.FindAll(provenances[target], other => other != before);
        }
    }

    private static ConcurrentDictionary<TKey, StoredResource[]> Group<TKey>(
        IEnumerable<IGrouping<TKey, StoredResource>> groups, Func<TKey, string> typeOf)
        where TKey : notnull =>
        new(groups.Select(group => KeyValuePair.Create(group.Key, Sort(typeOf(group.Key), group))));

    // Encounters oldest first, Observations newest first (Oracle Health); everything else as it was entered.
    private static StoredResource[] Sort(string type, IEnumerable<StoredResource> resources) => type switch
    {
        "Encounter" => [.. resources.OrderBy(DateOf)],
        "Observation" => [.. resources.OrderByDescending(DateOf)],
        _ => [.. resources],
    };

    private static DateTime DateOf(StoredResource resource) => Array.Find(resource.Times, time => time.Parameter == "date").From;

    private StoredResource Store(JsonObject resource, DateTime updated)
    {
        var json = JsonText.Write(resource);
        using var document = JsonDocument.Parse(json);
        var root = document.RootElement;
        var type = root.GetProperty("resourceType").GetString()!;
        var id = root.GetProperty("id").GetString()!;
        var (tokens, texts, times) = SearchIndex.Read(type, root, zone);
        var head = JsonText.Write($"{fhirBase}/{type}/{id}");
        byte[] entry = [.. ",{\"fullUrl\":"u8, .. head, .. ",\"resource\":"u8, .. json, .. ",\"search\":{\"mode\":\"match\"}}"u8];
        var start = entry.AsSpan().IndexOf(json);
        return new StoredResource
        {
            Type = type,
            Id = id,
            Patient = type == "Patient" ? id : IdIn(resource["subject"] ?? resource["patient"] ?? resource["beneficiary"]),
            MatchEntry = entry,
            IncludeEntry = type == "Provenance"
                ? (byte[])[.. entry.AsSpan(0, start + json.Length), .. ",\"search\":{\"mode\":\"include\"}}"u8]
                : default,
            Json = entry.AsMemory(start, json.Length),
            Updated = updated,
            Tokens = tokens,
            Texts = texts,

            // Whether the resource says so itself is another question: several products keep it to themselves.
            Times = [.. times, new IndexedTime("_lastUpdated", updated, updated.AddSeconds(1))],
            MergedInto = type == "Patient" && resource["link"] is JsonArray links ? ReplacedBy(links) : null,
            Restricted = resource["meta"]?["security"]?[0]?["code"]?.GetValue<string>() == "R",
            IsSocialHistory = type == "Observation"
                && Array.Exists(tokens, token => token is { Parameter: "category", Code: "social-history" }),
            Targets = type == "Provenance"
                ? [.. resource["target"]!.AsArray().Select(target => target!["reference"]!.GetValue<string>())]
                : [],
            ETag = resource["meta"]?["versionId"]?.GetValue<string>() is { } version ? $"W/\"{version}\"" : null,
        };
    }

    private static string? ReplacedBy(JsonArray links) =>
        links.FirstOrDefault(link => link?["type"]?.GetValue<string>() == "replaced-by") is { } link ? IdIn(link["other"]) : null;

    private static string? IdIn(JsonNode? reference) =>
        reference?["reference"]?.GetValue<string>() is { } text ? text[(text.LastIndexOf('/') + 1)..] : null;
}
