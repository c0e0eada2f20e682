using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Bulk;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Feeds;
using EhrGrains.Sandbox.Searching;

namespace EhrGrains.Sandbox.Vendors;

/// <summary>
/// ModMed's certified FHIR server: read and search by patient and little else, no page size to ask for, a client secret in the body;
/// what has changed is known from a bulk export alone.
/// </summary>
internal sealed class ModMedVendor : IVendor
{
    public VendorFacts Facts { get; } = new()
    {
        Vendor = "modmed",
        Tenant = "summit-skin",
        DisplayName = "Summit Skin Specialists",
        TimeZone = "America/Denver",
        FhirPath = "/mmi/fhir/r4",
        TokenPath = "/mmi/fhir/r4/auth/realms/fhir/protocol/openid-connect/token",
        Software = "ModMed-like simulated practice",
        RequestsPerSecond = 20,
        SearchSessionSeconds = 600,
        AuthMethod = "client_secret_post",
        ScopesSupported = ["types"],
        Formats = ["json", "xml"],
    };

    public FeedVoice Voice { get; } = new()
    {
        Application = "EMA",
        Facility = "SUMMIT",
        Version = "2.5.1",
        Modern = true,
        CharacterSet = "UNICODE UTF-8",
        Authority = "SUMMIT",
        FhirIdType = "PI",
    };

    public TokenRules Tokens { get; } = new()
    {
        Methods = ["client_secret_post"],
        AdvertisedMethods = ["client_secret_post"],
        LifetimeSeconds = 300,
        InvalidClientStatus = 401,
        VersionOne = false,
        ScopeRequired = true,
        RefuseUnknownScope = true,
        Wildcards = false,
    };

    public SearchRules Searches { get; } = new()
    {
        PageParameter = "page",
        DatePrefixes = ["eq", "gt", "ge", "lt", "le"],
        UnknownParameters = Unknown.Ignore,
        PatientMatchesMax = 100,
        Types = TypeRules.Table(
            "AllergyIntolerance CarePlan CareTeam Condition Coverage Device DiagnosticReport DocumentReference Encounter Goal Immunization"
                + " MedicationDispense MedicationRequest Observation Procedure QuestionnaireResponse RelatedPerson ServiceRequest Specimen",
            new TypeRules("_id patient category status intent code date", "_id|patient", 50, 0),
            new Dictionary<string, TypeRules>
            {
                ["Patient"] = new("_id identifier name family given birthdate gender", "_id|identifier|name|family+birthdate|family+gender", 50, 0),
                ["Practitioner"] = new("_id identifier name", "_id|identifier|name", 50, 0),
                ["Organization"] = new("_id name", "_id|name", 50, 0),
                ["Location"] = new("_id name", "_id|name", 50, 0),
                ["Medication"] = TypeRules.ReadOnly,
                ["Group"] = TypeRules.ReadOnly,
                ["Binary"] = TypeRules.ReadOnly,
                ["Endpoint"] = TypeRules.ReadOnly,
                ["PractitionerRole"] = TypeRules.ReadOnly,
                ["Questionnaire"] = TypeRules.ReadOnly,
                ["ValueSet"] = TypeRules.ReadOnly,
                ["Provenance"] = TypeRules.ReadOnly,
            }),
    };

    public BulkRules Bulk { get; } = new()
    {
        Levels = ExportLevels.Group | ExportLevels.Patient | ExportLevels.System,
        Since = true,
        RequiresAccessToken = false,
    };

    public IDialect Dialect(int seed) => new ModMedDialect();

    public Explanation Explain(Trouble trouble) => Explanation.Plain(trouble);

    public Finding? Check(SearchRequest request) => null;

    public Format Negotiate(HttpRequest request) => Accepting.Json(request, Format.Xml);
}

/// <summary>ModMed's way of writing FHIR: plain numbers as ids, medications by reference, times of change unsaid.</summary>
internal sealed class ModMedDialect : IDialect
{
    public string Id(string type, string number) => number;

    public string Reference(string type, string number, string fhirBase) => $"{type}/{number}";

    public bool Speak(JsonObject resource, SplitMix64 random)
    {
        resource.Remove("meta");
        if ((string?)resource["resourceType"] == "MedicationRequest")
        {
            var coding = resource["medicationCodeableConcept"]!["coding"]![0]!;
            resource["medicationReference"] = Elements.Reference("Medication", Staff.Medication((string)coding["code"]!));
            resource.Remove("medicationCodeableConcept");
        }

        return true;
    }
}
