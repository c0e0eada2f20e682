namespace EhrGrains.Fhir.Vendors;

/// <summary>
/// What one EHR product does and needs, as data: read from the embedded file <c>Vendors/{id}.yaml</c>, which also names its
/// sources. Immutable and shared.
/// </summary>
public sealed record VendorProfile
{
    /// <summary>The id that tenants name it by, for example <c>epic</c>.</summary>
    public required string Id { get; init; }

    /// <summary>The product's name, for people.</summary>
    public required string Name { get; init; }

    /// <summary>Where each fact comes from: documents and captured server output.</summary>
    public IReadOnlyList<string> Sources { get; init; } = [];

    /// <summary>Authentication and scopes.</summary>
    public AuthRules Auth { get; init; } = new();

    /// <summary>Search and paging on the wire.</summary>
    public SearchRules Search { get; init; } = new();

    /// <summary>The resource types that can be asked for, by type.</summary>
    public required IReadOnlyDictionary<string, ResourceRules> Resources { get; init; }

    /// <summary>
    /// Which ids are a tenant's own, where one server serves many and an id says whose it is: templates as in
    /// <see cref="SearchRules.Always"/>, a <c>*</c> at the end for any rest. Others are not read. Empty: every id.
    /// </summary>
    public IReadOnlyList<string> OwnIds { get; init; } = [];

    /// <summary>What the vendor's own outcome codes mean, by code.</summary>
    public IReadOnlyDictionary<string, OutcomeCode> OutcomeCodes { get; init; } = new Dictionary<string, OutcomeCode>();

    /// <summary>How a patient's resources are copied.</summary>
    public SyncRules Sync { get; init; } = new();

    /// <summary>Bulk export.</summary>
    public BulkRules Bulk { get; init; } = new();

    /// <summary>What can be written.</summary>
    public WriteRules Writes { get; init; } = new();

    /// <summary>Published limits.</summary>
    public LimitRules Limits { get; init; } = new();

    /// <summary>What is made right in the data.</summary>
    public NormalizationRules Normalization { get; init; } = new();
}

/// <summary>How scopes are written.</summary>
public enum ScopeVersion
{
    /// <summary><c>system/Patient.read</c>.</summary>
    V1,

    /// <summary><c>system/Patient.rs</c>.</summary>
    V2,
}

/// <summary>Authentication and scopes of a vendor.</summary>
public sealed record AuthRules
{
    /// <summary>Token endpoint authentication methods it takes: <c>private_key_jwt</c>, <c>client_secret_basic</c>, <c>client_secret_post</c>.</summary>
    public IReadOnlyList<string> Methods { get; init; } = ["private_key_jwt"];

    /// <summary>How it writes scopes.</summary>
    public ScopeVersion ScopeVersion { get; init; } = ScopeVersion.V2;

    /// <summary>Whether <c>system/*.rs</c> is understood; where not, one scope a resource type is asked for.</summary>
    public bool WildcardScopes { get; init; }

    /// <summary>A header that brings an API key with every request beside the token; null: none.</summary>
    public string? ApiKeyHeader { get; init; }

    /// <summary>Lifetime in seconds to assume when the token answer has no <c>expires_in</c>.</summary>
    public int ExpiresInDefault { get; init; } = 300;
}

/// <summary>Search and paging of a vendor.</summary>
public sealed record SearchRules
{
    /// <summary>The page size parameter; empty: the EHR has none.</summary>
    public string CountParameter { get; init; } = "_count";

    /// <summary>Whether <c>POST _search</c> is taken; then searches with personal data go in the body, not in a URL.</summary>
    public bool Post { get; init; } = true;

    /// <summary>
    /// Parameters added to every search. Values are templates: <c>{practice}</c> is replaced by the tenant's setting of that
    /// name, which is then required.
    /// </summary>
    public IReadOnlyDictionary<string, string> Always { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether <see cref="Always"/> is needed on <c>next</c> links as well.</summary>
    public bool AlwaysOnNext { get; init; }

    /// <summary>Whether <c>Bundle.total</c> counts the entries of the page, not the matches: it is then not passed on as the total.</summary>
    public bool TotalOfPage { get; init; }

    /// <summary>The parameters that may be given together with <c>_id</c>; empty: any.</summary>
    public IReadOnlyList<string> IdWith { get; init; } = [];

    /// <summary>Search parameters that the vendor has beyond FHIR's, by name, with their FHIR search parameter type.</summary>
    public IReadOnlyDictionary<string, string> OwnParameters { get; init; } = new Dictionary<string, string>();
}

/// <summary>What a vendor allows for one resource type.</summary>
public sealed record ResourceRules
{
    /// <summary>Whether reads are allowed.</summary>
    public bool Read { get; init; } = true;

    /// <summary>
    /// Search parameters that are understood, without modifiers, with <c>_include</c> and <c>_revinclude</c> where some of their
    /// values are; empty: the type cannot be searched.
    /// </summary>
    public IReadOnlyList<string> Search { get; init; } = [];

    /// <summary>Combinations of which at least one must be given; empty: no requirement.</summary>
    public IReadOnlyList<IReadOnlyList<string>> RequiredAnyOf { get; init; } = [];

    /// <summary>Sets of parameters of which one excludes the others.</summary>
    public IReadOnlyList<IReadOnlyList<string>> Exclusive { get; init; } = [];

    /// <summary>Whether the page size parameter is understood for this type.</summary>
    public bool Count { get; init; } = true;

    /// <summary>Page size when the caller names none; 0: what the EHR does by itself.</summary>
    public int CountDefault { get; init; }

    /// <summary>The largest page size that the EHR serves; 0: not known.</summary>
    public int CountMax { get; init; }

    /// <summary>Values of <c>_include</c> that are understood, for example <c>MedicationRequest:medication</c>; <c>*</c>: any.</summary>
    public IReadOnlyList<string> Include { get; init; } = [];

    /// <summary>Values of <c>_revinclude</c> that are understood, for example <c>Provenance:target</c>.</summary>
    public IReadOnlyList<string> RevInclude { get; init; } = [];
}

/// <summary>What a vendor's own outcome code means.</summary>
public sealed record OutcomeCode
{
    /// <summary>The FHIR issue type (R4 ValueSet issue-type), for example <c>not-found</c>.</summary>
    public required string Issue { get; init; }

    /// <summary>The severity we give it: <c>fatal</c>, <c>error</c>, <c>warning</c> or <c>information</c>.</summary>
    public required string Severity { get; init; }

    /// <summary>A sentence of ours that says what it means and what to do; it replaces the vendor's text, which may echo PHI.</summary>
    public required string Meaning { get; init; }

    /// <summary>True when the answer is known to be incomplete.</summary>
    public bool Incomplete { get; init; }

    /// <summary>True when it says only that nothing was found: no issue is passed on.</summary>
    public bool NoResults { get; init; }

    /// <summary>True when the search session has ended and the search must start again.</summary>
    public bool SessionExpired { get; init; }
}

/// <summary>What is made right in a vendor's data. Each rule has one name, one test and one counter.</summary>
public sealed record NormalizationRules
{
    /// <summary>
    /// Names of the rules in code that apply, besides those that always do (references, ids, source, tag, repeated resources):
    /// <c>identifier-types</c>, <c>identifier-values</c>, <c>encounter-class</c>, <c>code-systems</c>, <c>zoned-times</c>, <c>must-haves</c>,
    /// <c>masked-identifiers</c>, <c>redacted-resources</c>, <c>merged-patients</c>, <c>marked-up-texts</c>.
    /// </summary>
    public IReadOnlyList<string> Rules { get; init; } = [];

    /// <summary>
    /// Identifier types known only by text, by that text (<c>EPI</c>) or by resource type and text (<c>Practitioner/EXTERNAL</c>), to an
    /// HL7 v2-0203 code (<c>PI</c>).
    /// </summary>
    public IReadOnlyDictionary<string, string> IdentifierTypes { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// Proprietary Encounter.class codes to v3-ActCode (<c>AMB</c>, <c>IMP</c>, <c>EMER</c>, …), by <c>system|code</c>, or by the code alone
    /// where the EHR gives no system.
    /// </summary>
    public IReadOnlyDictionary<string, string> EncounterClasses { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// Code systems that the vendor writes in a way of its own, to the canonical URI; the usual OIDs of LOINC, SNOMED CT, RxNorm and
    /// their like are known anyway.
    /// </summary>
    public IReadOnlyDictionary<string, string> CodeSystems { get; init; } = new Dictionary<string, string>();
}
