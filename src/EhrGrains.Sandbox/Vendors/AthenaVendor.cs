using EhrGrains.Sandbox.Bulk;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Feeds;
using EhrGrains.Sandbox.Searching;
using EhrGrains.Sandbox.Writes;

namespace EhrGrains.Sandbox.Vendors;

/// <summary>athenahealth: one host for all practices, chosen by a search parameter; required combinations; outcomes inside a 200.</summary>
internal sealed class AthenaVendor : IVendor
{
    private const string PracticeParameter = "ah-practice";

    public VendorFacts Facts { get; } = new()
    {
        Vendor = "athenahealth",
        Tenant = "cedar-clinic",
        DisplayName = "Cedar Family Clinic",
        TimeZone = "America/New_York",
        FhirPath = "/fhir/r4",
        TokenPath = "/oauth2/v1/token",
        Issuer = "https://login.cedar-clinic.example/oauth2/default",
        Software = "athenahealth-like simulated hospital",
        RequestsPerSecond = 50,
        SearchSessionSeconds = 1800,
        AuthMethod = "private_key_jwt",
        Settings = new Dictionary<string, string> { ["practice"] = AthenaDialect.Practice },
    };

    public FeedVoice Voice { get; } = new()
    {
        // MSH-18 is empty, though names are in UTF-8.
        Application = "ATHENANET",
        Facility = AthenaDialect.Practice + "^CEDAR FAMILY CLINIC",
        Version = "2.5.1",
        Modern = true,
        Authority = "ATHENA",
        FhirIdType = "PI",
    };

    public TokenRules Tokens { get; } = new()
    {
        Methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        AdvertisedMethods = ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"],
        LifetimeSeconds = 3600,
        InvalidClientStatus = 401,
        VersionOne = true,
        ScopeRequired = true,
        RefuseUnknownScope = true,
        Wildcards = false,
        RequestsPerMinute = 50,
    };

    public SearchRules Searches { get; } = new()
    {
        PageParameter = "cursor",
        DatePrefixes = ["eq", "lt", "le", "gt", "ge"],
        UnknownParameters = Unknown.Ignore,
        CountsTotal = true,
        PatientMatchesMax = 200,
        TooManyInside = true,
        Always = PracticeParameter,
        Types = TypeRules.Table(
            "Appointment CarePlan CareTeam Device FamilyMemberHistory Goal MedicationDispense Questionnaire QuestionnaireResponse"
                + " RelatedPerson ServiceRequest Specimen",
            new TypeRules("_id patient category _lastUpdated", "_id|patient", 10, 100),
            new Dictionary<string, TypeRules>
            {
                ["Patient"] = new(
                "_id identifier name birthdate gender family given _lastUpdated",
                "_id|identifier|name|family+birthdate|family+gender|family+given", 10, 100),
                ["Encounter"] = new("_id patient date status _lastUpdated", "_id|patient", 10, 100),
                ["Condition"] = new("_id patient category clinical-status code encounter _lastUpdated", "_id|patient", 10, 100),
                ["Observation"] = new("_id patient category code date status _lastUpdated", "_id|patient", 10, 100),
                ["AllergyIntolerance"] = new("_id patient clinical-status _lastUpdated", "_id|patient", 10, 100),
                ["MedicationRequest"] = new("_id patient intent status encounter authoredon _lastUpdated", "_id|patient+intent", 10, 100),
                ["DiagnosticReport"] = new("_id patient category code date status _lastUpdated", "_id|patient", 10, 100),
                ["DocumentReference"] = new("_id patient category type date status period _lastUpdated", "_id|patient", 10, 100),
                ["Coverage"] = new("_id patient _lastUpdated", "_id|patient", 10, 100),
                ["Practitioner"] = new("_id identifier name", "_id|identifier|name", 10, 100),
                ["Organization"] = new("_id name", "_id|name", 10, 100),
                ["Location"] = new("_id name", "_id|name", 10, 100),
                ["Medication"] = new("_id", "_id", 10, 100),
                ["Procedure"] = new("_id patient date status code _lastUpdated", "_id|patient", 10, 100),
                ["Immunization"] = new("_id patient date status _lastUpdated", "_id|patient", 10, 100),
                ["Binary"] = TypeRules.ReadOnly,
                ["Media"] = TypeRules.ReadOnly,
                ["Provenance"] = TypeRules.ReadOnly,
            }),
    };

    public BulkRules Bulk { get; } = new() { Levels = ExportLevels.Group, Since = true };

    public WriteRules Writes { get; } = new()
    {
        // The rest is written by the athenaOne API.
        Create = ["QuestionnaireResponse"],
    };

    public IDialect Dialect(int seed) => new AthenaDialect();

    public Explanation Explain(Trouble trouble) => trouble switch
    {
        Trouble.Unauthorized => new(401, "fatal", "login", null, "The access token is missing, expired or unknown."),
        Trouble.ScopeMissing => new(403, "fatal", "forbidden", null, "The access token has no scope for this request."),
        Trouble.TypeUnknown => new(404, "fatal", "not-supported", null, "The resource type is not supported."),
        Trouble.NotFound or Trouble.Deleted => new(404, "fatal", "not-found", null, "The resource was not found."),
        Trouble.TooManyRequests or Trouble.ExportTooSoon => new(429, "error", "throttled", null, "Over rate limit."),
        Trouble.Unavailable => new(503, "fatal", "transient", null, "Service unavailable."),
        Trouble.PracticeMissing => new(400, "fatal", "required", null, "Could not determine what practice"),
        Trouble.NoParameters or Trouble.RequiredMissing =>
            new(403, "fatal", "forbidden", null, "The required combinations of search parameters were not provided."),
        Trouble.TooManyMatches => new(200, "fatal", "too-costly", null, "The search matches too many patients."),
        Trouble.SessionExpired => new(400, "fatal", "value", null, "The cursor is no longer valid."),
        Trouble.Incomplete => new(200, "warning", "incomplete", null, "Not all data could be read."),
        Trouble.NoResults => new(200, "information", "informational", null, "Nothing was found."),
        _ => new(400, "fatal", "value", null, "The parameter or its combination with others is not valid."),
    };

    public Finding? Check(SearchRequest request)
    {
        var practice = request.Always is { } value ? value[(value.LastIndexOf('/') + 1)..] : null;
        if (practice != "a-1.Practice-" + AthenaDialect.Practice)
        {
            return new Finding(Trouble.PracticeMissing, PracticeParameter);
        }

        // _lastUpdated has no time here.
        return request.Parameters.Exists(parameter => parameter is { Name: "_lastUpdated" }
            && parameter.Value.Contains('T', StringComparison.Ordinal))
            ? new Finding(Trouble.BadValue, "_lastUpdated")
            : null;
    }

    public Format Negotiate(HttpRequest request) => Accepting.Json(request, Format.None);
}
