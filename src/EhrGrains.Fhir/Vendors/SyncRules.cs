namespace EhrGrains.Fhir.Vendors;

/// <summary>How a copy of a resource type is kept up to date.</summary>
public enum SyncStrategy
{
    /// <summary>All of it is read each time; what changed is told by content.</summary>
    Crawl,

    /// <summary>What lies after a date of the resources (<see cref="SyncTypeRules.DateParameter"/>), with an overlap.</summary>
    DateWindow,

    /// <summary>What the EHR says was changed since (<c>_lastUpdated</c>), with an overlap.</summary>
    LastUpdated,

    /// <summary>No search finds it by patient: each is read where another resource refers to it.</summary>
    ByReference,
}

/// <summary>How a patient's resources are copied from a vendor's EHR.</summary>
public sealed record SyncRules
{
    /// <summary>
    /// Hours after which everything is crawled all the same: neither window shows what was deleted, or changed without the EHR
    /// saying so. 1–8,760.
    /// </summary>
    public int RecrawlHours { get; init; } = 168;

    /// <summary>The resource types that are copied, in the order of copying, by type.</summary>
    public IReadOnlyDictionary<string, SyncTypeRules> Types { get; init; } = new Dictionary<string, SyncTypeRules>();
}

/// <summary>How one resource type is copied.</summary>
public sealed record SyncTypeRules
{
    /// <summary>How changes are found.</summary>
    public SyncStrategy Strategy { get; init; }

    /// <summary>The search parameter whose value is the patient's id: mostly <c>patient</c>, <c>_id</c> for Patient.</summary>
    public string PatientParameter { get; init; } = "patient";

    /// <summary>
    /// The searches that together find everything of a patient: each the parameters beside the patient's (a category, a status).
    /// What they find is united by id. At least one; none for <see cref="SyncStrategy.ByReference"/>.
    /// </summary>
    public IReadOnlyList<IReadOnlyDictionary<string, string>> Searches { get; init; } = [new Dictionary<string, string>()];

    /// <summary>The date parameter of <see cref="SyncStrategy.DateWindow"/>; null with any other strategy.</summary>
    public string? DateParameter { get; init; }

    /// <summary>Whether the date parameter or <c>_lastUpdated</c> takes a day and no time (a day's overlap is then the least).</summary>
    public bool DateOnly { get; init; }

    /// <summary>How far before the last watermark the next window begins, in seconds.</summary>
    public int OverlapSeconds { get; init; } = 300;

    /// <summary>
    /// Paths of references that are followed when what they lead to was not found by a search: <c>result</c> of a DiagnosticReport,
    /// <c>medicationReference</c>, <c>content.attachment.url</c>.
    /// </summary>
    public IReadOnlyList<string> Hydrate { get; init; } = [];
}
