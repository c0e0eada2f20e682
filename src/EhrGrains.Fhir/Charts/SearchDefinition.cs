namespace EhrGrains.Fhir.Charts;

/// <summary>The types of search parameters that a chart knows (R4 search.html#ptypes).</summary>
internal enum SearchKind
{
    Token,
    Reference,
    Text,
    Date,
    Quantity,
    Number,
    Uri,
}

/// <summary>One step down a resource: an element's JSON name and, where the definition filters, what one of its children has to be.</summary>
internal sealed record PathStep(byte[] Name, byte[]? FilterName = null, byte[]? FilterValue = null);

/// <summary>Where a search parameter finds values: the way down from the resource, and the FHIR data type that is there.</summary>
/// <param name="Steps">The way.</param>
/// <param name="DataType">The FHIR name of the data type at its end.</param>
/// <param name="Target">The resource type that a reference there has to point at; null: any.</param>
internal sealed record ElementPath(PathStep[] Steps, string DataType, string? Target = null);

/// <summary>A search parameter of a resource type, as FHIR or US Core defines it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">Its type.</param>
/// <param name="Paths">Where its values are; at least one.</param>
/// <param name="Targets">The resource types that it refers to; empty unless it is a reference.</param>
/// <param name="Default">The value of a resource that has none there; null: none.</param>
internal sealed record SearchDefinition(
    string Name, SearchKind Kind, IReadOnlyList<ElementPath> Paths, IReadOnlyList<string> Targets, string? Default = null)
{
    /// <summary>Its type as a CapabilityStatement writes it.</summary>
    internal string KindCode => Kind switch
    {
        SearchKind.Token => "token",
        SearchKind.Reference => "reference",
        SearchKind.Text => "string",
        SearchKind.Date => "date",
        SearchKind.Quantity => "quantity",
        SearchKind.Number => "number",
        _ => "uri",
    };

    /// <summary>Ids differ by case (R4 datatypes.html#id); other codes are compared without it, as R4 search.html#token recommends.</summary>
    internal bool IsCaseSensitive => Name == "_id";
}
