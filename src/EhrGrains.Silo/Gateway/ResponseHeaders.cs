using System.Diagnostics;

namespace EhrGrains.Silo.Gateway;

/// <summary>Headers that every answer has, whatever its status: nothing is cached, sniffed, framed or sent on as a referrer.</summary>
internal sealed class ResponseHeaders(RequestDelegate next)
{
    internal const string RequestId = "X-Request-Id";
    private const int RequestIdLengthMax = 64;

    public Task InvokeAsync(HttpContext context)
    {
        var id = RequestIdOf(context.Request);
        context.TraceIdentifier = id;
        var headers = context.Response.Headers;
        headers[RequestId] = id;
        headers.CacheControl = "no-store";
        headers.Pragma = "no-cache";
        headers.Vary = "Authorization, Accept";
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers.ContentSecurityPolicy = "default-src 'none'; frame-ancestors 'none'";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Permissions-Policy"] = "interest-cohort=()";
        if (context.Request.IsHttps)
        {
            headers.StrictTransportSecurity = "max-age=31536000; includeSubDomains";
        }

        return next(context);
    }

    // The caller's id is taken when it is harmless to echo and to log; otherwise the trace id serves.
    private static string RequestIdOf(HttpRequest request)
    {
        var given = request.Headers[RequestId].ToString();
        return given.Length is > 0 and <= RequestIdLengthMax && given.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
            ? given
            : Activity.Current?.TraceId.ToString() ?? Guid.CreateVersion7().ToString("N");
    }
}
