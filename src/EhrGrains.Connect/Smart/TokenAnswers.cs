using System.Globalization;
using System.Net;
using System.Text.Json;
using Duende.IdentityModel;
using Duende.IdentityModel.Client;
using EhrGrains.Connect.Egress;

namespace EhrGrains.Connect.Smart;

/// <summary>
/// What the answers of token endpoints mean (RFC 6749 §5). Only registered error codes are repeated: the rest of an answer may hold
/// anything, the secret included, and is shown to nobody.
/// </summary>
internal static class TokenAnswers
{
    private const int TokenLengthMax = 16 * 1024;
    private static readonly TimeSpan LifetimeMax = TimeSpan.FromDays(1);

    public static TokenAnswer Fail(
        string code, string message, bool transient = false, bool invalidClient = false, TimeSpan? retryAfter = null) => new()
        {
            Failure = new Problem(code, "connection", message),
            Transient = transient,
            InvalidClient = invalidClient,
            RetryAfter = retryAfter,
        };

    public static TokenAnswer Classify(TokenResponse response, string asked, TimeSpan lifetimeDefault, DateTimeOffset now)
    {
        if (response.HttpResponse is not { } http)
        {
            return OfException(response.Exception);
        }

        var json = response.Json is { ValueKind: JsonValueKind.Object } ? response.Json : null;
        if (http.StatusCode == HttpStatusCode.OK)
        {
            return json is { } answer
                ? OfSuccess(answer, asked, lifetimeDefault)
                : Fail(
                    "EHR-TOK-003",
                    "The token endpoint answered something that is not JSON. Check that the URL is that of the token endpoint.");
        }

        var status = (int)http.StatusCode;
        return status is 408 or 429 or >= 500
            ? Fail(
                "EHR-TOK-010",
                $"The token endpoint answered {status}. It is asked again; if this lasts, ask the hospital.",
                transient: true,
                retryAfter: RetryAfter.Of(http, now))
            : OfRefusal(status, json is { } refusal ? Text(refusal, OidcConstants.TokenResponse.Error) : null);
    }

    private static TokenAnswer OfSuccess(JsonElement answer, string asked, TimeSpan lifetimeDefault)
    {
        var token = Text(answer, OidcConstants.TokenResponse.AccessToken);
        if (string.IsNullOrEmpty(token) || token.Length > TokenLengthMax || !token.All(static c => char.IsBetween(c, '!', '~')))
        {
            return Fail("EHR-TOK-004", "The token endpoint answered without a usable access_token. Ask the hospital.");
        }

        // RFC 6749 §7.1: a token of a type that is not understood is not to be used. Some servers leave the type out.
        var type = Text(answer, OidcConstants.TokenResponse.TokenType);
        if (type is not null && !type.Equals("bearer", StringComparison.OrdinalIgnoreCase))
        {
            return Fail("EHR-TOK-005", "The token endpoint answered with a token that is not a bearer token. Ask the hospital.");
        }

        var granted = Text(answer, OidcConstants.TokenResponse.Scope);
        return new TokenAnswer
        {
            AccessToken = token,
            ExpiresIn = Lifetime(answer, lifetimeDefault),
            Scope = string.IsNullOrWhiteSpace(granted) ? asked : granted,
        };
    }

    // A number, or a number in quotes as some vendors write it.
    private static TimeSpan Lifetime(JsonElement answer, TimeSpan lifetimeDefault)
    {
        var given = answer.TryGetProperty(OidcConstants.TokenResponse.ExpiresIn, out var value) ? value.ToString() : "";
        return double.TryParse(given, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds >= 1
            ? TimeSpan.FromSeconds(Math.Min(seconds, LifetimeMax.TotalSeconds))
            : lifetimeDefault;
    }

    private static TokenAnswer OfException(Exception? exception)
    {
        if (EgressRefusedException.In(exception) is { } refused)
        {
            return Fail("EHR-TOK-006", refused.Message);
        }

        return (exception as HttpRequestException)?.HttpRequestError switch
        {
            HttpRequestError.ConfigurationLimitExceeded => Fail(
                "EHR-TOK-007", "The token endpoint's answer is too large to be one. Check that the URL is that of the token endpoint."),
            HttpRequestError.SecureConnectionError => Fail(
                "EHR-TOK-008",
                "The token endpoint's certificate is not trusted, has expired or is for another host. "
                + "If the hospital has its own authority, give it in connection.trustedCertificates."),
            _ => Fail(
                "EHR-TOK-009",
                "The token endpoint could not be reached. It is asked again; if this lasts, ask the hospital.",
                transient: true),
        };
    }

    private static TokenAnswer OfRefusal(int status, string? error) => error switch
    {
        "invalid_client" => InvalidClient("invalid_client"),
        "invalid_scope" => Fail(
            "EHR-TOK-013", "The hospital does not grant the scopes (invalid_scope). State those it grants in connection.scopes."),
        "unauthorized_client" or "unsupported_grant_type" or "access_denied" => Fail(
            "EHR-TOK-014",
            $"The hospital does not let this client have tokens by client credentials ({error}). Ask it to enable backend access."),
        "invalid_request" or "invalid_grant" => Fail(
            "EHR-TOK-015",
            $"The hospital does not understand the token request ({error}). Check connection.authMethod and connection.assertionAudience."),
        _ when status == 401 => InvalidClient("401"),
        _ when status is >= 300 and < 400 => Fail(
            "EHR-TOK-011",
            $"The token endpoint answered {status}, a redirect, which is not followed with credentials. "
            + "State the URL it leads to in connection.tokenEndpoint."),
        _ => Fail(
            "EHR-TOK-016",
            $"The token endpoint answered {status} without an OAuth error code. Check that the URL is that of the token endpoint."),
    };

    private static TokenAnswer InvalidClient(string said) => Fail(
        "EHR-TOK-012",
        $"The hospital does not take this credential ({said}). "
        + "Check the client id, and that the hospital has our current public key or secret.",
        invalidClient: true);

    private static string? Text(JsonElement answer, string name) =>
        answer.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
