using EhrGrains.Fhir.Charts;

namespace EhrGrains.Fhir.Capabilities;

/// <summary>What can be asked of the patient records, whatever the hospital's EHR can do.</summary>
internal static class RecordCapabilities
{
    /// <summary>Stands at a parameter that the records alone know.</summary>
    internal const string OfRecords = "Of the patient records.";

    /// <summary>The types that HL7 v2 messages become. Others that pages of an EHR bring are searched by the same rules.</summary>
    internal static readonly string[] Types =
    [
        "Account", "AllergyIntolerance", "Appointment", "ChargeItem", "Condition", "Consent", "Coverage", "Device", "DiagnosticReport", "DocumentReference",
        "Encounter", "EpisodeOfCare", "Goal", "Immunization", "Location", "Medication", "MedicationAdministration", "MedicationDispense", "MedicationRequest", "Observation",
        "Organization", "Patient", "Practitioner", "PractitionerRole", "Procedure", "Provenance", "RelatedPerson", "ResearchStudy", "ServiceRequest",
        "Specimen", "Substance",
    ];

    internal static readonly string[] RevIncludes = ["Provenance:target"];

    internal static IEnumerable<(string Name, string Kind)> ParametersOf(string type) =>
        SearchDefinitions.Of(type).Select(definition => (definition.Name, definition.KindCode));

    internal static IEnumerable<string> IncludesOf(string type) =>
        SearchDefinitions.Of(type).Where(definition => definition.Kind == SearchKind.Reference).Select(definition => $"{type}:{definition.Name}");

    /// <summary>What a search of the type has to name.</summary>
    internal static string NeedsOf(string type) => ChartTerms.Types.Contains(type)
        ? $"over the tenant by {string.Join(", ", ChartTerms.ParametersOf(type))}, or inside one record"
        : "inside one record, with patient or _id";
}
