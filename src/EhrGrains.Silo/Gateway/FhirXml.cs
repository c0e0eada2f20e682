using System.Text.Json;
using EhrGrains.Contracts;
using Hl7.Fhir.Serialization;

namespace EhrGrains.Silo.Gateway;

/// <summary>
/// Converts to XML for clients that ask for it, such as Firely's FhirClient as it comes. Everything here is made as JSON; the
/// conversion goes through Firely's object model and costs some forty times as much as sending the JSON.
/// </summary>
internal static class FhirXml
{
    // Hospitals' resources are passed on as they are, mistakes included; the conversion is not the place to refuse them.
    private static readonly FhirJsonDeserializer Reader = FhirJsonDeserializer.OSTRICH;

    /// <exception cref="ProblemException">Invalid: the resource has content that XML cannot hold.</exception>
    internal static byte[] FromJson(ReadOnlySpan<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            Reader.TryDeserializeResource(ref reader, out var resource, out _);
            return FhirXmlSerializer.Default.SerializeToBytes(resource!);
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or NotSupportedException or ArgumentException)
        {
            throw new ProblemException(
                ProblemKind.Invalid, "EHR-GTW-007", "Accept", "This resource cannot be written as XML; ask for application/fhir+json.");
        }
    }
}
