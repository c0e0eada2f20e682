using System.CommandLine;
using EhrGrains.Cli.Results;

namespace EhrGrains.Cli.Commands;

/// <summary>The options that every command has.</summary>
internal static class GlobalOptions
{
    internal const string ContextVariable = "EHRGRAINS_CONTEXT";

    /// <summary>Where a silo in embedded mode, started here, leaves its operator's context.</summary>
    internal const string ContextDefault = "./ehrgrains-data/operator.json";

    internal static readonly Option<string?> Context = new("--context")
    {
        Description = $"Context file: which cluster, as which app. Else ${ContextVariable}, else {ContextDefault}.",
        HelpName = "FILE",
        Recursive = true,
    };

    internal static readonly Option<OutputFormat> Output = Parameters.Word<OutputFormat>("--output", "How results are printed.", "-o");

    internal static readonly Option<int> TimeoutSeconds = new("--timeout")
    {
        Description = "Give up after this many seconds, 1 to 86400.",
        HelpName = "SECONDS",
        DefaultValueFactory = _ => 300,
        Recursive = true,
    };

    internal static readonly Option<bool> Quiet = new("--quiet", "-q") { Description = "No notes on standard error; errors only.", Recursive = true };

    internal static readonly Option<bool> Verbose = new("--verbose", "-v") { Description = "The client's own log on standard error.", Recursive = true };

    internal static void AddTo(RootCommand root)
    {
        Output.Recursive = true;
        TimeoutSeconds.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > 86_400)
            {
                result.AddError("--timeout is a number of seconds from 1 to 86400.");
            }
        });
        root.Add(Context);
        root.Add(Output);
        root.Add(TimeoutSeconds);
        root.Add(Quiet);
        root.Add(Verbose);
    }
}
