using System.Collections.Frozen;

namespace EhrGrains.Fhir.Outcomes;

/// <summary>The issue types of FHIR R4 (ValueSet issue-type), with what we say when an EHR gives only that.</summary>
internal static class IssueTypes
{
    internal static readonly FrozenDictionary<string, string> Meanings = new Dictionary<string, string>
    {
        ["invalid"] = "The EHR says that the request is not valid.",
        ["structure"] = "The EHR could not read the structure of the request.",
        ["required"] = "The EHR says that something required is missing, in the request or in the chart.",
        ["value"] = "The EHR does not accept a value of the request.",
        ["invariant"] = "The EHR says that a rule of the data is broken.",
        ["security"] = "The EHR refused for a reason of security.",
        ["login"] = "The EHR asks for a login.",
        ["unknown"] = "The EHR does not know the user or system that asks.",
        ["expired"] = "The EHR says that a session or search has expired; start the search again.",
        ["forbidden"] = "The EHR does not permit this access; the hospital has to grant it.",
        ["suppressed"] = "The EHR withheld some content for a reason of privacy.",
        ["processing"] = "The EHR could not process the request.",
        ["not-supported"] = "The EHR does not support this.",
        ["duplicate"] = "The EHR says that this exists already.",
        ["multiple-matches"] = "The EHR found several where one was asked for.",
        ["not-found"] = "The EHR did not find what was asked for.",
        ["deleted"] = "The EHR says that this was deleted.",
        ["too-long"] = "The EHR says that a value is too long.",
        ["code-invalid"] = "The EHR does not know a code or code system.",
        ["extension"] = "The EHR does not accept an extension.",
        ["too-costly"] = "The EHR says that the search is too broad; narrow it.",
        ["business-rule"] = "The EHR says that one of its rules is broken.",
        ["conflict"] = "The EHR says that the resource changed meanwhile.",
        ["transient"] = "The EHR has a temporary problem; try again later.",
        ["lock-error"] = "The EHR says that the resource is locked; try again later.",
        ["no-store"] = "The EHR's store is not available; try again later.",
        ["exception"] = "The EHR had an internal error.",
        ["timeout"] = "The EHR took too long to answer itself; try again later.",
        ["incomplete"] = "The EHR says that its answer is not complete.",
        ["throttled"] = "The EHR limits the rate of requests; try again later.",
        ["informational"] = "The EHR gave a notice.",
    }.ToFrozenDictionary();
}
