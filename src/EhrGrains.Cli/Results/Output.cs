using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;
using EhrGrains.Contracts;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Results;

/// <summary>How results are printed.</summary>
internal enum OutputFormat
{
    /// <summary>For people.</summary>
    Table,

    /// <summary>For scripts: one JSON document; see docs/cli.md.</summary>
    Json,
}

/// <summary>Results go to standard output, everything else to standard error; so a pipe only ever holds data.</summary>
internal sealed class Output(OutputFormat format, bool isQuiet, TextWriter results, TextWriter diagnostics)
{
    /// <summary>Wide enough that no cell is wrapped when no one looks at it in a terminal.</summary>
    private const int PipeWidth = 10_000;

    private static readonly TimeSpan LookPeriod = TimeSpan.FromSeconds(1);

    internal static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.Create(UnicodeRanges.All),
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
    };

    private static readonly JsonSerializerOptions JsonLine = new(Json) { WriteIndented = false };

    internal OutputFormat Format { get; } = format;

    internal void Write<T>(T result, Func<T, IRenderable> show)
    {
        if (Format == OutputFormat.Json)
        {
            results.WriteLine(JsonSerializer.Serialize(result, Json));
        }
        else
        {
            Console(results, System.Console.IsOutputRedirected).Write(show(result));
        }
    }

    /// <summary>One of many results, on a line of its own.</summary>
    internal void WriteLine<T>(T result, Func<T, string> show) =>
        results.WriteLine(Format == OutputFormat.Json ? JsonSerializer.Serialize(result, JsonLine) : show(result));

    /// <summary>What the lines come to: the last line for people, apart from the data for scripts.</summary>
    internal void WriteTotal(string text) => (Format == OutputFormat.Json ? diagnostics : results).WriteLine(text);

    /// <summary>Writes a JSON document as it is.</summary>
    internal void WriteJson(string document) => results.WriteLine(document);

    /// <summary>Something good to know that is not the result.</summary>
    internal void Note(string text)
    {
        if (!isQuiet)
        {
            diagnostics.WriteLine(text);
        }
    }

    /// <summary>Something that the result alone would hide, for example a hospital that did not answer.</summary>
    internal void Warn(string text) => diagnostics.WriteLine(text);

    /// <summary>Everything that is wrong: a line each, or one JSON document.</summary>
    internal void Refuse(ProblemException refusal)
    {
        if (Format == OutputFormat.Json)
        {
            diagnostics.WriteLine(JsonSerializer.Serialize(new Refusal(refusal.Kind, refusal.Problems), Json));
            return;
        }

        foreach (var problem in refusal.Problems)
        {
            diagnostics.WriteLine($"error: {(problem.Path.Length > 0 ? problem.Path + ": " : "")}{problem.Message} [{problem.Code}]");
        }
    }

    /// <summary>
    /// Looks again and again until something is over, and shows meanwhile how far it is: a bar where somebody looks, a line whenever
    /// there is something new where a file does.
    /// </summary>
    /// <param name="look">How it stands.</param>
    /// <param name="progress">How far that is, 0 to 1, and in words.</param>
    /// <param name="isOver">Whether it is over.</param>
    /// <param name="cancellationToken">Ends the waiting, not what is waited for.</param>
    internal async Task<T> WaitAsync<T>(Func<Task<T>> look, Func<T, (double Share, string Text)> progress, Func<T, bool> isOver, CancellationToken cancellationToken)
    {
        var said = "";
        var bar = new Progress(AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(diagnostics) })) { AutoClear = true };
        return isQuiet || System.Console.IsErrorRedirected
            ? await WaitAsync(SayOnce)
            : await bar.Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn()).StartAsync(context =>
            {
                var task = context.AddTask("", maxValue: 1);
                return WaitAsync(text => task.Description = Markup.Escape(text), share => task.Value = share);
            });

        void SayOnce(string text)
        {
            if (text != said)
            {
                Note(said = text);
            }
        }

        async Task<T> WaitAsync(Action<string> say, Action<double>? show = null)
        {
            while (true)
            {
                var found = await look();
                var (share, text) = progress(found);
                show?.Invoke(share);
                say(text);
                if (isOver(found))
                {
                    return found;
                }

                await Task.Delay(LookPeriod, TimeProvider.System, cancellationToken);
            }
        }
    }

    private static IAnsiConsole Console(TextWriter writer, bool isRedirected)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        if (isRedirected)
        {
            console.Profile.Width = PipeWidth;
        }

        return console;
    }
}

/// <summary>A refusal as <c>-o json</c> prints it to standard error.</summary>
internal sealed record Refusal(ProblemKind Kind, Problem[] Problems);
