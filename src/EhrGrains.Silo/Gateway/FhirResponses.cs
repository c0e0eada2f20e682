using System.Buffers;
using EhrGrains.Grains.Query;
using Microsoft.Net.Http.Headers;

namespace EhrGrains.Silo.Gateway;

/// <summary>Writes FHIR answers to the connection, in the format that the client asked for.</summary>
internal static class FhirResponses
{
    private const string Json = "application/fhir+json; charset=utf-8";
    private const string Xml = "application/fhir+xml; charset=utf-8";

    internal static Task WriteAsync(HttpContext context, FhirAnswer answer)
    {
        var response = context.Response;
        response.StatusCode = answer.Status;
        if (answer.ETag is { } tag)
        {
            response.Headers.ETag = tag;
            if (answer.Status == StatusCodes.Status200OK && IsKnown(context.Request, tag))
            {
                response.StatusCode = StatusCodes.Status304NotModified;
                return Task.CompletedTask;
            }
        }

        if (answer.LastModified is { } lastModified)
        {
            response.Headers.LastModified = HeaderUtilities.FormatDate(lastModified);
        }

        if (answer.RetryAfterSeconds is { } seconds)
        {
            response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        return WriteBodyAsync(context, answer.Head, answer.Found, answer.Tail);
    }

    /// <summary>Writes a resource given as JSON, in parts. A client that takes neither format gets an error as JSON all the same.</summary>
    internal static async Task WriteBodyAsync(HttpContext context, params ReadOnlyMemory<byte>[] json)
    {
        var response = context.Response;
        response.ContentType = Json;
        if (FhirNegotiation.FormatOf(context.Request) == FhirFormat.Xml)
        {
            json = [FhirXml.FromJson([.. json.SelectMany(part => part.ToArray())])];
            response.ContentType = Xml;
        }

        response.ContentLength = json.Sum(part => part.Length);
        foreach (var part in json)
        {
            response.BodyWriter.Write(part.Span);
        }

        await response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    // Weak comparison (RFC 9110 §13.1.2): FHIR's entity tags are all weak.
    private static bool IsKnown(HttpRequest request, string tag) =>
        request.Headers.IfNoneMatch.Count > 0
        && EntityTagHeaderValue.TryParseList(request.Headers.IfNoneMatch, out var known)
        && EntityTagHeaderValue.TryParse(tag, out var ours)
        && known.Any(theirs => theirs.Tag == "*" || theirs.Compare(ours, useStrongComparison: false));
}
