using System.Globalization;
using Spectre.Console;

namespace EhrGrains.Cli.Results;

/// <summary>The two shapes in which people see results: a table of like things, and the facts of one thing.</summary>
internal static class Tables
{
    internal static Table Rows<T>(IEnumerable<T> items, params (string Title, Func<T, object?> Value)[] columns)
    {
        var table = new Table().Border(TableBorder.None);
        foreach (var (title, _) in columns)
        {
            table.AddColumn(new TableColumn(new Text(title.ToUpperInvariant(), new Style(decoration: Decoration.Bold))).PadRight(2).NoWrap());
        }

        foreach (var item in items)
        {
            table.AddRow(columns.Select(column => Cell(column.Value(item))));
        }

        return table;
    }

    internal static Grid Facts(params (string Name, object? Value)[] facts)
    {
        var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn();
        foreach (var (name, value) in facts.Where(fact => fact.Value is not null and not ""))
        {
            grid.AddRow(new Text(name, new Style(decoration: Decoration.Bold)), Cell(value));
        }

        return grid;
    }

    private static Text Cell(object? value) => new(value switch
    {
        null => "",
        bool flag => flag ? "yes" : "no",
        DateTimeOffset time => time.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        IEnumerable<string> texts => Clean(string.Join(" ", texts)),
        IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
        _ => Clean(value.ToString() ?? ""),
    });

    // Names come from other systems; a control character in one must not drive the operator's terminal.
    private static string Clean(string text) =>
        text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? '·' : c)) : text;
}
