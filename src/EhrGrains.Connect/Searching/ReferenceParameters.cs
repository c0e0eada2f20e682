using System.Collections.Frozen;

namespace EhrGrains.Connect.Searching;

/// <summary>Which search parameters hold references, and so ids that we gave out.</summary>
internal static class ReferenceParameters
{
    // The parameters of type reference of the clinical and administrative types in the FHIR R4 search parameter registry
    // (http://hl7.org/fhir/R4/searchparameter-registry.html), without those to canonical URLs. A few are tokens or strings on some
    // types, which does no harm: only values with our own id prefixes are changed.
    private static readonly FrozenSet<string> Names = (
        "account actor agent appointment asserter authenticator author based-on basedon beneficiary care-manager care-team claim collector "
        + "condition consentor context coverage custodian data derived-from destination device diagnosis encounter endpoint enterer entity "
        + "episode-of-care facility focus general-practitioner goal has-member individual information ingredient insurance insurer "
        + "intended-dispenser intended-performer interpreter item link location managing-entity manufacturer media medication member "
        + "operator organization owner parent part-of participant partof patient payee payor performer performer-actor "
        + "performing-organization policy-holder practitioner prescription principalinvestigator prior-request protocol provider "
        + "questionnaire reaction reason-reference receiver recipient recorder referrer related relatedperson relatesto replaces request "
        + "requester requesting-organization responsibleparty result resultingcondition results-interpreter schedule sender service "
        + "service-provider site slot source source-reference specimen sponsor study subject subscriber substance substance-reference "
        + "support supporting-info target").Split(' ').ToFrozenSet(StringComparer.Ordinal);

    /// <summary>True when values of the parameter, with this modifier, are ids or references.</summary>
    public static bool HoldsIds(string name, string? modifier) =>
        (modifier is null || (modifier.Length > 0 && char.IsAsciiLetterUpper(modifier[0]))) && (name == "_id" || Names.Contains(name));
}
