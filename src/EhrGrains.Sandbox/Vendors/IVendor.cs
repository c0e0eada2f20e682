using EhrGrains.Sandbox.Bulk;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Feeds;
using EhrGrains.Sandbox.Searching;
using EhrGrains.Sandbox.Writes;

namespace EhrGrains.Sandbox.Vendors;

/// <summary>One EHR product: what its servers do and refuse. Everything here is a documented behaviour of the vendor's.</summary>
internal interface IVendor
{
    VendorFacts Facts { get; }

    TokenRules Tokens { get; }

    SearchRules Searches { get; }

    BulkRules Bulk { get; }

    /// <summary>What applications may write; as a rule nothing.</summary>
    WriteRules Writes => new();

    /// <summary>How the site writes HL7 v2.</summary>
    FeedVoice Voice { get; }

    /// <summary>How the vendor tells a trouble: status, issue and its own code.</summary>
    Explanation Explain(Trouble trouble);

    /// <summary>The charts' dialect.</summary>
    IDialect Dialect(int seed);

    /// <summary>
    /// The vendor's own search rules, beyond <see cref="Searches"/>; may take parameters out of the request and say so in its notes.
    /// </summary>
    Finding? Check(SearchRequest request);

    /// <summary>Whether an answer in JSON is what this request gets.</summary>
    Format Negotiate(HttpRequest request);
}

/// <summary>What a request gets for its Accept header and <c>_format</c>.</summary>
internal enum Format
{
    Json,

    /// <summary>The vendor would answer XML.</summary>
    Xml,

    /// <summary>406.</summary>
    None,
}

/// <summary>How a product without a mind of its own reads an Accept header: JSON unless something else alone is asked for.</summary>
internal static class Accepting
{
    public static Format Json(HttpRequest request, Format other)
    {
        var accept = request.Headers.Accept.ToString();
        return accept.Length == 0 || accept.Contains("json", StringComparison.OrdinalIgnoreCase)
            || accept.Contains("*/*", StringComparison.Ordinal)
            ? Format.Json
            : other;
    }
}

/// <summary>Where a vendor's site is and how it is connected to.</summary>
internal sealed record VendorFacts
{
    public required string Vendor { get; init; }

    public required string Tenant { get; init; }

    public required string DisplayName { get; init; }

    public required string TimeZone { get; init; }

    public required string FhirPath { get; init; }

    /// <summary>A route that catches FHIR paths of tenants that are not here; null when the path names no tenant.</summary>
    public string? OtherTenants { get; init; }

    public required string TokenPath { get; init; }

    /// <summary>The issuer that discovery names, when it is not the FHIR base.</summary>
    public string? Issuer { get; init; }

    public required string Software { get; init; }

    public required int RequestsPerSecond { get; init; }

    public required int SearchSessionSeconds { get; init; }

    /// <summary>The authentication method that our client is registered with by default.</summary>
    public required string AuthMethod { get; init; }

    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>The member of the SMART configuration that names the methods; one product has another than the standard's.</summary>
    public string AuthMethodsMember { get; init; } = "token_endpoint_auth_methods_supported";

    /// <summary>What discovery names as <c>scopes_supported</c>; <c>types</c>: a scope of each version for each type. Null: nothing.</summary>
    public IReadOnlyList<string>? ScopesSupported { get; init; }

    /// <summary>A header of every FHIR request that holds the practice's key; null: none. The key is the client's secret with an <c>-key</c>.</summary>
    public string? ApiKeyHeader { get; init; }

    /// <summary>Formats of the CapabilityStatement, the default first.</summary>
    public IReadOnlyList<string> Formats { get; init; } = ["json"];

    /// <summary>Whether the CapabilityStatement says which parameters must be given together.</summary>
    public bool DeclaresCombinations { get; init; }

    /// <summary>Headers with a request's number that every answer carries.</summary>
    public IReadOnlyList<string> TraceHeaders { get; init; } = [];
}

/// <summary>What a vendor's token endpoint does.</summary>
internal sealed record TokenRules
{
    /// <summary>Methods that a backend client may use.</summary>
    public required IReadOnlyList<string> Methods { get; init; }

    /// <summary>Methods that discovery names; they are not always those that work.</summary>
    public required IReadOnlyList<string> AdvertisedMethods { get; init; }

    public required int LifetimeSeconds { get; init; }

    /// <summary>Status of <c>invalid_client</c>.</summary>
    public required int InvalidClientStatus { get; init; }

    /// <summary>Whether scopes of version 1 (<c>.read</c>) are understood.</summary>
    public required bool VersionOne { get; init; }

    /// <summary>Whether a token request must name its scopes.</summary>
    public required bool ScopeRequired { get; init; }

    /// <summary>Whether a scope that cannot be given fails the request; otherwise it is left out of the grant.</summary>
    public required bool RefuseUnknownScope { get; init; }

    /// <summary>Whether <c>system/*.rs</c> stands for everything registered; otherwise it fails the request.</summary>
    public required bool Wildcards { get; init; }

    /// <summary>Token requests in a minute of the clock; more are answered 429 until it ends. Null: not limited.</summary>
    public int? RequestsPerMinute { get; init; }

    /// <summary>The longest <c>jti</c>.</summary>
    public int JtiLengthMax { get; init; } = 1024;
}

/// <summary>What can be wrong with a request.</summary>
internal enum Trouble
{
    Unauthorized,
    ScopeMissing,
    OtherTenant,
    TypeUnknown,
    NotFound,
    Deleted,
    TooManyRequests,
    Unavailable,
    NoParameters,
    RequiredMissing,
    BadValue,
    BadCombination,
    ParameterUnknown,
    ParameterIgnored,
    TooManyMatches,
    TooLarge,
    ExportTooSoon,
    SessionExpired,
    PracticeMissing,
    ApiKeyMissing,
    Confidential,
    Merged,
    NoResults,
    Incomplete,
    NotWritable,
    BadContent,
    Stale,
}

/// <summary>How a vendor tells a trouble. <paramref name="Text"/> never repeats a parameter's value.</summary>
internal sealed record Explanation(int Status, string Severity, string Issue, string? Code, string Text)
{
    /// <summary>As FHIR R4 http.html has it, without a product's own words.</summary>
    public static Explanation Plain(Trouble trouble) => trouble switch
    {
        Trouble.Unauthorized => new(401, "error", "login", null, "The access token is missing, expired or unknown."),
        Trouble.ScopeMissing => new(403, "error", "forbidden", null, "The access token has no scope for this request."),
        Trouble.TypeUnknown => new(404, "error", "not-supported", null, "The resource type is not supported."),
        Trouble.NotFound => new(404, "error", "not-found", null, "The resource was not found."),
        Trouble.Deleted => new(410, "error", "deleted", null, "The resource was deleted."),
        Trouble.TooManyRequests => new(429, "error", "throttled", null, "Too many requests."),
        Trouble.Unavailable => new(503, "error", "transient", null, "The service is not available."),
        Trouble.NoParameters or Trouble.RequiredMissing => new(400, "error", "required", null, "A required search parameter is missing."),
        Trouble.SessionExpired => new(400, "error", "expired", null, "The page is no longer available."),
        Trouble.TooManyMatches => new(400, "error", "too-costly", null, "The search matches too many patients."),
        Trouble.ExportTooSoon => new(429, "error", "throttled", null, "Another export has to be over before."),
        Trouble.TooLarge => new(413, "error", "too-long", null, "The result is too large."),
        Trouble.Confidential => new(403, "error", "suppressed", null, "The record is restricted."),
        Trouble.NoResults => new(200, "information", "informational", null, "Nothing was found."),
        Trouble.NotWritable => new(405, "error", "not-supported", null, "The interaction is not supported for this resource type."),
        Trouble.BadContent => new(422, "error", "invariant", null, "The resource is not accepted."),
        Trouble.Stale => new(412, "error", "conflict", null, "The resource has another version."),
        Trouble.Incomplete => new(200, "warning", "incomplete", null, "Not all data could be read."),
        _ => new(400, "error", "value", null, "The parameter or its combination with others is not valid."),
    };
}

/// <summary>A trouble found in a request, and the parameter at fault.</summary>
internal sealed record Finding(Trouble Trouble, string? Parameter = null);
