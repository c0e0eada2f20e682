using System.Buffers;
using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Text.Json;
using System.Text.Unicode;
using Hl7.Fhir.Model;

namespace EhrGrains.Fhir.Charts;

/// <summary>Writes what a chart found as entries of a Bundle. A whole resource is copied as it is; a part of one is marked SUBSETTED.</summary>
public static class ChartWriter
{
    private static readonly byte[] SubsettedTag =
        """{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"""u8.ToArray();

    private static readonly FrozenSet<string> Always = FrozenSet.ToFrozenSet(["resourceType", "id", "meta"], StringComparer.Ordinal);
    private static readonly ConcurrentDictionary<(string Type, ChartDetail Detail), FrozenSet<string>> Kept = new();

    /// <summary>Writes an entry of a searchset; <paramref name="mode"/> is <c>match</c> or <c>include</c>.</summary>
    public static void WriteEntry(
        IBufferWriter<byte> output, string gatewayBase, ChartEntry entry, string mode, ChartDetail detail, IReadOnlyList<string> elements)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(entry);
        var around = 64 + (3 * (gatewayBase.Length + entry.Type.Length + entry.Id.Length + mode.Length));
        Utf8.TryWrite(output.GetSpan(around), $"{{\"fullUrl\":\"{gatewayBase}/{entry.Type}/{entry.Id}\",\"resource\":", out var written);
        output.Advance(written);
        WriteResource(output, entry, detail, elements);
        Utf8.TryWrite(output.GetSpan(around), $",\"search\":{{\"mode\":\"{mode}\"}}}}", out written);
        output.Advance(written);
    }

    /// <summary>Writes a resource, or the part of it that is asked for.</summary>
    public static void WriteResource(IBufferWriter<byte> output, ChartEntry entry, ChartDetail detail, IReadOnlyList<string> elements)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(entry);
        ArgumentNullException.ThrowIfNull(elements);
        if (detail == ChartDetail.Whole)
        {
            output.Write(entry.Json.Span);
            return;
        }

        var kept = Kept.GetOrAdd((entry.Type, detail), static key => KeptBy(key.Type, key.Detail));
        using var document = JsonDocument.Parse(entry.Json);
        using var json = new Utf8JsonWriter(output, new JsonWriterOptions { SkipValidation = true });
        var tagged = false;
        json.WriteStartObject();
        foreach (var element in document.RootElement.EnumerateObject())
        {
            if (element.NameEquals("meta"u8))
            {
                WriteMeta(json, element.Value);
                tagged = true;
            }
            else if (Keeps(element.Name))
            {
                element.WriteTo(json);
            }
        }

        if (!tagged)
        {
            WriteMeta(json, default);
        }

        json.WriteEndObject();

        bool Keeps(string name)
        {
            // A primitive's extensions come under its name with an underscore (R4 json.html#primitive).
            var plain = name.StartsWith('_') ? name[1..] : name;
            return detail == ChartDetail.Data ? plain != "text"
                : kept.Contains(plain) || (detail == ChartDetail.Elements && elements.Any(element => IsElement(plain, element)));
        }
    }

    // value names valueQuantity too: an element with a choice of types is asked for by its own name.
    private static bool IsElement(string jsonName, string element) =>
        jsonName == element || (jsonName.StartsWith(element, StringComparison.Ordinal) && char.IsAsciiLetterUpper(jsonName[element.Length]));

    private static FrozenSet<string> KeptBy(string type, ChartDetail detail)
    {
        var mapping = ModelInfo.ModelInspector.FindClassMapping(type);
        var elements = mapping?.PropertyMappings.Where(element => element.IsMandatoryElement || (detail == ChartDetail.Summary && element.InSummary)) ?? [];
        var names = elements.SelectMany(element => element.Choice == Hl7.Fhir.Introspection.ChoiceType.DatatypeChoice
            ? element.FhirType.Select(t => ModelInfo.ModelInspector.FindOrImportClassMapping(t)!.Name).Select(t => element.Name + char.ToUpperInvariant(t[0]) + t[1..])
            : [element.Name]);
        return names.Concat(Always).Concat(detail == ChartDetail.Text ? ["text"] : []).ToFrozenSet(StringComparer.Ordinal);
    }

    private static void WriteMeta(Utf8JsonWriter json, JsonElement meta)
    {
        json.WriteStartObject("meta"u8);
        var tags = default(JsonElement);
        if (meta.ValueKind == JsonValueKind.Object)
        {
            foreach (var element in meta.EnumerateObject())
            {
                if (element.NameEquals("tag"u8))
                {
                    tags = element.Value;
                }
                else
                {
                    element.WriteTo(json);
                }
            }
        }

        json.WriteStartArray("tag"u8);
        if (tags.ValueKind == JsonValueKind.Array)
        {
            foreach (var tag in tags.EnumerateArray())
            {
                tag.WriteTo(json);
            }
        }

        json.WriteRawValue(SubsettedTag, skipInputValidation: true);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
