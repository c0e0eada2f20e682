using System.Text;

namespace EhrGrains.Fhir.Normalization;

/// <summary>An element that has to be there, and what stands for it when the EHR has nothing.</summary>
/// <param name="Name">The element's name; for a choice the part before the type.</param>
/// <param name="Choice">Whether it is <c>name[x]</c>.</param>
/// <param name="Absent">The JSON property that says that the value is unknown.</param>
internal sealed record MustHave(byte[] Name, bool Choice, byte[] Absent)
{
    /// <summary>Whether a property is this element. The <c>_name</c> of a primitive counts: it already says why there is no value.</summary>
    internal bool IsMetBy(ReadOnlySpan<byte> property)
    {
        property = property.StartsWith((byte)'_') ? property[1..] : property;
        return property.StartsWith(Name)
            && (Choice ? property.Length > Name.Length && char.IsAsciiLetterUpper((char)property[Name.Length]) : property.Length == Name.Length);
    }
}

/// <summary>
/// The elements that every US Core 6.1.0 profile of a type requires. Missing ones are marked as US Core "Missing Data" asks:
/// the code <c>unknown</c> where the bound value set has it, the data-absent-reason code in a CodeableConcept or Coding, else
/// the data-absent-reason extension, which FHIR R4 allows on any element. (US Core would rather withhold a resource whose
/// status is bound to a set without <c>unknown</c>; we pass it on, marked, because nothing is dropped silently.)
/// </summary>
internal static class MustHaves
{
    private const string Extension =
        """{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}""";

    private const string Coding =
        """{"system":"http://terminology.hl7.org/CodeSystem/data-absent-reason","code":"unknown","display":"Unknown"}""";

    // The required binding of US Core DocumentReference.type holds LOINC and this one code for what is not known.
    private const string NullFlavor =
        """{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-NullFlavor","code":"UNK","display":"unknown"}]}""";

    private const string Concept = $$"""{"coding":[{{Coding}}]}""";

    internal static readonly IReadOnlyDictionary<string, MustHave[]> ByType = new Dictionary<string, MustHave[]>
    {
        ["AllergyIntolerance"] = [Of("code", Concept), Of("patient", Extension)],
        ["CarePlan"] = [Unknown("status"), Primitive("intent"), Of("category", $"[{Concept}]"), Of("subject", Extension)],
        ["CareTeam"] = [Of("subject", Extension), Of("participant", $"[{Extension}]")],
        ["Condition"] = [Of("category", $"[{Concept}]"), Of("code", Concept), Of("subject", Extension)],
        ["Coverage"] = [Primitive("status"), Of("beneficiary", Extension), Of("relationship", Concept), Of("payor", $"[{Extension}]")],
        ["Device"] = [Of("type", Concept), Of("patient", Extension)],
        ["DiagnosticReport"] = [Unknown("status"), Of("category", $"[{Concept}]"), Of("code", Concept), Of("subject", Extension)],
        ["DocumentReference"] =
        [
            Primitive("status"), Of("type", NullFlavor), Of("category", $"[{Concept}]"), Of("subject", Extension),
            Of("content", $$"""[{"attachment":{{Extension}}}]"""),
        ],
        ["Encounter"] = [Unknown("status"), Of("class", Coding), Of("type", $"[{Concept}]"), Of("subject", Extension)],
        ["Goal"] = [Primitive("lifecycleStatus"), Of("description", Concept), Of("subject", Extension)],
        ["Immunization"] =
        [
            Primitive("status"), Of("vaccineCode", Concept), Of("patient", Extension), Choice("occurrence", "_occurrenceDateTime", Extension),
        ],
        ["Location"] = [Primitive("name")],
        ["Medication"] = [Of("code", Concept)],
        ["MedicationDispense"] =
            [Unknown("status"), Choice("medication", "medicationCodeableConcept", Concept), Of("subject", Extension)],
        ["MedicationRequest"] =
            [Unknown("status"), Primitive("intent"), Choice("medication", "medicationCodeableConcept", Concept), Of("subject", Extension)],
        ["Observation"] = [Unknown("status"), Of("code", Concept), Of("subject", Extension)],
        ["Organization"] = [Primitive("active"), Primitive("name")],
        ["Patient"] = [Of("identifier", $"[{Extension}]"), Of("name", $"[{Extension}]"), Unknown("gender")],
        ["Practitioner"] = [Of("identifier", $"[{Extension}]"), Of("name", $"[{Extension}]")],
        ["Procedure"] = [Unknown("status"), Of("code", Concept), Of("subject", Extension)],
        ["Provenance"] = [Of("target", $"[{Extension}]"), Primitive("recorded"), Of("agent", $$"""[{"who":{{Extension}}}]""")],
        ["QuestionnaireResponse"] = [Primitive("questionnaire"), Primitive("status"), Of("subject", Extension), Primitive("authored")],
        ["RelatedPerson"] = [Primitive("active"), Of("patient", Extension)],
        ["ServiceRequest"] = [Unknown("status"), Primitive("intent"), Of("code", Concept), Of("subject", Extension)],
        ["Specimen"] = [Of("type", Concept)],
    };

    private static MustHave Of(string name, string absent) =>
        new(Encoding.UTF8.GetBytes(name), false, Encoding.UTF8.GetBytes($"\"{name}\":{absent}"));

    private static MustHave Primitive(string name) =>
        new(Encoding.UTF8.GetBytes(name), false, Encoding.UTF8.GetBytes($"\"_{name}\":{Extension}"));

    private static MustHave Unknown(string name) => Of(name, "\"unknown\"");

    private static MustHave Choice(string name, string property, string absent) =>
        new(Encoding.UTF8.GetBytes(name), true, Encoding.UTF8.GetBytes($"\"{property}\":{absent}"));
}
