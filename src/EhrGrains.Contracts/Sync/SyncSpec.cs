namespace EhrGrains.Contracts.Sync;

/// <summary>What is copied of a tenant's patients, and how fresh the copy is to be: the section <c>sync</c> of its YAML file.</summary>
[GenerateSerializer, Immutable, Alias("ehr.SyncSpec")]
public sealed record SyncSpec
{
    /// <summary>Resource types to copy. Empty: all that the vendor profile can sync. At most 64.</summary>
    [Id(0)]
    public string[] Types { get; init; } = [];

    /// <summary>How old the copy of a patient may become before the EHR is asked again. 60–2,592,000; default 3,600.</summary>
    [Id(1)]
    public int FreshnessSeconds { get; init; } = 3_600;

    /// <summary>
    /// After how many hours everything is read again where changes alone are asked for: deletions, and changes that the EHR does not
    /// date, are found then. 0–8,760; default 0: as often as the vendor profile says.
    /// </summary>
    [Id(2)]
    public int CrawlHours { get; init; }

    /// <summary>In how many full readings, one after the other, a resource is missing before it counts as deleted. 1–10; default 2.</summary>
    [Id(3)]
    public int AbsencesMax { get; init; } = 2;

    /// <summary>The largest document that is copied, in bytes. 0: none; at most 16,777,216; default 5,242,880.</summary>
    [Id(4)]
    public int DocumentBytesMax { get; init; } = 5_242_880;

    /// <summary>The oldest day that is asked for, as yyyy-MM-dd, where the vendor's search takes dates; null: everything.</summary>
    [Id(5)]
    public string? From { get; init; }

    /// <summary>
    /// Messages (MSH-9: code and trigger event) whose patients are enrolled: <c>ADT^A01</c> or <c>ADT^A04</c> for whoever is admitted or
    /// registered, <c>SIU^S12</c> for whoever is given an appointment. They join the cohort <c>messages</c> by their identifier, and are
    /// looked up at the EHR by it. At most 50; empty: nobody is enrolled by messages.
    /// </summary>
    [Id(6)]
    public string[] EnrolOn { get; init; } = [];

    /// <summary>
    /// Whether everything is read again each time, so that deletions arrive as soon as changes do, for as many requests as a first copy
    /// takes. Default false: each <see cref="CrawlHours"/>.
    /// </summary>
    [Id(7)]
    public bool AlwaysWhole { get; init; }
}
