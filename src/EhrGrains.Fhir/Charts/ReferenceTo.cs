namespace EhrGrains.Fhir.Charts;

/// <summary>What a literal reference points at (R4 references.html#literal).</summary>
/// <param name="Type">The resource type; null when the URL does not tell.</param>
/// <param name="Id">The logical id; of an absolute reference the whole URL.</param>
/// <param name="IsRelative">Whether it stays on this server.</param>
internal sealed record ReferenceTo(string? Type, string Id, bool IsRelative)
{
    private const string History = "/_history/";

    /// <summary>Reads it; null for a reference into the resource itself and for what is none.</summary>
    internal static ReferenceTo? Read(string text)
    {
        if (text.Length == 0 || text[0] == '#')
        {
            return null;
        }

        var version = text.IndexOf(History, StringComparison.Ordinal);
        var url = version > 0 ? text[..version] : text;
        var slash = url.LastIndexOf('/');
        var before = slash > 0 ? url.LastIndexOf('/', slash - 1) : -1;
        var type = slash > 0 && ResourceTypes.All.Contains(url[(before + 1)..slash]) ? url[(before + 1)..slash] : null;
        return type is not null && before < 0 ? new ReferenceTo(type, url[(slash + 1)..], IsRelative: true) : new ReferenceTo(type, url, IsRelative: false);
    }
}
