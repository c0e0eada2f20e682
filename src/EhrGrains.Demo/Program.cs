using System.CommandLine;
using EhrGrains.Demo;
using Spectre.Console;

var once = new Option<bool>("--once") { Description = "Show everything in a throw-away directory on free ports, then end: 0 when every check held." };
var data = new Option<string>("--data-directory")
{
    Description = "Where the silo keeps its database and keys, and the demo its app's context.",
    HelpName = "DIR",
    DefaultValueFactory = _ => "./ehrgrains-data",
};
var sync = new Option<bool>("--sync")
{
    Description = "Instead: six hospitals, one of each EHR product, whose patients are copied, compared, changed there and compared again.",
};
var root = new RootCommand("Starts a silo and three simulated hospitals, onboards them, queries them, and keeps running until Ctrl+C.") { once, data, sync };
root.SetAction(async (arguments, cancellationToken) =>
{
    var console = AnsiConsole.Console;
    if (Console.IsOutputRedirected)
    {
        console.Profile.Width = 200;
    }

    var (isOnce, directory) = (arguments.GetValue(once), arguments.GetValue(data)!);
    return await (arguments.GetValue(sync)
        ? Stage.PlayAsync<SixSites>(new Narrator(console), isOnce, directory, cancellationToken)
        : Stage.PlayAsync<Demonstration>(new Narrator(console), isOnce, directory, cancellationToken));
});
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
