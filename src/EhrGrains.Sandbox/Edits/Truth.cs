using System.Security.Cryptography;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Searching;

namespace EhrGrains.Sandbox.Edits;

/// <summary>What a hospital really holds of one patient, to hold a copy against: the answer of <c>GET /_sandbox/truth</c>.</summary>
internal sealed record Truth
{
    public required string Patient { get; init; }

    /// <summary>The patient that this record was combined into.</summary>
    public string? MergedInto { get; init; }

    /// <summary>True when the chart is refused without Break-the-Glass.</summary>
    public required bool Restricted { get; init; }

    public required IReadOnlyList<TrueResource> Resources { get; init; }

    /// <summary>Null when the hospital has no such patient.</summary>
    public static Truth? Of(string patient, ChartStore charts, SearchRules rules, bool withContent)
    {
        if (charts.Find("Patient", patient) is not { } person)
        {
            return null;
        }

        var all = new Dictionary<(string, string), StoredResource>();
        var open = new Queue<StoredResource>(charts.OfPatient(patient).Append(person));
        while (open.TryDequeue(out var resource))
        {
            if (!all.TryAdd((resource.Type, resource.Id), resource))
            {
                continue;
            }

            foreach (var other in References(JsonNode.Parse(resource.Json.Span)).Select(reference => Resolve(reference, charts))
                .Concat(charts.ProvenanceOf(resource)))
            {
                // Nobody else's chart, nor what belongs to staff beside what this chart names.
                if (other is not null && (other.Patient is null || other.Patient == patient))
                {
                    open.Enqueue(other);
                }
            }
        }

        return new Truth
        {
            Patient = patient,
            MergedInto = person.MergedInto,
            Restricted = charts.IsRestricted(patient),
            Resources = [.. all.Values
                .OrderBy(resource => resource.Type, StringComparer.Ordinal).ThenBy(resource => resource.Id, StringComparer.Ordinal)
                .Select(resource => new TrueResource
                {
                    Type = resource.Type,
                    Id = resource.Id,
                    Updated = resource.Updated,
                    Sha256 = Convert.ToHexStringLower(SHA256.HashData(resource.Json.Span)),
                    Found = rules.FindsByPatient(resource),
                    Resource = withContent ? JsonNode.Parse(resource.Json.Span)!.AsObject() : null,
                })],
        };
    }

    private static StoredResource? Resolve(string reference, ChartStore charts) =>
        reference.Split('/') is [.., var type, var id] ? charts.Find(type, id) : null;

    private static IEnumerable<string> References(JsonNode? node) => node switch
    {
        JsonArray array => array.SelectMany(References),
        JsonObject item => item.SelectMany(member =>
            member.Key is "reference" or "url" && member.Value is JsonValue value && value.TryGetValue<string>(out var text)
                ? [text]
                : References(member.Value)),
        _ => [],
    };
}

/// <summary>One resource as it is served.</summary>
internal sealed record TrueResource
{
    public required string Type { get; init; }

    public required string Id { get; init; }

    public required DateTime Updated { get; init; }

    /// <summary>Of the bytes that a read of it answers.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Whether a search by patient finds it; otherwise only a reference of another resource leads there.</summary>
    public required bool Found { get; init; }

    public JsonObject? Resource { get; init; }
}
