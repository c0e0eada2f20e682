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
        var buffer = new ArrayBufferWriter<byte>(1024);
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
        if (entries.IsEmpty && issues.Count == 0)
        {
            json.WriteEndObject();
            json.Flush();
            return buffer.WrittenSpan.ToArray();
        }

        json.WriteStartArray("entry"u8);
        json.Flush();
        var head = buffer.WrittenCount;
        if (issues.Count > 0)
        {
            WriteOutcome(json, issues);
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        return Join(buffer.WrittenSpan[..head], entries, buffer.WrittenSpan[head..], comma: !entries.IsEmpty && issues.Count > 0);
    }

    // The entries are most of it and are copied once, to where they stay: nothing of their size is allocated but the answer itself.
    private static byte[] Join(ReadOnlySpan<byte> head, ReadOnlySpan<byte> entries, ReadOnlySpan<byte> tail, bool comma)
    {
        var bundle = new byte[head.Length + entries.Length + (comma ? 1 : 0) + tail.Length];
        head.CopyTo(bundle);
        entries.CopyTo(bundle.AsSpan(head.Length));
        tail.CopyTo(bundle.AsSpan(bundle.Length - tail.Length));
        if (comma)
        {
            bundle[head.Length + entries.Length] = (byte)',';
        }

        return bundle;
    }

    private static void WriteOutcome(Utf8JsonWriter json, IReadOnlyList<OutcomeIssue> issues)
    {
        json.WriteStartObject();
        json.WritePropertyName("resource"u8);
        OperationOutcomes.Write(json, issues);
        json.WriteStartObject("search"u8);
        json.WriteString("mode"u8, "outcome"u8);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteLink(Utf8JsonWriter json, ReadOnlySpan<byte> relation, string url)
    {
        json.WriteStartObject();
        json.WriteString("relation"u8, relation);
        json.WriteString("url"u8, url);
        json.WriteEndObject();
    }
}
