using EhrGrains.Sandbox.Bulk;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Feeds;
using EhrGrains.Sandbox.Searching;
using EhrGrains.Sandbox.Writes;

namespace EhrGrains.Sandbox.Vendors;

/// <summary>MEDITECH Expanse: US Core's release in the path, no incremental search anywhere, several types without <c>_count</c>.</summary>
internal sealed class MeditechVendor : IVendor
{
    public VendorFacts Facts { get; } = new()
    {
        Vendor = "meditech",
        Tenant = "harbor-general",
        DisplayName = "Harbor General Hospital",
        TimeZone = "America/New_York",
        FhirPath = "/v2/uscore/STU6",
        TokenPath = "/oauth/token",
        Software = "MEDITECH-like simulated hospital",
        RequestsPerSecond = 20,
        SearchSessionSeconds = 900,
        AuthMethod = "private_key_jwt",
        ScopesSupported = ["types"],
        Formats = ["json", "xml"],
        TraceHeaders = ["mtrestapi-requestid"],
    };

    public FeedVoice Voice { get; } = new()
    {
        // A module's own interface, older than the rest of the system.
        Application = "MEDITECH",
        Facility = "HARBOR",
        Version = "2.3",
        Modern = false,
        Authority = "HARBOR",
        FhirIdType = "PI",
    };

    public TokenRules Tokens { get; } = new()
    {
        Methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        AdvertisedMethods = ["client_secret_post", "client_secret_basic", "private_key_jwt"],
        LifetimeSeconds = 900,
        InvalidClientStatus = 401,
        VersionOne = true,
        ScopeRequired = true,
        RefuseUnknownScope = false,
        Wildcards = false,
    };

    public SearchRules Searches { get; } = new()
    {
        PageParameter = "continue",
        DatePrefixes = ["eq", "ne", "lt", "le", "gt", "ge"],
        UnknownParameters = Unknown.Ignore,
        PatientMatchesMax = 200,
        Types = TypeRules.Table(
            "Appointment CareTeam Communication Goal MedicationDispense QuestionnaireResponse RelatedPerson ServiceRequest",
            new TypeRules("_id patient status", "_id|patient", 30, 100),
            new Dictionary<string, TypeRules>
            {
                ["Patient"] = new(
                    "_id identifier name family given birthdate gender phone email", "_id|identifier|name|family|given+birthdate|phone|email", 20, 100),
                ["Encounter"] = new("_id patient date status class identifier", "_id|patient|identifier", 30, 100),
                ["Condition"] = new("_id patient category clinical-status code encounter", "_id|patient", 30, 100),
                ["Observation"] = new("_id patient category code date status", "_id|patient+category|patient+code", 50, 100),
                ["MedicationRequest"] = new("_id patient intent status encounter authoredon", "_id|patient+intent", 30, 100),
                ["DiagnosticReport"] = new("_id patient category code date status", "_id|patient", 30, 100),
                ["Procedure"] = new("_id patient date status code", "_id|patient", 30, 100),
                ["CarePlan"] = new("_id patient category status", "_id|patient+category", 30, 100),
                ["Practitioner"] = new("_id identifier name family given", "_id|identifier|name|family|given", 30, 100),
                ["Organization"] = new("_id name", "_id|name", 30, 100),
                ["Location"] = new("_id name", "_id|name", 30, 100),
                ["Medication"] = new("_id", "_id", 30, 100),
                ["Group"] = new("_id type", "_id|type", 30, 100),

                // These have pages, and no say in how long they are.
                ["AllergyIntolerance"] = new("_id patient clinical-status", "_id|patient", 20, 0),
                ["Coverage"] = new("_id patient status", "_id|patient", 20, 0),
                ["Device"] = new("_id patient", "_id|patient", 20, 0),
                ["DocumentReference"] = new("_id patient category type date period status", "_id|patient", 20, 0),
                ["Immunization"] = new("_id patient date status", "_id|patient", 20, 0),
                ["Specimen"] = new("_id patient", "_id|patient", 20, 0),
                ["Binary"] = TypeRules.ReadOnly,
                ["Media"] = TypeRules.ReadOnly,
                ["PractitionerRole"] = TypeRules.ReadOnly,
                ["Provenance"] = TypeRules.ReadOnly,
                ["Task"] = TypeRules.ReadOnly,
            }),
    };

    public BulkRules Bulk { get; } = new() { Levels = ExportLevels.Group | ExportLevels.Patient, Since = true };

    public WriteRules Writes { get; } = new()
    {
        Create = ["Communication", "QuestionnaireResponse"],
        Update = ["QuestionnaireResponse"],
    };

    public IDialect Dialect(int seed) => new MeditechDialect(seed);

    public Explanation Explain(Trouble trouble) => Explanation.Plain(trouble);

    public Finding? Check(SearchRequest request) =>
        // The name of a practitioner is asked for whole or in parts.
        request.Type == "Practitioner" && request.Has("name") && (request.Has("family") || request.Has("given"))
            ? new Finding(Trouble.BadCombination, "name")
            : null;

    public Format Negotiate(HttpRequest request) => Accepting.Json(request, Format.Xml);
}
