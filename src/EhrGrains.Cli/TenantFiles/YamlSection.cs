using System.Globalization;
using EhrGrains.Contracts;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace EhrGrains.Cli.TenantFiles;

/// <summary>One mapping of a tenant file. Each reading method notes the line, and a problem instead of throwing.</summary>
internal sealed class YamlSection
{
    private readonly string file;
    private readonly string prefix;
    private readonly int line;
    private readonly Dictionary<string, int> lines;
    private readonly List<FileProblem> problems;
    private readonly Dictionary<string, YamlNode> values = new(StringComparer.Ordinal);
    private readonly List<string> known = [];

    internal YamlSection(string file, YamlNode node, Dictionary<string, int> lines, List<FileProblem> problems)
        : this(file, "", node, (int)node.Start.Line, lines, problems)
    {
    }

    private YamlSection(string file, string path, YamlNode? node, int line, Dictionary<string, int> lines, List<FileProblem> problems)
    {
        this.file = file;
        this.line = line;
        this.lines = lines;
        this.problems = problems;
        prefix = path.Length > 0 ? path + "." : "";
        IsMapping = node is YamlMappingNode || IsAbsent(node);
        IsStated = node is not null;
        if (node is YamlMappingNode mapping)
        {
            foreach (var (key, value) in mapping.Children)
            {
                var name = (key as YamlScalarNode)?.Value ?? "";
                values[name] = value;
                lines[prefix + name] = (int)key.Start.Line;
            }
        }
        else if (!IsMapping)
        {
            // Its keys are not missed one by one.
            problems.Add(new FileProblem(file, line, new Problem("EHR-CLI-030", path, "Must be a mapping: lines of «key: value».")));
        }
    }

    /// <summary>True unless something else stands here; what is absent is an empty mapping.</summary>
    internal bool IsMapping { get; }

    /// <summary>True when something stands here, were it an empty mapping.</summary>
    internal bool IsStated { get; }

    internal YamlSection Section(string key)
    {
        var node = Take(key);
        return new YamlSection(file, prefix + key, node, node is null ? line : lines[prefix + key], lines, problems);
    }

    /// <summary>The mappings of a list, with the path of each.</summary>
    internal IEnumerable<YamlSection> Sections(string key)
    {
        var node = Take(key);
        if (node is YamlSequenceNode list)
        {
            return [.. list.Children.Select((item, i) => Item($"{prefix}{key}[{i}]", item))];
        }

        if (!IsAbsent(node))
        {
            Add(key, "EHR-CLI-039", "Must be a list of mappings: «- key: value».");
        }

        return [];
    }

    private YamlSection Item(string path, YamlNode item)
    {
        lines[path] = (int)item.Start.Line;
        return new YamlSection(file, path, item, (int)item.Start.Line, lines, problems);
    }

    internal string RequiredText(string key)
    {
        var text = Text(key);
        if (text is null && IsMapping && !problems.Exists(problem => problem.Problem.Path == prefix + key))
        {
            Add(key, "EHR-CLI-031", "Is required.");
        }

        return text ?? "";
    }

    internal string? Text(string key) => Scalar(Take(key), key);

    internal long? Number(string key, long max)
    {
        var text = Text(key);
        if (text is null)
        {
            return null;
        }

        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number <= max && number >= -max)
        {
            return number;
        }

        Add(key, "EHR-CLI-032", $"Must be a whole number of at most {max}.");
        return null;
    }

    internal bool Flag(string key, bool absent)
    {
        switch (Text(key))
        {
            case null:
                return absent;
            case "true":
                return true;
            case "false":
                return false;
            default:
                Add(key, "EHR-CLI-038", "Must be true or false.");
                return absent;
        }
    }

    internal TEnum Word<TEnum>(string key, TEnum absent)
        where TEnum : struct, Enum => OptionalWord<TEnum>(key) ?? absent;

    internal TEnum? OptionalWord<TEnum>(string key)
        where TEnum : struct, Enum
    {
        var text = Text(key);
        if (text is null)
        {
            return null;
        }

        if (Words.TryParse<TEnum>(text, out var value))
        {
            return value;
        }

        Add(key, "EHR-CLI-033", $"Must be one of: {string.Join(", ", Words.All<TEnum>())}.");
        return null;
    }

    internal string[] Texts(string key)
    {
        var node = Take(key);
        if (IsAbsent(node))
        {
            return [];
        }

        if (node is not YamlSequenceNode list)
        {
            Add(key, "EHR-CLI-034", "Must be a list: lines of «- value», or [value, value].");
            return [];
        }

        return [.. list.Children.Select((item, i) => RequiredScalar(item, $"{key}[{i}]"))];
    }

    internal Dictionary<string, string> Pairs(string key)
    {
        var node = Take(key);
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        if (node is YamlMappingNode mapping)
        {
            foreach (var (name, value) in mapping.Children)
            {
                var text = (name as YamlScalarNode)?.Value ?? "";
                lines[$"{prefix}{key}.{text}"] = (int)name.Start.Line;
                pairs[text] = RequiredScalar(value, $"{key}.{text}");
            }
        }
        else if (!IsAbsent(node))
        {
            Add(key, "EHR-CLI-030", "Must be a mapping: lines of «key: value».");
        }

        return pairs;
    }

    /// <summary>A mapping as YAML text, to be read by whoever knows its form; what is wrong in it then is found by its lines here.</summary>
    internal string? Yaml(string key)
    {
        var node = Take(key);
        if (IsAbsent(node))
        {
            return null;
        }

        if (node is not YamlMappingNode)
        {
            Add(key, "EHR-CLI-030", "Must be a mapping: lines of «key: value».");
            return null;
        }

        NoteLines(prefix + key, node);
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        new YamlStream(new YamlDocument(node)).Save(text, assignAnchors: false);
        return text.ToString();
    }

    private void NoteLines(string path, YamlNode node)
    {
        if (node is not YamlMappingNode mapping)
        {
            return;
        }

        foreach (var (name, value) in mapping.Children)
        {
            var at = $"{path}.{(name as YamlScalarNode)?.Value}";
            lines[at] = (int)name.Start.Line;
            NoteLines(at, value);
        }
    }

    /// <summary>Called last: every key that no one asked for is a mistake.</summary>
    internal void RefuseUnknown()
    {
        foreach (var key in values.Keys.Except(known, StringComparer.Ordinal))
        {
            var message = key.Contains("secret", StringComparison.OrdinalIgnoreCase) || key.Contains("password", StringComparison.OrdinalIgnoreCase)
                ? "Secrets do not belong in a file like this: use «ehrgrains credential add TENANT --secret-file FILE»."
                : $"Is not a key here. Keys: {string.Join(", ", known.Order(StringComparer.Ordinal))}.";
            Add(key, "EHR-CLI-035", message);
        }
    }

    private YamlNode? Take(string key)
    {
        known.Add(key);
        return values.GetValueOrDefault(key);
    }

    private string RequiredScalar(YamlNode node, string key)
    {
        lines.TryAdd(prefix + key, (int)node.Start.Line);
        var text = Scalar(node, key);
        if (text is null && node is YamlScalarNode)
        {
            Add(key, "EHR-CLI-036", "Must not be empty.");
        }

        return text ?? "";
    }

    private string? Scalar(YamlNode? node, string key)
    {
        if (IsAbsent(node))
        {
            return null;
        }

        if (node is YamlScalarNode scalar)
        {
            return scalar.Value;
        }

        Add(key, "EHR-CLI-037", "Must be a single value.");
        return null;
    }

    // «key:» and «key: null» mean the same as leaving the key out (YAML 1.2 core schema).
    private static bool IsAbsent(YamlNode? node) =>
        node is null || (node is YamlScalarNode { Style: ScalarStyle.Plain } scalar && scalar.Value is null or "" or "~" or "null");

    private void Add(string key, string code, string message) =>
        problems.Add(new FileProblem(file, lines.GetValueOrDefault(prefix + key, line), new Problem(code, prefix + key, message)));
}
