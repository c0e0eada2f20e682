using System.Text;

namespace EhrGrains.Hl7v2.Tests;

/// <summary>
/// Makes the compact tables of the library from the facts that HL7 publishes for v2+ (names, numbers, types, cardinality,
/// lengths; CC0): tab-separated files of segments, data types and message structures.
/// </summary>
internal static class TableSource
{
    private sealed record Row(string Of, string Position, string Name, string Type, string Min, string Max, string Optionality, string Length);

    /// <summary>A block for each segment or data type: its name, then a line for each field: number, type, optionality, repetitions, length, name.</summary>
    internal static string Fields(string path)
    {
        var text = new StringBuilder("# Made from HL7's v2+ tables by the tests; do not edit. A line: number, type, optionality, most repetitions, length, name.\n");
        foreach (var definition in Read(path).GroupBy(row => row.Of).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            text.Append(definition.Key).Append('\n');
            foreach (var row in definition.Where(row => int.TryParse(row.Position, out _)).OrderBy(row => int.Parse(row.Position)))
            {
                var type = row.Type.Length == 0 ? "-" : row.Type;
                var optionality = row.Optionality is "" or "-" ? "O" : row.Optionality[..1];
                var max = row.Max is "" or "0" ? "1" : row.Max;
                text.Append($"{row.Position} {type} {optionality} {max} {LengthOf(row.Length)} {row.Name.TrimEnd('*', '+', ' ')}\n");
            }
        }

        return text.ToString();
    }

    /// <summary>A line for each structure: segments and groups in order, each followed by how often.</summary>
    internal static string Structures(string path)
    {
        var text = new StringBuilder("# Made from HL7's v2+ tables by the tests; do not edit. ID, ID? (at most one), ID* (any number), ID+ (at least one), NAME?[ … ].\n");
        // Variants of a structure (ADT_A01-A, -B, …) differ in their events only.
        var structures = Read(path).Where(row => row.Of.Contains('_', StringComparison.Ordinal) || row.Of == "ACK")
            .GroupBy(row => row.Of).GroupBy(group => group.Key.Split('-')[0]).OrderBy(group => group.Key, StringComparer.Ordinal);
        foreach (var structure in structures)
        {
            var rows = structure.First().Where(row => !row.Position.Contains("Hxx", StringComparison.Ordinal) && !row.Position.Contains("FIXME", StringComparison.Ordinal)).ToArray();
            var body = Body(rows, "");
            if (body.StartsWith(" MSH", StringComparison.Ordinal))
            {
                text.Append(structure.Key).Append(body).Append('\n');
            }
        }

        return text.ToString();
    }

    private static string Body(Row[] rows, string parent)
    {
        var text = new StringBuilder();
        foreach (var row in rows.Where(row => ParentOf(row.Position) == parent))
        {
            var isGroup = row.Type == "BackboneElement";
            var children = isGroup ? Body(rows, row.Position) : "";
            if (isGroup ? children.Length > 0 : row.Type.Length == 3)
            {
                text.Append(' ').Append(isGroup ? GroupName(row.Position) : row.Type).Append(HowOften(row)).Append(isGroup ? $"[{children} ]" : "");
            }
        }

        return text.ToString();
    }

    private static string ParentOf(string position) => position.LastIndexOf('.') is >= 0 and var at ? position[..at] : "";

    private static string GroupName(string position)
    {
        var last = position[(position.LastIndexOf('.') + 1)..];
        return last.StartsWith("choice-", StringComparison.Ordinal) ? last.Replace('-', '_').ToUpperInvariant() : last[(last.IndexOf('-') + 1)..].Replace(' ', '_');
    }

    private static string HowOften(Row row) => (row.Min, row.Max) switch
    {
        ("0", "1") => "?",
        ("0", _) => "*",
        (_, "1") => "",
        _ => "+",
    };

    // "length" is what a receiver must be able to take, and no limit; only "max" is one.
    private static string LengthOf(string length) =>
        length.Split(',').FirstOrDefault(part => part.StartsWith("max=", StringComparison.Ordinal))?["max=".Length..] ?? "-";

    private static IEnumerable<Row> Read(string path) => File.ReadLines(path).Skip(1).Select(line => line.Split('\t')).Where(cells => cells.Length >= 8)
        .Select(cells => new Row(cells[0], cells[1], cells[2].Trim(), cells[3], cells[4], cells[5], cells[6], cells[7]));
}
