using System.Collections.Frozen;
using System.Text.Json;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Hospitals;

namespace EhrGrains.Sandbox.Charts;

/// <summary>All resources of one hospital, ready to be sent. Immutable.</summary>
internal sealed class ChartStore
{
    private readonly FrozenDictionary<(string Type, string Id), StoredResource> byId;
    private readonly FrozenDictionary<string, StoredResource[]> byType;
    private readonly FrozenDictionary<(string Type, string Patient), StoredResource[]> byPatient;
    private readonly FrozenDictionary<string, StoredResource[]> provenances;
    private readonly FrozenSet<string> restricted;

    public ChartStore(IEnumerable<JsonObject> resources, string fhirBase, TimeZoneInfo zone)
    {
        var all = new Dictionary<(string, string), StoredResource>();
        foreach (var resource in resources)
        {
            var stored = Store(resource, fhirBase, zone);
            all[(stored.Type, stored.Id)] = stored;
        }

        byId = all.ToFrozenDictionary();
        var found = all.Values.Where(stored => stored.MergedInto is null).ToArray();
        byType = found.GroupBy(stored => stored.Type).ToFrozenDictionary(group => group.Key, group => Sort(group.Key, group));
        byPatient = found.Where(stored => stored.Patient is not null)
            .GroupBy(stored => (stored.Type, stored.Patient!))
            .ToFrozenDictionary(group => group.Key, group => Sort(group.Key.Type, group));
        provenances = found.SelectMany(stored => stored.Targets, (stored, target) => (target, stored))
            .GroupBy(pair => pair.target)
            .ToFrozenDictionary(group => group.Key, group => group.Select(pair => pair.stored).ToArray());
        restricted = found.Where(stored => stored.Restricted && stored.Type == "Patient").Select(stored => stored.Id).ToFrozenSet();
    }

    public IEnumerable<string> Types => byType.Keys;

    public StoredResource? Find(string type, string id) => byId.GetValueOrDefault((type, id));

    public StoredResource[] OfType(string type) => byType.GetValueOrDefault(type, []);

    public StoredResource[] OfPatient(string type, string patient) => byPatient.GetValueOrDefault((type, patient), []);

    public StoredResource[] ProvenanceOf(StoredResource target) => provenances.GetValueOrDefault($"{target.Type}/{target.Id}", []);

    public bool IsRestricted(string patient) => restricted.Contains(patient);

    // Encounters oldest first, Observations newest first (Oracle Health); everything else as it was entered.
    private static StoredResource[] Sort(string type, IEnumerable<StoredResource> resources) => type switch
    {
        "Encounter" => [.. resources.OrderBy(DateOf)],
        "Observation" => [.. resources.OrderByDescending(DateOf)],
        _ => [.. resources],
    };

    private static DateTime DateOf(StoredResource resource) => Array.Find(resource.Times, time => time.Parameter == "date").From;

    private static StoredResource Store(JsonObject resource, string fhirBase, TimeZoneInfo zone)
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
            Tokens = tokens,
            Texts = texts,
            Times = times,
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
