namespace EhrGrains.Sandbox.Writes;

/// <summary>What a product lets applications write.</summary>
internal sealed record WriteRules
{
    /// <summary>Types that can be created.</summary>
    public IReadOnlyList<string> Create { get; init; } = [];

    /// <summary>Types that can be updated.</summary>
    public IReadOnlyList<string> Update { get; init; } = [];

    /// <summary>Whether an update has to name the version that it changes.</summary>
    public bool VersionNeeded { get; init; }

    /// <summary>What it answers to one that names another: 409 or 412; 0: it does not look.</summary>
    public int Stale { get; init; }

    /// <summary>Elements that it refuses wherever they stand.</summary>
    public IReadOnlyList<string> Rejected { get; init; } = [];

    /// <summary>The categories of Observations that it takes; empty: any.</summary>
    public IReadOnlyList<string> Categories { get; init; } = [];
}
