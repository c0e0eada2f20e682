namespace EhrGrains.Contracts.Tenants;

/// <summary>
/// What one hospital's HL7 v2 messages mean beyond the standard: the site layer over the rules that every tenant shares. The time
/// zone of its clocks is <see cref="TenantSpec.TimeZone"/>.
/// </summary>
[GenerateSerializer, Immutable, Alias("ehr.MappingSpec")]
public sealed record MappingSpec
{
    /// <summary>
    /// The identifier system of each assigning authority or facility as the messages name it (HL7 v2 HD.1), for example
    /// <c>HOSP</c> → <c>urn:oid:1.2.36.146.595.217.0.1</c>. At most 1,000.
    /// </summary>
    [Id(0)]
    public Dictionary<string, string> Authorities { get; init; } = [];

    /// <summary>What the site's own codes mean. At most 20,000.</summary>
    [Id(1)]
    public CodeMapping[] Codes { get; init; } = [];

    /// <summary>Rules for Z-segments and instead of shared ones, in the language of the shared rules. At most 256 KB of characters.</summary>
    [Id(2)]
    public string Rules { get; init; } = "";
}

/// <summary>What one code of a site means where it stands in a field: a line of a ConceptMap.</summary>
[GenerateSerializer, Immutable, Alias("ehr.CodeMapping")]
public sealed record CodeMapping
{
    /// <summary>The field, for example <c>OBX-3</c> or <c>PV1-14</c>.</summary>
    [Id(0)]
    public required string Field { get; init; }

    /// <summary>The code as the site sends it.</summary>
    [Id(1)]
    public required string From { get; init; }

    /// <summary>The code system that it stands for, as a URI.</summary>
    [Id(2)]
    public required string System { get; init; }

    /// <summary>The code in that system.</summary>
    [Id(3)]
    public required string Code { get; init; }

    /// <summary>Its name there; null: none.</summary>
    [Id(4)]
    public string? Display { get; init; }
}
