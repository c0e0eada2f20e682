using EhrGrains.Contracts.Callers;

namespace EhrGrains.Contracts.Query;

/// <summary>
/// Runs queries against one tenant's EHR and answers normalized FHIR R4. A stateless worker; key: <see cref="GrainKeys.Tenant"/>.
/// The caller needs a grant at the tenant; refusals, like all answers, are FHIR responses with an OperationOutcome.
/// </summary>
[Alias("ehr.IEhrQueryGrain")]
public interface IEhrQueryGrain : IGrainWithStringKey
{
    /// <summary>Searches a resource type, or continues a search where its cursor says.</summary>
    [Alias("Search"), Requires(Permission.Query), ResponseTimeout("00:01:30")]
    Task<FhirResponse> SearchAsync(FhirSearch search, CancellationToken cancellationToken);

    /// <summary>Reads one resource by its normalized id.</summary>
    [Alias("Read"), Requires(Permission.Query), ResponseTimeout("00:01:30")]
    Task<FhirResponse> ReadAsync(FhirRead read, CancellationToken cancellationToken);

    /// <summary>Everything that the patient record has of one patient (R4 patient-operation-everything.html), or the next page of it.</summary>
    [Alias("Everything"), Requires(Permission.Query), ResponseTimeout("00:01:30")]
    Task<FhirResponse> EverythingAsync(FhirEverything everything, CancellationToken cancellationToken);

    /// <summary>The versions of one resource that the patient record has, newest first, as a history Bundle (R4 http.html#history).</summary>
    [Alias("History"), Requires(Permission.Query), ResponseTimeout("00:01:30")]
    Task<FhirResponse> HistoryAsync(FhirHistory history, CancellationToken cancellationToken);

    /// <summary>
    /// The CapabilityStatement of the normalized surface of this tenant; for <c>_summary=true</c> its summary. It names the token
    /// endpoint that the caller states, if any.
    /// </summary>
    [Alias("GetCapabilities"), Requires(Permission.Public)]
    Task<FhirResponse> GetCapabilitiesAsync(string gatewayBase, string? tokenEndpoint, bool summary, CancellationToken cancellationToken);
}

/// <summary>
/// Runs one search over every tenant that the caller may see. A stateless worker; key: <see cref="Federation.Key"/>. The answer
/// names each tenant that was slow, failed or answered in part in an OperationOutcome entry.
/// </summary>
[Alias("ehr.IFederatedQueryGrain")]
public interface IFederatedQueryGrain : IGrainWithStringKey
{
    /// <summary>Searches a resource type, or continues a search where its cursor says.</summary>
    [Alias("Search"), Requires(Permission.Query), ResponseTimeout("00:01:30")]
    Task<FhirResponse> SearchAsync(FhirSearch search, CancellationToken cancellationToken);
}

/// <summary>Where the federated query is found.</summary>
public static class Federation
{
    /// <summary>The key of <see cref="IFederatedQueryGrain"/>.</summary>
    public const string Key = "~federation";
}

/// <summary>What to do with search parameters that are not understood (FHIR R4 http.html#handling).</summary>
[GenerateSerializer, Alias("ehr.SearchHandling")]
public enum SearchHandling
{
    /// <summary>Leave them out and say so in an OperationOutcome entry. The default.</summary>
    Lenient = 0,

    /// <summary>Refuse the search with 400.</summary>
    Strict = 1,
}

/// <summary>Where an answer comes from: HTTP's Cache-Control (RFC 9111 §5.2.1), in words.</summary>
[GenerateSerializer, Alias("ehr.Freshness")]
public enum Freshness
{
    /// <summary>From the patient record when it is no older than the query or the tenant allows, otherwise from the EHR. The default.</summary>
    Policy = 0,

    /// <summary>From the EHR, now (<c>no-cache</c>).</summary>
    Ehr = 1,

    /// <summary>From the patient record alone (<c>only-if-cached</c>); 504 when it has none.</summary>
    Record = 2,

    /// <summary>From the EHR, now, followed by what only the patient record has (<c>no-cache, join-record</c>).</summary>
    Both = 3,
}

/// <summary>A FHIR search.</summary>
[GenerateSerializer, Immutable, Alias("ehr.FhirSearch")]
public sealed record FhirSearch
{
    /// <summary>The parameter of a <c>next</c> link that holds the cursor: <c>{base}/{type}?_cursor=…</c>.</summary>
    public const string CursorParameter = "_cursor";

    /// <summary>The resource type, for example <c>Patient</c>.</summary>
    [Id(0)]
    public required string Type { get; init; }

    /// <summary>Search parameters in order, decoded; names with their modifier. At most 64.</summary>
    [Id(1)]
    public required SearchParameter[] Parameters { get; init; }

    /// <summary>What to do with parameters that are not understood.</summary>
    [Id(2)]
    public SearchHandling Handling { get; init; }

    /// <summary>
    /// The gateway's FHIR base for this surface, absolute and without a trailing slash, which links in the answer are made
    /// with: <c>https://host/fhir/{tenant}</c>, or <c>https://host/fhir</c> for a federated search.
    /// </summary>
    [Id(3)]
    public required string GatewayBase { get; init; }

    /// <summary>The cursor of a previous answer's <c>next</c> link; the other parameters are then ignored.</summary>
    [Id(4)]
    public string? Cursor { get; init; }

    /// <summary>Where the answer comes from. A cursor goes on where its search began.</summary>
    [Id(5)]
    public Freshness Freshness { get; init; }

    /// <summary>How old an answer from the record may be, in seconds (<c>max-age</c>); null: what the tenant says.</summary>
    [Id(6)]
    public int? AgeMaxSeconds { get; init; }
}

/// <summary>One search parameter.</summary>
[GenerateSerializer, Immutable, Alias("ehr.SearchParameter")]
public readonly record struct SearchParameter([property: Id(0)] string Name, [property: Id(1)] string Value);

/// <summary>A FHIR read.</summary>
[GenerateSerializer, Immutable, Alias("ehr.FhirRead")]
public sealed record FhirRead
{
    /// <summary>The resource type.</summary>
    [Id(0)]
    public required string Type { get; init; }

    /// <summary>The normalized logical id.</summary>
    [Id(1)]
    public required string Id { get; init; }

    /// <summary>The gateway's FHIR base for this tenant, absolute and without a trailing slash.</summary>
    [Id(2)]
    public required string GatewayBase { get; init; }

    /// <summary>Where the answer comes from; <see cref="Freshness.Both"/> is the EHR here.</summary>
    [Id(3)]
    public Freshness Freshness { get; init; }

    /// <summary>How old an answer from the record may be, in seconds (<c>max-age</c>); null: what the tenant says.</summary>
    [Id(4)]
    public int? AgeMaxSeconds { get; init; }

    /// <summary>A version of it (vread, R4 http.html#vread), which only the record has; null: the current one.</summary>
    [Id(5)]
    public int? Version { get; init; }
}

/// <summary>Patient/$everything. The patient record answers it: what the EHR has beyond it is asked for by search.</summary>
[GenerateSerializer, Immutable, Alias("ehr.FhirEverything")]
public sealed record FhirEverything
{
    /// <summary>The Patient's logical id.</summary>
    [Id(0)]
    public required string Patient { get; init; }

    /// <summary><c>start</c>, <c>end</c>, <c>_since</c>, <c>_type</c> and <c>_count</c>, decoded.</summary>
    [Id(1)]
    public required SearchParameter[] Parameters { get; init; }

    /// <summary>The gateway's FHIR base for this tenant, absolute and without a trailing slash.</summary>
    [Id(2)]
    public required string GatewayBase { get; init; }

    /// <summary>The cursor of a previous answer's <c>next</c> link; the other parameters are then ignored.</summary>
    [Id(3)]
    public string? Cursor { get; init; }
}

/// <summary>The history of one resource.</summary>
[GenerateSerializer, Immutable, Alias("ehr.FhirHistory")]
public sealed record FhirHistory
{
    /// <summary>The resource type.</summary>
    [Id(0)]
    public required string Type { get; init; }

    /// <summary>The logical id.</summary>
    [Id(1)]
    public required string Id { get; init; }

    /// <summary>The gateway's FHIR base for this tenant, absolute and without a trailing slash.</summary>
    [Id(2)]
    public required string GatewayBase { get; init; }

    /// <summary>The most versions to tell: 1–1,000.</summary>
    [Id(3)]
    public int CountMax { get; init; } = 1000;

    /// <summary>Only versions written since then (<c>_since</c>); null: all.</summary>
    [Id(4)]
    public DateTimeOffset? Since { get; init; }

    /// <summary>Where to go on, from the link to the next page; null: at the newest.</summary>
    [Id(5)]
    public string? Cursor { get; init; }
}

/// <summary>An answer as it goes over HTTP: the same bytes for HTTP callers and Orleans clients.</summary>
[GenerateSerializer, Immutable, Alias("ehr.FhirResponse")]
public sealed record FhirResponse
{
    /// <summary>The HTTP status.</summary>
    [Id(0)]
    public required int Status { get; init; }

    /// <summary>A FHIR resource as UTF-8 JSON: the resource, a searchset Bundle, or an OperationOutcome.</summary>
    [Id(1)]
    public required byte[] Body { get; init; }

    /// <summary>The entity tag, for example <c>W/"3"</c>.</summary>
    [Id(2)]
    public string? ETag { get; init; }

    /// <summary>When the resource last changed, as the EHR says.</summary>
    [Id(3)]
    public DateTimeOffset? LastModified { get; init; }

    /// <summary>For 429 and 503: when to come back, in seconds.</summary>
    [Id(4)]
    public int? RetryAfterSeconds { get; init; }

    /// <summary>How long ago the patient record that answered last took something in, in seconds; null: the EHR answered.</summary>
    [Id(5)]
    public int? AgeSeconds { get; init; }
}
