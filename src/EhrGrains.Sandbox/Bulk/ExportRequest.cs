using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Searching;
using EhrGrains.Sandbox.Tokens;
using EhrGrains.Sandbox.Vendors;
using Microsoft.AspNetCore.WebUtilities;

namespace EhrGrains.Sandbox.Bulk;

/// <summary>A kick-off as it was sent (FHIR Bulk Data Access 2.0.0, "Bulk Data Kick-off Request").</summary>
internal sealed record ExportRequest
{
    private static readonly string[] Formats = ["application/fhir+ndjson", "application/ndjson", "ndjson"];

    public required ExportLevels Level { get; init; }

    /// <summary>Of the group; null at other levels.</summary>
    public string? Group { get; init; }

    public required string Url { get; init; }

    /// <summary>Listed patients; empty: those of the level.</summary>
    public IReadOnlyList<string> Patients { get; init; } = [];

    public DateTime? Since { get; init; }

    /// <summary>What is exported, of what the token allows.</summary>
    public IReadOnlyList<string> Types { get; init; } = [];

    /// <summary>Of a type that is here only what one of these finds.</summary>
    public IReadOnlyList<(string Type, IReadOnlyList<Criterion> Criteria)> Filters { get; init; } = [];

    /// <summary>Whether a resource is wanted for what it says and when it was changed.</summary>
    public bool Wants(StoredResource resource)
    {
        var filters = Filters.Where(filter => filter.Type == resource.Type).ToArray();
        return (Since is not { } since || resource.Updated > since)
            && (filters.Length == 0 || Array.Exists(filters, filter => SearchPlan.Holds(filter.Criteria, resource)));
    }

    /// <summary>Reads parameters from the query, or from a Parameters resource.</summary>
    public static (ExportRequest? Request, Finding? Refusal) Read(
        ExportRequest kickoff, HttpRequest request, JsonNode? body, IVendor vendor, Grant grant, TimeZoneInfo zone)
    {
        if (request.Headers["Prefer"].ToString() is var prefer && !prefer.Contains("respond-async", StringComparison.Ordinal))
        {
            return (null, new Finding(Trouble.BadValue, "Prefer"));
        }

        var rules = vendor.Bulk;
        var isLenient = prefer.Contains("handling=lenient", StringComparison.Ordinal);
        var (parameters, patients) = Parameters(request, body);
        var known = new Dictionary<string, List<string>>();
        foreach (var (name, value) in parameters)
        {
            if (name is "_type" or "_outputFormat" || (name == "_since" && rules.Since) || (name == "_typeFilter" && rules.TypeFilter))
            {
                (known.TryGetValue(name, out var values) ? values : known[name] = []).Add(value);
            }
            else if (name != vendor.Searches.Always && !isLenient)
            {
                return (null, new Finding(Trouble.BadValue, name));
            }
        }

        var filters = new List<(string, IReadOnlyList<Criterion>)>();
        DateTime since = default;
        var bad = known.GetValueOrDefault("_outputFormat", []).Exists(format => !Formats.Contains(format)) ? "_outputFormat"
            : known.GetValueOrDefault("_since", []) is [var text, ..] && !FhirTime.TryParse(text, zone, out since, out _) ? "_since"
            : known.GetValueOrDefault("_typeFilter", []).SelectMany(Split).Any(filter => !TryFilter(filter, vendor, zone, filters)) ? "_typeFilter"
            : null;
        if (bad is not null)
        {
            return (null, new Finding(Trouble.BadValue, bad));
        }

        var asked = known.GetValueOrDefault("_type", []).SelectMany(value => value.Split(',')).ToArray();
        var refused = Array.Find(asked, type => !Has(type, vendor) || !grant.Allows(type, Rights.Read));
        return refused is not null
            ? (null, new Finding(Has(refused, vendor) ? Trouble.ScopeMissing : Trouble.BadValue, "_type"))
            : (kickoff with
            {
                Patients = patients,
                Since = known.ContainsKey("_since") ? since : null,
                Filters = filters,
                Types = asked.Length > 0
                    ? asked
                    : [.. vendor.Searches.Types.Keys.Where(type =>
                        Has(type, vendor) && !rules.OnlyByName.Contains(type) && grant.Allows(type, Rights.Read))],
            }, null);
    }

    private static bool Has(string type, IVendor vendor) => vendor.Searches.Types.ContainsKey(type) && !vendor.Bulk.Without.Contains(type);

    private static (List<(string Name, string Value)> Parameters, List<string> Patients) Parameters(HttpRequest request, JsonNode? body)
    {
        var parameters = new List<(string, string)>();
        var patients = new List<string>();
        foreach (var pair in new QueryStringEnumerable(request.QueryString.Value))
        {
            parameters.Add((pair.DecodeName().ToString(), pair.DecodeValue().ToString()));
        }

        foreach (var parameter in body?["parameter"] as JsonArray ?? [])
        {
            if ((string?)parameter!["valueReference"]?["reference"] is { } reference)
            {
                patients.Add(SearchRequest.IdOf(reference));
            }
            else if ((parameter["valueString"] ?? parameter["valueInstant"]) is { } value)
            {
                parameters.Add(((string?)parameter["name"] ?? "", value.ToString()));
            }
        }

        return (parameters, patients);
    }

    // Filters are told apart by commas, and may have some of their own: a new one begins with a type and a question mark.
    private static IEnumerable<string> Split(string value)
    {
        var open = "";
        foreach (var piece in value.Split(','))
        {
            if (open.Length > 0 && piece.Contains('?', StringComparison.Ordinal))
            {
                yield return open;
                open = piece;
            }
            else
            {
                open = open.Length == 0 ? piece : $"{open},{piece}";
            }
        }

        yield return open;
    }

    private static bool TryFilter(string filter, IVendor vendor, TimeZoneInfo zone, List<(string Type, IReadOnlyList<Criterion> Criteria)> filters)
    {
        if (filter.Split('?', 2) is not [var type, var query] || !vendor.Searches.Types.TryGetValue(type, out var rules))
        {
            return false;
        }

        var criteria = new List<Criterion>();
        foreach (var parameter in SearchRequest.Read(type, "?" + query, form: null, vendor.Searches).Parameters)
        {
            if (!rules.Parameters.Contains(parameter.Name) || !Criterion.TryRead(parameter, vendor.Searches, zone, out var criterion))
            {
                return false;
            }

            criteria.Add(criterion!);
        }

        filters.Add((type, criteria));
        return true;
    }
}
