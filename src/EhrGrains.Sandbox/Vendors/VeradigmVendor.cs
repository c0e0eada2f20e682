using EhrGrains.Sandbox.Bulk;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Feeds;
using EhrGrains.Sandbox.Searching;

namespace EhrGrains.Sandbox.Vendors;

/// <summary>
/// Veradigm (Allscripts Professional): the practice's code in the path of everything, a SMART configuration with a name of its own,
/// combinations declared in the CapabilityStatement, results that can be too large.
/// </summary>
internal sealed class VeradigmVendor : IVendor
{
    private const string Code = "CP00101";

    public VendorFacts Facts { get; } = new()
    {
        Vendor = "veradigm",
        Tenant = "northgate",
        DisplayName = "Northgate Physicians",
        TimeZone = "America/Chicago",
        FhirPath = "/fhirroute/fhir/" + Code,
        OtherTenants = "/fhirroute/fhir/{practice}/{**rest}",
        TokenPath = $"/fhirroute/authorizationV2/{Code}/connect/token",
        Issuer = "https://login.northgate.example/authorization",
        Software = "Veradigm-like simulated hospital",
        RequestsPerSecond = 15,
        SearchSessionSeconds = 1200,
        AuthMethod = "private_key_jwt",
        AuthMethodsMember = "token_endpoint_auth_methods",
        ScopesSupported = ["types"],
        Formats = ["json", "xml"],
        DeclaresCombinations = true,
    };

    public FeedVoice Voice { get; } = new()
    {
        Application = "TOUCHWORKS",
        Facility = "NORTHGATE",
        Version = "2.4",
        Modern = false,
        CharacterSet = "8859/1",
        Authority = "NORTHGATE",
        FhirIdType = "PI",
    };

    public TokenRules Tokens { get; } = new()
    {
        Methods = ["private_key_jwt"],
        AdvertisedMethods = ["client_secret_basic", "client_secret_post", "tls_client_auth"],
        LifetimeSeconds = 600,
        InvalidClientStatus = 400,
        VersionOne = true,
        ScopeRequired = true,
        RefuseUnknownScope = false,
        Wildcards = false,
    };

    public SearchRules Searches { get; } = new()
    {
        PageParameter = "page",
        DatePrefixes = ["eq", "gt", "ge", "lt", "le"],
        UnknownParameters = Unknown.Ignore,
        CountsTotal = true,
        MatchesMax = 1000,
        PatientMatchesMax = 100,
        Types = TypeRules.Table(
            "CareTeam Device Goal MedicationAdministration MedicationDispense MedicationStatement QuestionnaireResponse RelatedPerson ServiceRequest Specimen",
            new TypeRules("_id patient status", "_id|patient", 20, 100),
            new Dictionary<string, TypeRules>
            {
                ["Patient"] = new(
                    "_id id identifier name family given birthdate gender", "_id|id|identifier|name|birthdate+family|gender+name", 20, 100),
                ["Encounter"] = new("_id patient date status class", "_id|patient", 20, 100),
                ["Condition"] = new("_id patient category clinical-status code", "_id|patient|patient+category", 20, 100),
                ["Observation"] = new("_id patient category code date status", "_id|patient+category|patient+code", 20, 100),
                ["AllergyIntolerance"] = new("_id patient clinical-status", "_id|patient", 20, 100),
                ["MedicationRequest"] = new("_id patient intent status", "_id|patient+intent", 20, 100),
                ["DiagnosticReport"] = new("_id patient category code date status", "_id|patient", 20, 100),
                ["DocumentReference"] = new("_id patient category type date status", "_id|patient", 20, 100),
                ["Coverage"] = new("_id patient", "_id|patient", 20, 100),
                ["CarePlan"] = new("_id patient category", "_id|patient+category", 20, 100),
                ["Procedure"] = new("_id patient date status", "_id|patient", 20, 100),
                ["Immunization"] = new("_id patient date status", "_id|patient", 20, 100),
                ["Practitioner"] = new("_id identifier name", "_id|identifier|name", 20, 100),
                ["Organization"] = new("_id name", "_id|name", 20, 100),
                ["Location"] = new("_id name", "_id|name", 20, 100),
                ["Medication"] = new("_id", "_id", 20, 100),
                ["Binary"] = TypeRules.ReadOnly,
                ["Group"] = TypeRules.ReadOnly,
                ["PractitionerRole"] = TypeRules.ReadOnly,
                ["Questionnaire"] = TypeRules.ReadOnly,
                ["Provenance"] = TypeRules.ReadOnly,
            }),
    };

    public BulkRules Bulk { get; } = new() { Levels = ExportLevels.Group, Since = true, OnlyByName = ["Provenance"] };

    public IDialect Dialect(int seed) => new VeradigmDialect(seed);

    public Explanation Explain(Trouble trouble) => trouble switch
    {
        Trouble.OtherTenant => new(404, "error", "not-found", null, "The practice is not known."),
        _ => Explanation.Plain(trouble),
    };

    public Finding? Check(SearchRequest request) => null;

    public Format Negotiate(HttpRequest request) => Accepting.Json(request, Format.Xml);
}
