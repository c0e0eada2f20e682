using System.Buffers;
using System.Text.Json;
using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Fhir.Bundles;

/// <summary>Writes searchset Bundles around entries that are already normalized.</summary>
public static class SearchsetWriter
{
    /// <summary>
    /// Writes a searchset Bundle. An outcome entry is there only when there is something to say: some clients count it as a result.
    /// </summary>
    /// <param name="entries">Entry objects separated by commas, as <see cref="Normalization.Normalizer.NormalizePage"/> writes them.</param>
    /// <param name="total">Matches in all, where known.</param>
    /// <param name="self">The search as it was really run, absolute.</param>
    /// <param name="next">The next page, absolute; null on the last.</param>
    /// <param name="issues">What the caller has to be told.</param>
    public static byte[] Write(
        ReadOnlySpan<byte> entries, int? total, string self, string? next, IReadOnlyList<OutcomeIssue> issues)
    {
        var buffer = new ArrayBufferWriter<byte>(entries.Length + 1024);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("resourceType"u8, "Bundle"u8);
        json.WriteString("type"u8, "searchset"u8);
        if (total is { } count)
        {
            json.WriteNumber("total"u8, count);
        }

        json.WriteStartArray("link"u8);
        WriteLink(json, "self"u8, self);
        if (next is not null)
        {
            WriteLink(json, "next"u8, next);
        }

        json.WriteEndArray();
        if (!entries.IsEmpty || issues.Count > 0)
        {
            json.WriteStartArray("entry"u8);
            if (!entries.IsEmpty)
            {
                // The entries came out of the normalizer, which has read every byte of them.
                json.WriteRawValue(entries, skipInputValidation: true);
            }

            if (issues.Count > 0)
            {
                json.WriteStartObject();
                json.WritePropertyName("resource"u8);
                OperationOutcomes.Write(json, issues);
                json.WriteStartObject("search"u8);
                json.WriteString("mode"u8, "outcome"u8);
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteLink(Utf8JsonWriter json, ReadOnlySpan<byte> relation, string url)
    {
        json.WriteStartObject();
        json.WriteString("relation"u8, relation);
        json.WriteString("url"u8, url);
        json.WriteEndObject();
    }
}
