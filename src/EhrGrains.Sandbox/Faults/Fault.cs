using System.Text.Json.Serialization;
using EhrGrains.Sandbox.Traffic;

namespace EhrGrains.Sandbox.Faults;

/// <summary>A way to misbehave.</summary>
internal enum FaultKind
{
    /// <summary>429, with <see cref="Fault.RetryAfter"/>.</summary>
    TooManyRequests,

    /// <summary>503, with <see cref="Fault.RetryAfter"/>.</summary>
    Unavailable,

    /// <summary>401 whatever the token.</summary>
    Unauthorized,

    /// <summary>Every access token issued so far is unknown from now on; happens once, when it is set.</summary>
    TokenRevoked,

    /// <summary>The token endpoint knows no client.</summary>
    InvalidClient,

    /// <summary>The answer starts <see cref="Fault.Milliseconds"/> late.</summary>
    Delay,

    /// <summary>The body comes at <see cref="Fault.BytesPerSecond"/>.</summary>
    SlowBody,

    /// <summary>The body ends half-way, as if it were whole.</summary>
    TruncatedBody,

    /// <summary>The connection is reset half-way through the body.</summary>
    ResetBody,

    /// <summary>The body is padded with white space by <see cref="Fault.Bytes"/>.</summary>
    OversizedBody,

    /// <summary>The right body under <c>text/plain</c>.</summary>
    WrongContentType,

    /// <summary>A body that is no JSON under the right content type.</summary>
    InvalidJson,

    /// <summary>An HTML page with status 200.</summary>
    Html,

    /// <summary>307 to <see cref="Fault.Url"/>.</summary>
    Redirect,

    /// <summary><c>next</c> points to the origin <see cref="Fault.Url"/>.</summary>
    ForeignNext,

    /// <summary>There is always a next page: after the last one comes the first.</summary>
    EndlessPaging,

    /// <summary><c>next</c> is the page itself.</summary>
    SelfNext,

    /// <summary>The search session has ended.</summary>
    SessionExpired,

    /// <summary>An outcome entry says that not everything is here.</summary>
    Partial,

    /// <summary>Another patient's resource comes along, or instead.</summary>
    OtherPatient,

    /// <summary>The status <see cref="Fault.Status"/>: without a body below 400, with an HTML page from there on.</summary>
    Status,

    /// <summary>307 to where the request was sent, again and again.</summary>
    RedirectLoop,

    /// <summary>The connection is closed before an answer.</summary>
    Hangup,

    /// <summary>The request is carried out, then the connection is closed without an answer.</summary>
    AnswerLost,

    /// <summary>The request is carried out at once, its answer starts <see cref="Fault.Milliseconds"/> late.</summary>
    LateAnswer,

    /// <summary>Content-Length says more than comes.</summary>
    WrongLength,

    /// <summary>More headers than anyone needs: 100 kB.</summary>
    HeaderFlood,

    /// <summary>The date of the answer is a year ago.</summary>
    ClockBack,

    /// <summary>A small body that is <see cref="Fault.Bytes"/> when it is unpacked, though nobody asked for it packed.</summary>
    GzipBomb,

    /// <summary>UTF-8 is said, ISO 8859-1 is sent.</summary>
    WrongCharset,

    /// <summary>A byte order mark before the JSON.</summary>
    ByteOrderMark,

    /// <summary>The first members come twice, the first time with something else.</summary>
    DuplicateKeys,

    /// <summary>100,000 arrays in each other.</summary>
    DeepJson,

    /// <summary>A resource of another type than asked for.</summary>
    WrongType,

    /// <summary>Versions and times of change go back to before everything.</summary>
    OlderVersion,

    /// <summary>Each page shows the first one's entries.</summary>
    RepeatedPage,

    /// <summary>The entries of a page come in reverse.</summary>
    ShuffledPage,

    /// <summary>The count of all is less than what is shown.</summary>
    ShrinkingTotal,

    /// <summary>There is no count of all.</summary>
    MissingTotal,
}

/// <summary>One misbehaviour and when it happens.</summary>
internal sealed record Fault
{
    public required FaultKind Kind { get; init; }

    /// <summary>
    /// Only requests of this kind; null: any FHIR request (and for <see cref="FaultKind.InvalidClient"/> any token request).
    /// </summary>
    public Operation? Operation { get; init; }

    /// <summary>Only requests whose path, from the FHIR base or server root on, starts with this, for example <c>/Patient</c>.</summary>
    public string? Path { get; init; }

    /// <summary>Only so many requests, then never again; null: until the faults are reset.</summary>
    public int? Times { get; init; }

    /// <summary>For 429 and 503: the header's text, or <c>date:30</c> for the date half a minute from now; null: no header.</summary>
    public string? RetryAfter { get; init; }

    /// <summary>For a delay or a late answer. Default 1,000.</summary>
    public int Milliseconds { get; init; } = 1000;

    /// <summary>For a slow body. Default 100.</summary>
    public int BytesPerSecond { get; init; } = 100;

    /// <summary>For <see cref="FaultKind.Status"/>: 204, 304, or 400 to 599. Default 500.</summary>
    public int Status { get; init; } = 500;

    /// <summary>For an oversized body or a packed one. Default 200 MB.</summary>
    public long Bytes { get; init; } = 200_000_000;

    /// <summary>For a redirect or a foreign <c>next</c>: the other origin.</summary>
    public string Url { get; init; } = "https://collector.example";

    [JsonIgnore]
    public IEnumerable<string> Problems
    {
        get
        {
            if (Times is < 1)
            {
                yield return "times: 1 or more, or leave it out.";
            }

            if (Milliseconds is < 0 or > 600_000)
            {
                yield return "milliseconds: 0 to 600,000.";
            }

            if (BytesPerSecond is < 1 or > 100_000_000)
            {
                yield return "bytesPerSecond: 1 to 100,000,000.";
            }

            if (Bytes is < 0 or > 10_000_000_000)
            {
                yield return "bytes: 0 to 10,000,000,000.";
            }

            if (Status is not (204 or 304 or (>= 400 and <= 599)))
            {
                yield return "status: 204, 304, or 400 to 599.";
            }

            if (!Uri.TryCreate(Url, UriKind.Absolute, out _))
            {
                yield return "url: an absolute URL.";
            }
        }
    }

    /// <summary>Whether the fault is meant for a request; the number of times is another question.</summary>
    public bool Concerns(Operation operation, string path)
    {
        var meant = Operation ?? (Kind == FaultKind.InvalidClient ? Traffic.Operation.Token : null);
        return (meant is null ? operation is not (Traffic.Operation.Token or Traffic.Operation.Discovery) : meant == operation)
            && (Path is null || path.StartsWith(Path, StringComparison.Ordinal));
    }
}
