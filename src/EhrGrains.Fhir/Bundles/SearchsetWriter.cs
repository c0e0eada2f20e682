using System.Buffers;
using System.Text.Json;
using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Fhir.Bundles;

/// <summary>Writes searchset Bundles around entries that are already normalized.</summary>
public static class SearchsetWriter
{
    /// <summary>
    /// Writes what goes around the entries. An outcome entry is there only when there is something to say: some clients count it as
    /// a result.
    /// </summary>
    /// <param name="hasEntries">
    /// Whether entries, objects separated by commas as <see cref="Normalization.Normalizer.NormalizePage"/> writes them, go between.
    /// </param>
    /// <param name="total">Matches in all, where known.</param>
    /// <param name="self">The search as it was really run, absolute.</param>
    /// <param name="next">The next page, absolute; null on the last.</param>
    /// <param name="issues">What the caller has to be told.</param>
    public static SearchsetFrame Frame(bool hasEntries, int? total, string self, string? next, IReadOnlyList<OutcomeIssue> issues)
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
        if (!hasEntries && issues.Count == 0)
        {
            json.WriteEndObject();
            json.Flush();
            return new SearchsetFrame(buffer.WrittenMemory, default);
        }

        json.WriteStartArray("entry"u8);
        json.Flush();
        var head = buffer.WrittenCount;
        if (issues.Count > 0)
        {
            if (hasEntries)
            {
                buffer.Write(","u8);
            }

            WriteOutcome(json, issues);
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        return new SearchsetFrame(buffer.WrittenMemory[..head], buffer.WrittenMemory[head..]);
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

/// <summary>A searchset Bundle without its entries, which go between the two: nothing of their size is written twice.</summary>
/// <param name="Head">Up to the first entry.</param>
/// <param name="Tail">From the last entry on.</param>
public readonly record struct SearchsetFrame(ReadOnlyMemory<byte> Head, ReadOnlyMemory<byte> Tail);
