using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Fhir.Charts;

/// <summary>What a caller is told about the parameters of a search. Names, never values: those may be PHI.</summary>
internal static class SearchIssues
{
    internal static OutcomeIssue TooMany(int max) =>
        new("error", "too-costly", $"A search has at most {max} parameters.", "EHR-SRC-001");

    internal static OutcomeIssue TooLong(string name, int max) =>
        Error("too-long", name, $"The value of {Name(name)} is longer than {max} characters.", "EHR-SRC-002");

    internal static OutcomeIssue NoValue(string name) =>
        Error("value", name, $"{Name(name)} has no value. Give it one, or leave it out.", "EHR-SRC-003");

    internal static OutcomeIssue Unknown(string name, string type, bool refused) => new(
        refused ? "error" : "warning",
        "not-supported",
        refused ? $"{Name(name)} is not a search parameter of {type} here." : $"{Name(name)} is not a search parameter of {type} here and was left out.",
        "EHR-SRC-004",
        Where(name));

    internal static OutcomeIssue BadModifier(string name) =>
        Error("not-supported", name, $"{Name(name)}: this modifier does not go with the parameter.", "EHR-SRC-005");

    internal static OutcomeIssue BadValue(string name, string expected) =>
        Error("value", name, $"The value of {Name(name)} is not one: expected is {expected}.", "EHR-SRC-006");

    private static OutcomeIssue Error(string issueCode, string name, string text, string code) => new("error", issueCode, text, code, Where(name));

    private static string Where(string name) => $"http.{Name(name)}";

    // A name is the caller's text: what is not a name's character may be anything, also a value.
    private static string Name(string name)
    {
        var end = name.AsSpan().IndexOfAnyExcept(NameCharacters);
        var shown = end < 0 ? name : name[..end];
        return shown.Length <= 64 ? shown : shown[..64];
    }

    private static readonly System.Buffers.SearchValues<char> NameCharacters =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-:.");
}
