using System.Globalization;
using Spectre.Console;

namespace EhrGrains.Demo;

/// <summary>Says what the demo does, step by step; in plain text where no one sits at a terminal.</summary>
internal sealed class Narrator(IAnsiConsole console)
{
    private int steps;

    /// <summary>Runs one step; it says what came of it, or fails with a sentence.</summary>
    internal async Task StepAsync(string title, Func<Task<string>> run)
    {
        var started = TimeProvider.System.GetTimestamp();
        console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[bold]{++steps,2}. {title}[/]");
        var result = await run();
        var seconds = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"    [green]ok[/] {result} [dim]({seconds:F1} s)[/]");
    }

    internal void Table(string[] columns, IEnumerable<string[]> rows)
    {
        var table = new Table().Border(TableBorder.None);
        foreach (var column in columns)
        {
            table.AddColumn(new TableColumn(new Text(column, new Style(decoration: Decoration.Bold))).PadLeft(0).PadRight(2).NoWrap());
        }

        foreach (var row in rows)
        {
            table.AddRow(row.Select(cell => new Text(cell)));
        }

        console.Write(new Padder(table, new Padding(4, 0, 0, 0)));
    }

    internal void Say(string text) => console.WriteLine(text);

    internal void Failed(string sentence) => console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"    [red]failed[/] {sentence}");
}

/// <summary>A check of the demo that did not hold, as a sentence.</summary>
internal sealed class CheckFailedException(string sentence) : Exception(sentence)
{
    internal static void Unless(bool holds, string sentence)
    {
        if (!holds)
        {
            throw new CheckFailedException(sentence);
        }
    }
}
