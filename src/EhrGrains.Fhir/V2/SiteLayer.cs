namespace EhrGrains.Fhir.V2;

/// <summary>What one site's messages mean beyond the shared rules.</summary>
public sealed record SiteLayer
{
    /// <summary>No site: the shared rules alone, times without an offset in UTC.</summary>
    public static SiteLayer None { get; } = new();

    /// <summary>The IANA time zone of times that state no offset. Default UTC.</summary>
    public string TimeZone { get; init; } = "UTC";

    /// <summary>Assigning authority or facility as the messages name it (HD.1, HD.2) to the identifier system.</summary>
    public IReadOnlyDictionary<string, string> Authorities { get; init; } = new Dictionary<string, string>();

    /// <summary>What the site's codes mean.</summary>
    public IReadOnlyList<SiteCode> Codes { get; init; } = [];

    /// <summary>Rules for Z-segments, and instead of shared ones, in the language of the shared rules (docs/decisions/0012).</summary>
    public string Rules { get; init; } = "";
}

/// <summary>What one code of a site means where it stands in a field.</summary>
/// <param name="Field">The field, for example <c>OBX-3</c>.</param>
/// <param name="From">The code as the site sends it.</param>
/// <param name="System">The code system that it stands for, as a URI.</param>
/// <param name="Code">The code in that system.</param>
/// <param name="Display">Its name there; null: none.</param>
public sealed record SiteCode(string Field, string From, string System, string Code, string? Display);
