using System.Collections.Frozen;

namespace EhrGrains.Fhir.Normalization;

/// <summary>
/// The names under which EHRs give well-known code systems, to the canonical URI that FHIR R4 requires
/// (terminologies-systems.html). Vendor profiles add their own.
/// </summary>
internal static class CodeSystems
{
    internal const string ActCode = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    internal const string IdentifierType = "http://terminology.hl7.org/CodeSystem/v2-0203";

    internal static readonly FrozenDictionary<string, string> Common = new Dictionary<string, string>
    {
        ["urn:oid:2.16.840.1.113883.6.1"] = "http://loinc.org",
        ["http://loinc.org/"] = "http://loinc.org",
        ["https://loinc.org"] = "http://loinc.org",
        ["urn:oid:2.16.840.1.113883.6.96"] = "http://snomed.info/sct",
        ["https://snomed.info/sct"] = "http://snomed.info/sct",
        ["urn:oid:2.16.840.1.113883.6.88"] = "http://www.nlm.nih.gov/research/umls/rxnorm",
        ["urn:oid:2.16.840.1.113883.6.8"] = "http://unitsofmeasure.org",
        ["urn:oid:2.16.840.1.113883.6.90"] = "http://hl7.org/fhir/sid/icd-10-cm",
        ["urn:oid:2.16.840.1.113883.6.3"] = "http://hl7.org/fhir/sid/icd-10",
        ["urn:oid:2.16.840.1.113883.6.4"] = "http://www.cms.gov/Medicare/Coding/ICD10",
        ["urn:oid:2.16.840.1.113883.6.103"] = "http://hl7.org/fhir/sid/icd-9-cm",
        ["urn:oid:2.16.840.1.113883.6.12"] = "http://www.ama-assn.org/go/cpt",
        ["urn:oid:2.16.840.1.113883.12.292"] = "http://hl7.org/fhir/sid/cvx",
        ["urn:oid:2.16.840.1.113883.6.69"] = "http://hl7.org/fhir/sid/ndc",
        ["urn:oid:2.16.840.1.113883.3.26.1.5"] = "http://hl7.org/fhir/ndfrt",
        ["urn:oid:2.16.840.1.113883.4.9"] = "http://fdasis.nlm.nih.gov",
        ["urn:oid:2.16.840.1.113883.6.101"] = "http://nucc.org/provider-taxonomy",
        ["urn:oid:2.16.840.1.113883.4.1"] = "http://hl7.org/fhir/sid/us-ssn",
        ["urn:oid:2.16.840.1.113883.4.6"] = "http://hl7.org/fhir/sid/us-npi",
        ["urn:oid:2.16.840.1.113883.5.4"] = ActCode,
    }.ToFrozenDictionary();

    /// <summary>Codes of v3-ActCode that stand for an encounter's class, with their display.</summary>
    internal static readonly FrozenDictionary<string, string> EncounterClasses = new Dictionary<string, string>
    {
        ["AMB"] = "ambulatory",
        ["EMER"] = "emergency",
        ["FLD"] = "field",
        ["HH"] = "home health",
        ["IMP"] = "inpatient encounter",
        ["ACUTE"] = "inpatient acute",
        ["NONAC"] = "inpatient non-acute",
        ["OBSENC"] = "observation encounter",
        ["PRENC"] = "pre-admission",
        ["SS"] = "short stay",
        ["VR"] = "virtual",
    }.ToFrozenDictionary();

    /// <summary>Codes of v2-0203 (identifier type) that profiles map to, with their display.</summary>
    internal static readonly FrozenDictionary<string, string> IdentifierTypes = new Dictionary<string, string>
    {
        ["AN"] = "Account number",
        ["FI"] = "Facility ID",
        ["MR"] = "Medical record number",
        ["NPI"] = "National provider identifier",
        ["PI"] = "Patient internal identifier",
        ["PRN"] = "Provider number",
        ["PT"] = "Patient external identifier",
        ["RI"] = "Resource identifier",
        ["SS"] = "Social Security number",
        ["U"] = "Unspecified identifier",
        ["VN"] = "Visit number",
        ["XX"] = "Organization identifier",
    }.ToFrozenDictionary();
}
