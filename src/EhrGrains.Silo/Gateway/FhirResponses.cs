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
        response.Headers.ETag = answer.ETag;
        if (answer.LastModified is { } lastModified)
        {
            response.Headers.LastModified = HeaderUtilities.FormatDate(lastModified);
        }

        // RFC 9111 §5.1: how old the answer is that a copy gave.
        if (answer.AgeSeconds is { } age)
        {
            response.Headers.Age = age.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        if (answer.Status == StatusCodes.Status200OK && IsKnown(context.Request, answer))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
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
        if (json.Sum(part => part.Length) == 0)
        {
            response.ContentLength = 0;
            return;
        }

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

    // Weak comparison (RFC 9110 §13.1.2): FHIR's entity tags are all weak. With a tag the date does not count (§13.1.3).
    private static bool IsKnown(HttpRequest request, FhirAnswer answer) => request.Headers.IfNoneMatch.Count > 0
        ? answer.ETag is not null && EntityTagHeaderValue.TryParseList(request.Headers.IfNoneMatch, out var known)
            && EntityTagHeaderValue.TryParse(answer.ETag, out var ours)
            && known.Any(theirs => theirs.Tag == "*" || theirs.Compare(ours, useStrongComparison: false))
        : answer.LastModified is { } modified && request.Headers.IfModifiedSince.Count > 0
            && request.GetTypedHeaders().IfModifiedSince is { } since && modified.ToUnixTimeSeconds() <= since.ToUnixTimeSeconds();
}
