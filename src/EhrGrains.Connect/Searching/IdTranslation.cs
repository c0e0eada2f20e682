using System.Buffers;
using System.Text;
using EhrGrains.Fhir.Normalization;

namespace EhrGrains.Connect.Searching;

/// <summary>Turns the ids in a parameter's value back into the EHR's own.</summary>
internal sealed class IdTranslation(string gatewayBase, Func<string, string?> alias)
{
    private static readonly SearchValues<char> Letters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    private readonly string gatewayPrefix = gatewayBase + "/";

    /// <summary>
    /// Translates each of the comma-separated ids or references: <c>id</c>, <c>Type/id</c>, or such a reference at our own base URL. What
    /// has another form is left as it is.
    /// </summary>
    /// <returns>Null when one of the ids was never given out.</returns>
    public string? Translate(string value)
    {
        var parts = Split(value);
        for (var i = 0; i < parts.Count; i++)
        {
            if (TranslateOne(parts[i]) is not { } translated)
            {
                return null;
            }

            parts[i] = translated;
        }

        return string.Join(',', parts);
    }

    /// <summary>The EHR's id of a normalized one; null when it was never given out.</summary>
    public string? ToOriginal(string id) =>
        ResourceIds.TryToOriginal(id, out var original) ? original : ResourceIds.IsAlias(id) ? alias(id) : null;

    /// <summary>The aliases in a value.</summary>
    public IEnumerable<string> AliasesIn(string value) => Split(value).Select(part => Parse(part).Id).Where(ResourceIds.IsAlias);

    private string? TranslateOne(string part)
    {
        var (prefix, id) = Parse(part);
        if (!ResourceIds.IsLegal(id))
        {
            return part;
        }

        return ToOriginal(id) is { } original ? prefix + Escape(original) : null;
    }

    // "Type/" or nothing, and the id.
    private (string Prefix, string Id) Parse(string part)
    {
        var reference = part.StartsWith(gatewayPrefix, StringComparison.Ordinal) ? part[gatewayPrefix.Length..] : part;
        var slash = reference.LastIndexOf('/');
        return slash > 0 && reference.AsSpan(0, slash).IndexOfAnyExcept(Letters) >= 0
            ? ("", part)
            : (reference[..(slash + 1)], reference[(slash + 1)..]);
    }

    // FHIR R4 search.html#escaping: "\," is a comma in a value.
    private static List<string> Split(string value)
    {
        var parts = new List<string>(1);
        var start = 0;
        for (var i = 0; i < value.Length; i++)
        {
            if (value[i] == '\\')
            {
                i++;
            }
            else if (value[i] == ',')
            {
                parts.Add(value[start..i]);
                start = i + 1;
            }
        }

        parts.Add(value[start..]);
        return parts;
    }

    private static string Escape(string id)
    {
        if (id.AsSpan().IndexOfAny(@"\,$|") < 0)
        {
            return id;
        }

        var escaped = new StringBuilder(id.Length + 4);
        foreach (var c in id)
        {
            escaped.Append(c is '\\' or ',' or '$' or '|' ? "\\" : "").Append(c);
        }

        return escaped.ToString();
    }
}
