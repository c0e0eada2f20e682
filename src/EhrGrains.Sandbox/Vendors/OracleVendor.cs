using EhrGrains.Sandbox.Bulk;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Feeds;
using EhrGrains.Sandbox.Searching;
using EhrGrains.Sandbox.Writes;

namespace EhrGrains.Sandbox.Vendors;

/// <summary>Oracle Health Millennium: tenant in the path, JSON only, exclusive parameters, resources repeated over pages.</summary>
internal sealed class OracleVendor : IVendor
{
    public VendorFacts Facts { get; } = new()
    {
        Vendor = "oracle-health",
        Tenant = "lakeside",
        DisplayName = "Lakeside Regional Hospital",
        TimeZone = "America/Los_Angeles",
        FhirPath = "/r4/" + OracleDialect.TenantGuid,
        OtherTenants = "/r4/{tenant}/{**rest}",
        TokenPath = $"/tenants/{OracleDialect.TenantGuid}/hosts/fhir-ehr.lakeside/protocols/oauth2/profiles/smart-v1/token",
        Issuer = "/tenants/" + OracleDialect.TenantGuid,
        Software = "Oracle-Health-like simulated hospital",
        RequestsPerSecond = 25,
        SearchSessionSeconds = 900,
        AuthMethod = "client_secret_basic",
        ScopesSupported = ["types"],
        TraceHeaders = ["X-Request-Id", "opc-request-id"],
    };

    public FeedVoice Voice { get; } = new()
    {
        // Older, and in local time without an offset, as many interfaces of ten years ago still run.
        Application = "HNAM",
        Facility = "LAKESIDE",
        Version = "2.3",
        Modern = false,
        CharacterSet = "UNICODE UTF-8",
        Authority = "LAKESIDE MRN",
        FhirIdType = "PI",
        OwnSegment = "ZPI",
    };

    public TokenRules Tokens { get; } = new()
    {
        Methods = ["client_secret_basic", "private_key_jwt"],
        AdvertisedMethods = ["client_secret_basic", "private_key_jwt"],
        LifetimeSeconds = 570,
        InvalidClientStatus = 401,
        VersionOne = true,
        ScopeRequired = true,
        RefuseUnknownScope = false,
        Wildcards = false,
    };

    public SearchRules Searches { get; } = new()
    {
        PageParameter = "pageContext",
        DatePrefixes = ["eq", "ne", "lt", "le", "gt", "ge"],
        UnknownParameters = Unknown.Refuse,
        RepeatsLastOfPage = true,
        SocialHistoryFirst = true,
        PatientMatchesMax = 1000,
        Types = TypeRules.Table(
            "CarePlan CareTeam Device Goal MedicationDispense ServiceRequest",
            new TypeRules("_id patient subject category", "_id|patient|subject", 50, 200),
            new Dictionary<string, TypeRules>
            {
                ["Patient"] = new(
                "_id identifier name family given birthdate phone email address-postalcode gender",
                "_id|identifier|name|family|given|birthdate|phone|email|address-postalcode", 20, 1000),
                ["Encounter"] = new("_id patient subject identifier date status _lastUpdated", "_id|patient|subject|identifier", 50, 200),
                ["Condition"] = new(
                    "_id patient subject category clinical-status code encounter _lastUpdated", "_id|patient|subject", 50, 200),
                ["Observation"] = new("_id patient subject category code date _lastUpdated", "_id|patient|subject", 50, 200),
                ["AllergyIntolerance"] = new("_id patient clinical-status _lastUpdated", "_id|patient", 50, 200),
                ["MedicationRequest"] = new("_id patient status intent _lastUpdated", "_id|patient", 50, 200),
                ["DiagnosticReport"] = new("_id patient subject category code date _lastUpdated", "_id|patient|subject", 10, 100),
                ["DocumentReference"] = new(
                    "_id patient subject type date period _lastUpdated category status", "_id|patient|subject", 10, 100),
                ["Coverage"] = new("_id patient", "_id|patient", 50, 200),
                ["Practitioner"] = new("_id identifier name family given", "_id|identifier|name|family|given", 50, 200),
                ["Organization"] = new("_id identifier name", "_id|identifier|name", 50, 200),
                ["Location"] = new("_id name", "_id|name", 50, 200),
                ["Procedure"] = new("_id patient subject date _lastUpdated", "_id|patient|subject", 50, 200),
                ["Immunization"] = new("_id patient date status _lastUpdated", "_id|patient", 50, 200),
                ["Binary"] = TypeRules.ReadOnly,
                ["Provenance"] = TypeRules.ReadOnly,
            }),
    };

    public BulkRules Bulk { get; } = new()
    {
        Levels = ExportLevels.Group | ExportLevels.PatientList,
        Since = true,
        TypeFilter = true,
        KeptFor = TimeSpan.FromDays(30),
        OneAtATime = true,
        ObjectStorage = true,
    };

    public WriteRules Writes { get; } = new()
    {
        Create = ["AllergyIntolerance", "Condition", "Coverage", "DiagnosticReport", "DocumentReference", "Encounter", "Immunization", "Observation", "Procedure"],
        Update = ["AllergyIntolerance", "Condition", "DocumentReference", "Immunization", "Observation"],
        VersionNeeded = true,
        Stale = 409,
        Rejected = ["modifierExtension", "implicitRules"],
        Categories = ["vital-signs", "laboratory"],
    };

    public IDialect Dialect(int seed) => new OracleDialect();

    public Explanation Explain(Trouble trouble) => trouble switch
    {
        Trouble.Unauthorized => new(401, "error", "login", null, "The access token is missing, expired or unknown."),
        Trouble.ScopeMissing => new(403, "error", "forbidden", null, "The access token has no scope for this request."),
        Trouble.OtherTenant => new(403, "error", "forbidden", null, "Tenant not valid or accessible"),
        Trouble.TypeUnknown => new(404, "error", "not-supported", null, "The resource type is not supported."),
        Trouble.NotFound or Trouble.Deleted => new(404, "error", "not-found", null, "Resource not found"),
        Trouble.TooManyRequests or Trouble.ExportTooSoon => new(429, "error", "throttled", null, "Too Many Requests"),
        Trouble.Unavailable => new(503, "error", "transient", null, "Service unavailable"),
        Trouble.TooManyMatches => new(422, "error", "too-costly", null, "More than 1,000 patients match."),
        Trouble.NoParameters or Trouble.RequiredMissing => new(400, "error", "required", null, "A required parameter is missing."),
        Trouble.SessionExpired => new(400, "error", "value", null, "The pageContext is no longer valid."),
        Trouble.ParameterUnknown => new(400, "error", "not-supported", null, "The parameter is not supported."),
        Trouble.Incomplete => new(200, "warning", "incomplete", null, "Not all data could be read."),
        Trouble.NoResults => new(200, "information", "informational", null, "Nothing was found."),
        Trouble.NotWritable or Trouble.BadContent or Trouble.Stale => Explanation.Plain(trouble),
        _ => new(400, "error", "value", null, "The parameter or its combination with others is not valid."),
    };

    public Finding? Check(SearchRequest request)
    {
        if (request.Has("_id") && request.Parameters.Count > 1)
        {
            return new Finding(Trouble.BadCombination, "_id");
        }

        if (request.Type == "Patient" && Repeated(request) is { } repeated)
        {
            return new Finding(Trouble.BadValue, repeated);
        }

        return Exclusive(request) ?? CheckTimes(request);
    }

    public Format Negotiate(HttpRequest request) => Accepting.Json(request, Format.None);

    private static string? Repeated(SearchRequest request) =>
        request.Parameters.GroupBy(parameter => parameter.Name)
            .FirstOrDefault(group => group.Count() > 1 || group.First().Value.Contains(',', StringComparison.Ordinal))?
            .Key;

    private static Finding? Exclusive(SearchRequest request)
    {
        string[] oneOf = request.Type switch
        {
            "Observation" => ["date", "_lastUpdated"],
            "DocumentReference" => ["date", "period", "_lastUpdated"],
            _ => [],
        };
        return oneOf.Count(request.Has) > 1 ? new Finding(Trouble.BadCombination, "_lastUpdated") : null;
    }

    private static Finding? CheckTimes(SearchRequest request)
    {
        foreach (var (name, _, value) in request.Parameters)
        {
            var hasPrefix = value.Length > 0 && char.IsAsciiLetter(value[0]);
            var hasTime = value.Contains('T', StringComparison.Ordinal);
            var bad = (request.Type, name) switch
            {
                ("Encounter", "date") => !hasPrefix,
                ("DiagnosticReport", "date") => !hasTime,
                ("MedicationRequest", "_lastUpdated") =>
                    !hasTime || !(value.StartsWith("ge", StringComparison.Ordinal) || value.StartsWith("le", StringComparison.Ordinal)),
                ("DocumentReference", "period") => request.Parameters.Count(parameter => parameter.Name == "period") != 2,
                _ => false,
            };
            if (bad)
            {
                return new Finding(Trouble.BadValue, name);
            }
        }

        return null;
    }
}
