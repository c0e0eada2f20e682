using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Bulk;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Feeds;
using EhrGrains.Sandbox.Searching;
using EhrGrains.Sandbox.Writes;

namespace EhrGrains.Sandbox.Vendors;

/// <summary>
/// ModMed's EMA API, FHIR in shape: a key in a header of every call beside the token, counts of the page instead of the whole, a last
/// page that is empty, no results.
/// </summary>
internal sealed class ModMedEmaVendor : IVendor
{
    public VendorFacts Facts { get; } = new()
    {
        Vendor = "modmed-ema",
        Tenant = "summit-ema",
        DisplayName = "Summit Skin Specialists, EMA",
        TimeZone = "America/Denver",
        FhirPath = "/ema-prod/firm/summit/ema/fhir/v2",
        TokenPath = "/auth/realms/ema-fhir/protocol/openid-connect/token",
        Software = "EMA-like simulated practice",
        RequestsPerSecond = 20,
        SearchSessionSeconds = 600,
        AuthMethod = "client_secret_post",
        ApiKeyHeader = "x-api-key",
    };

    public FeedVoice Voice { get; } = new()
    {
        Application = "EMA",
        Facility = "SUMMITEMA",
        Version = "2.5.1",
        Modern = true,
        CharacterSet = "UNICODE UTF-8",
        Authority = "SUMMIT",
        FhirIdType = "PI",
    };

    public TokenRules Tokens { get; } = new()
    {
        Methods = ["client_secret_post", "client_secret_basic"],
        AdvertisedMethods = ["client_secret_post", "client_secret_basic"],
        LifetimeSeconds = 900,
        InvalidClientStatus = 401,
        VersionOne = true,
        ScopeRequired = false,
        RefuseUnknownScope = false,
        Wildcards = true,
    };

    public SearchRules Searches { get; } = new()
    {
        PageParameter = "page",
        DatePrefixes = ["eq", "gt", "ge", "lt", "le"],
        UnknownParameters = Unknown.Ignore,
        CountsTotal = true,
        TotalIsOfPage = true,
        EndsWithEmptyPage = true,
        Types = TypeRules.Table(
            "Appointment DiagnosticReport Encounter InsurancePlan ServiceRequest Task",
            new TypeRules("_id patient status date _lastUpdated", "_id|patient|_lastUpdated", 20, 50),
            new Dictionary<string, TypeRules>
            {
                ["Patient"] = new(
                    "_id identifier name family given birthdate gender _lastUpdated", "_id|identifier|name|family|given|birthdate|_lastUpdated", 20, 50),
                ["Coverage"] = new("_id patient _lastUpdated", "_id|patient|_lastUpdated", 20, 50),
                ["Practitioner"] = new("_id identifier name _lastUpdated", "_id|identifier|name|_lastUpdated", 20, 50),
                ["Organization"] = new("_id name _lastUpdated", "_id|name|_lastUpdated", 20, 50),
                ["Location"] = new("_id name _lastUpdated", "_id|name|_lastUpdated", 20, 50),
                ["AllergyIntolerance"] = new("_id patient clinical-status", "_id|patient", 20, 50),
                ["Condition"] = new("_id patient category clinical-status", "_id|patient", 20, 50),
                ["MedicationStatement"] = new("_id patient status", "_id|patient", 20, 50),
                ["FamilyMemberHistory"] = new("_id patient", "_id|patient", 20, 50),
                ["DocumentReference"] = new("_id patient type date", "_id|patient", 20, 50),
                ["Binary"] = TypeRules.ReadOnly,
            }),
    };

    public BulkRules Bulk => BulkRules.None;

    public WriteRules Writes { get; } = new()
    {
        Create = ["AllergyIntolerance", "Appointment", "Condition", "Coverage", "DocumentReference", "MedicationStatement", "Organization", "Patient", "Practitioner"],
        Update = ["AllergyIntolerance", "Appointment", "Condition", "Coverage", "MedicationStatement", "Patient"],
    };

    public IDialect Dialect(int seed) => new EmaDialect();

    public Explanation Explain(Trouble trouble) => trouble switch
    {
        Trouble.ApiKeyMissing => new(403, "error", "forbidden", null, "The API key is missing or unknown."),
        Trouble.BadValue or Trouble.BadCombination => new(422, "error", "value", null, "The request could not be processed."),
        _ => Explanation.Plain(trouble),
    };

    public Finding? Check(SearchRequest request) => null;

    public Format Negotiate(HttpRequest request) => Accepting.Json(request, Format.None);
}

/// <summary>EMA's way of writing FHIR: plain numbers as ids, statements in the place of orders, reports without their results.</summary>
internal sealed class EmaDialect : IDialect
{
    public string Id(string type, string number) => number;

    public string Reference(string type, string number, string fhirBase) => $"{type}/{number}";

    public bool Speak(JsonObject resource, SplitMix64 random)
    {
        switch ((string?)resource["resourceType"])
        {
            case "Observation" or "Provenance" or "Medication" or "Group":
                return false;
            case "DiagnosticReport":
                resource.Remove("result");
                break;
            case "MedicationRequest":
                State(resource);
                break;
        }

        resource["meta"]?.AsObject().Remove("versionId");
        return true;
    }

    private static void State(JsonObject order)
    {
        order["resourceType"] = "MedicationStatement";
        order["category"] = order["category"]![0]!.DeepClone();
        order["context"] = order["encounter"]!.DeepClone();
        order["effectiveDateTime"] = order["authoredOn"]!.DeepClone();
        order["dosage"] = order["dosageInstruction"]!.DeepClone();
        foreach (var name in (string[])["intent", "encounter", "authoredOn", "requester", "dosageInstruction"])
        {
            order.Remove(name);
        }
    }
}
