using System.Collections.Frozen;
using EhrGrains.Fhir.V2.Language;

namespace EhrGrains.Fhir.V2.Compiling;

/// <summary>Names of code systems (HL7 table 0396 and what FHIR calls its own) to their URIs.</summary>
internal sealed class CodeSystemNames(IEnumerable<SystemRule> rules)
{
    internal const string V2Tables = "http://terminology.hl7.org/CodeSystem/v2-";
    private readonly FrozenDictionary<string, string> uris =
        rules.GroupBy(rule => rule.Name, StringComparer.OrdinalIgnoreCase)
            .ToFrozenDictionary(group => group.Key, group => group.Last().Uri, StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// The URI of a name. A local one says nothing outside of its hospital, but tells its codes from those of others: <c>urn:id:</c>
    /// and the name, as converters before us write it. Null when there is no name.
    /// </summary>
    internal string? UriOf(string name) =>
        KnownUriOf(name) ?? (name.Any(char.IsAsciiLetterOrDigit) ? "urn:id:" + string.Join('_', name.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)) : null);

    private string? KnownUriOf(string name)
    {
        if (uris.TryGetValue(name, out var uri))
        {
            return uri;
        }

        if (name.StartsWith("HL7", StringComparison.OrdinalIgnoreCase) && name.Length is 6 or 7 && name.AsSpan(3).ContainsAnyExceptInRange('0', '9') is false)
        {
            return V2Tables + name[3..].PadLeft(4, '0');
        }

        return name.Contains(':', StringComparison.Ordinal) && !name.Any(char.IsWhiteSpace) ? name : null;
    }

    /// <summary>The URI that a rule means: a URI, a name, or what FHIR's own code systems end with (<c>v3-ActCode</c>).</summary>
    internal string Expand(string text) =>
        text.Contains(':', StringComparison.Ordinal) ? text
        : KnownUriOf(text) ?? "http://terminology.hl7.org/CodeSystem/" + text;
}
