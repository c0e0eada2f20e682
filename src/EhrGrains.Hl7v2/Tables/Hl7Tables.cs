using System.Collections.Frozen;
using System.Globalization;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Tables;

/// <summary>
/// What the standard says of segments, data types and message structures of 2.1 to 2.9: names, types, how often, how long. Read
/// once, at first use. Safe for use by several threads.
/// </summary>
public static class Hl7Tables
{
    private static readonly Lazy<FrozenDictionary<string, Hl7Field[]>> SegmentFields = new(() => ReadFields("segments.txt", ReadWithdrawn()));
    private static readonly Lazy<FrozenDictionary<string, Hl7Field[]>> TypeComponents = new(() => ReadFields("datatypes.txt", []));
    private static readonly Lazy<FrozenDictionary<string, Hl7Structure>> Structures = new(ReadStructures);
    private static readonly Lazy<FrozenDictionary<string, string>> Events = new(ReadEvents);

    /// <summary>The fields of a segment, in order; empty when the standard has no such segment.</summary>
    public static IReadOnlyList<Hl7Field> Fields(string segment) => SegmentFields.Value.GetValueOrDefault(segment) ?? [];

    /// <summary>The components of a data type, in order; empty for a simple type, or one that the standard does not have.</summary>
    public static IReadOnlyList<Hl7Field> Components(string type) => TypeComponents.Value.GetValueOrDefault(type) ?? [];

    /// <summary>The message structure of that name, for example ADT_A01; null when the standard has none.</summary>
    public static Hl7Structure? Structure(string name) => Structures.Value.GetValueOrDefault(name);

    /// <summary>
    /// The name of the structure of a message: as MSH-9.3 states it, or MSH-9.2 as some senders write it; else as its code and
    /// trigger event imply it (HL7 table 0354). Null when none is known.
    /// </summary>
    public static string? StructureOf(Hl7Message message)
    {
        ArgumentNullException.ThrowIfNull(message);
        var type = message["MSH-9[1]"];
        var (code, trigger, stated) = (type.Component(1).GetString(), type.Component(2).GetString(), type.Component(3).GetString());
        if (Structures.Value.ContainsKey(stated))
        {
            return stated;
        }

        return Structures.Value.ContainsKey(trigger) ? trigger
            : Structures.Value.ContainsKey(code) ? code
            : Events.Value.GetValueOrDefault($"{code}_{trigger}")
            ?? (Structures.Value.ContainsKey($"{code}_{trigger}") ? $"{code}_{trigger}" : null);
    }

    /// <summary>The version that MSH-12.1 names.</summary>
    public static Hl7Version VersionOf(Hl7Message message)
    {
        ArgumentNullException.ThrowIfNull(message);
        return message["MSH-12.1"].GetString() switch
        {
            "2.1" => Hl7Version.V21,
            "2.2" => Hl7Version.V22,
            "2.3" => Hl7Version.V23,
            "2.3.1" => Hl7Version.V231,
            "2.4" => Hl7Version.V24,
            "2.5" => Hl7Version.V25,
            "2.5.1" => Hl7Version.V251,
            "2.6" => Hl7Version.V26,
            "2.7" => Hl7Version.V27,
            "2.7.1" => Hl7Version.V271,
            "2.8" => Hl7Version.V28,
            "2.8.1" => Hl7Version.V281,
            "2.8.2" => Hl7Version.V282,
            "2.9" => Hl7Version.V29,
            "2.9.1" => Hl7Version.V291,
            _ => Hl7Version.Unknown,
        };
    }

    private static FrozenDictionary<string, Hl7Field[]> ReadFields(string name, Dictionary<(string, int), (string Type, string Max)> withdrawn)
    {
        var tables = new Dictionary<string, List<Hl7Field>>(StringComparer.Ordinal);
        var id = "";
        foreach (var line in Lines(name))
        {
            if (!char.IsAsciiDigit(line[0]))
            {
                id = line;
                tables[id] = [];
                continue;
            }

            var cells = line.Split(' ', 6);
            var number = int.Parse(cells[0], CultureInfo.InvariantCulture);
            var (type, max) = withdrawn.GetValueOrDefault((id, number), (cells[1] == "-" ? "" : cells[1], cells[3]));
            tables[id].Add(new Hl7Field(number, cells[5], type, OptionalityOf(cells[2]), Count(max) ?? int.MaxValue, Count(cells[4])));
        }

        return tables.ToFrozenDictionary(pair => pair.Key, pair => pair.Value.ToArray(), StringComparer.Ordinal);
    }

    private static Dictionary<(string, int), (string Type, string Max)> ReadWithdrawn() =>
        Lines("withdrawn.txt").Select(line => line.Split(' '))
            .ToDictionary(cells => (cells[0], int.Parse(cells[1], CultureInfo.InvariantCulture)), cells => (cells[2], cells[3]));

    private static int? Count(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : null;

    private static Hl7Optionality OptionalityOf(string letter) => letter switch
    {
        "R" => Hl7Optionality.Required,
        "C" => Hl7Optionality.Conditional,
        "B" => Hl7Optionality.Backward,
        "W" => Hl7Optionality.Withdrawn,
        _ => Hl7Optionality.Optional,
    };

    private static FrozenDictionary<string, Hl7Structure> ReadStructures()
    {
        var structures = new Dictionary<string, Hl7Structure>(StringComparer.Ordinal);
        foreach (var line in Lines("structures.txt").Concat(Lines("structures-older.txt")))
        {
            var tokens = line.Split(' ');
            var next = 1;
            structures.Add(tokens[0], new Hl7Structure(tokens[0], true, false, ReadChildren(tokens, ref next)));
        }

        return structures.ToFrozenDictionary(StringComparer.Ordinal);
    }

    private static List<Hl7Structure> ReadChildren(string[] tokens, ref int next)
    {
        var children = new List<Hl7Structure>();
        for (; next < tokens.Length && tokens[next] != "]"; next++)
        {
            var token = tokens[next];
            var isGroup = token.EndsWith('[');
            token = isGroup ? token[..^1] : token;
            var name = token.TrimEnd('?', '*', '+');
            var often = token.Length > name.Length ? token[^1] : ' ';
            next += isGroup ? 1 : 0;
            children.Add(new Hl7Structure(name, often is ' ' or '+', often is '*' or '+', isGroup ? ReadChildren(tokens, ref next) : []));
        }

        return children;
    }

    private static FrozenDictionary<string, string> ReadEvents() =>
        Lines("events.txt").Select(line => line.Split(' '))
            .SelectMany(cells => cells.Skip(1).Select(trigger => (Event: $"{cells[0].Split('_')[0]}_{trigger}", Structure: cells[0])))
            .ToFrozenDictionary(pair => pair.Event, pair => pair.Structure, StringComparer.Ordinal);

    private static IEnumerable<string> Lines(string name)
    {
        using var stream = typeof(Hl7Tables).Assembly.GetManifestResourceStream($"EhrGrains.Hl7v2.Tables.{name}")
            ?? throw new InvalidOperationException($"The table {name} is missing in the assembly.");
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0 && line[0] != '#')
            {
                yield return line;
            }
        }
    }
}
