using System.Globalization;
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
    private const int HistoryMax = 1000;
    private const string JoinRecord = "join-record";
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

        var (freshness, ageMax) = FreshnessOf(request);
        return new FhirSearch
        {
            Type = type,
            Parameters = [.. parameters],
            Handling = HandlingOf(request),
            GatewayBase = gatewayBase,
            Cursor = cursor,
            Freshness = freshness,
            AgeMaxSeconds = ageMax,
        };
    }

    /// <summary>A read of a resource, or of one version of it.</summary>
    internal static FhirRead ReadRead(HttpRequest request, SiloOptions options, string tenant, string type, string id, int? version)
    {
        var (freshness, ageMax) = FreshnessOf(request);
        return new FhirRead
        {
            Type = type,
            Id = id,
            GatewayBase = BaseOf(request, options, tenant),
            Freshness = freshness,
            AgeMaxSeconds = ageMax,
            Version = version,
        };
    }

    /// <summary>The history of a resource, with <c>_count</c> and <c>_since</c> (R4 http.html#history).</summary>
    /// <exception cref="ProblemException">Invalid: one of them is not what it should be.</exception>
    internal static FhirHistory ReadHistory(HttpRequest request, SiloOptions options, string tenant, string type, string id)
    {
        var since = request.Query["_since"];
        var count = request.Query["_count"];
        var at = default(DateTimeOffset);
        var max = HistoryMax;
        if (since.Count > 0 && !DateTimeOffset.TryParse(since, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out at))
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-GTW-005", "_since", "_since is an instant like 2024-05-31T13:28:17Z.");
        }

        if (count.Count > 0 && (!int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out max) || max == 0))
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-GTW-006", "_count", "_count is a whole number from 1 on.");
        }

        return new FhirHistory
        {
            Type = type,
            Id = id,
            GatewayBase = BaseOf(request, options, tenant),
            CountMax = Math.Min(max, HistoryMax),
            Since = since.Count > 0 ? at : null,
            Cursor = request.Query[FhirSearch.CursorParameter] is { Count: > 0 } cursor ? cursor[0] : null,
        };
    }

    /// <summary>Patient/$everything.</summary>
    /// <exception cref="ProblemException">Invalid: too many parameters.</exception>
    internal static async Task<FhirEverything> ReadEverythingAsync(
        HttpRequest request, string patient, string gatewayBase, CancellationToken cancellationToken)
    {
        var read = await ReadSearchAsync(request, "Patient", gatewayBase, cancellationToken);
        return new FhirEverything { Patient = patient, Parameters = read.Parameters, GatewayBase = gatewayBase, Cursor = read.Cursor };
    }

    /// <summary>
    /// <c>Cache-Control</c> of the request (RFC 9111 §5.2.1), and our extension of it (§5.2.3): <c>join-record</c> beside <c>no-cache</c>.
    /// </summary>
    internal static (Freshness Freshness, int? AgeMaxSeconds) FreshnessOf(HttpRequest request)
    {
        if (request.Headers.CacheControl.Count == 0 || request.GetTypedHeaders().CacheControl is not { } asked)
        {
            return (Freshness.Policy, null);
        }

        int? ageMax = asked.MaxAge is { } age ? (int)Math.Clamp(age.TotalSeconds, 0, int.MaxValue) : null;
        return (asked.OnlyIfCached ? Freshness.Record
            : asked.Extensions.Any(extension => extension.Name.Equals(JoinRecord, StringComparison.OrdinalIgnoreCase)) ? Freshness.Both
            : asked.NoCache ? Freshness.Ehr
            : Freshness.Policy, ageMax);
    }

    /// <summary><c>Prefer: handling=strict</c> (FHIR R4 http.html#handling, RFC 7240); lenient otherwise.</summary>
    internal static SearchHandling HandlingOf(HttpRequest request) =>
        PreferencesOf(request).Any(preference => preference.Equals("handling=strict", StringComparison.OrdinalIgnoreCase))
            ? SearchHandling.Strict
            : SearchHandling.Lenient;

    /// <summary>A FHIR resource as the body.</summary>
    /// <exception cref="BadHttpRequestException">It is something else, or too long.</exception>
    internal static async Task<byte[]> ReadResourceAsync(HttpRequest request, int bytesMax, CancellationToken cancellationToken)
    {
        if (request.ContentType?.Split(';')[0].Trim() is not ("application/fhir+json" or "application/json"))
        {
            throw new BadHttpRequestException("Not FHIR JSON.", StatusCodes.Status415UnsupportedMediaType);
        }

        if (request.ContentLength > bytesMax)
        {
            throw new BadHttpRequestException("Too long.", StatusCodes.Status413PayloadTooLarge);
        }

        var buffer = new byte[(int)(request.ContentLength ?? bytesMax) + 1];
        var length = await request.Body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
        return length <= bytesMax ? buffer[..length] : throw new BadHttpRequestException("Too long.", StatusCodes.Status413PayloadTooLarge);
    }

    /// <summary>The preferences of a request (RFC 7240): <c>return=minimal</c> and so on, without quotes.</summary>
    internal static IEnumerable<string> PreferencesOf(HttpRequest request) =>
        request.Headers.GetCommaSeparatedValues("Prefer").SelectMany(value => value.Split(';'))
            .Select(preference => preference.Trim().Replace("\"", "", StringComparison.Ordinal));

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
