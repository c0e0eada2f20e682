using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Faults;
using EhrGrains.Sandbox.Hospitals;
using EhrGrains.Sandbox.Traffic;
using EhrGrains.Sandbox.Vendors;
using Microsoft.Net.Http.Headers;

namespace EhrGrains.Sandbox.Bulk;

/// <summary>Bulk export over HTTP (FHIR Bulk Data Access 2.0.0): kick-off, status, files, end.</summary>
internal sealed class BulkEndpoints(Hospital hospital, FhirEndpoints fhir)
{
    private readonly IVendor vendor = hospital.Vendor;

    public void Map(IEndpointRouteBuilder routes)
    {
        var root = vendor.Facts.FhirPath;
        if (vendor.Bulk.Levels == ExportLevels.None)
        {
            return;
        }

        routes.MapGet(root + "/$export", context => BeginAsync(context, ExportLevels.System));
        routes.MapGet(root + "/Patient/$export", context => BeginAsync(context, ExportLevels.Patient));
        routes.MapPost(root + "/Patient/$export", context => BeginAsync(context, ExportLevels.PatientList));
        routes.MapGet(root + "/Group/{id}/$export", context => BeginAsync(context, ExportLevels.Group));
        routes.MapGet(root + "/bulk/{job}", AskAsync);
        routes.MapDelete(root + "/bulk/{job}", EndAsync);
        routes.MapGet(root + "/bulk/{job}/{file:int}.ndjson", FileAsync);
        routes.MapGet(root + "/storage/{key}", StorageAsync);
    }

    private static string Value(HttpContext context, string name) => (string)context.Request.RouteValues[name]!;

    private string StatusUrl(ExportJob job) => $"{hospital.FhirBase}/bulk/{job.Id}";

    private Task BeginAsync(HttpContext context, ExportLevels level) => fhir.ServeAsync(context, Operation.Export, async (request, _) =>
    {
        if (fhir.AdmitCaller(request, out var grant) is { } refusal)
        {
            return refusal;
        }

        var group = level == ExportLevels.Group ? Value(context, "id") : null;
        if (!vendor.Bulk.Levels.HasFlag(level) || (group is not null && hospital.Charts.Find("Group", group) is null))
        {
            return Outcomes.Refuse(vendor, new Finding(group is null ? Trouble.TypeUnknown : Trouble.NotFound));
        }

        var kickoff = new ExportRequest { Level = level, Group = group, Url = hospital.Origin + request.Path + request.QueryString };
        var (body, isBody) = await BodyAsync(request, context.RequestAborted);
        var (export, finding) = isBody
            ? ExportRequest.Read(kickoff, request, body, vendor, grant!, hospital.Zone)
            : (null, new Finding(Trouble.BadValue));
        if (export is null)
        {
            return Outcomes.Refuse(vendor, finding!);
        }

        return hospital.Exports.Begin(export, out var wait) is { } job
            ? new Answer(202).With("Content-Location", StatusUrl(job))
            : Outcomes.Refuse(vendor, new Finding(Trouble.ExportTooSoon)).With("Retry-After", Seconds(wait));
    });

    private Task AskAsync(HttpContext context) => fhir.ServeAsync(context, Operation.Export, (request, _) =>
    {
        if (fhir.AdmitCaller(request, out var _) is { } refusal)
        {
            return new(refusal);
        }

        if (hospital.Exports.Find(Value(context, "job")) is not { } job)
        {
            return new(Outcomes.Refuse(vendor, new Finding(Trouble.NotFound)));
        }

        return new(job.Ask() is { } percent
            ? new Answer(202)
                .With("X-Progress", string.Create(CultureInfo.InvariantCulture, $"{percent}% complete"))
                .With("Retry-After", Seconds(hospital.ExportRetryAfter))
            : Answer.Json(200, job.Manifest(StatusUrl(job), vendor.Bulk.RequiresAccessToken))
                .With("Expires", new DateTimeOffset(job.At + vendor.Bulk.KeptFor).ToString("r", CultureInfo.InvariantCulture)));
    });

    private Task EndAsync(HttpContext context) => fhir.ServeAsync(context, Operation.Export, (request, _) => new(
        fhir.AdmitCaller(request, out var _)
        ?? (hospital.Exports.End(Value(context, "job")) ? new Answer(202) : Outcomes.Refuse(vendor, new Finding(Trouble.NotFound)))));

    private Task FileAsync(HttpContext context) => fhir.ServeAsync(context, Operation.File, (request, _) =>
    {
        if (vendor.Bulk.RequiresAccessToken && hospital.Tokens.Find(request.Headers.Authorization) is null)
        {
            return new(Outcomes.Refuse(vendor, new Finding(Trouble.Unauthorized)));
        }

        var number = int.Parse(Value(context, "file"), CultureInfo.InvariantCulture);
        if (hospital.Exports.Find(Value(context, "job")) is not { IsPreparing: false } job || number >= job.Files.Count)
        {
            return new(Outcomes.Refuse(vendor, new Finding(Trouble.NotFound)));
        }

        var file = job.Files[number];
        return new(hospital.StorageOrigin is { } storage
            ? new Answer(307).With("Location", $"{storage}{vendor.Facts.FhirPath}/storage/{file.Key}?X-Signature={file.Key[..8]}")
            : ExportJob.Open(file, From(request)));
    });

    // Object storage opens to a signed URL alone, and refuses a request that brings a token besides, as S3 does.
    private async Task StorageAsync(HttpContext context)
    {
        if (context.Features.Get<ObjectStorage>()?.Hospital != hospital)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        var stray = context.Request.Headers.Authorization.Count > 0;
        if (stray)
        {
            hospital.Counters.TokenStrayed();
        }

        var answer = stray ? new Answer(400)
            : hospital.Exports.FindFile(Value(context, "key")) is { } file ? ExportJob.Open(file, From(context.Request))
            : new Answer(403);
        await answer.SendAsync(context, FaultSet.None, hospital.Time);
    }

    private static async Task<(JsonNode? Body, bool IsBody)> BodyAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return (HttpMethods.IsPost(request.Method) ? await JsonNode.ParseAsync(request.Body, cancellationToken: cancellationToken) : null, true);
        }
        catch (JsonException)
        {
            return (null, false);
        }
    }

    private static long From(HttpRequest request) =>
        RangeHeaderValue.TryParse(request.Headers.Range.ToString(), out var range) && range is { Ranges.Count: 1 } && range.Unit == "bytes"
            ? range.Ranges.Single().From ?? 0
            : 0;

    private static string Seconds(TimeSpan wait) => Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
}
