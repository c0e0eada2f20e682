using EhrGrains.Sandbox.Bulk;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Feeds;
using EhrGrains.Sandbox.Searching;
using EhrGrains.Sandbox.Writes;

namespace EhrGrains.Sandbox.Vendors;

/// <summary>Epic: private_key_jwt only, XML unless asked otherwise, coded outcomes, search sessions, filters after the query.</summary>
internal sealed class EpicVendor : IVendor
{
    public VendorFacts Facts { get; } = new()
    {
        Vendor = "epic",
        Tenant = "st-mary",
        DisplayName = "St. Mary Medical Center",
        TimeZone = "America/Chicago",
        FhirPath = "/interconnect-stmary-oauth/api/FHIR/R4",
        TokenPath = "/interconnect-stmary-oauth/oauth2/token",
        Software = "Epic-like simulated hospital",
        RequestsPerSecond = 20,
        SearchSessionSeconds = 600,
        AuthMethod = "private_key_jwt",
        Formats = ["xml", "json"],

        // Five general entries that say nothing of what a client may have.
        ScopesSupported = ["epic.scanning.dmsusername", "fhirUser", "launch", "openid", "profile"],
    };

    public FeedVoice Voice { get; } = new()
    {
        Application = "EPIC",
        Facility = "STMARY",
        Version = "2.5.1",
        Modern = true,
        CharacterSet = "UNICODE UTF-8",
        Authority = "STMARY",
        FhirIdType = "FHIR",
        OwnSegment = "ZPD",
    };

    public TokenRules Tokens { get; } = new()
    {
        Methods = ["private_key_jwt"],
        AdvertisedMethods = ["client_secret_post", "client_secret_basic", "private_key_jwt"],
        LifetimeSeconds = 3600,
        InvalidClientStatus = 400,
        VersionOne = false,
        ScopeRequired = false,
        RefuseUnknownScope = false,
        Wildcards = true,
        JtiLengthMax = 151,
    };

    public SearchRules Searches { get; } = new()
    {
        PageParameter = "sessionID",
        DatePrefixes = ["eq", "lt", "le", "gt", "ge"],
        UnknownParameters = Unknown.Note,
        FiltersAfter = ["date", "status", "issued", "onset-date", "recorded-date", "period"],
        BodyOnlyOnPost = true,
        CountsTotal = true,
        PatientMatchesMax = 100,
        Types = TypeRules.Table(
            "CareTeam Claim Device ExplanationOfBenefit Goal ImagingStudy ServiceRequest",
            new TypeRules("_id patient subject", "_id|patient|subject", 50, 1000),
            new Dictionary<string, TypeRules>
            {
                ["Patient"] = new(
                "_id identifier family given name birthdate gender legal-sex telecom address-postalcode",
                "_id|identifier|given+family+birthdate|given+family+gender+telecom|given+family+legal-sex+telecom", 50, 100),
                ["Encounter"] = new("_id patient subject class date status identifier", "_id|patient|subject|identifier", 50, 1000),
                ["Condition"] = new(
                    "_id patient subject category clinical-status code encounter onset-date recorded-date", "_id|patient|subject", 50,
                    1000),
                ["Observation"] = new(
                "_id patient subject category code date issued encounter",
                "_id|patient+category|patient+code|subject+category|subject+code", 50, 1000),
                ["AllergyIntolerance"] = new("_id patient clinical-status", "_id|patient", 50, 1000),
                ["MedicationRequest"] = new("_id patient subject status intent date", "_id|patient|subject", 50, 1000),
                ["DiagnosticReport"] = new("_id patient subject category code date status encounter", "_id|patient|subject", 50, 1000),
                ["DocumentReference"] = new(
                    "_id patient subject category type date period status encounter", "_id|patient|subject", 50, 1000),
                ["Coverage"] = new("_id patient beneficiary status", "_id|patient|beneficiary", 50, 1000),
                ["Practitioner"] = new("_id identifier family given name", "_id|identifier|family|name", 50, 1000),
                ["Organization"] = new("_id identifier name", "_id|identifier|name", 50, 1000),
                ["Location"] = new("_id name", "_id|name", 50, 1000),
                ["Medication"] = new("_id", "_id", 50, 1000),
                ["CarePlan"] = new("_id patient subject category status", "_id|patient+category|subject+category", 50, 1000),
                ["Procedure"] = new("_id patient subject date status code", "_id|patient|subject", 50, 1000),
                ["Immunization"] = new("_id patient date status", "_id|patient", 50, 1000),
                ["Binary"] = TypeRules.ReadOnly,
                ["Provenance"] = TypeRules.ReadOnly,
            }),
    };

    public BulkRules Bulk { get; } = new()
    {
        Levels = ExportLevels.Group,
        TypeFilter = true,
        FileResourcesMax = 3000,
        KeptFor = TimeSpan.FromDays(14),
        Every = TimeSpan.FromHours(24),
        PartlyLicensed = "Condition",
    };

    // Of what it can, the types that the charts have.
    public WriteRules Writes { get; } = new()
    {
        Create = ["AllergyIntolerance", "Condition", "DocumentReference", "Observation", "Procedure", "ServiceRequest"],
        Update = ["DiagnosticReport", "DocumentReference", "Observation", "Procedure", "ServiceRequest"],
    };

    public IDialect Dialect(int seed) => new EpicDialect(seed);

    public Explanation Explain(Trouble trouble) => trouble switch
    {
        Trouble.Unauthorized => new(401, "fatal", "login", null, "The access token is missing, expired or unknown."),
        Trouble.ScopeMissing => new(403, "fatal", "forbidden", "4118", "User not authorized for request."),
        Trouble.TypeUnknown => new(404, "fatal", "not-supported", null, "The resource type is not supported."),
        Trouble.NotFound => new(404, "fatal", "not-found", "4102", "The read resource request contained an invalid FHIR ID."),
        Trouble.ExportTooSoon => new(429, "fatal", "throttled", null, "The client has requested this Group too recently."),
        Trouble.Deleted => new(410, "fatal", "deleted", "4103", "The resource has been deleted."),
        Trouble.TooManyRequests => new(429, "error", "throttled", null, "Too many requests."),
        Trouble.Unavailable => new(503, "fatal", "transient", "59177", "An unexpected internal error has occurred."),
        Trouble.NoParameters => new(400, "fatal", "required", "4110", "No parameters are provided in the search request."),
        Trouble.RequiredMissing => new(400, "fatal", "required", "4111", "A required search parameter is missing."),
        Trouble.BadValue => new(400, "fatal", "value", "59111", "A required or supported element contains an invalid value."),
        Trouble.BadCombination => new(400, "fatal", "invalid", "4112", "The combination of parameters is invalid."),
        Trouble.ParameterUnknown or Trouble.ParameterIgnored =>
            new(200, "warning", "processing", "4122", "A parameter is unknown or not supported and was ignored."),
        Trouble.TooManyMatches => new(400, "fatal", "too-costly", "4127", "The search request finds too many patients."),
        Trouble.SessionExpired => new(400, "fatal", "expired", "4113", "Session ID is invalid or has expired."),
        Trouble.Confidential => new(403, "fatal", "suppressed", "4130", "Break-the-Glass security restricts this patient's record."),
        Trouble.Merged => new(302, "information", "informational", "4107", "The resource was merged into another one."),
        Trouble.NoResults => new(200, "warning", "processing", "4101", "Resource request returns no results."),
        Trouble.Incomplete => new(200, "warning", "incomplete", "4119", "Additional data may be present for patient."),
        Trouble.NotWritable or Trouble.BadContent or Trouble.Stale => Explanation.Plain(trouble),
        _ => new(400, "fatal", "invalid", "4100", "The request contains an invalid parameter."),
    };

    public Finding? Check(SearchRequest request)
    {
        if (request.Has("_id"))
        {
            // _id goes with _count, _include and _revinclude alone; anything else is ignored.
            foreach (var other in request.Parameters.Where(parameter => parameter.Name != "_id").ToArray())
            {
                request.Ignore(other);
            }

            return null;
        }

        if (request.First("patient") is { } patient && request.First("subject") is { } subject
            && SearchRequest.IdOf(patient) != SearchRequest.IdOf(subject))
        {
            return new Finding(Trouble.BadCombination, "subject");
        }

        if (request.Type == "AllergyIntolerance" && request.Find("clinical-status") is { } status && status.Code != "active")
        {
            return new Finding(Trouble.BadValue, "clinical-status");
        }

        if (request.Type is "Patient" or "Practitioner" && (request.Has("family") || request.Has("given"))
            && request.Find("name") is { } name)
        {
            request.Ignore(name);
        }

        return null;
    }

    // Precedence: _format, Accept, Content-Type, XML.
    public Format Negotiate(HttpRequest request)
    {
        if (request.Query.TryGetValue("_format", out var format))
        {
            return IsJson(format.ToString()) ? Format.Json : Format.Xml;
        }

        var accept = request.Headers.Accept.ToString();
        var asked = accept is "" or "*/*" ? request.ContentType ?? "" : accept;
        return IsJson(asked) ? Format.Json : Format.Xml;
    }

    private static bool IsJson(string value) => value.Contains("json", StringComparison.OrdinalIgnoreCase);
}
