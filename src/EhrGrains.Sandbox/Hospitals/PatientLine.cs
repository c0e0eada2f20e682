namespace EhrGrains.Sandbox.Hospitals;

/// <summary>One synthetic patient, for those who need to know whom to ask for: hospitals do not list their patients.</summary>
internal sealed record PatientLine
{
    public required string Id { get; init; }

    public required string RecordNumber { get; init; }

    public required string Family { get; init; }

    public required string Given { get; init; }

    public required string BirthDate { get; init; }

    /// <summary>True when the chart goes over many pages.</summary>
    public required bool LongChart { get; init; }

    /// <summary>True when the chart is behind Break-the-Glass.</summary>
    public required bool Confidential { get; init; }

    /// <summary>Id of a second record that was merged into this one.</summary>
    public string? MergedId { get; init; }
}
