using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Hospitals;
using EhrGrains.Sandbox.Vendors;

namespace EhrGrains.Sandbox.Writes;

/// <summary>Takes what applications write into a hospital's charts, as its product does. Counts what was really written.</summary>
internal sealed class WriteDesk(IVendor vendor, ChartStore charts, IDialect dialect, string fhirBase, TimeProvider time)
{
    // Beyond the numbers of everything that is made from the seed.
    private const long FirstNumber = 900_000_000;
    private const int BytesMax = 8 * 1024 * 1024;

    private readonly Lock gate = new();
    private readonly WriteRules rules = vendor.Writes;
    private long number = FirstNumber;

    public async Task<Answer> CreateAsync(string type, HttpRequest request, CancellationToken cancellationToken)
    {
        if (!rules.Create.Contains(type))
        {
            return Outcomes.Refuse(vendor, new Finding(Trouble.NotWritable));
        }

        var (resource, refusal) = await ReadAsync(type, request, cancellationToken);
        if (resource is null)
        {
            return refusal!;
        }

        lock (gate)
        {
            var id = dialect.Id(type, (++number).ToString(CultureInfo.InvariantCulture));
            resource["id"] = id;
            var at = Stamp(resource, version: 1);
            charts.Put(resource, at);
            return Written(StatusCodes.Status201Created, type, id).With("Location", $"{fhirBase}/{type}/{Uri.EscapeDataString(id)}/_history/1");
        }
    }

    public async Task<Answer> UpdateAsync(string type, string id, HttpRequest request, CancellationToken cancellationToken)
    {
        if (!rules.Update.Contains(type))
        {
            return Outcomes.Refuse(vendor, new Finding(Trouble.NotWritable));
        }

        var (resource, refusal) = await ReadAsync(type, request, cancellationToken);
        if (resource is null)
        {
            return refusal!;
        }

        lock (gate)
        {
            // updateCreate is false everywhere.
            if (charts.Find(type, id) is not { } before)
            {
                return Outcomes.Refuse(vendor, new Finding(charts.IsDeleted(type, id) ? Trouble.Deleted : Trouble.NotFound));
            }

            var named = request.Headers.IfMatch.ToString();
            if (Elements.TextOf(resource, "id") != id || (rules.VersionNeeded && named.Length == 0))
            {
                return Outcomes.Refuse(vendor, new Finding(Trouble.BadContent, named.Length == 0 ? "If-Match" : "id"));
            }

            if (rules.Stale > 0 && named.Length > 0 && named != before.ETag)
            {
                return new Answer(rules.Stale, Answer.FhirJson, JsonText.Write(Outcomes.Write(vendor, [new Finding(Trouble.Stale)])));
            }

            var version = before.ETag is { } tag && long.TryParse(tag.AsSpan(3, tag.Length - 4), CultureInfo.InvariantCulture, out var last) ? last + 1 : 1;
            charts.Put(resource, Stamp(resource, version));
            return Written(StatusCodes.Status200OK, type, id);
        }
    }

    private Answer Written(int status, string type, string id)
    {
        var answer = new Answer(status);
        return charts.Find(type, id)?.ETag is { } tag ? answer.With("ETag", tag) : answer;
    }

    // Products whose charts tell no versions tell none of what is written either.
    private DateTime Stamp(JsonObject resource, long version)
    {
        var now = time.GetUtcNow().UtcDateTime;
        var at = new DateTime(now.Ticks - (now.Ticks % TimeSpan.TicksPerSecond), DateTimeKind.Utc);
        resource.Remove("meta");
        if (rules.Stale > 0)
        {
            resource["meta"] = new JsonObject { ["versionId"] = version.ToString(CultureInfo.InvariantCulture), ["lastUpdated"] = Elements.Instant(at) };
        }

        return at;
    }

    private async Task<(JsonObject? Resource, Answer? Refusal)> ReadAsync(string type, HttpRequest request, CancellationToken cancellationToken)
    {
        if (request.ContentLength is null or > BytesMax || request.ContentType?.Split(';')[0] is not ("application/fhir+json" or "application/json"))
        {
            return (null, new Answer(StatusCodes.Status415UnsupportedMediaType));
        }

        JsonObject? resource;
        try
        {
            resource = await JsonNode.ParseAsync(request.Body, cancellationToken: cancellationToken) as JsonObject;
        }
        catch (JsonException)
        {
            resource = null;
        }

        var wrong = resource is null || Elements.TextOf(resource, "resourceType") != type ? "resourceType" : Wrong(resource, type);
        return wrong is null ? (resource, null) : (null, Outcomes.Refuse(vendor, new Finding(Trouble.BadContent, wrong)));
    }

    private string? Wrong(JsonObject resource, string type)
    {
        var subject = resource["subject"] ?? resource["patient"];
        var patient = subject is JsonObject holder && Elements.TextOf(holder, "reference") is { } reference ? reference[(reference.LastIndexOf('/') + 1)..] : null;
        if (type is not ("Patient" or "Practitioner" or "Organization") && (patient is null || charts.Find("Patient", patient) is not { MergedInto: null }))
        {
            return "subject";
        }

        return rules.Rejected.FirstOrDefault(name => Has(resource, name))
            ?? (type == "Observation" && rules.Categories.Count > 0 && !rules.Categories.Any(code => Has(resource["category"], "code", code)) ? "category" : null);
    }

    private static bool Has(JsonNode? node, string name, string? value = null) => node switch
    {
        JsonArray array => array.Any(item => Has(item, name, value)),
        JsonObject item => item.Any(member => (member.Key == name && (value is null || member.Value?.ToString() == value)) || Has(member.Value, name, value)),
        _ => false,
    };
}
