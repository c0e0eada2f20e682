namespace EhrGrains.Contracts.DataContracts;

/// <summary>How much of what a contract needs is in what a site really returned.</summary>
[GenerateSerializer, Immutable, Alias("ehr.ContractCoverage")]
public sealed record ContractCoverage
{
    /// <summary>The contract's name.</summary>
    [Id(0)]
    public required string Contract { get; init; }

    /// <summary>The tenant.</summary>
    [Id(1)]
    public required string Tenant { get; init; }

    /// <summary>How many patients were looked at: those whose copies are complete, in order of their ids, up to the number asked for.</summary>
    [Id(2)]
    public required int Patients { get; init; }

    /// <summary>What was found for each feature and type.</summary>
    [Id(3)]
    public required TypeCoverage[] Types { get; init; }

    /// <summary>Whether more was there than is looked at: at most 10,000 resources of a patient and search.</summary>
    [Id(4)]
    public bool IsCut { get; init; }

    /// <summary>Whether everything that the app must have is there as often as it has to be.</summary>
    public bool IsMet => Types.All(type => type.IsMet);
}

/// <summary>What was found of one type for a feature.</summary>
[GenerateSerializer, Immutable, Alias("ehr.TypeCoverage")]
public sealed record TypeCoverage
{
    /// <summary>The feature.</summary>
    [Id(0)]
    public required string Feature { get; init; }

    /// <summary>The resource type.</summary>
    [Id(1)]
    public required string Type { get; init; }

    /// <summary>Whether the app must have it.</summary>
    [Id(2)]
    public required bool IsMust { get; init; }

    /// <summary>Patients that have any.</summary>
    [Id(3)]
    public required int Patients { get; init; }

    /// <summary>Resources that the feature's searches find.</summary>
    [Id(4)]
    public required int Resources { get; init; }

    /// <summary>The elements.</summary>
    [Id(5)]
    public required ElementCoverage[] Elements { get; init; }

    /// <summary>Whether there are resources, and the elements are there as often as they have to be; true where the app can do without.</summary>
    public bool IsMet => !IsMust || (Resources > 0 && Elements.All(element => element.IsMet));
}

/// <summary>In how many resources an element is.</summary>
[GenerateSerializer, Immutable, Alias("ehr.ElementCoverage")]
public sealed record ElementCoverage
{
    /// <summary>The element, as the contract writes it.</summary>
    [Id(0)]
    public required string Element { get; init; }

    /// <summary>Whether the app must have it.</summary>
    [Id(1)]
    public required bool IsMust { get; init; }

    /// <summary>The least share of resources that have it, 0–1; null: one is enough.</summary>
    [Id(2)]
    public double? AtLeast { get; init; }

    /// <summary>Resources that have it.</summary>
    [Id(3)]
    public required int Present { get; init; }

    /// <summary>Resources that say why they do not have it (FHIR's data-absent-reason).</summary>
    [Id(4)]
    public required int DataAbsent { get; init; }

    /// <summary>Resources that do not have it and do not say why.</summary>
    [Id(5)]
    public required int Absent { get; init; }

    /// <summary>The share of resources that have it; null: there are none.</summary>
    public double? Share => Present + DataAbsent + Absent is > 0 and var all ? (double)Present / all : null;

    /// <summary>Whether it is there as often as it has to be; true where the app can do without.</summary>
    public bool IsMet => !IsMust || (AtLeast is { } floor ? Share >= floor : Present > 0);
}
