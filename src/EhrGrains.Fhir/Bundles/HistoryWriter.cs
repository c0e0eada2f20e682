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
    /// <summary>Writes versions of one resource, as given.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="gatewayBase">The gateway's FHIR base of the tenant.</param>
    /// <param name="key">Type and id.</param>
    /// <param name="versions">The versions of this page.</param>
    /// <param name="query">The query of this page; empty: none.</param>
    /// <param name="next">The query of the next page; null: this is all, or the last.</param>
    public static void Write(
        IBufferWriter<byte> output, string gatewayBase, string key, IReadOnlyList<HistoryVersion> versions, string query, string? next)
    {
        ArgumentNullException.ThrowIfNull(versions);
        using var json = new Utf8JsonWriter(output, new JsonWriterOptions { SkipValidation = true });
        json.WriteStartObject();
        json.WriteString("resourceType"u8, "Bundle"u8);
        json.WriteString("type"u8, "history"u8);
        if (query.Length == 0 && next is null)
        {
            json.WriteNumber("total"u8, versions.Count);
        }

        json.WriteStartArray("link"u8);
        WriteLink(json, "self"u8, $"{gatewayBase}/{key}/_history{query}");
        if (next is not null)
        {
            WriteLink(json, "next"u8, $"{gatewayBase}/{key}/_history{next}");
        }

        json.WriteEndArray();
        if (versions.Count > 0)
        {
            json.WriteStartArray("entry"u8);
            foreach (var version in versions)
            {
                WriteEntry(json, gatewayBase, key, version);
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void WriteLink(Utf8JsonWriter json, ReadOnlySpan<byte> relation, string url)
    {
        json.WriteStartObject();
        json.WriteString("relation"u8, relation);
        json.WriteString("url"u8, url);
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
