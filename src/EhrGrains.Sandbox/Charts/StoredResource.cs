namespace EhrGrains.Sandbox.Charts;

/// <summary>A coded value of a resource under a search parameter.</summary>
internal readonly record struct IndexedToken(string Parameter, string? System, string Code);

/// <summary>A text of a resource under a search parameter.</summary>
internal readonly record struct IndexedText(string Parameter, string Text);

/// <summary>A stretch of time of a resource under a search parameter: from the first tick to the one after the last, UTC.</summary>
internal readonly record struct IndexedTime(string Parameter, DateTime From, DateTime To);

/// <summary>A resource ready to be sent, with what it can be found by.</summary>
internal sealed class StoredResource
{
    public required string Type { get; init; }

    public required string Id { get; init; }

    /// <summary>Id of the patient it belongs to; null when it is about none.</summary>
    public string? Patient { get; init; }

    /// <summary>A comma, then the Bundle entry of a match: pages are made by laying these end to end.</summary>
    public required ReadOnlyMemory<byte> MatchEntry { get; init; }

    /// <summary>The same for a resource that comes along with a match; empty when it never does.</summary>
    public ReadOnlyMemory<byte> IncludeEntry { get; init; }

    /// <summary>The resource itself.</summary>
    public required ReadOnlyMemory<byte> Json { get; init; }

    /// <summary>When it was last changed, UTC, by the hospital's clock.</summary>
    public required DateTime Updated { get; init; }

    public required IndexedToken[] Tokens { get; init; }

    public required IndexedText[] Texts { get; init; }

    public required IndexedTime[] Times { get; init; }

    /// <summary>For a patient record that was combined into another: that one's id. Such records are read, never found.</summary>
    public string? MergedInto { get; init; }

    /// <summary>True when the chart is confidential.</summary>
    public bool Restricted { get; init; }

    /// <summary>True for an Observation of the category social-history.</summary>
    public bool IsSocialHistory { get; init; }

    /// <summary>What it was made or changed for: the resources that a Provenance is about.</summary>
    public IReadOnlyList<string> Targets { get; init; } = [];

    public string? ETag { get; init; }
}

/// <summary>A resource that is no more. <paramref name="At"/> is UTC, by the hospital's clock.</summary>
internal sealed record DeletedResource(string Type, string Id, string? Patient, DateTime At);
