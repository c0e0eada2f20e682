using EhrGrains.Contracts;
using EhrGrains.Contracts.Query;

namespace EhrGrains.Cli.Fhir;

/// <summary>A query as people write it: <c>Patient?family=Smith</c>, or <c>Patient/123</c> for a read.</summary>
public sealed record FhirQuery(string Type, string? Id, SearchParameter[] Search)
{
    /// <summary>Reads a query; what its parameters mean is for the cluster to say.</summary>
    /// <exception cref="ProblemException">Invalid: not a query.</exception>
    public static FhirQuery Parse(string text)
    {
        var question = text.IndexOf('?', StringComparison.Ordinal);
        var path = (question < 0 ? text : text[..question]).Split('/');
        var isRead = path.Length == 2 && question < 0;
        if (path[0].Length == 0 || !path[0].All(char.IsAsciiLetter) || !(isRead || path.Length == 1) || path[^1].Length == 0)
        {
            throw new ProblemException(
                ProblemKind.Invalid, "EHR-CLI-100", "QUERY", "Is written Type?name=value&name=value or Type/id, for example 'Patient?family=Smith'.");
        }

        return new FhirQuery(path[0], isRead ? Uri.UnescapeDataString(path[1]) : null, question < 0 ? [] : [.. Parameters(text[(question + 1)..])]);
    }

    /// <summary>The parameters of a URL's query (application/x-www-form-urlencoded).</summary>
    public static IEnumerable<SearchParameter> Parameters(string query) => query
        .Split('&', StringSplitOptions.RemoveEmptyEntries)
        .Select(pair => pair.Split('=', 2))
        .Select(pair => new SearchParameter(Decode(pair[0]), pair.Length == 2 ? Decode(pair[1]) : ""));

    private static string Decode(string text) => Uri.UnescapeDataString(text.Replace('+', ' '));
}
