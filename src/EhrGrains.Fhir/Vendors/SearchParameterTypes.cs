using System.Collections.Frozen;

namespace EhrGrains.Fhir.Vendors;

/// <summary>
/// The types of the FHIR R4 and US Core 6.1.0 search parameters that vendor profiles name (R4 search.html#ptypes). A name has
/// one type, except where a resource type differs.
/// </summary>
public static class SearchParameterTypes
{
    private static readonly FrozenDictionary<string, string> ByName = new Dictionary<string, string>
    {
        ["date"] = """
            _lastUpdated abatement-date activity-date asserted-date authored authoredon birthdate created date death-date
            effective-time issued onset-date period received recorded-date sent start start-date target-date
            """,
        ["reference"] = """
            account actor author based-on beneficiary context custodian encounter focus general-practitioner link location medication
            organization owned-by part-of patient performer practitioner questionnaire recipient request requester result sender
            service-provider source study subject target
            """,
        ["string"] = """
            _query address address-city address-country address-postalcode address-state device-name family given model name publisher
            title udi-carrier udi-di
            """,
        ["token"] = """
            _id _security active address-use category class clinical-status code connection-type deceased discharge-disposition email gender identifier ingredient-code
            intent language lifecycle-status morphology phone relationship role service-category service-type seriousness specialty
            status target-disease telecom type vaccine-code
            """,
    }.SelectMany(t => t.Value.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries), (t, name) => KeyValuePair.Create(name, t.Key))
        .ToFrozenDictionary();

    private static readonly FrozenDictionary<string, string> Exceptions = new Dictionary<string, string>
    {
        // MEDITECH's: the message that is answered (R4 element Communication.inResponseTo).
        ["Communication.in-response-to"] = "reference",
        ["BodyStructure.location"] = "token",
        ["Device.manufacturer"] = "string",

        // US Core's own: in FHIR R4 a Goal is not searched by its description.
        ["Goal.description"] = "token",
    }.ToFrozenDictionary();

    internal static readonly FrozenSet<string> Known = new[] { "number", "date", "string", "token", "reference", "composite", "quantity", "uri", "special" }
        .ToFrozenSet();

    /// <summary>The type of a parameter of a resource type; null when neither FHIR nor the vendor has it.</summary>
    public static string? Find(string resourceType, string name, IReadOnlyDictionary<string, string> ownParameters) =>
        ownParameters.GetValueOrDefault(name)
        ?? Exceptions.GetValueOrDefault($"{resourceType}.{name}")
        ?? ByName.GetValueOrDefault(name);
}
