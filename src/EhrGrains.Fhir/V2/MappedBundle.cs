using System.Buffers;
using System.Text.Json;

namespace EhrGrains.Fhir.V2;

/// <summary>What a message becomes as one Bundle of type message: for files and other systems; the record takes the resources.</summary>
public static class MappedBundle
{
    // References are relative, Patient/…, and resolve against the entries' own URLs (R4 §3.1.1, Bundle: resolving references).
    private const string Base = "https://ehrgrains.invalid/fhir/";

    /// <summary>Writes the Bundle as UTF-8. Each resource is in it once, also when it is in the charts of two patients.</summary>
    public static byte[] Write(MappedMessage message)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true });
        json.WriteStartObject();
        if (message.Envelope.IsEmpty)
        {
            json.WriteString("resourceType"u8, "Bundle"u8);
            json.WriteString("type"u8, "collection"u8);
        }
        else
        {
            using var envelope = JsonDocument.Parse(message.Envelope);
            foreach (var member in envelope.RootElement.EnumerateObject())
            {
                member.WriteTo(json);
            }
        }

        // R4 §2.6.2: there are no empty arrays.
        if (message.Resources.Count > 0)
        {
            json.WriteStartArray("entry"u8);
            foreach (var resource in message.Resources.DistinctBy(resource => (resource.Type, resource.Id)))
            {
                json.WriteStartObject();
                json.WriteString("fullUrl"u8, $"{Base}{resource.Type}/{resource.Id}");
                json.WritePropertyName("resource"u8);
                json.WriteRawValue(resource.Json.Span, skipInputValidation: true);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }
}
