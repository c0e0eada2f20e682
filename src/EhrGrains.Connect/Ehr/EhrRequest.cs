using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tokens;

namespace EhrGrains.Connect.Ehr;

/// <summary>One request to an EHR's FHIR server, as the planner made it. Prints without the URL, which may hold PHI.</summary>
public sealed record EhrRequest
{
    /// <summary>GET, POST for a search with its parameters in the body or for a create, PUT for an update.</summary>
    public required HttpMethod Method { get; init; }

    /// <summary>The absolute URL; of the origin of the connection's base URL, or nothing is sent.</summary>
    public required string Url { get; init; }

    /// <summary>The form of a POST; null for a GET.</summary>
    public IReadOnlyList<SearchParameter>? Form { get; init; }

    /// <summary>A FHIR resource to POST or PUT, as UTF-8 JSON; in place of a form.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>The media type that is asked for.</summary>
    public string Accept { get; init; } = "application/fhir+json";

    /// <summary>Headers beside those that every request has, as <c>Prefer</c>.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>False for what must not be sent twice, since it begins something: it is not tried again by itself.</summary>
    public bool IsSafe { get; init; } = true;

    /// <summary>Whether it is a create or an update: 201 and 204 are success as well, and an answer needs no body (R4 http.html#create).</summary>
    public bool IsWrite { get; init; }

    /// <summary>What is done: <c>search</c>, <c>page</c>, <c>read</c>, <c>create</c>, <c>update</c> or a step of a bulk export. For metrics.</summary>
    public required string Op { get; init; }

    /// <summary>The resource type, for metrics.</summary>
    public required string ResourceType { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Op} {ResourceType}";
}

/// <summary>How one request gets what it needs to be sent, and says what came of it.</summary>
/// <param name="Permit">Waits for the right to send one request; called before each attempt.</param>
/// <param name="Token">A token; the number is the serial of one that the EHR answered 401 to, or 0.</param>
/// <param name="Throttled">The EHR answered with this status, 429 or 503, and named this wait or none: nothing should be sent until it is
/// over.</param>
/// <param name="Lane">Who the request is made for.</param>
public sealed record EhrAccess(
    Func<CancellationToken, ValueTask<BudgetPermit>> Permit,
    Func<long, CancellationToken, ValueTask<TokenResult>> Token,
    Func<TimeSpan?, int, ValueTask> Throttled,
    Lane Lane = Lane.Interactive);
