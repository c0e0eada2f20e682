using EhrGrains.Grains.Callers;
using Microsoft.AspNetCore.Authorization;

namespace EhrGrains.Silo.Gateway;

/// <summary>
/// Bearer tokens (RFC 6750) over the one validator that Orleans clients go through as well. The caller it finds is a feature of
/// the request; grains and queries are then called in that caller's name. Closed by default: an endpoint that does not say that
/// anybody may call it is for callers alone.
/// </summary>
internal sealed class CallerAuthentication(RequestDelegate next, AccessTokenValidator validator)
{
    private const string Scheme = "Bearer";
    private const string Prefix = Scheme + " ";

    public async Task InvokeAsync(HttpContext context)
    {
        var header = context.Request.Headers.Authorization.ToString();
        var token = header.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) ? header[Prefix.Length..].Trim() : null;
        if (token is not null && (await validator.ValidateAsync(token, context.RequestAborted)).Caller is { } caller)
        {
            context.Features.Set(caller);
        }
        else if (context.GetEndpoint() is { } endpoint && endpoint.Metadata.GetMetadata<IAllowAnonymous>() is null)
        {
            // RFC 6750 §3.1: a request without any token is told the scheme, not an error.
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            context.Response.Headers.WWWAuthenticate = token is null ? Scheme : $"{Scheme} error=\"invalid_token\"";
            return;
        }

        await next(context);
    }
}
