using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Connect.Searching;

/// <summary>
/// The planner's issues: what is wrong and what to do. None holds a value; a name is repeated only when it looks like one.
/// </summary>
internal static class PlanIssues
{
    private const int NameLengthMax = 64;

    public static OutcomeIssue UnknownType(string type) => Error(
        "not-supported", "EHR-PLN-001", null,
        $"{Name(type, "This resource type")} is not served by this hospital. Its metadata lists what is.");

    public static OutcomeIssue NotSearchable(string type) => Error(
        "not-supported", "EHR-PLN-002", null, $"{type} cannot be searched at this hospital, only read.");

    public static OutcomeIssue NotReadable(string type) => Error(
        "not-supported", "EHR-PLN-003", null, $"{type} cannot be read at this hospital, only searched.");

    public static OutcomeIssue TooMany(int countMax) => Error(
        "too-costly", "EHR-PLN-004", null, $"A search has at most {countMax} parameters.");

    public static OutcomeIssue TooLong(string name, int lengthMax) => Error(
        "too-long", "EHR-PLN-005", name, $"The value is longer than {lengthMax} characters.");

    public static OutcomeIssue NoValue(string name) => Error(
        "required", "EHR-PLN-006", name, "The parameter has no value. Give one or leave the parameter out.");

    public static OutcomeIssue Unknown(string name, string type, bool refused) => new(
        refused ? "error" : "warning",
        "not-supported",
        $"{Name(name, "A parameter")} is not a search parameter of {type} at this hospital" + (refused ? "." : " and was left out."),
        "EHR-PLN-007",
        Expression(name));

    public static OutcomeIssue UnknownModifier(string name) => Error(
        "not-supported", "EHR-PLN-008", name, "The modifier is not known. FHIR R4 search.html#modifiers lists them.");

    public static OutcomeIssue Reserved(string name) => Error(
        "forbidden", "EHR-PLN-009", name, "The gateway sets this parameter itself, for the tenant that was asked. Leave it out.");

    public static OutcomeIssue BadCount() => Error(
        "value", "EHR-PLN-010", "_count",
        "_count is a whole number of at least 1, given once. To count only, ask for one and read Bundle.total.");

    public static OutcomeIssue CountLowered(int used) => new(
        "information",
        "informational",
        $"_count was lowered to {used}, the most that is served at once.",
        "EHR-PLN-011",
        Expression("_count"));

    public static OutcomeIssue CountNotTaken(string type) => new(
        "information",
        "informational",
        $"The EHR takes no page size for {type}: it decides itself how many come at once.",
        "EHR-PLN-023",
        Expression("_count"));

    public static OutcomeIssue Missing(string type, IReadOnlyList<IReadOnlyList<string>> combinations) => Error(
        "required",
        "EHR-PLN-012",
        null,
        $"A search of {type} at this hospital needs one of: {string.Join("; ", combinations.Select(static c => string.Join(" + ", c)))}.");

    public static OutcomeIssue UnknownId(string name) => Error(
        "not-found", "EHR-PLN-013", name, "The id is not one that this tenant's answers gave out.");

    public static OutcomeIssue NoSetting(string setting) => Error(
        "exception",
        "EHR-PLN-014",
        null,
        $"The tenant lacks the setting '{setting}', which its EHR needs. The operator states it in connection.settings.{setting}.");

    public static OutcomeIssue ForeignNext() => Error(
        "security",
        "EHR-PLN-015",
        null,
        "The hospital's link to the next page leads to another server or outside its FHIR base URL, and was not followed. "
        + "If the hospital has moved, the operator updates connection.baseUrl.");

    public static OutcomeIssue OtherTenantNext(string name) => Error(
        "security", "EHR-PLN-016", name,
        "The hospital's link to the next page leads to another tenant of the same EHR, and was not followed.");

    public static OutcomeIssue BadInclude(string name) => Error(
        "value", "EHR-PLN-017", name, "The value has the form Type:parameter or Type:parameter:TargetType, of FHIR R4 resource types.");

    public static OutcomeIssue NoReference(string name) => Error(
        "value", "EHR-PLN-018", name, "The value names a search parameter that holds no reference: nothing can be included by it.");

    public static OutcomeIssue ElsewhereInclude(string name, string type) => Error(
        "value", "EHR-PLN-019", name,
        name.StartsWith("_rev", StringComparison.Ordinal)
            ? $"_revinclude brings what refers to the type that is searched: its target type is {type}, or is left out."
            : $"_include follows references of the type that is searched: its value begins with {type}. What was included is followed by _include:iterate.");

    public static OutcomeIssue NotIncluded(string name, IReadOnlyList<string> offered, bool refused) => new(
        refused ? "error" : "warning",
        "not-supported",
        $"This hospital does not include that{(refused ? "" : ", and it was left out")}. It offers: {string.Join(", ", offered)}.",
        "EHR-PLN-020",
        Expression(name));

    public static OutcomeIssue NotTogether(string name, IReadOnlyList<string> exclusive) => Error(
        "invalid", "EHR-PLN-021", name, $"At this hospital only one of {string.Join(", ", exclusive)} is given in a search.");

    public static OutcomeIssue NotWithId(string name, IReadOnlyList<string> along) => Error(
        "invalid", "EHR-PLN-022", name, $"At this hospital _id is given together with nothing but {string.Join(", ", along)}.");

    /// <summary>The name, when it has the form of a parameter or type name; what a caller typed by mistake may be anything.</summary>
    private static string Name(string name, string otherwise) =>
        name.Length is > 0 and <= NameLengthMax && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or ':' or '.')
            ? $"'{name}'"
            : otherwise;

    private static OutcomeIssue Error(string code, string detail, string? name, string text) =>
        new("error", code, text, detail, name is null ? null : Expression(name));

    // FHIR R4 OperationOutcome.issue.location: for HTTP errors "http." and the parameter's name.
    private static string? Expression(string name) => Name(name, "") is { Length: > 0 } ? $"http.{name}" : null;
}
