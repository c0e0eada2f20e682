namespace EhrGrains.Fhir.Charts;

/// <summary>One current resource of a chart.</summary>
/// <param name="Type">The resource type.</param>
/// <param name="Id">The logical id.</param>
/// <param name="Version">Its version; <c>meta.versionId</c> says the same.</param>
/// <param name="LastUpdated">When this version was committed; <c>meta.lastUpdated</c> says the same.</param>
/// <param name="Json">The resource as UTF-8 JSON, as it is served.</param>
public sealed record ChartEntry(string Type, string Id, int Version, DateTimeOffset LastUpdated, ReadOnlyMemory<byte> Json);
