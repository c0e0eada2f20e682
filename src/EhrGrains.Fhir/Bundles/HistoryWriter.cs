using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace EhrGrains.Fhir.Bundles;

/// <summary>A version of a resource for its history.</summary>
/// <param name="Version">FHIR's meta.versionId.</param>
/// <param name="At">When it was written.</param>
/// <param name="Json">UTF-8 JSON; empty: it was deleted.</param>
public sealed record HistoryVersion(int Version, DateTimeOffset At, ReadOnlyMemory<byte> Json);

/// <summary>Writes history Bundles (R4 http.html#history).</summary>
public static class HistoryWriter
{
    /// <summary>Writes the versions of one resource, as given.</summary>
    public static void Write(IBufferWriter<byte> output, string gatewayBase, string type, string id, IReadOnlyList<HistoryVersion> versions)
    {
        ArgumentNullException.ThrowIfNull(versions);
        using var json = new Utf8JsonWriter(output, new JsonWriterOptions { SkipValidation = true });
        json.WriteStartObject();
        json.WriteString("resourceType"u8, "Bundle"u8);
        json.WriteString("type"u8, "history"u8);
        json.WriteNumber("total"u8, versions.Count);
        json.WriteStartArray("link"u8);
        json.WriteStartObject();
        json.WriteString("relation"u8, "self"u8);
        json.WriteString("url"u8, $"{gatewayBase}/{type}/{id}/_history");
        json.WriteEndObject();
        json.WriteEndArray();
        if (versions.Count > 0)
        {
            json.WriteStartArray("entry"u8);
            foreach (var version in versions)
            {
                WriteEntry(json, gatewayBase, $"{type}/{id}", version);
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void WriteEntry(Utf8JsonWriter json, string gatewayBase, string key, HistoryVersion version)
    {
        var deleted = version.Json.IsEmpty;
        json.WriteStartObject();
        json.WriteString("fullUrl"u8, $"{gatewayBase}/{key}");
        if (!deleted)
        {
            json.WritePropertyName("resource"u8);
            json.WriteRawValue(version.Json.Span, skipInputValidation: true);
        }

        json.WriteStartObject("request"u8);
        json.WriteString("method"u8, deleted ? "DELETE"u8 : "PUT"u8);
        json.WriteString("url"u8, key);
        json.WriteEndObject();
        json.WriteStartObject("response"u8);
        json.WriteString("status"u8, deleted ? "204"u8 : version.Version == 1 ? "201"u8 : "200"u8);
        json.WriteString("etag"u8, $"W/\"{version.Version}\"");
        json.WriteString("lastModified"u8, version.At.ToString("yyyy-MM-ddTHH:mm:ss.fffzzz", CultureInfo.InvariantCulture));
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
