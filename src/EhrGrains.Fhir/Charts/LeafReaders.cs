using System.Collections.Frozen;
using System.Globalization;
using System.Text.Json;

namespace EhrGrains.Fhir.Charts;

/// <summary>
/// Reads the values that a search compares out of a FHIR data type's JSON: one method per kind of parameter, one line per data type
/// (R4 search.html#token, #reference, #string, #date, #quantity). What has another form than its data type is passed over.
/// </summary>
internal static class LeafReaders
{
    /// <summary>Stands for a data type of which only its being there counts.</summary>
    internal const string Presence = "(presence)";

    private const string Currencies = "urn:iso:std:iso:4217";

    private static readonly FrozenDictionary<SearchKind, string[]> Known = new Dictionary<SearchKind, string[]>
    {
        [SearchKind.Token] =
            ["CodeableConcept", "Coding", "Identifier", "ContactPoint", "code", "boolean", "string", "uri", "canonical", "oid", "id", Presence],
        [SearchKind.Reference] = ["Reference", "canonical", "uri"],
        [SearchKind.Text] = ["string", "markdown", "HumanName", "Address"],
        [SearchKind.Date] = ["date", "dateTime", "instant", "Period", "Timing"],
        [SearchKind.Quantity] = ["Quantity", "Age", "Duration", "Count", "Distance", "Money", "Range"],
        [SearchKind.Number] = ["decimal", "integer", "positiveInt", "unsignedInt"],
        [SearchKind.Uri] = ["uri", "url", "canonical", "oid", "uuid"],
    }.ToFrozenDictionary();

    internal static bool Knows(SearchKind kind, string dataType) => Known[kind].Contains(dataType, StringComparer.Ordinal);

    internal static void ReadTokens(JsonElement leaf, string dataType, bool caseSensitive, Texts texts, List<TokenValue> values)
    {
        switch (dataType)
        {
            case "CodeableConcept":
                foreach (var coding in Items(leaf, "coding"u8))
                {
                    Add(Text(coding, "system"u8), Text(coding, "code"u8));
                }

                break;
            case "Coding":
                Add(Text(leaf, "system"u8), Text(leaf, "code"u8));
                break;
            case "Identifier":
                Add(Text(leaf, "system"u8), Text(leaf, "value"u8));
                break;
            case "ContactPoint":
                Add(null, Text(leaf, "value"u8));
                break;
            case Presence:
                values.Add(new TokenValue(Texts.None, texts.Add("true")));
                break;
            case "boolean":
                Add(null, leaf.ValueKind switch { JsonValueKind.True => "true", JsonValueKind.False => "false", _ => null });
                break;
            case "code" when Text(leaf) is { } code:
                // Its system is fixed by the element's binding and never written: any that is asked for will do.
                values.Add(new TokenValue(Texts.Any, texts.Add(code.ToLowerInvariant())));
                break;
            default:
                Add(null, Text(leaf));
                break;
        }

        void Add(string? system, string? code)
        {
            if (system is not null || code is not null)
            {
                values.Add(new TokenValue(texts.Add(system), texts.Add(caseSensitive ? code : code?.ToLowerInvariant())));
            }
        }
    }

    /// <summary>The words for a code: R4 search.html#modifiers, <c>:text</c>.</summary>
    internal static void ReadWords(JsonElement leaf, string dataType, List<string> values)
    {
        switch (dataType)
        {
            case "CodeableConcept":
                AddFolded(Text(leaf, "text"u8), values);
                foreach (var coding in Items(leaf, "coding"u8))
                {
                    AddFolded(Text(coding, "display"u8), values);
                }

                break;
            case "Coding":
                AddFolded(Text(leaf, "display"u8), values);
                break;
            case "Identifier" when leaf.ValueKind == JsonValueKind.Object && leaf.TryGetProperty("type"u8, out var type):
                AddFolded(Text(type, "text"u8), values);
                break;
        }
    }

    /// <summary>An identifier by its type: the system is the type's, the code joins the type's code and the value.</summary>
    internal static void ReadOfType(JsonElement leaf, string dataType, Texts texts, List<TokenValue> values)
    {
        if (dataType == "Identifier" && Text(leaf, "value"u8) is { } value && leaf.TryGetProperty("type"u8, out var type))
        {
            foreach (var coding in Items(type, "coding"u8))
            {
                values.Add(new TokenValue(texts.Add(Text(coding, "system"u8)), texts.Add(OfType(Text(coding, "code"u8), value))));
            }
        }
    }

    internal static string OfType(string? code, string value) => $"{code?.ToLowerInvariant()}|{value.ToLowerInvariant()}";

    internal static void ReadReferences(JsonElement leaf, string dataType, string? target, Texts texts, List<TokenValue> values)
    {
        if ((dataType == "Reference" ? Text(leaf, "reference"u8) : Text(leaf)) is { } text && ReferenceTo.Read(text) is { } reference
            && (target is null || reference.Type == target))
        {
            values.Add(reference.IsRelative
                ? new TokenValue(texts.Add(reference.Type), texts.Add(reference.Id))
                : new TokenValue(Texts.None, texts.Add(reference.Id)));
        }
    }

    internal static void ReadReferenceIdentifiers(JsonElement leaf, string dataType, Texts texts, List<TokenValue> values)
    {
        if (dataType == "Reference" && leaf.ValueKind == JsonValueKind.Object && leaf.TryGetProperty("identifier"u8, out var identifier))
        {
            ReadTokens(identifier, "Identifier", caseSensitive: false, texts, values);
        }
    }

    internal static void ReadTexts(JsonElement leaf, string dataType, List<string> values)
    {
        ReadOnlySpan<string> parts = dataType switch
        {
            "HumanName" => ["text", "family", "given", "prefix", "suffix"],
            "Address" => ["text", "line", "city", "district", "state", "postalCode", "country"],
            _ => [],
        };
        if (parts.IsEmpty && Text(leaf) is { } whole)
        {
            values.Add(whole);
        }

        foreach (var part in parts)
        {
            if (leaf.ValueKind == JsonValueKind.Object && leaf.TryGetProperty(part, out var value))
            {
                AddAll(value, values);
            }
        }
    }

    internal static void ReadDates(JsonElement leaf, string dataType, TimeZoneInfo zone, List<TimeRange> values)
    {
        switch (dataType)
        {
            case "Period":
                AddPeriod(leaf, zone, values);
                break;
            case "Timing":
                // Only its outer limits matter.
                var events = new List<TimeRange>();
                foreach (var time in Items(leaf, "event"u8))
                {
                    AddTime(time, zone, events);
                }

                if (events.Count > 0)
                {
                    values.Add(new TimeRange(events.Min(e => e.From), events.Max(e => e.To)));
                }
                else if (leaf.ValueKind == JsonValueKind.Object && leaf.TryGetProperty("repeat"u8, out var repeat)
                    && repeat.ValueKind == JsonValueKind.Object && repeat.TryGetProperty("boundsPeriod"u8, out var bounds))
                {
                    AddPeriod(bounds, zone, values);
                }

                break;
            default:
                AddTime(leaf, zone, values);
                break;
        }
    }

    internal static void ReadQuantities(JsonElement leaf, string dataType, Texts texts, List<QuantityValue> values)
    {
        if (dataType == "Range")
        {
            var low = Bound(leaf, "low"u8);
            var high = Bound(leaf, "high"u8);
            if ((low ?? high) is { } unit)
            {
                values.Add(unit with { Low = low?.Low ?? decimal.MinValue, High = high?.High ?? decimal.MaxValue });
            }
        }
        else if (ReadQuantity(leaf, dataType, texts) is { } quantity)
        {
            values.Add(quantity);
        }

        QuantityValue? Bound(JsonElement range, ReadOnlySpan<byte> name) =>
            range.ValueKind == JsonValueKind.Object && range.TryGetProperty(name, out var bound) ? ReadQuantity(bound, "Quantity", texts) : null;
    }

    internal static void ReadNumbers(JsonElement leaf, List<QuantityValue> values)
    {
        if (Number(leaf) is { } number)
        {
            values.Add(new QuantityValue(number, number, Texts.None, Texts.None, Texts.None));
        }
    }

    internal static void ReadUris(JsonElement leaf, Texts texts, List<TokenValue> values)
    {
        if (Text(leaf) is { } uri)
        {
            values.Add(new TokenValue(Texts.None, texts.Add(uri)));
        }
    }

    private static QuantityValue? ReadQuantity(JsonElement leaf, string dataType, Texts texts)
    {
        if (leaf.ValueKind != JsonValueKind.Object || !leaf.TryGetProperty("value"u8, out var element) || Number(element) is not { } number)
        {
            return null;
        }

        if (dataType == "Money")
        {
            return new QuantityValue(number, number, texts.Add(Currencies), texts.Add(Text(leaf, "currency"u8)), Texts.None);
        }

        var (low, high) = Text(leaf, "comparator"u8) switch
        {
            "<" or "<=" => (decimal.MinValue, number),
            ">" or ">=" => (number, decimal.MaxValue),
            _ => (number, number),
        };
        return new QuantityValue(low, high, texts.Add(Text(leaf, "system"u8)), texts.Add(Text(leaf, "code"u8)), texts.Add(Text(leaf, "unit"u8)));
    }

    // An end that is not given is open (R4 datatypes.html#Period).
    private static void AddPeriod(JsonElement period, TimeZoneInfo zone, List<TimeRange> values)
    {
        var start = Text(period, "start"u8);
        var end = Text(period, "end"u8);
        var from = TimeRange.Always;
        var to = TimeRange.Always;
        if ((start ?? end) is not null && (start is null || FhirTime.TryRead(start, zone, out from)) && (end is null || FhirTime.TryRead(end, zone, out to)))
        {
            values.Add(new TimeRange(from.From, to.To));
        }
    }

    private static void AddTime(JsonElement time, TimeZoneInfo zone, List<TimeRange> values)
    {
        if (Text(time) is { } text && FhirTime.TryRead(text, zone, out var range))
        {
            values.Add(range);
        }
    }

    private static void AddAll(JsonElement value, List<string> values)
    {
        if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in value.EnumerateArray())
            {
                AddAll(item, values);
            }
        }
        else if (Text(value) is { } text)
        {
            values.Add(text);
        }
    }

    private static void AddFolded(string? text, List<string> values)
    {
        if (text is not null)
        {
            values.Add(SearchText.Fold(text));
        }
    }

    private static decimal? Number(JsonElement element) =>
        element.ValueKind == JsonValueKind.Number
        && decimal.TryParse(element.GetRawText(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static string? Text(JsonElement element) => element.ValueKind == JsonValueKind.String ? element.GetString() : null;

    private static string? Text(JsonElement parent, ReadOnlySpan<byte> name) =>
        parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out var element) ? Text(element) : null;

    private static JsonElement.ArrayEnumerator Items(JsonElement parent, ReadOnlySpan<byte> name) =>
        parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out var items) && items.ValueKind == JsonValueKind.Array
            ? items.EnumerateArray()
            : default;
}
