using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace EhrGrains.Benchmarks.Peers;

/// <summary>
/// A hospital that answers from bytes made before: any number of patients, each with thirteen categories of laboratory results in full pages,
/// and the same as a bulk export. Only digits are filled in, so that who reads is measured and not who serves. A process of its own.
/// </summary>
internal sealed class PagedHospital
{
    internal const string Role = "paged-hospital";

    /// <summary>Pages of a patient's results: two a category that US Core has.</summary>
    internal const int Pages = Categories * PagesPerCategory;

    internal const int PageSize = 50;
    internal const int Results = Pages * PageSize;

    private const int Categories = 13;
    private const int PagesPerCategory = 2;
    private const int Files = 3;

    // Category n of the profile's searches has the results from n * 100 on.
    private static readonly string[] CategoryNames =
    [
        "laboratory", "vital-signs", "social-history", "survey", "exam", "imaging", "procedure", "therapy", "activity", "sdoh",
        "functional-status", "disability-status", "cognitive-status",
    ];

    private readonly string url;
    private readonly TimeSpan delay;
    private readonly Template[] results;
    private readonly Template patient = new("""{"resourceType":"Patient","id":"p#P#####","meta":{"lastUpdated":"2026-01-01T00:00:00Z"},"identifier":[{"system":"urn:oid:1.2.36.146","value":"#P#####"}],"active":true,"name":[{"family":"Family#P#####","given":["Given"]}],"gender":"female","birthDate":"1970-01-01"}""");

    private readonly Lock counting = new();
    private readonly Queue<long> lastSecond = new();
    private int most;
    private readonly Dictionary<int, int> asked = [];

    private PagedHospital(string url, TimeSpan delay, Template[] results) => (this.url, this.delay, this.results) = (url, delay, results);

    internal static string PatientId(int number) => string.Create(CultureInfo.InvariantCulture, $"p{number:D7}");

    /// <summary>The searches that find everything of a patient.</summary>
    internal static IEnumerable<string> Searches(int number) =>
        CategoryNames.Select(category => $"Observation?patient={PatientId(number)}&category={category}").Prepend($"Patient?_id={PatientId(number)}");

    internal static async Task RunAsync(string origin, int delayMilliseconds)
    {
        var hospital = new PagedHospital($"{origin}/r4", TimeSpan.FromMilliseconds(delayMilliseconds), Results50(await NormalizationBenchmark.PageAsync()));
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(origin);
        var app = builder.Build();
        app.MapPost("/token", () => Microsoft.AspNetCore.Http.Results.Text(
            """{"access_token":"t","token_type":"bearer","expires_in":86400,"scope":"system/*.rs"}""", "application/json"));
        app.MapGet("/r4/.well-known/smart-configuration", () => Microsoft.AspNetCore.Http.Results.Text(
            $$"""{"token_endpoint":"{{origin}}/token","token_endpoint_auth_methods_supported":["client_secret_basic"],"capabilities":[]}""", "application/json"));
        app.MapGet("/r4/metadata", () => Microsoft.AspNetCore.Http.Results.Text(
            """{"resourceType":"CapabilityStatement","status":"active","kind":"instance","fhirVersion":"4.0.1","format":["json"]}""", "application/fhir+json"));
        app.MapGet("/most", () => hospital.most);
        app.MapGet("/requests", (int from) => hospital.RequestsOf(from));
        app.MapGet("/r4/Group/{patients:int}", (int patients) => Microsoft.AspNetCore.Http.Results.Text(Group(patients), "application/fhir+json"));
        app.MapGet("/r4/Group/{patients}/$export", (string patients, HttpResponse answer) =>
        {
            answer.Headers.ContentLocation = $"{origin}/r4/export?patients={patients}";
            answer.StatusCode = StatusCodes.Status202Accepted;
        });
        app.MapGet("/r4/export", (int patients) => Microsoft.AspNetCore.Http.Results.Text(hospital.Manifest(patients), "application/json"));
        app.MapDelete("/r4/export", () => Microsoft.AspNetCore.Http.Results.Accepted());
        app.MapGet("/r4/files/{type}", hospital.FileAsync);
        app.MapGet("/r4/{type}", hospital.SearchAsync);
        app.MapPost("/r4/{type}/_search", hospital.SearchAsync);
        await app.StartAsync();
        Console.WriteLine($"ready {origin}");
        await app.WaitForShutdownAsync();
    }

    // Fifty laboratory results as another hospital really sends them, with digits to fill in.
    private static Template[] Results50(byte[] page) =>
    [
        .. JsonNode.Parse(page)!["entry"]!.AsArray().Select(entry => entry!["resource"]!).Where(resource => (string?)resource["resourceType"] == "Observation").Take(PageSize)
            .Select(result =>
            {
                result["id"] = "o#P#####-#N##";
                result["subject"] = new JsonObject { ["reference"] = "Patient/p#P#####" };
                result.AsObject().Remove("specimen");
                result.AsObject().Remove("hasMember");
                return new Template(result.ToJsonString());
            }),
    ];

    private async Task SearchAsync(HttpContext context, string type)
    {
        Count();
        if (delay > TimeSpan.Zero)
        {
            await Task.Delay(delay, context.RequestAborted);
        }

        var query = context.Request.Query.ToDictionary(one => one.Key, one => one.Value.ToString());
        if (context.Request.HasFormContentType)
        {
            foreach (var (name, value) in await context.Request.ReadFormAsync(context.RequestAborted))
            {
                query[name] = value.ToString();
            }
        }

        var place = query.GetValueOrDefault("_page")?.Split('.');
        var number = Number(place?[0] ?? query[type == "Patient" ? "_id" : "patient"]);
        lock (counting)
        {
            asked[number] = asked.GetValueOrDefault(number) + 1;
        }

        var body = type == "Patient" ? Bundle(type, null, [(patient, number, 0)])
            : place is [_, var category, var page] ? Page(number, int.Parse(category, CultureInfo.InvariantCulture), int.Parse(page, CultureInfo.InvariantCulture))
            : Page(number, Math.Max(0, Array.IndexOf(CategoryNames, query.GetValueOrDefault("category")?.Split('|')[^1])), 0);
        context.Response.ContentType = "application/fhir+json";
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }

    private byte[] Page(int number, int category, int page)
    {
        var next = page + 1 < PagesPerCategory
            ? string.Create(CultureInfo.InvariantCulture, $"{url}/Observation?_page={PatientId(number)}.{category}.{page + 1}")
            : null;
        var first = ((category * PagesPerCategory) + page) * PageSize;
        return Bundle("Observation", next, results.Select((result, i) => (result, number, first + i)));
    }

    private byte[] Bundle(string type, string? next, IEnumerable<(Template Resource, int Patient, int Number)> resources)
    {
        using var stream = new MemoryStream(200 * 1024);
        stream.Write("""{"resourceType":"Bundle","type":"searchset","link":["""u8);
        if (next is not null)
        {
            stream.Write(Encoding.UTF8.GetBytes($$"""{"relation":"next","url":"{{next}}"}"""));
        }

        stream.Write("""],"entry":["""u8);
        var isFirst = true;
        foreach (var (resource, patientNumber, number) in resources)
        {
            stream.Write(isFirst ? "{\"fullUrl\":\""u8 : ",{\"fullUrl\":\""u8);
            var id = type == "Patient" ? PatientId(patientNumber) : string.Create(CultureInfo.InvariantCulture, $"o{patientNumber:D7}-{number:D4}");
            stream.Write(Encoding.UTF8.GetBytes($"{url}/{type}/{id}\",\"resource\":"));
            resource.Write(stream, patientNumber, number);
            stream.Write(",\"search\":{\"mode\":\"match\"}}"u8);
            isFirst = false;
        }

        stream.Write("]}"u8);
        return stream.ToArray();
    }

    private static string Group(int patients) => new JsonObject
    {
        ["resourceType"] = "Group",
        ["id"] = patients.ToString(CultureInfo.InvariantCulture),
        ["type"] = "person",
        ["actual"] = true,
        ["member"] = new JsonArray([.. Enumerable.Range(0, patients).Select(static number =>
            new JsonObject { ["entity"] = new JsonObject { ["reference"] = $"Patient/{PatientId(number)}" } })]),
    }.ToJsonString();

    private string Manifest(int patients)
    {
        var output = new JsonArray
        {
            new JsonObject { ["type"] = "Patient", ["url"] = $"{url}/files/Patient?from=0&count={patients}", ["count"] = patients },
        };
        for (var i = 0; i < Files; i++)
        {
            var (from, to) = (patients * i / Files, patients * (i + 1) / Files);
            output.Add(new JsonObject { ["type"] = "Observation", ["url"] = $"{url}/files/Observation?from={from}&count={to - from}", ["count"] = (to - from) * Results });
        }

        return new JsonObject
        {
            ["transactionTime"] = "2026-01-01T00:00:00Z",
            ["request"] = $"{url}/Group/{patients}/$export",
            ["requiresAccessToken"] = true,
            ["output"] = output,
            ["error"] = new JsonArray(),
        }.ToJsonString();
    }

    private async Task FileAsync(HttpContext context, string type, int from, int count)
    {
        context.Response.ContentType = "application/fhir+ndjson";
        using var stream = new MemoryStream(256 * 1024);
        for (var number = from; number < from + count; number++)
        {
            for (var i = 0; i < (type == "Patient" ? 1 : Results); i++)
            {
                (type == "Patient" ? patient : results[i % PageSize]).Write(stream, number, i);
                stream.WriteByte((byte)'\n');
                if (stream.Length > 128 * 1024)
                {
                    await context.Response.Body.WriteAsync(stream.GetBuffer().AsMemory(0, (int)stream.Length), context.RequestAborted);
                    stream.SetLength(0);
                }
            }
        }

        await context.Response.Body.WriteAsync(stream.GetBuffer().AsMemory(0, (int)stream.Length), context.RequestAborted);
    }

    /// <summary>How often something was asked of patients from this number on.</summary>
    private int RequestsOf(int from)
    {
        lock (counting)
        {
            return asked.Where(one => one.Key >= from).Sum(one => one.Value);
        }
    }

    // The most requests of any second: what a hospital would hold against its limit.
    private void Count()
    {
        lock (counting)
        {
            var now = TimeProvider.System.GetTimestamp();
            lastSecond.Enqueue(now);
            while (TimeProvider.System.GetElapsedTime(lastSecond.Peek(), now) >= TimeSpan.FromSeconds(1))
            {
                lastSecond.Dequeue();
            }

            most = Math.Max(most, lastSecond.Count);
        }
    }

    private static int Number(string id) => int.Parse(id.AsSpan(1), CultureInfo.InvariantCulture);

    /// <summary>A resource with places for the patient's number and its own.</summary>
    private sealed class Template
    {
        private readonly byte[] bytes;
        private readonly int[] patients;
        private readonly int[] numbers;

        internal Template(string json)
        {
            bytes = Encoding.UTF8.GetBytes(json);
            (patients, numbers) = (Places("#P#####"u8), Places("#N##"u8));
        }

        internal void Write(MemoryStream stream, int patient, int number)
        {
            var start = (int)stream.Length;
            stream.Write(bytes);
            var written = stream.GetBuffer().AsSpan(start);
            foreach (var place in patients)
            {
                Utf8Formatter.TryFormat(patient, written[place..], out _, new System.Buffers.StandardFormat('D', 7));
            }

            foreach (var place in numbers)
            {
                Utf8Formatter.TryFormat(number, written[place..], out _, new System.Buffers.StandardFormat('D', 4));
            }
        }

        private int[] Places(ReadOnlySpan<byte> mark)
        {
            var places = new List<int>();
            for (var at = 0; bytes.AsSpan(at).IndexOf(mark) is >= 0 and var next; at += next + mark.Length)
            {
                places.Add(at + next);
            }

            return [.. places];
        }
    }
}
