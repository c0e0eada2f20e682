using System.CommandLine;
using EhrGrains.Cli.Results;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary>
/// A command that does something: a function from its arguments to a result, and how people see that result. Scripts see it as
/// JSON of the same type.
/// </summary>
internal sealed class Verb(string name, string description) : Command(name, description)
{
    /// <summary>The type of the result, for the reference; null: FHIR, as it came.</summary>
    internal Type? Result { get; private set; }

    internal Verb Answers<T>(Func<Invocation, Task<T>> run, Func<T, IRenderable> show, Func<T, ExitCode>? exit = null)
    {
        Result = typeof(T);
        return Runs(async invocation =>
        {
            var result = await run(invocation);
            invocation.Output.Write(result, show);
            return exit?.Invoke(result) ?? ExitCode.Ok;
        });
    }

    internal Verb Runs(Func<Invocation, Task<ExitCode>> run)
    {
        SetAction((arguments, cancellationToken) => Invocation.RunAsync(arguments, run, cancellationToken));
        return this;
    }
}
