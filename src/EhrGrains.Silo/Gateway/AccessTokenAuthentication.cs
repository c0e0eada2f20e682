using System.Security.Claims;
using System.Text.Encodings.Web;
using EhrGrains.Grains.Callers;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace EhrGrains.Silo.Gateway;

/// <summary>
/// Bearer tokens (RFC 6750) over the one validator that Orleans clients go through as well. The caller it finds is a feature of
/// the request; grains are then called in that caller's name.
/// </summary>
internal sealed class AccessTokenAuthentication(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory log, UrlEncoder encoder, AccessTokenValidator validator)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, log, encoder)
{
    internal new const string Scheme = "Bearer";
    private const string Prefix = "Bearer ";

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var header = Request.Headers.Authorization.ToString();
        if (!header.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase))
        {
            return AuthenticateResult.NoResult();
        }

        var verdict = await validator.ValidateAsync(header[Prefix.Length..].Trim(), Context.RequestAborted);
        if (verdict.Caller is not { } caller)
        {
            return AuthenticateResult.Fail("The access token is not valid here.");
        }

        Context.Features.Set(caller);
        var identity = new ClaimsIdentity([new Claim("sub", caller.App.Value)], Scheme, "sub", null);
        return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Scheme));
    }

    protected override async Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        var result = await HandleAuthenticateOnceSafeAsync();
        Response.StatusCode = StatusCodes.Status401Unauthorized;

        // RFC 6750 §3.1: a request without any token is told the scheme, not an error.
        Response.Headers.WWWAuthenticate = result.Failure is null ? Scheme : $"{Scheme} error=\"invalid_token\"";
    }
}
