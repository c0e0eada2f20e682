using System.Text;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Silo.Configuration;
using Microsoft.AspNetCore.WebUtilities;

namespace EhrGrains.Silo.Gateway;

/// <summary>Reads FHIR requests: parameters in the order they came, from the URL and from a form.</summary>
internal static class FhirRequests
{
    private const int ParametersMax = 64;
    private const string Form = "application/x-www-form-urlencoded";

    /// <summary>The base that links in answers are made with.</summary>
    internal static string BaseOf(HttpRequest request, SiloOptions options, string? tenant)
    {
        var root = options.Http.PublicUrl ?? $"{request.Scheme}://{request.Host.Value}";
        return tenant is null ? $"{root}/fhir" : $"{root}/fhir/{tenant}";
    }

    /// <exception cref="ProblemException">Invalid: not a form, too many parameters.</exception>
    internal static async Task<FhirSearch> ReadSearchAsync(HttpRequest request, string type, string gatewayBase, CancellationToken cancellationToken)
    {
        var parameters = new List<SearchParameter>();
        string? cursor = null;
        Add(request.QueryString.Value, parameters, ref cursor);
        if (HttpMethods.IsPost(request.Method))
        {
            Add(await ReadFormAsync(request, cancellationToken), parameters, ref cursor);
        }

        return new FhirSearch
        {
            Type = type,
            Parameters = [.. parameters],
            Handling = HandlingOf(request),
            GatewayBase = gatewayBase,
            Cursor = cursor,
        };
    }

    /// <summary><c>Prefer: handling=strict</c> (FHIR R4 http.html#handling, RFC 7240); lenient otherwise.</summary>
    internal static SearchHandling HandlingOf(HttpRequest request) =>
        request.Headers.GetCommaSeparatedValues("Prefer").SelectMany(value => value.Split(';'))
            .Any(preference => preference.Trim().Replace("\"", "", StringComparison.Ordinal).Equals("handling=strict", StringComparison.OrdinalIgnoreCase))
            ? SearchHandling.Strict
            : SearchHandling.Lenient;

    private static void Add(string? text, List<SearchParameter> parameters, ref string? cursor)
    {
        foreach (var pair in new QueryStringEnumerable(text))
        {
            var name = pair.DecodeName().ToString();
            switch (name)
            {
                case FhirSearch.CursorParameter:
                    cursor = pair.DecodeValue().ToString();
                    break;
                case FhirNegotiation.FormatParameter or "_pretty":
                    break;
                case "access_token":
                    throw new ProblemException(
                        ProblemKind.Invalid, "EHR-GTW-001", name, "Send the access token in the Authorization header; this one is to be treated as disclosed.");
                case "":
                    break;
                default:
                    parameters.Add(new SearchParameter(name, pair.DecodeValue().ToString()));
                    break;
            }
        }

        if (parameters.Count > ParametersMax)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-GTW-002", "", $"A search has at most {ParametersMax} parameters.");
        }
    }

    // Read whole, within the body limit of the server: a form has the syntax of a query, and its order is kept that way.
    private static async Task<string> ReadFormAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        if (request.ContentLength == 0 || (request.ContentLength is null && request.ContentType is null))
        {
            return "";
        }

        if (request.ContentType is not { } type || !type.Split(';')[0].Trim().Equals(Form, StringComparison.OrdinalIgnoreCase))
        {
            throw new BadHttpRequestException("Not a form.", StatusCodes.Status415UnsupportedMediaType);
        }

        while (true)
        {
            var read = await request.BodyReader.ReadAsync(cancellationToken);
            if (read.IsCompleted)
            {
                var text = Encoding.UTF8.GetString(read.Buffer);
                request.BodyReader.AdvanceTo(read.Buffer.End);
                return text;
            }

            request.BodyReader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }
}
