using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Hospitals;
using EhrGrains.Sandbox.Searching;
using EhrGrains.Sandbox.Vendors;

namespace EhrGrains.Sandbox.Bulk;

/// <summary>One file of an export.</summary>
/// <param name="Kind"><c>output</c>, <c>deleted</c> or <c>error</c>.</param>
/// <param name="Type">Of its resources.</param>
/// <param name="Lines">Each a resource without its line feed; nothing of a chart is copied.</param>
internal sealed record ExportFile(string Kind, string Type, IReadOnlyList<ReadOnlyMemory<byte>> Lines)
{
    /// <summary>Opens the file at the object storage, where there is one.</summary>
    public string Key { get; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
}

/// <summary>
/// One export: the charts as they were when it was asked for. It is being prepared for so many questions about it, and then done: no
/// clock decides, so that a test need not wait.
/// </summary>
internal sealed class ExportJob
{
    private static readonly byte[] LineFeed = "\n"u8.ToArray();

    private readonly ExportRequest request;
    private readonly int pollsMax;
    private int polls;

    private ExportJob(ExportRequest request, DateTime at, int pollsMax, List<ExportFile> files)
    {
        this.request = request;
        this.pollsMax = pollsMax;
        At = at;
        Files = files;
    }

    public string Id { get; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12));

    /// <summary>The transaction time, UTC.</summary>
    public DateTime At { get; }

    public string? Group => request.Group;

    public IReadOnlyList<ExportFile> Files { get; }

    public bool IsPreparing => Volatile.Read(ref polls) < pollsMax;

    public static ExportJob Begin(ExportRequest request, IVendor vendor, ChartStore charts, DateTime at, int pollsMax)
    {
        var patients = Patients(request, charts);
        var files = new List<ExportFile>();
        foreach (var type in request.Types.Distinct())
        {
            var lines = Resources(type, vendor, charts, patients).Where(request.Wants).Select(static resource => resource.Json);
            files.AddRange(lines.Chunk(vendor.Bulk.FileResourcesMax).Select(chunk => new ExportFile("output", type, chunk)));
        }

        var deleted = charts.Deleted
            .Where(gone => gone.At > request.Since && request.Types.Contains(gone.Type) && (gone.Patient is null || patients.Contains(gone.Patient)))
            .Select(static gone => (ReadOnlyMemory<byte>)JsonText.Write(Deletion(gone)))
            .ToArray();
        if (deleted.Length > 0)
        {
            files.Add(new ExportFile("deleted", "Bundle", deleted));
        }

        var errors = Errors(request, vendor, charts, patients).ToArray();
        if (errors.Length > 0)
        {
            files.Add(new ExportFile("error", "OperationOutcome", errors));
        }

        return new ExportJob(request, at, pollsMax, files);
    }

    /// <summary>Asked about once more: how far it is in percent, or null when it is done.</summary>
    public int? Ask()
    {
        var asked = Interlocked.Increment(ref polls);
        return asked <= pollsMax ? asked * 100 / (pollsMax + 1) : null;
    }

    public JsonObject Manifest(string statusUrl, bool requiresAccessToken)
    {
        var manifest = new JsonObject
        {
            ["transactionTime"] = Elements.Instant(At),
            ["request"] = request.Url,
            ["requiresAccessToken"] = requiresAccessToken,
        };
        foreach (var kind in (string[])["output", "deleted", "error"])
        {
            manifest[kind] = new JsonArray([.. Files.Select((file, i) => (file, i)).Where(pair => pair.file.Kind == kind).Select(pair => (JsonNode)new JsonObject
            {
                ["type"] = pair.file.Type,
                ["url"] = string.Create(CultureInfo.InvariantCulture, $"{statusUrl}/{pair.i}.ndjson"),
                ["count"] = pair.file.Lines.Count,
            })]);
        }

        return manifest;
    }

    /// <summary>A file from an octet on, laid end to end from what the charts hold.</summary>
    public static Answer Open(ExportFile file, long from)
    {
        var total = file.Lines.Sum(static line => line.Length + 1L);
        if (from > 0 && from >= total)
        {
            return new Answer(416).With("Content-Range", string.Create(CultureInfo.InvariantCulture, $"bytes */{total}"));
        }

        var answer = new Answer(from == 0 ? 200 : 206, "application/fhir+ndjson").With("Accept-Ranges", "bytes").With("ETag", $"\"{file.Key}\"");
        if (from > 0)
        {
            answer.With("Content-Range", string.Create(CultureInfo.InvariantCulture, $"bytes {from}-{total - 1}/{total}"));
        }

        var skip = from;
        foreach (var part in file.Lines.SelectMany(static line => (ReadOnlyMemory<byte>[])[line, LineFeed]))
        {
            if (skip < part.Length)
            {
                answer.Append(part[(int)skip..]);
            }

            skip = Math.Max(0, skip - part.Length);
        }

        return answer;
    }

    private static HashSet<string> Patients(ExportRequest request, ChartStore charts)
    {
        var ids = request.Patients.Count > 0 ? request.Patients
            : request.Group is { } group
                ? JsonNode.Parse(charts.Find("Group", group)!.Json.Span)!["member"]!.AsArray()
                    .Select(member => SearchRequest.IdOf((string)member!["entity"]!["reference"]!))
            : charts.OfType("Patient").Select(static patient => patient.Id);

        // Who was combined into another is that other.
        return [.. ids.Select(id => charts.Find("Patient", id)?.MergedInto ?? id)];
    }

    private static IEnumerable<StoredResource> Resources(string type, IVendor vendor, ChartStore charts, HashSet<string> patients)
    {
        return type == "Provenance"
            ? vendor.Searches.Types.Keys.SelectMany(charts.OfType).Where(IsExported).SelectMany(charts.ProvenanceOf).Distinct()
            : charts.OfType(type).Where(IsExported);

        // What no search finds is in no export either.
        bool IsExported(StoredResource resource) =>
            resource.Patient is null
                ? resource.Type != "Provenance"
                : patients.Contains(resource.Patient) && vendor.Searches.FindsByPatient(resource)
                    && (type == "Patient" || !charts.IsRestricted(resource.Patient));
    }

    private static JsonObject Deletion(DeletedResource gone) => new()
    {
        ["resourceType"] = "Bundle",
        ["type"] = "transaction",
        ["entry"] = Elements.List(new JsonObject
        {
            ["request"] = new JsonObject { ["method"] = "DELETE", ["url"] = $"{gone.Type}/{gone.Id}" },
        }),
    };

    private static IEnumerable<ReadOnlyMemory<byte>> Errors(ExportRequest request, IVendor vendor, ChartStore charts, HashSet<string> patients)
    {
        foreach (var _ in patients.Where(charts.IsRestricted))
        {
            yield return JsonText.Write(Outcomes.Write(vendor, [new Finding(Trouble.Confidential)]));
        }

        if (vendor.Bulk.PartlyLicensed is { } type && request.Types.Contains(type))
        {
            yield return JsonText.Write(Outcomes.Write(vendor, [new Finding(Trouble.ScopeMissing)]));
        }
    }
}
