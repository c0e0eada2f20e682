namespace EhrGrains.Connect.Ehr;

/// <summary>Why an EHR's answer is not what was asked for. Closed: each one has its problem code and its sentence.</summary>
public enum EhrFailure
{
    /// <summary>None: status 200 with a body that is FHIR JSON as far as its first and last byte say.</summary>
    None = 0,

    /// <summary>The URL or the token is not of the connection's origin; nothing was sent (I7).</summary>
    ForeignOrigin = 1,

    /// <summary>The egress guard let nothing out.</summary>
    EgressRefused = 2,

    /// <summary>There is no token; the problem is the token session's.</summary>
    NoToken = 3,

    /// <summary>No connection could be opened.</summary>
    ConnectFailed = 4,

    /// <summary>The server's certificate is not trusted, or TLS failed otherwise.</summary>
    TlsFailed = 5,

    /// <summary>No answer in time.</summary>
    TimedOut = 6,

    /// <summary>The circuit is open: the hospital failed too often just now; nothing was sent.</summary>
    CircuitOpen = 7,

    /// <summary>401, also with a new token.</summary>
    Unauthorized = 8,

    /// <summary>403.</summary>
    Forbidden = 9,

    /// <summary>404 or 410.</summary>
    NotFound = 10,

    /// <summary>429.</summary>
    Throttled = 11,

    /// <summary>502, 503 or 504.</summary>
    Unavailable = 12,

    /// <summary>Another 4xx: the EHR refuses the request.</summary>
    Rejected = 13,

    /// <summary>Another 5xx.</summary>
    ServerError = 14,

    /// <summary>A redirect, which is not followed.</summary>
    Redirected = 15,

    /// <summary>A status that was not asked for: 204, 206, 304 and others.</summary>
    UnexpectedStatus = 16,

    /// <summary>The body is HTML, XML, compressed, empty or otherwise not FHIR JSON.</summary>
    NotFhir = 17,

    /// <summary>The body ended too early.</summary>
    Truncated = 18,

    /// <summary>The body or the headers are larger than the bound.</summary>
    TooLarge = 19,

    /// <summary>The body came too slowly.</summary>
    TooSlow = 20,

    /// <summary>The permit of the site budget lapsed before the request was sent; nothing was sent.</summary>
    PermitLapsed = 21,

    /// <summary>413: the EHR finds more than it returns for one search.</summary>
    ResultTooLarge = 22,
}

/// <summary>The failure that a status or an error is.</summary>
internal static class EhrFailures
{
    public static EhrFailure OfStatus(int status) => status switch
    {
        200 => EhrFailure.None,
        401 => EhrFailure.Unauthorized,
        403 => EhrFailure.Forbidden,
        404 or 410 => EhrFailure.NotFound,
        413 => EhrFailure.ResultTooLarge,
        429 => EhrFailure.Throttled,
        502 or 503 or 504 => EhrFailure.Unavailable,
        304 => EhrFailure.UnexpectedStatus,
        >= 300 and < 400 => EhrFailure.Redirected,
        >= 400 and < 500 => EhrFailure.Rejected,
        >= 500 => EhrFailure.ServerError,
        _ => EhrFailure.UnexpectedStatus,
    };

    public static EhrFailure Of(HttpRequestError error) => error switch
    {
        HttpRequestError.SecureConnectionError => EhrFailure.TlsFailed,
        HttpRequestError.ConfigurationLimitExceeded => EhrFailure.TooLarge,
        HttpRequestError.InvalidResponse or HttpRequestError.HttpProtocolError => EhrFailure.NotFhir,
        _ => EhrFailure.ConnectFailed,
    };
}

/// <summary>The problem of each failure: what is wrong and what to do.</summary>
internal static class EhrProblems
{
    public static string Outcome(EhrFailure failure) => failure switch
    {
        EhrFailure.None => "ok",
        EhrFailure.ForeignOrigin => "foreign_origin",
        EhrFailure.EgressRefused => "egress_refused",
        EhrFailure.NoToken => "no_token",
        EhrFailure.ConnectFailed => "connect_failed",
        EhrFailure.TlsFailed => "tls_failed",
        EhrFailure.TimedOut => "timed_out",
        EhrFailure.CircuitOpen => "circuit_open",
        EhrFailure.Unauthorized => "unauthorized",
        EhrFailure.Forbidden => "forbidden",
        EhrFailure.NotFound => "not_found",
        EhrFailure.Throttled => "throttled",
        EhrFailure.Unavailable => "unavailable",
        EhrFailure.Rejected => "rejected",
        EhrFailure.ServerError => "server_error",
        EhrFailure.Redirected => "redirected",
        EhrFailure.UnexpectedStatus => "unexpected_status",
        EhrFailure.NotFhir => "not_fhir",
        EhrFailure.Truncated => "truncated",
        EhrFailure.TooLarge => "too_large",
        EhrFailure.TooSlow => "too_slow",
        EhrFailure.ResultTooLarge => "result_too_large",
        _ => "permit_lapsed",
    };

    public static Problem Of(EhrFailure failure) => new($"EHR-CON-{(int)failure:000}", "", Message(failure));

    private static string Message(EhrFailure failure) => failure switch
    {
        EhrFailure.ForeignOrigin => "The URL leads to another server than the hospital's FHIR base URL; nothing was sent there. "
            + "If the hospital has moved, update connection.baseUrl.",
        EhrFailure.EgressRefused => "The hospital's URL leads where nothing may be sent. "
            + "If it is reached over a private network, name that network in connection.privateNetworks.",
        EhrFailure.NoToken => "There is no access token for the hospital. See the tenant's token session.",
        EhrFailure.ConnectFailed => "The hospital's FHIR server could not be reached. Try again; if this lasts, check the network to it.",
        EhrFailure.TlsFailed => "The FHIR server's certificate is not trusted, has expired or is for another host. "
            + "If the hospital has its own authority, give it in connection.trustedCertificates.",
        EhrFailure.TimedOut => "The hospital did not answer in time. Try again, with a narrower search or a smaller _count.",
        EhrFailure.CircuitOpen => "The hospital failed too often just now and is left alone for a while. Try again later.",
        EhrFailure.Unauthorized => "The hospital refuses the access token (401), also a new one. Check that the client is enabled there.",
        EhrFailure.Forbidden => "The hospital does not allow this (403). Check the scopes it granted and the required search parameters.",
        EhrFailure.NotFound => "The hospital does not have it.",
        EhrFailure.Throttled => "The hospital asks for fewer requests (429). Try again later; if this lasts, lower the tenant's budget.",
        EhrFailure.Unavailable => "The hospital's FHIR server is not available. Try again later.",
        EhrFailure.Rejected => "The hospital refuses the request. Its own outcome, where it gave one, says why.",
        EhrFailure.ServerError => "The hospital's FHIR server failed. Try again; if this lasts, ask the hospital.",
        EhrFailure.Redirected => "The hospital answered with a redirect, which is not followed with credentials. "
            + "If the hospital has moved, update connection.baseUrl.",
        EhrFailure.UnexpectedStatus => "The hospital answered with a status that does not belong to this request. Ask the hospital.",
        EhrFailure.NotFhir => "The hospital answered with something that is not FHIR JSON, such as a sign-in page. "
            + "Check connection.baseUrl.",
        EhrFailure.Truncated => "The hospital's answer was cut off. Try again, with a smaller _count.",
        EhrFailure.TooLarge => "The hospital's answer is larger than the bound. Ask with a smaller _count.",
        EhrFailure.TooSlow => "The hospital's answer came too slowly to be waited for. Try again, with a smaller _count.",
        EhrFailure.ResultTooLarge => "The hospital finds more than it returns for one search (413). Narrow the search by date or category.",
        _ => "The site budget's permit lapsed while a connection to the hospital was opened; nothing was sent. Try again.",
    };
}
