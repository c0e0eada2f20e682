using System.Globalization;
using EhrGrains.Contracts;
using YamlDotNet.RepresentationModel;

namespace EhrGrains.Fhir.Vendors;

/// <summary>
/// The fields of one YAML mapping. Reading notes every mistake by path and line and goes on with a default, so that a file's
/// mistakes are all reported at once; a field that nobody asked for is a mistake as well.
/// </summary>
internal sealed class YamlFields
{
    private readonly string path;
    private readonly List<Problem> problems;
    private readonly bool lines;
    private readonly string code;
    private readonly Dictionary<string, YamlNode> fields = [];
    private readonly HashSet<string> asked = [];

    /// <summary>The fields of a document, whose mistakes have this code.</summary>
    internal YamlFields(YamlNode root, List<Problem> problems, bool lines = true, string code = "EHR-VEN-001")
        : this(root, "", problems, lines, code)
    {
    }

    private YamlFields(YamlNode? node, string path, List<Problem> problems, bool lines, string code)
    {
        this.path = path;
        this.problems = problems;
        this.lines = lines;
        this.code = code;
        if (node is not YamlMappingNode mapping)
        {
            if (node is not null)
            {
                Wrong("", node, "has to be a mapping of names to values");
            }

            return;
        }

        foreach (var (key, value) in mapping.Children)
        {
            fields[(key as YamlScalarNode)?.Value ?? ""] = value;
        }
    }

    internal IEnumerable<string> Names => fields.Keys;

    internal string Text(string name)
    {
        var node = Take(name);
        if (node is YamlScalarNode { Value: { Length: > 0 } value })
        {
            return value;
        }

        Wrong(name, node, "has to be a text");
        return "";
    }

    internal string Text(string name, IReadOnlySet<string> allowed)
    {
        var value = Text(name);
        if (value.Length > 0 && !allowed.Contains(value))
        {
            Wrong(name, Take(name), $"has to be one of: {string.Join(", ", allowed.Order(StringComparer.Ordinal))}");
        }

        return value;
    }

    /// <summary>A text that may be left out.</summary>
    internal string Text(string name, string absent) => fields.ContainsKey(name) ? Text(name) : NotGiven(name, absent);

    internal bool Flag(string name, bool absent = false)
    {
        var node = Take(name);
        switch (node)
        {
            case null:
                return absent;
            case YamlScalarNode { Value: "true" }:
                return true;
            case YamlScalarNode { Value: "false" }:
                return false;
            default:
                Wrong(name, node, "has to be true or false");
                return absent;
        }
    }

    internal int Number(string name, int absent, int max)
    {
        var node = Take(name);
        if (node is null)
        {
            return absent;
        }

        if (node is YamlScalarNode { Value: { } text }
            && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value <= max)
        {
            return value;
        }

        Wrong(name, node, $"has to be a whole number from 0 to {max}");
        return absent;
    }

    internal IReadOnlyList<string> Texts(string name)
    {
        var node = Take(name);
        if (node is null)
        {
            return [];
        }

        var texts = Sequence(name, node).Select(n => n is YamlScalarNode { Value: { Length: > 0 } text } ? text : "").ToArray();
        if (texts.Contains("") || texts.Distinct().Count() != texts.Length)
        {
            Wrong(name, node, "has to be a list of different texts");
        }

        return texts;
    }

    internal IReadOnlyList<string> Texts(string name, IReadOnlySet<string> allowed)
    {
        var texts = Texts(name);
        if (texts.FirstOrDefault(t => t.Length > 0 && !allowed.Contains(t)) is { } wrong)
        {
            var known = allowed.Count <= 10 ? $"; known: {string.Join(", ", allowed.Order(StringComparer.Ordinal))}" : "";
            Wrong(name, Take(name), $"names {wrong}, which is not known{known}");
            return [];
        }

        // What is empty has been noted, and is nothing that is allowed.
        return [.. texts.Where(allowed.Contains)];
    }

    internal IReadOnlyList<IReadOnlyList<string>> ListsOfTexts(string name)
    {
        var node = Take(name);
        return node is null ? [] : [.. Sequence(name, node).Select((item, i) => new YamlFields(null, At(name), problems, lines, code).Items(item, i))];
    }

    /// <summary>A mapping of texts to texts.</summary>
    internal IReadOnlyDictionary<string, string> Map(string name) => Fields(name).Entries();

    /// <summary>A list of mappings of texts to texts.</summary>
    internal IReadOnlyList<IReadOnlyDictionary<string, string>> Maps(string name)
    {
        var node = Take(name);
        return node is null ? [] : [.. Sequence(name, node).Select((item, i) => new YamlFields(item, At($"{name}.{i}"), problems, lines, code).Entries())];
    }

    internal YamlFields Fields(string name) => new(Take(name), At(name), problems, lines, code);

    internal void Wrong(string name, string message) => Wrong(name, Take(name), message);

    /// <summary>Notes the fields that nobody asked for.</summary>
    internal void Close()
    {
        foreach (var (name, node) in fields.Where(f => !asked.Contains(f.Key)))
        {
            Wrong(name, node, "is not known here");
        }
    }

    private Dictionary<string, string> Entries() => Names.ToDictionary(n => n, Text);

    private string NotGiven(string name, string absent)
    {
        asked.Add(name);
        return absent;
    }

    private string[] Items(YamlNode node, int index)
    {
        var texts = Sequence($"{index}", node).Select(n => n is YamlScalarNode { Value: { Length: > 0 } text } ? text : "").ToArray();
        if (texts.Length == 0 || texts.Contains(""))
        {
            Wrong($"{index}", node, "has to be a list of texts");
        }

        return texts;
    }

    private IEnumerable<YamlNode> Sequence(string name, YamlNode node)
    {
        if (node is YamlSequenceNode sequence)
        {
            return sequence.Children;
        }

        Wrong(name, node, "has to be a list");
        return [];
    }

    private YamlNode? Take(string name)
    {
        asked.Add(name);
        return fields.GetValueOrDefault(name);
    }

    private string At(string name) => path.Length == 0 ? name : name.Length == 0 ? path : $"{path}.{name}";

    private void Wrong(string name, YamlNode? node, string message)
    {
        var line = node is null || !lines ? "" : $" (line {node.Start.Line})";
        problems.Add(new Problem(code, At(name), $"{message}{(node is null ? "; it is missing" : "")}{line}."));
    }
}
