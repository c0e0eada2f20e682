namespace EhrGrains.Contracts.Populations;

/// <summary>What an operator states about a cohort.</summary>
[GenerateSerializer, Immutable, Alias("ehr.CohortSpec")]
public sealed record CohortSpec
{
    /// <summary>The longest id of a Group in characters: some EHRs go beyond FHIR's 64.</summary>
    public const int GroupLengthMax = 256;

    /// <summary>
    /// The EHR's id of the FHIR Group whose patients belong to the cohort, and which a bulk export asks for; null: only those that are
    /// imported belong to it.
    /// </summary>
    [Id(0)]
    public string? Group { get; init; }

    /// <summary>How often the Group is looked at, in seconds. 300–2,592,000 (30 days); default 86,400.</summary>
    [Id(1)]
    public int RefreshSeconds { get; init; } = 86_400;
}

/// <summary>
/// One patient of a roster: by the EHR's logical id, or by an identifier as <c>Patient?identifier=system|value</c> finds it. Prints
/// without them.
/// </summary>
/// <param name="Line">The line it came from, for problems.</param>
/// <param name="EhrId">The EHR's logical id of the Patient.</param>
/// <param name="System">The identifier's system; null: the EHR is asked for the value alone.</param>
/// <param name="Value">The identifier's value, such as an MRN.</param>
[GenerateSerializer, Immutable, Alias("ehr.RosterEntry")]
public sealed record RosterEntry(
    [property: Id(0)] int Line, [property: Id(1)] string? EhrId, [property: Id(2)] string? System, [property: Id(3)] string? Value)
{
    /// <summary>Entries of one import.</summary>
    public const int CountMax = 5_000;

    /// <summary>Characters of a value.</summary>
    public const int LengthMax = 256;

    /// <inheritdoc/>
    public override string ToString() => $"roster line {Line}";
}

/// <summary>What an import has done.</summary>
/// <param name="Added">Entries that are new.</param>
/// <param name="Known">Entries that were there.</param>
[GenerateSerializer, Immutable, Alias("ehr.RosterReceipt")]
public sealed record RosterReceipt([property: Id(0)] int Added, [property: Id(1)] int Known);
