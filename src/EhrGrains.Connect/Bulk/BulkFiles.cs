using System.Globalization;
using System.IO.Compression;
using System.Net.Http.Headers;
using EhrGrains.Connect.Egress;
using EhrGrains.Connect.Ehr;

namespace EhrGrains.Connect.Bulk;

/// <summary>What came of opening a file.</summary>
public abstract record BulkOpening
{
    private BulkOpening()
    {
    }

    /// <summary>It is open. Dispose of the download.</summary>
    public sealed record Opened(BulkDownload Download) : BulkOpening;

    /// <summary>It is not there any more: the export has to be asked for again.</summary>
    public sealed record Expired(Problem Problem) : BulkOpening;

    /// <summary>It cannot be had now.</summary>
    public sealed record Failed(Problem Problem, TimeSpan? RetryAfter) : BulkOpening;
}

/// <summary>
/// Opens the files of exports where they are. The token goes to the EHR's own origin and only when the manifest asks for it; other hosts,
/// by redirects too, get none (I7), and what they are is for the egress guard to judge. Thread-safe.
/// </summary>
public sealed class BulkFiles(EhrClient ehr, ConnectOptions options, TimeProvider time)
{
    private const int RedirectsMax = 3;

    /// <summary>Opens a file, at the line where reading it has stopped before.</summary>
    /// <param name="site">Whose.</param>
    /// <param name="file">Which.</param>
    /// <param name="requiresAccessToken">What the manifest says.</param>
    /// <param name="from">Where to begin.</param>
    /// <param name="cancellationToken">Ends it, and the reading of the file.</param>
    /// <exception cref="ProblemException">The permit was refused: the site budget says why.</exception>
    public async Task<BulkOpening> OpenAsync(
        BulkSite site, BulkFile file, bool requiresAccessToken, BulkPosition from, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(site);
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(from);
        var connection = site.Tenant.Connection;
        var request = Compose(file, from);
        var isOurs = requiresAccessToken && Origin.TryParse(file.Url, out var there)
            && Origin.TryParse(connection.BaseUrl, out var home) && there == home;
        var stream = isOurs
            ? await ehr.OpenAsync(site.Id, connection, request, site.Access, cancellationToken)
            : await ehr.OpenBareAsync(site.Id, connection, request, cancellationToken);
        for (var i = 0; i < RedirectsMax && stream.Failure == EhrFailure.Redirected && Target(stream, request.Url) is { } target; i++)
        {
            stream.Dispose();
            (request, isOurs) = (request with { Url = target }, false);
            stream = await ehr.OpenBareAsync(site.Id, connection, request, cancellationToken);
        }

        var opening = await JudgeAsync(stream, isOurs, from, cancellationToken);
        if (opening is not BulkOpening.Opened)
        {
            stream.Dispose();
        }

        return opening;
    }

    private static EhrRequest Compose(BulkFile file, BulkPosition from)
    {
        var headers = new Dictionary<string, string>();
        if (from.Offset > 0)
        {
            headers["Range"] = string.Create(CultureInfo.InvariantCulture, $"bytes={from.Offset}-");
        }

        return new EhrRequest
        {
            Method = HttpMethod.Get,
            Url = file.Url,
            Accept = "application/fhir+ndjson, application/ndjson;q=0.9, */*;q=0.1",
            Headers = headers,
            Op = "bulk-file",
            ResourceType = file.Type is { } type && Fhir.ResourceTypes.All.Contains(type) ? type : "Bundle",
        };
    }

    private static string? Target(EhrStream stream, string url) =>
        stream.Response!.Headers.Location is { } location && Uri.TryCreate(new Uri(url), location, out var target)
            && Origin.TryParse(target.AbsoluteUri, out _)
                ? target.AbsoluteUri
                : null;

    private async Task<BulkOpening> JudgeAsync(EhrStream stream, bool isOurs, BulkPosition from, CancellationToken cancellationToken)
    {
        // 416: nothing is behind where we stopped.
        if (stream.Status == 416 && from.Offset > 0)
        {
            return new BulkOpening.Opened(new BulkDownload(stream, Stream.Null, from, options, time, cancellationToken));
        }

        // A signed URL that has expired is answered with 403 by object storage.
        if (stream.Failure == EhrFailure.NotFound || (!isOurs && stream.Failure is EhrFailure.Forbidden or EhrFailure.Unauthorized))
        {
            return new BulkOpening.Expired(new Problem(
                "EHR-BLK-010", "", "A file of the export is not there any more, or no longer open to us. The export has to be asked for again."));
        }

        if (stream.Failure != EhrFailure.None)
        {
            return new BulkOpening.Failed(stream.Problem!, stream.RetryAfter);
        }

        var content = stream.Response!.Content;
        var isPart = stream.Status == 206 && content.Headers.ContentRange is { Unit: "bytes" } range && range.From == from.Offset;
        var encoding = content.Headers.ContentEncoding.SingleOrDefault(static e => !e.Equals("identity", StringComparison.OrdinalIgnoreCase));
        var isPacked = encoding is "gzip" or "x-gzip";
        if ((encoding is not null && !isPacked) || (stream.Status == 206 && (!isPart || isPacked)) || IsPage(content.Headers))
        {
            return new BulkOpening.Failed(
                new Problem("EHR-BLK-011", "", "A file of the export is not NDJSON, as it is or packed with gzip. Ask the hospital."), null);
        }

        // Another content than the one that was begun is read from its beginning: what is known already changes nothing.
        var tag = stream.Response.Headers.ETag?.ToString();
        var isOther = from.ETag is not null && tag is not null && from.ETag != tag;
        if (isOther && isPart)
        {
            return new BulkOpening.Expired(new Problem("EHR-BLK-012", "", "A file of the export was replaced while it was read."));
        }

        var body = await content.ReadAsStreamAsync(cancellationToken);
        var whole = isPacked ? new GZipStream(body, CompressionMode.Decompress) : body;
        var begin = new BulkPosition(isOther ? 0 : from.Offset, tag);
        return new BulkOpening.Opened(new BulkDownload(stream, whole, begin, options, time, cancellationToken, skip: isPart ? 0 : begin.Offset));
    }

    // A sign-in page is answered with 200 as well.
    private static bool IsPage(HttpContentHeaders headers) => headers.ContentType?.MediaType is "text/html" or "application/xhtml+xml";
}
