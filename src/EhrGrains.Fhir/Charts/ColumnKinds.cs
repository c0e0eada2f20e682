using System.Text.Json;

namespace EhrGrains.Fhir.Charts;

/// <summary>Makes the column that a parameter and a modifier need.</summary>
internal static class ColumnKinds
{
    internal static Column Make(ColumnKey key, Texts texts, TimeZoneInfo zone)
    {
        var definition = key.Definition;
        return (definition.Kind, key.Aspect) switch
        {
            (SearchKind.Token, Aspect.Words) => Texts((leaf, path, values) => LeafReaders.ReadWords(leaf, path.DataType, values)),
            (SearchKind.Token, Aspect.OfType) => Tokens((leaf, path, values) => LeafReaders.ReadOfType(leaf, path.DataType, texts, values)),
            (SearchKind.Token, _) => Tokens((leaf, path, values) => LeafReaders.ReadTokens(leaf, path.DataType, definition.IsCaseSensitive, texts, values)),
            (SearchKind.Reference, Aspect.Identifier) =>
                Tokens((leaf, path, values) => LeafReaders.ReadReferenceIdentifiers(leaf, path.DataType, texts, values)),
            (SearchKind.Reference, _) => Tokens((leaf, path, values) => LeafReaders.ReadReferences(leaf, path.DataType, path.Target, texts, values)),
            (SearchKind.Text, Aspect.Exact) => Texts((leaf, path, values) => LeafReaders.ReadTexts(leaf, path.DataType, values)),
            (SearchKind.Text, _) => Texts((leaf, path, values) =>
            {
                var first = values.Count;
                LeafReaders.ReadTexts(leaf, path.DataType, values);
                for (var i = first; i < values.Count; i++)
                {
                    values[i] = SearchText.Fold(values[i]);
                }
            }),
            (SearchKind.Date, _) => Of<TimeRange>(16, (leaf, path, values) => LeafReaders.ReadDates(leaf, path.DataType, zone, values)),
            (SearchKind.Quantity, _) => Of<QuantityValue>(48, (leaf, path, values) => LeafReaders.ReadQuantities(leaf, path.DataType, texts, values)),
            (SearchKind.Number, _) => Of<QuantityValue>(48, (leaf, _, values) => LeafReaders.ReadNumbers(leaf, values)),
            _ => Tokens((leaf, _, values) => LeafReaders.ReadUris(leaf, texts, values)),
        };

        // A string is its object and two bytes a character; 64 is about what names and streets take.
        Column<string> Texts(Action<JsonElement, ElementPath, List<string>> read) => Of(64, read);

        Column<TokenValue> Tokens(Action<JsonElement, ElementPath, List<TokenValue>> read) => new(
            (resource, values) =>
            {
                ReadAll(resource, definition, read, values);
                if (values.Count == 0 && definition.Default is { } value)
                {
                    values.Add(new TokenValue(Charts.Texts.None, texts.Add(value)));
                }
            },
            8,
            static value => value.Code);

        Column<T> Of<T>(int bytes, Action<JsonElement, ElementPath, List<T>> read) => new((resource, values) => ReadAll(resource, definition, read, values), bytes);
    }

    private static void ReadAll<T>(JsonElement resource, SearchDefinition definition, Action<JsonElement, ElementPath, List<T>> read, List<T> values)
    {
        foreach (var path in definition.Paths)
        {
            Visit(resource, path, 0, read, values);
        }
    }

    private static void Visit<T>(JsonElement element, ElementPath path, int step, Action<JsonElement, ElementPath, List<T>> read, List<T> values)
    {
        if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in element.EnumerateArray())
            {
                Visit(item, path, step, read, values);
            }
        }
        else if (step > 0 && path.Steps[step - 1].FilterName is { } name && !Passes(element, name, path.Steps[step - 1].FilterValue!))
        {
            return;
        }
        else if (step == path.Steps.Length)
        {
            read(element, path, values);
        }
        else if (element.ValueKind == JsonValueKind.Object && element.TryGetProperty(path.Steps[step].Name, out var child))
        {
            Visit(child, path, step + 1, read, values);
        }
    }

    private static bool Passes(JsonElement element, byte[] name, byte[] value) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var child)
            && child.ValueKind == JsonValueKind.String && child.ValueEquals(value);
}
