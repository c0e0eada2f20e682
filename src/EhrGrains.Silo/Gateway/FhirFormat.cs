using Microsoft.Net.Http.Headers;

namespace EhrGrains.Silo.Gateway;

/// <summary>What an answer is written as.</summary>
internal enum FhirFormat
{
    /// <summary>JSON, what everything here is made as.</summary>
    Json,

    /// <summary>XML, converted on the way out for clients that ask for it by default.</summary>
    Xml,
}

/// <summary>Content negotiation (FHIR R4 http.html#mime-type): <c>_format</c> wins over <c>Accept</c>.</summary>
internal static class FhirNegotiation
{
    internal const string FormatParameter = "_format";
    private const string Version = "4.0";

    /// <summary>The format that the client likes best; null when it takes neither.</summary>
    internal static FhirFormat? FormatOf(HttpRequest request)
    {
        if (request.Query.TryGetValue(FormatParameter, out var asked))
        {
            // A '+' that was not escaped in the URL arrives as a space.
            return Parse(asked.ToString().Split(';')[0].Trim().Replace(' ', '+'));
        }

        var accept = request.Headers.Accept;
        if (accept.Count == 0 || accept is ["application/fhir+json"] or ["application/json"] or ["*/*"])
        {
            return FhirFormat.Json;
        }

        if (!MediaTypeHeaderValue.TryParseList(accept, out var ranges))
        {
            return null;
        }

        var json = Quality(ranges, FhirFormat.Json);
        var xml = Quality(ranges, FhirFormat.Xml);
        return json == 0 && xml == 0 ? null : xml > json ? FhirFormat.Xml : FhirFormat.Json;
    }

    private static double Quality(IEnumerable<MediaTypeHeaderValue> ranges, FhirFormat format) => ranges
        .Where(range => Matches(range.MediaType.Value!, format) && HasOurVersion(range))
        .Select(range => range.Quality ?? 1)
        .DefaultIfEmpty(0)
        .Max();

    private static bool Matches(string mediaType, FhirFormat format) =>
        Parse(mediaType) == format || (format == FhirFormat.Json && mediaType is "*/*" or "application/*");

    private static bool HasOurVersion(MediaTypeHeaderValue range) =>
        range.Parameters.All(parameter => !parameter.Name.Equals("fhirVersion", StringComparison.OrdinalIgnoreCase)
            || parameter.GetUnescapedValue().Equals(Version, StringComparison.Ordinal));

    private static FhirFormat? Parse(string mediaType) => mediaType.ToLowerInvariant() switch
    {
        "json" or "application/json" or "application/fhir+json" or "application/json+fhir" or "text/json" => FhirFormat.Json,
        "xml" or "application/xml" or "application/fhir+xml" or "application/xml+fhir" or "text/xml" => FhirFormat.Xml,
        _ => null,
    };
}
