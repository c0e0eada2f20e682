using System.Globalization;
using System.Text.Json;
using EhrGrains.Connect.Egress;
using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Searching;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.Bulk;

/// <summary>Whose export, and by whose rules.</summary>
public sealed record BulkSite(TenantSpec Tenant, VendorProfile Profile, EhrAccess Access)
{
    internal TenantId Id => TenantId.Parse(Tenant.Tenant, CultureInfo.InvariantCulture);
}

/// <summary>
/// Asks an EHR for bulk exports (FHIR Bulk Data Access 2.0.0): begins them, asks how they stand, ends them. What is asked has no patient in
/// its URL; what can be answered is never thrown. Thread-safe.
/// </summary>
public sealed class BulkClient(EhrClient ehr, ConnectOptions options, TimeProvider time)
{
    /// <summary>Begins an export. Not tried again by itself: a second one would run beside the first.</summary>
    /// <exception cref="ProblemException">The permit was refused: the site budget says why.</exception>
    public async Task<BulkKickoff> StartAsync(BulkSite site, BulkExport export, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(site);
        ArgumentNullException.ThrowIfNull(export);
        var problems = new List<OutcomeIssue>();
        var request = Compose(site, export, problems);
        if (problems.Count > 0)
        {
            return new BulkKickoff.Refused(Problems.Of(problems));
        }

        using var stream = await ehr.OpenAsync(site.Id, site.Tenant.Connection, request, site.Access, cancellationToken);
        if (stream.Failure == EhrFailure.None)
        {
            return StatusUrl(site, stream.Response!) is { } url
                ? new BulkKickoff.Started(url)
                : new BulkKickoff.Refused(Problems.NoStatusUrl);
        }

        var (problem, isTransient) = await ExplainAsync(site, stream, cancellationToken);
        return isTransient ? new BulkKickoff.Later(problem, stream.RetryAfter) : new BulkKickoff.Refused(problem);
    }

    /// <summary>Asks how an export stands.</summary>
    /// <exception cref="ProblemException">The permit was refused: the site budget says why.</exception>
    public async Task<BulkProgress> AskAsync(BulkSite site, string statusUrl, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(site);
        var request = new EhrRequest
        {
            Method = HttpMethod.Get,
            Url = statusUrl,
            Op = "bulk-status",
            ResourceType = "Bundle",
            Accept = "application/json",
        };
        using var stream = await ehr.OpenAsync(site.Id, site.Tenant.Connection, request, site.Access, cancellationToken);
        if (stream is { Failure: EhrFailure.None, Status: 202 })
        {
            return new BulkProgress.Preparing(Percent(stream.Response!), RetryAfter.Of(stream.Response!, time.GetUtcNow()));
        }

        if (stream.Failure == EhrFailure.None)
        {
            var (outcome, body) = await PooledBody.ReadAsync(
                stream.Response!.Content, BodyBounds.Of(options, options.BodyBytesMax), time, cancellationToken);
            using (body)
            {
                return body is null
                    ? outcome == BodyOutcome.TooLarge ? new BulkProgress.Failed(Problems.NoManifest) : new BulkProgress.Later(Problems.CutOff, null)
                    : BulkManifest.Read(JsonShape.SkipByteOrderMark(body.Memory), statusUrl) is { } manifest
                        ? new BulkProgress.Done(manifest)
                        : new BulkProgress.Failed(Problems.NoManifest);
            }
        }

        var (problem, isTransient) = await ExplainAsync(site, stream, cancellationToken);
        return isTransient ? new BulkProgress.Later(problem, stream.RetryAfter)
            : stream.Failure == EhrFailure.NotFound ? new BulkProgress.Gone(problem)
            : new BulkProgress.Failed(problem);
    }

    /// <summary>Ends an export, or lets the EHR delete its files. True when the EHR has done it or knows nothing of it any more.</summary>
    /// <exception cref="ProblemException">The permit was refused: the site budget says why.</exception>
    public async Task<bool> DeleteAsync(BulkSite site, string statusUrl, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(site);
        var request = new EhrRequest
        {
            Method = HttpMethod.Delete,
            Url = statusUrl,
            Op = "bulk-delete",
            ResourceType = "Bundle",
            Accept = "application/json",
        };
        using var stream = await ehr.OpenAsync(site.Id, site.Tenant.Connection, request, site.Access, cancellationToken);
        return stream.Failure is EhrFailure.None or EhrFailure.NotFound;
    }

    private static EhrRequest Compose(BulkSite site, BulkExport export, List<OutcomeIssue> problems)
    {
        var at = export.Level switch
        {
            ExportLevel.Group => $"/Group/{Uri.EscapeDataString(export.Group ?? "")}/$export",
            ExportLevel.Patient => "/Patient/$export",
            _ => "/$export",
        };
        var parameters = AlwaysParameters.Of(site.Tenant, site.Profile, problems).Select(static p => (p.Name, p.Value)).ToList();
        if (export.Types.Count > 0)
        {
            parameters.Add(("_type", string.Join(',', export.Types)));
        }

        if (export.Since is { } since)
        {
            parameters.Add(("_since", since.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture)));
        }

        if (site.Profile.Bulk.OutputFormat is { } format)
        {
            parameters.Add(("_outputFormat", format));
        }

        var isPost = export.Patients.Count > 0;
        var query = string.Join('&', parameters.Select(static p => $"{p.Name}={Uri.EscapeDataString(p.Value)}"));
        return new EhrRequest
        {
            Method = isPost ? HttpMethod.Post : HttpMethod.Get,
            Url = site.Tenant.Connection.BaseUrl.TrimEnd('/') + at + (isPost || query.Length == 0 ? "" : "?" + query),
            Body = isPost ? Parameters(parameters, export.Patients) : default,
            Headers = new Dictionary<string, string> { ["Prefer"] = "respond-async" },
            Op = "bulk-start",
            ResourceType = "Bundle",
            IsSafe = false,
        };
    }

    private static byte[] Parameters(List<(string Name, string Value)> parameters, IReadOnlyList<string> patients)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("resourceType"u8, "Parameters"u8);
            json.WriteStartArray("parameter"u8);
            foreach (var (name, value) in parameters)
            {
                json.WriteStartObject();
                json.WriteString("name"u8, name);
                json.WriteString(name == "_since" ? "valueInstant"u8 : "valueString"u8, value);
                json.WriteEndObject();
            }

            foreach (var patient in patients)
            {
                json.WriteStartObject();
                json.WriteString("name"u8, "patient"u8);
                json.WriteStartObject("valueReference"u8);
                json.WriteString("reference"u8, $"Patient/{patient}");
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    // Relative in the wild; elsewhere than at the EHR the token would not go along (I7), and without it nothing is answered.
    private static string? StatusUrl(BulkSite site, HttpResponseMessage response)
    {
        var said = response.Content.Headers.TryGetValues("Content-Location", out var values) ? values.FirstOrDefault() : null;
        var baseUri = new Uri(site.Tenant.Connection.BaseUrl.TrimEnd('/') + "/");
        return said is { Length: > 0 and <= 8 * 1024 } && Uri.TryCreate(baseUri, said, out var url)
            && Origin.TryParse(url.AbsoluteUri, out var origin) && origin == Origin.Of(baseUri)
                ? url.AbsoluteUri
                : null;
    }

    // "X-Progress: 70% complete": under 100 characters of free text, of which only a number of percent is taken.
    private static int? Percent(HttpResponseMessage response)
    {
        var text = response.Headers.TryGetValues("X-Progress", out var values) ? values.FirstOrDefault() ?? "" : "";
        var end = text.IndexOf('%', StringComparison.Ordinal);
        var start = end;
        while (start > 0 && (char.IsAsciiDigit(text[start - 1]) || text[start - 1] == '.'))
        {
            start--;
        }

        return end > start && double.TryParse(text.AsSpan(start, end - start), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var percent)
            ? (int)Math.Clamp(percent, 0, 100)
            : null;
    }

    /// <summary>What a failure means, and whether asking again may help: what did not get through, and what the EHR itself calls transient.</summary>
    private async Task<(Problem Problem, bool IsTransient)> ExplainAsync(BulkSite site, EhrStream stream, CancellationToken cancellationToken)
    {
        var isTransient = stream.Failure is EhrFailure.ConnectFailed or EhrFailure.TimedOut or EhrFailure.CircuitOpen or EhrFailure.Throttled
            or EhrFailure.Unavailable or EhrFailure.PermitLapsed or EhrFailure.TooSlow or EhrFailure.Truncated or EhrFailure.NoToken;
        if (stream.Response is null)
        {
            return (stream.Problem!, isTransient);
        }

        var (_, body) = await PooledBody.ReadAsync(
            stream.Response.Content, BodyBounds.Of(options, options.TokenAnswerBytesMax), time, cancellationToken);
        using (body)
        {
            var outcomes = body is null ? [] : OperationOutcomes.Read(body.Memory.Span, site.Profile);
            isTransient |= outcomes.Any(static o => o.Code == "transient") || (stream.Failure == EhrFailure.ServerError && outcomes.Count == 0);
            return (outcomes.Count == 0 ? stream.Problem! : Problems.Of(outcomes), isTransient);
        }
    }

    private static class Problems
    {
        public static readonly Problem NoStatusUrl = new(
            "EHR-BLK-001", "", "The hospital took the export but named no address on its own server to ask about it (Content-Location). Ask the hospital.");

        public static readonly Problem NoManifest = new(
            "EHR-BLK-002", "", "The hospital's list of the export's files cannot be read. Ask the hospital.");

        public static readonly Problem CutOff = new("EHR-BLK-003", "", "The hospital's list of the export's files was cut off.");

        public static Problem Of(IEnumerable<OutcomeIssue> issues) => new(
            "EHR-BLK-004",
            "",
            string.Join(' ', issues.Take(5).Select(static i => i.DetailCode is { } code ? $"{i.Diagnostics} ({code})" : i.Diagnostics)));
    }
}
