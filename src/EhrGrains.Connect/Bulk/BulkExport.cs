using EhrGrains.Contracts.Populations;

namespace EhrGrains.Connect.Bulk;

/// <summary>What is asked of an EHR's bulk export, as its vendor profile allows it. Prints without ids.</summary>
public sealed record BulkExport
{
    /// <summary>Whose data.</summary>
    public required ExportLevel Level { get; init; }

    /// <summary>The Group's id, at that level.</summary>
    public string? Group { get; init; }

    /// <summary>The patients, where the vendor wants them listed: their ids at the EHR.</summary>
    public IReadOnlyList<string> Patients { get; init; } = [];

    /// <summary>The resource types; empty: the parameter is not sent.</summary>
    public IReadOnlyList<string> Types { get; init; } = [];

    /// <summary>What changed since then; null: everything.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Level} export";
}

/// <summary>What an EHR said to the request for an export.</summary>
public abstract record BulkKickoff
{
    private BulkKickoff()
    {
    }

    /// <summary>It began.</summary>
    /// <param name="StatusUrl">Where it is asked about. To be stored before anything else: without it the export is lost.</param>
    public sealed record Started(string StatusUrl) : BulkKickoff;

    /// <summary>It did not begin, and may later.</summary>
    public sealed record Later(Problem Problem, TimeSpan? RetryAfter) : BulkKickoff;

    /// <summary>It is refused.</summary>
    public sealed record Refused(Problem Problem) : BulkKickoff;
}

/// <summary>How an export stands at the EHR.</summary>
public abstract record BulkProgress
{
    private BulkProgress()
    {
    }

    /// <summary>It is being prepared.</summary>
    /// <param name="Percent">How far it is, where the EHR says so.</param>
    /// <param name="RetryAfter">When to ask again, where the EHR says so.</param>
    public sealed record Preparing(int? Percent, TimeSpan? RetryAfter) : BulkProgress;

    /// <summary>Its files are there.</summary>
    public sealed record Done(BulkManifest Manifest) : BulkProgress;

    /// <summary>That is not known now; asking again may help.</summary>
    public sealed record Later(Problem Problem, TimeSpan? RetryAfter) : BulkProgress;

    /// <summary>The EHR does not know it any more: it has expired or was deleted.</summary>
    public sealed record Gone(Problem Problem) : BulkProgress;

    /// <summary>It failed.</summary>
    public sealed record Failed(Problem Problem) : BulkProgress;
}
