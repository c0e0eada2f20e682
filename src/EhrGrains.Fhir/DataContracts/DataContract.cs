using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Scopes;
using EhrGrains.Fhir.Charts;

namespace EhrGrains.Fhir.DataContracts;

/// <summary>
/// What an app needs from a hospital, by its features: the resource types, elements, searches and writes. Read from a YAML file by
/// <see cref="DataContractReader"/>, which checks all of it. Immutable.
/// </summary>
public sealed record DataContract
{
    /// <summary>The contract's name, for example <c>chronic-care</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The app that it is of, whose grants are then checked; null: none.</summary>
    public string? App { get; init; }

    /// <summary>The features, in the order of the file.</summary>
    public required IReadOnlyList<ContractFeature> Features { get; init; }

    /// <summary>What each feature needs of each type, in the order of the file.</summary>
    public IEnumerable<(ContractFeature Feature, ContractResource Resource)> Needs =>
        Features.SelectMany(feature => feature.Resources, (feature, resource) => (feature, resource));
}

/// <summary>One feature of an app.</summary>
/// <param name="Name">Its name, for example <c>glucose-trend</c>.</param>
/// <param name="Resources">What it needs, by type.</param>
public sealed record ContractFeature(string Name, IReadOnlyList<ContractResource> Resources);

/// <summary>What a feature needs of one resource type.</summary>
public sealed record ContractResource
{
    /// <summary>The resource type.</summary>
    public required string Type { get; init; }

    /// <summary>Whether the app needs it to work: not with <c>need: should</c> of the resource or its feature.</summary>
    public required bool IsMust { get; init; }

    /// <summary>The searches that the app runs; empty: everything of the type that a patient has.</summary>
    public required IReadOnlyList<ContractSearch> Searches { get; init; }

    /// <summary>The elements that it looks at.</summary>
    public required IReadOnlyList<ContractElement> Elements { get; init; }

    /// <summary>What it writes: none, <see cref="Interactions.Create"/>, <see cref="Interactions.Update"/>, or more.</summary>
    public required Interactions Writes { get; init; }
}

/// <summary>One search of an app, without whom it is about.</summary>
/// <param name="Type">The resource type.</param>
/// <param name="Parameters">The parameters in order; with a null value: any value of the app's choice.</param>
public sealed record ContractSearch(string Type, IReadOnlyList<KeyValuePair<string, string?>> Parameters)
{
    /// <summary>Whether it is a search in one patient's data. Patients themselves, and people and places, are looked for anywhere.</summary>
    public bool IsOfPatient => ContractScopes.IsOfPatient(Type);

    /// <summary>Whether a patient's record understands it: not where a parameter's meaning is not one of elements.</summary>
    public bool IsOfRecord => Parameters.All(parameter => SearchDefinitions.Find(Type, parameter.Key.Split(':')[0]) is not null);

    /// <summary>Whether it can be run as it stands: each parameter has a value.</summary>
    public bool HasValues => Parameters.All(parameter => parameter.Value is not null);

    /// <summary>The parameters as an app sends them; what has no value gets the parameter's name in braces.</summary>
    /// <param name="patient">The patient's id; not used where <see cref="IsOfPatient"/> is false.</param>
    public SearchParameter[] For(string patient) =>
    [
        .. IsOfPatient ? [new SearchParameter("patient", patient)] : Array.Empty<SearchParameter>(),
        .. Parameters.Select(parameter => new SearchParameter(parameter.Key, parameter.Value ?? $"{{{parameter.Key}}}")),
    ];

    /// <summary>The search as a contract and its reports write it: <c>Observation?category=laboratory</c>.</summary>
    public override string ToString() => Parameters.Count == 0
        ? Type
        : $"{Type}?{string.Join('&', Parameters.Select(p => p.Value is null ? p.Key : $"{p.Key}={p.Value}"))}";
}
